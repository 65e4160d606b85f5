//! An independent watcher: what became of Workspaces and namespaces, whatever anybody else says.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use federation_health_testbed::{
    error::Result,
    kinds,
    wait::{self, Look},
};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::DynamicObject,
    runtime::{WatchStreamExt as _, watcher},
};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

/// Two lists of a small federation.
const FIRST_LISTS: Duration = Duration::from_secs(30);

/// An object that was doomed: it got a deletionTimestamp, went, or was replaced under its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Loss {
    /// `Workspace` or `Namespace`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// UID of the one that was lost.
    pub uid: String,
}

#[derive(Default)]
struct Seen {
    listed: usize,
    alive: BTreeMap<(&'static str, String), String>,
    losses: Vec<Loss>,
}

impl Seen {
    fn lose(&mut self, kind: &'static str, name: &str, uid: String) {
        let loss = Loss {
            kind,
            name: name.to_owned(),
            uid,
        };
        if !self.losses.contains(&loss) {
            self.losses.push(loss);
        }
    }

    fn see(&mut self, kind: &'static str, name: &str, uid: String, doomed: bool) {
        let former = self.alive.insert((kind, name.to_owned()), uid.clone());
        if let Some(former) = former.filter(|former| *former != uid) {
            self.lose(kind, name, former);
        }
        if doomed {
            self.lose(kind, name, uid);
        }
    }

    fn miss(&mut self, kind: &'static str, name: &str) {
        if let Some(uid) = self.alive.remove(&(kind, name.to_owned())) {
            self.lose(kind, name, uid);
        }
    }
}

/// Watches as an administrator until it is dropped. It survives restarts of the API server.
pub struct Witness {
    seen: Arc<Mutex<Seen>>,
    _watches: JoinSet<()>,
}

impl Witness {
    /// Starts both watches and waits for their first lists.
    pub async fn start(client: &Client) -> Result<Self> {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let mut watches = JoinSet::new();
        let workspaces = kinds::all(client, &kinds::workspace());
        watches.spawn(follow::<DynamicObject>(
            "Workspace",
            workspaces,
            Arc::clone(&seen),
        ));
        let namespaces = Api::all(client.clone());
        watches.spawn(follow::<Namespace>(
            "Namespace",
            namespaces,
            Arc::clone(&seen),
        ));
        let witness = Self {
            seen,
            _watches: watches,
        };
        wait::until("the witness to list both kinds", FIRST_LISTS, || async {
            Ok(match witness.seen().listed {
                2.. => Look::Done(()),
                listed => Look::Pending(format!("{listed} of 2")),
            })
        })
        .await?;
        Ok(witness)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many losses there were so far, for [`Witness::losses_since`].
    pub fn mark(&self) -> usize {
        self.seen().losses.len()
    }

    /// What was lost after that mark.
    pub fn losses_since(&self, mark: usize) -> Vec<Loss> {
        self.seen().losses.iter().skip(mark).cloned().collect()
    }
}

async fn follow<K>(kind: &'static str, api: Api<K>, seen: Arc<Mutex<Seen>>)
where
    K: Resource + Clone + std::fmt::Debug + DeserializeOwned + Send + 'static,
{
    let mut events = watcher(api, watcher::Config::default())
        .default_backoff()
        .boxed();
    let mut listed = Vec::new();
    while let Some(event) = events.next().await {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let apply = |seen: &mut Seen, object: &K| {
            let doomed = object.meta().deletion_timestamp.is_some();
            seen.see(
                kind,
                &object.name_any(),
                object.uid().unwrap_or_default(),
                doomed,
            );
        };
        match event {
            Ok(watcher::Event::Init) => listed.clear(),
            Ok(watcher::Event::InitApply(object)) => {
                listed.push(object.name_any());
                apply(&mut seen, &object);
            }
            Ok(watcher::Event::InitDone) => {
                let gone: Vec<String> = seen
                    .alive
                    .keys()
                    .filter(|(k, name)| *k == kind && !listed.contains(name))
                    .map(|(_, name)| name.clone())
                    .collect();
                for name in gone {
                    seen.miss(kind, &name);
                }
                seen.listed += 1;
            }
            Ok(watcher::Event::Apply(object)) => apply(&mut seen, &object),
            Ok(watcher::Event::Delete(object)) => seen.miss(kind, &object.name_any()),
            // The watcher comes back by itself and lists again.
            Err(_) => {}
        }
    }
}
