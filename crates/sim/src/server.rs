//! The server: one lock around the state, every request through faults, admission, commit and the audit trail.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::{
    audit::AuditEntry,
    call::{Call, Target, Verb},
    change,
    clock::Clock,
    create, delete,
    faults::Effect,
    read,
    refusal::Refusal,
    reply::{Form, Reply},
    state::State,
    watch::Watch,
};

/// A shared handle to one API server.
#[derive(Clone)]
pub(crate) struct Server(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    clock: Clock,
    cuts: watch::Sender<u64>,
}

impl Server {
    pub(crate) fn new(clock: Clock, seed: u64) -> Self {
        Self(Arc::new(Inner {
            state: Mutex::new(State::new(clock.clone(), seed)),
            clock,
            cuts: watch::Sender::new(0),
        }))
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Whether two handles mean one server.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The state. A panic of another holder leaves it between two requests, never within one.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Breaks the connection of every running watch.
    pub(crate) fn cut_watches(&self) {
        self.0.cuts.send_modify(|n| *n += 1);
    }

    /// What the injected faults do to a call.
    pub(crate) fn fault(&self, call: &Call) -> Option<Effect> {
        let faults = self.lock().faults.clone();
        if faults.is_empty() {
            return None;
        }
        let facts = call.facts();
        faults.iter().find_map(|fault| (fault.0)(&facts))
    }

    /// Carries out any call but a watch.
    pub(crate) fn execute(&self, call: &Call) -> Result<Reply, Refusal> {
        let mut state = self.lock();
        let answer = dispatch(&mut state, call);
        let entry = entry(&state, call, &answer);
        state.trail.record(entry);
        answer
    }

    /// Opens a watch.
    pub(crate) fn watch(&self, call: &Call, form: Form) -> Result<Watch, Refusal> {
        let mut state = self.lock();
        let cut = self.0.cuts.subscribe();
        let watch = state
            .resolve(&call.target)
            .and_then(|served| Watch::open(self, &state, call, &served, form, cut));
        let answer = watch
            .as_ref()
            .map(|_| Reply::raw(200, serde_json::Value::Null));
        let entry = entry(&state, call, &answer.map_err(Clone::clone));
        state.trail.record(entry);
        watch
    }

    /// Records a refusal that happened before the call reached the state.
    pub(crate) fn refuse(&self, call: &Call, refusal: Refusal) -> Refusal {
        let mut state = self.lock();
        let entry = entry(&state, call, &Err(refusal.clone()));
        state.trail.record(entry);
        refusal
    }
}

fn dispatch(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let served = state.resolve(&call.target)?;
    if !served.kind.verbs.contains(&call.verb.name()) {
        return Err(Refusal::method_not_allowed());
    }
    let Target {
        namespace, name, ..
    } = &call.target;
    if served.kind.namespaced
        && namespace.is_empty()
        && (!name.is_empty() || call.verb == Verb::Create)
    {
        return Err(Refusal::bad_request(
            "an empty namespace may not be set when a resource name is provided",
        ));
    }
    if !served.kind.namespaced && !namespace.is_empty() {
        return Err(Refusal::page_not_found());
    }
    match call.verb {
        Verb::Get => read::get(state, call, &served),
        Verb::List => read::list(state, call, &served),
        Verb::Create => create::create(state, call, &served),
        Verb::Update => change::update(state, call, &served),
        Verb::Patch(form) => change::patch(state, call, &served, form),
        Verb::Delete => delete::delete(state, call, &served),
        Verb::DeleteCollection => delete::delete_collection(state, call, &served),
        // Watches are streams and take their own way.
        Verb::Watch => Err(Refusal::method_not_allowed()),
    }
}

fn entry(state: &State, call: &Call, answer: &Result<Reply, Refusal>) -> AuditEntry {
    let (code, uid, message) = match answer {
        Ok(reply) => (reply.code(), reply.uid().to_owned(), String::new()),
        Err(refusal) => (refusal.code, String::new(), refusal.message.clone()),
    };
    let target = call.target.clone();
    let created = match answer {
        Ok(Reply::Object { object, .. }) if target.name.is_empty() => {
            crate::json::meta(object, "name").to_owned()
        }
        _ => target.name,
    };
    AuditEntry {
        at: state.clock.now(),
        user: call.caller.user.to_string(),
        verb: call.verb.name(),
        group: target.group,
        resource: target.plural,
        subresource: target.subresource,
        namespace: target.namespace,
        name: created,
        uid,
        dry_run: call.dry_run(),
        code,
        message,
    }
}
