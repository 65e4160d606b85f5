//! Judges each write of the operator to other people's objects when the server takes it, by what is true then.

use std::{
    fmt::Write as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use federation_health_core::remedy::experiment::CANARY;
use federation_health_sim::{Clock, Denial, Review, Sim, resources};
use serde_json::Value;

use crate::{
    guarded::USER,
    simulated::{ALIAS, PLANE},
};

/// What was true this long ago may still be acted on: a watch, a live read and a write lie between.
const LAG_MS: i64 = 5_000;
/// Since ever, and never.
const ALWAYS: i64 = i64::MIN / 2;
const NEVER: i64 = i64::MAX / 2;

/// Sees every write, and remembers what was wrong.
pub(super) struct Judge {
    clock: Clock,
    wrong: Mutex<Vec<String>>,
    /// Since when remediation is paused, in milliseconds.
    paused: AtomicI64,
    /// A person asked acts back, and by that has looked at all of them.
    asked: AtomicBool,
    /// When the second registration was last there.
    doubled: AtomicI64,
    /// How often somebody started KubeFed again after us.
    starts: AtomicI64,
}

impl Judge {
    /// Lets a judge see everything that this server takes.
    pub(super) fn seat(sim: &Sim) -> Arc<Self> {
        let judge = Arc::new(Self {
            clock: sim.clock().clone(),
            wrong: Mutex::default(),
            paused: AtomicI64::new(NEVER),
            asked: AtomicBool::new(false),
            doubled: AtomicI64::new(ALWAYS),
            starts: AtomicI64::new(0),
        });
        let seen = judge.clone();
        sim.admit(move |review| {
            seen.look(review);
            None::<Denial>
        });
        judge
    }

    fn now(&self) -> i64 {
        self.clock.now().as_millisecond()
    }

    pub(super) fn paused(&self, on: bool) {
        let since = if on { self.now() } else { NEVER };
        self.paused.store(since, Ordering::Relaxed);
    }

    pub(super) fn asked_back(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    pub(super) fn scaled_back(&self) {
        self.starts.fetch_add(1, Ordering::Relaxed);
    }

    /// Everything that was wrong.
    pub(super) fn verdict(&self) -> Vec<String> {
        self.wrong
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn look(&self, review: &Review<'_>) {
        if exists(review, "core.kubefed.io", "kubefedclusters", PLANE, ALIAS) {
            self.doubled.store(self.now(), Ordering::Relaxed);
        }
        let foreign = matches!(
            review.resource,
            "workspaces"
                | "deployments"
                | "namespaces"
                | "workspacetemplates"
                | "kubefedclusters"
                | "persistentvolumes"
        );
        if review.user != USER || review.dry_run || !foreign {
            return;
        }
        if let Err(why) = self.judge(review) {
            let mut line = String::new();
            let _ = write!(
                line,
                "{} {} {} at {}: {why}",
                review.operation,
                review.resource,
                review.name,
                self.clock.now()
            );
            self.wrong
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line);
        }
    }

    fn since(&self, cell: &AtomicI64) -> i64 {
        self.now().saturating_sub(cell.load(Ordering::Relaxed))
    }

    fn judge(&self, review: &Review<'_>) -> Result<(), &'static str> {
        // A pause takes the canary away at once, like everything that ends the experiment.
        let ends = (review.operation, review.name) == ("DELETE", CANARY);
        if self.since(&self.paused) > LAG_MS && !ends {
            return Err("remediation is paused");
        }
        let opted_out =
            |o: &Value| o["metadata"]["annotations"]["federationhealth.io/opt-out"].is_string();
        if review.old.is_some_and(opted_out) {
            return Err("it opted out");
        }
        match (review.operation, review.resource) {
            ("CREATE" | "DELETE", "workspaces") if review.name == CANARY || is_canary(review) => {
                Ok(())
            }
            ("DELETE", "kubefedclusters") => held(review).and(if review.name == ALIAS {
                Ok(())
            } else {
                Err("it is in use")
            }),
            ("UPDATE", "persistentvolumes") => volume(review),
            ("UPDATE", "namespaces") => disarmed(review),
            ("UPDATE", "deployments") => self.scaled(review),
            ("UPDATE", "workspaces" | "workspacetemplates") => Ok(()),
            _ => Err("no action does that"),
        }
    }

    fn scaled(&self, review: &Review<'_>) -> Result<(), &'static str> {
        let replicas = |o: Option<&Value>| o.map(|o| o["spec"]["replicas"].as_i64().unwrap_or(0));
        let caused = self.since(&self.doubled) < LAG_MS;
        let asked = self.asked.load(Ordering::Relaxed);
        let started = self.starts.load(Ordering::Relaxed) > 0;
        match (replicas(review.old), replicas(review.object)) {
            (Some(_), Some(0)) if !caused => Err("no cause stands"),
            (Some(_), Some(0)) if started && !asked => {
                Err("somebody started it again: that is a fight")
            }
            (Some(0), Some(_)) if caused && !asked => Err("the cause stands"),
            _ => Ok(()),
        }
    }
}

fn exists(review: &Review<'_>, group: &str, plural: &str, namespace: &str, name: &str) -> bool {
    review.read(group, plural, namespace, name).is_some()
}

fn is_canary(review: &Review<'_>) -> bool {
    let name = |o: &Value| o["metadata"]["name"] == CANARY;
    review.object.or(review.old).is_some_and(name)
}

/// Both durable rules are in force: their bindings select more than the canary.
fn held(review: &Review<'_>) -> Result<(), &'static str> {
    let active = |rule: &str| {
        let name = format!("federation-health-{rule}-durable");
        let group = "admissionregistration.k8s.io";
        let binding = review.read(group, "validatingadmissionpolicybindings", "", &name);
        binding.is_some_and(|b| {
            !b["spec"]["matchResources"]["objectSelector"]["matchLabels"].is_object()
        })
    };
    if active("collection") && active("federation") {
        Ok(())
    } else {
        Err("nothing holds")
    }
}

fn volume(review: &Review<'_>) -> Result<(), &'static str> {
    let (Some(new), Some(old)) = (review.object, review.old) else {
        return Err("it is made or deleted");
    };
    if new["spec"]["persistentVolumeReclaimPolicy"] == "Retain" {
        return Ok(());
    }
    let claim = &old["spec"]["claimRef"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let goes = |o: Option<&Value>| o.is_none_or(|o| o["metadata"]["deletionTimestamp"].is_string());
    let (namespace, name) = (text(&claim["namespace"]), text(&claim["name"]));
    let home = review.read("", "namespaces", "", &namespace);
    if goes(home) || goes(review.read("", "persistentvolumeclaims", &namespace, &name)) {
        return Err("its claim goes, and its data with it");
    }
    Ok(())
}

fn disarmed(review: &Review<'_>) -> Result<(), &'static str> {
    let owners = |o: Option<&Value>| o.map(|o| o["metadata"]["ownerReferences"].clone());
    if owners(review.object).is_some_and(|o| o.as_array().is_some_and(|o| !o.is_empty())) {
        return Err("an owner is given");
    }
    for owner in owners(review.old)
        .iter()
        .filter_map(Value::as_array)
        .flatten()
    {
        let name = owner["name"].as_str().unwrap_or_default();
        let live = review.read(resources::WORKSPACES.group(), "workspaces", "", name);
        if live.is_some_and(|w| w["metadata"]["uid"] == owner["uid"]) {
            return Err("its owner lives");
        }
    }
    Ok(())
}
