//! Instructions of one event, from the watch's line to the decision: repeatable, whatever else the machine does.

use std::{collections::BTreeMap, fmt::Write as _, process::Command};

use federation_health_api::foreign;
use federation_health_core::{
    facts::{Change, Feed, FeedState, ObjectKey},
    federation::{Federation, Policy},
    id::Text,
    objects::FEDERATED_WORKSPACE,
    time::Time,
};
use federation_health_index::facts;
use serde_json::json;

use super::Failure;

/// Enough to drown what the first event of a kind allocates.
const RECREATIONS: usize = 1000;

/// Counts at each size: the instructions with a thousand recreations, less those with none.
pub fn run(sizes: &[usize]) -> Result<String, Failure> {
    let mut text = format!("{:>10}  {:>24}\n", "WORKSPACES", "INSTRUCTIONS/RECREATION");
    for size in sizes {
        let (none, many) = (count(*size, 0)?, count(*size, RECREATIONS)?);
        writeln!(
            text,
            "{size:>10}  {:>24}",
            many.saturating_sub(none) / RECREATIONS as u64
        )?;
    }
    text.push_str("One recreation is four watch lines (deleting, gone, created, bound namespace): decoded, judged, hold planned.\n");
    Ok(text)
}

fn count(workspaces: usize, recreations: usize) -> Result<u64, Failure> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["events", &workspaces.to_string(), &recreations.to_string()])
        .output()
        .map_err(|error| {
            format!("valgrind cannot be started: {error}; install Debian's package valgrind")
        })?;
    let report = String::from_utf8_lossy(&output.stderr);
    let collected = report.lines().find_map(|line| {
        line.split_once("Collected : ")
            .map(|(_, n)| n.trim().to_owned())
    });
    Ok(collected
        .ok_or_else(|| format!("valgrind counted nothing: {report}"))?
        .parse()?)
}

/// The work that is counted.
pub fn child(workspaces: &str, recreations: &str) -> Result<String, Failure> {
    let mut world = World::new(workspaces.parse()?)?;
    for round in 0..recreations.parse()? {
        world.recreate(round)?;
    }
    Ok(format!("{}\n", world.federation.ledger().recreations()))
}

struct World {
    federation: Federation,
    now: Time,
}

impl World {
    fn new(workspaces: usize) -> Result<Self, Failure> {
        let mut world = Self {
            federation: Federation::default(),
            now: Time(1_700_000_000_000),
        };
        world.federation.set_policy(
            Policy {
                namespace: Text::from("kube-federation-system"),
                ..Policy::default()
            },
            world.now,
        );
        let federated = Feed::Federated(Text::from(FEDERATED_WORKSPACE));
        for feed in [
            Feed::Registrations,
            Feed::Workspaces,
            Feed::Namespaces,
            federated,
        ] {
            world.apply(Change::Feed(feed, FeedState::Synced));
        }
        let registration: foreign::KubeFedCluster = serde_json::from_value(json!({
            "metadata": {"name": "host", "namespace": "kube-federation-system", "uid": uid(1, 0), "labels": {"cluster-role.kubesphere.io/host": ""}},
            "spec": {"apiEndpoint": "https://127.0.0.1:6443"},
        }))?;
        let (key, facts) = facts::registration(&registration);
        world.apply(Change::Registration(key, Some(facts)));
        for i in 0..workspaces {
            world.workspace(i)?;
        }
        Ok(world)
    }

    fn apply(&mut self, change: Change) {
        self.now = self.now.plus_ms(10);
        self.federation.apply(change, self.now);
    }

    fn workspace(&mut self, i: usize) -> Result<(), Failure> {
        let name = format!("workspace-{i:06}");
        let desired: foreign::FederatedObject = serde_json::from_value(json!({
            "metadata": {"name": name, "uid": uid(2, i), "generation": 1},
            "spec": {"placement": {"clusters": [{"name": "host"}]}},
        }))?;
        let (key, wish) = facts::desired(&desired)?;
        self.apply(Change::Template(key.name.clone(), Some(wish.clone())));
        self.apply(Change::Federated(
            Text::from(FEDERATED_WORKSPACE),
            ObjectKey {
                namespace: Text::default(),
                ..key
            },
            Some(wish),
        ));
        self.seen(&line(&name, &uid(3, i), false))?;
        self.bound(&name, &uid(3, i))
    }

    /// The Workspace in the middle dies and comes back.
    fn recreate(&mut self, round: usize) -> Result<(), Failure> {
        let name = format!("workspace-{:06}", 50);
        let (old, new) = if round == 0 {
            (uid(3, 50), uid(4, 0))
        } else {
            (uid(4, round - 1), uid(4, round))
        };
        self.seen(&line(&name, &old, true))?;
        let gone: foreign::Object = serde_json::from_str(&line(&name, &old, true))?;
        self.apply(Change::Workspace(Text::from(gone.metadata.name), None));
        self.seen(&line(&name, &new, false))?;
        self.bound(&name, &new)
    }

    fn seen(&mut self, line: &str) -> Result<(), Failure> {
        let object: foreign::Object = serde_json::from_str(line)?;
        let (name, facts) = facts::workspace(&object, None);
        self.apply(Change::Workspace(name, Some(facts)));
        Ok(())
    }

    fn bound(&mut self, workspace: &str, owner: &str) -> Result<(), Failure> {
        let object: foreign::Object = serde_json::from_value(json!({"metadata": {
            "name": format!("{workspace}-ns"), "uid": uid(5, 0), "labels": {"kubesphere.io/workspace": workspace},
            "ownerReferences": [{"apiVersion": "tenant.kubesphere.io/v1alpha1", "kind": "Workspace", "name": workspace, "uid": owner}],
        }}))?;
        let name = Text::from(object.metadata.name.as_str());
        self.apply(Change::Namespace(name, facts::namespace(&object)));
        Ok(())
    }
}

fn uid(sort: u16, i: usize) -> String {
    format!("00000000-0000-{sort:04x}-0000-{i:012x}")
}

/// A Workspace as the API server sends it, managed fields included.
fn line(name: &str, uid: &str, deleting: bool) -> String {
    let mut metadata = BTreeMap::from([
        ("name", json!(name)),
        ("uid", json!(uid)),
        ("resourceVersion", json!("123456")),
        ("generation", json!(3)),
        ("creationTimestamp", json!("2026-11-23T06:23:44Z")),
        ("labels", json!({"kubefed.io/managed": "true"})),
        ("finalizers", json!(["finalizers.tenant.kubesphere.io"])),
        (
            "managedFields",
            json!([{"manager": "controller-manager", "operation": "Update", "fieldsV1": {"f:metadata": {"f:labels": {"f:kubefed.io/managed": {}}}}}]),
        ),
    ]);
    if deleting {
        metadata.insert("deletionTimestamp", json!("2026-11-23T06:24:44Z"));
    }
    json!({"apiVersion": "tenant.kubesphere.io/v1alpha1", "kind": "Workspace", "metadata": metadata, "spec": {"manager": "admin"}}).to_string()
}
