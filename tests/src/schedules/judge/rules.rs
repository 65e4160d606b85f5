//! What makes a write right: the conditions of `docs/remediation.md`, read from the server.

use std::{collections::BTreeSet, time::Duration};

use federation_health_cluster::rbac::OPERATOR_NAMESPACE;
use federation_health_core::remedy::rung::Rung;
use federation_health_sim::Review;
use serde_json::Value;

use super::{
    act::Act,
    facts::{Fact, HOST_NAME, LAG_MS, health, in_force, managed, millis, ms, placed, read, switch},
    memory::Memory,
};
use crate::simulated::{ALIAS, WORKSPACES};

type Answer = Result<(), &'static str>;

/// A stopped pod works on for a while; that a plane is stopped is noted a moment later than it is so.
const ENDED_MS: i64 = ms(Duration::from_secs(43));
/// A thawed KubeFed is watched for a minute; the thaw is noted a moment before it is answered.
const WATCHED_MS: i64 = ms(Duration::from_secs(58));
/// From the journal's line to the write that it announces.
const BEGUN_BEFORE_MS: i64 = ms(Duration::from_secs(15));
/// On request the experiment is made once an hour.
const AGAIN_MS: i64 = ms(Duration::from_hours(1));
/// A Workspace that was deleted within this is in danger without a named cause.
const RAGES_MS: i64 = ms(Duration::from_secs(70));
/// Holders of the lease that are ours.
pub(in crate::schedules) const REPLICAS: [&str; 2] = ["pod-1", "pod-2"];
/// The durable rule that refuses the collector.
const COLLECTION: &str = "federation-health-collection-durable";
/// Marks of Argo CD and Flux.
const KEEPERS: [&str; 2] = [
    "argocd.argoproj.io/tracking-id",
    "kustomize.toolkit.fluxcd.io/name",
];

fn must(right: bool, else_: &'static str) -> Answer {
    if right { Ok(()) } else { Err(else_) }
}

impl Memory {
    /// # Errors
    /// Why the operator should not have done it.
    pub(super) fn judge(&mut self, act: &Act<'_>, review: &Review<'_>, now: i64) -> Answer {
        self.either_way(act, review, now)?;
        if !act.forward {
            self.back(act, review, now)?;
            self.went_back(act, review.name, now);
            return Ok(());
        }
        self.forward(act, review, now)?;
        match act.rung {
            Rung::RetainVolumes => self.retain(review, now),
            Rung::ArmOrphan | Rung::ShieldWorkspaces => self.shield(review, now),
            Rung::FreezeControllers => self.freeze(now),
            Rung::PlantCanary => self.plant(review, now),
            Rung::DisarmNamespaces => disarm(review),
            Rung::FixPlacement => self.fix(review, now),
            Rung::RemoveStaleCluster => self.remove(review, now),
        }?;
        self.began(act, review.name, now);
        let most = &health(review)["spec"]["remediation"]["limits"]["maxActionsPerHour"];
        let within = most.as_u64().is_none_or(|most| self.acts as u64 <= most);
        must(within, "the budget is spent")
    }

    /// A hold that ends by itself takes nobody's namespaces with it.
    ///
    /// # Errors
    /// Why it should have gone on.
    pub(super) fn lets_go(&self, review: &Review<'_>, now: i64) -> Answer {
        let ends = review.name == COLLECTION
            && review.old.is_some_and(in_force)
            && !review.object.is_some_and(in_force);
        let wished = [&switch(review)["spec"], &health(review)["spec"]["hold"]]
            .iter()
            .all(|word| word["collection"] != "Never");
        must(
            !ends || !wished || !self.facts.settled(Fact::Falling, now),
            "the collector takes what falls with its Workspace",
        )
    }

    /// What is true of the way up and of the way back.
    fn either_way(&self, act: &Act<'_>, review: &Review<'_>, now: i64) -> Answer {
        let canary = act.rung == Rung::PlantCanary && !act.forward;
        let settled = |fact| self.facts.settled(fact, now);
        // A pause takes the canary away at once, like everything that ends the experiment.
        must(canary || !settled(Fact::Paused), "remediation is paused")?;
        must(canary || !settled(Fact::Observes), "it was only to observe")?;
        if let Some(old) = review.old {
            let meta = &old["metadata"];
            let opted_out = meta["annotations"]["federationhealth.io/opt-out"]
                .as_str()
                .is_some_and(|value| value != "false");
            must(!opted_out, "it opted out")?;
            let stated = [review.uid, review.resource_version];
            let found = [&meta["uid"], &meta["resourceVersion"]];
            must(
                stated
                    .iter()
                    .zip(found)
                    .all(|(stated, found)| found == stated),
                "uid and resourceVersion are not its preconditions",
            )?;
            must(
                act.rung == Rung::PlantCanary || meta["deletionTimestamp"].is_null(),
                "it is being deleted",
            )?;
        }
        self.leads(review, now)?;
        act.written_down(review)
    }

    /// The lease is ours and has not run out; one that was taken away may have been read just before.
    fn leads(&self, review: &Review<'_>, now: i64) -> Answer {
        let kind = ("coordination.k8s.io", "leases");
        let lease = read(review, kind, OPERATOR_NAMESPACE, "federation-health");
        let spec = lease.map_or(&Value::Null, |lease| &lease["spec"]);
        let holder = spec["holderIdentity"].as_str().unwrap_or_default();
        let robbed = self.robbed.is_some_and(|at| now - at <= LAG_MS);
        must(
            REPLICAS.contains(&holder) || robbed,
            "somebody else holds the lease",
        )?;
        let renewed = spec["renewTime"].as_str().and_then(millis);
        let lasts = spec["leaseDurationSeconds"].as_i64().unwrap_or_default() * 1000;
        let over = renewed.is_none_or(|at| at + lasts <= now);
        must(robbed || !over, "the lease has run out")
    }

    fn forward(&self, act: &Act<'_>, review: &Review<'_>, now: i64) -> Answer {
        let lately = |fact| self.facts.lately(fact, now);
        must(lately(Fact::Applies), "the mode is not Apply")?;
        let spoiled = self.facts.settled(Fact::Spoiled, now);
        must(!spoiled, "the spec contradicts itself")?;
        let approved = lately(Fact::Approval(act.rung)) && self.approved(act.rung, act.uid, now);
        must(
            lately(Fact::Automatic(act.rung)) || approved,
            "its switch is off, or nobody approved it",
        )?;
        let asked = self.facts.settled(Fact::Asked, now);
        must(!asked, "a person asks acts back")?;
        must(
            !self.is_contested(&(act.rung, act.uid.to_owned())),
            "somebody took it back before: that is a fight",
        )?;
        must(
            !self.edited_since_planned(act.uid),
            "somebody edited it after it was planned",
        )?;
        let cools = &health(review)["spec"]["remediation"]["limits"]["cooldownSeconds"];
        let cools = cools.as_i64().unwrap_or_default() * 1000 - BEGUN_BEFORE_MS;
        must(
            self.since(act, review.name, now)
                .is_none_or(|since| since >= cools),
            "the same was done within the cooldown",
        )?;
        let kept = matches!(
            act.rung,
            Rung::FreezeControllers | Rung::FixPlacement | Rung::RemoveStaleCluster
        );
        let marked = |old: &Value| {
            let marks = &old["metadata"]["annotations"];
            KEEPERS.iter().any(|mark| marks[*mark].is_string())
        };
        must(
            !kept || !review.old.is_some_and(marked),
            "a GitOps agent keeps it",
        )?;
        let first_four = act.rung <= Rung::FreezeControllers;
        let going = act.rung == Rung::RetainVolumes && claimed(review).is_some_and(deleting);
        must(
            going || !first_four || !self.facts.settled(Fact::Stands, now),
            "a proven hold stands, so it was not needed",
        )
    }

    /// The way back waits for the end of the danger, and puts back what was there.
    fn back(&self, act: &Act<'_>, review: &Review<'_>, now: i64) -> Answer {
        if act.rung == Rung::PlantCanary {
            return Ok(());
        }
        let ours = self.ours.get(&(act.rung, act.uid.to_owned()));
        must(
            ours.is_some_and(|(from, to)| *from == act.to && *to == act.from),
            "that is not what the operator found there",
        )?;
        let asked = self.facts.lately(Fact::Asked, now);
        let volume = act.rung == Rung::RetainVolumes;
        let unsafe_yet = self.facts.unsafe_yet(now);
        must((asked && !volume) || !unsafe_yet, "the cause stands")?;
        if volume {
            let claim = claim(review);
            must(
                ![claim, claimed(review)]
                    .iter()
                    .any(|o| o.is_none_or(deleting)),
                "its claim goes, and its data with it",
            )?;
        }
        let watched = self.thawed.is_none_or(|at| now - at >= WATCHED_MS);
        let thaws = act.rung == Rung::FreezeControllers;
        must(
            thaws || asked || watched,
            "KubeFed was not watched for a minute after the thaw",
        )
    }

    fn endangered(&self, workspace: &str, now: i64) -> bool {
        let known = WORKSPACES.into_iter().find(|(name, _)| *name == workspace);
        known.is_some_and(|(name, _)| self.facts.may_endanger(name, now))
    }

    fn retain(&self, review: &Review<'_>, now: i64) -> Answer {
        let Some(namespace) = claimed(review) else {
            return Err("its claim has no namespace");
        };
        let labels = &namespace["metadata"]["labels"];
        let workspace = labels["kubesphere.io/workspace"].as_str();
        let at_risk =
            workspace.is_some_and(|w| self.endangered(w, now) || self.churned(w, RAGES_MS, now));
        // KubeSphere takes it out of a Workspace that falls, a moment before anybody can know.
        let name = namespace["metadata"]["name"].as_str().unwrap_or_default();
        let fell = |(workspace, all): (&str, [&str; 3])| {
            all.contains(&name) && self.churned(workspace, LAG_MS, now)
        };
        let taken_out = workspace.is_none() && WORKSPACES.into_iter().any(fell);
        must(
            deleting(namespace) || at_risk || taken_out,
            "its namespace is in no danger",
        )
    }

    fn shield(&self, review: &Review<'_>, now: i64) -> Answer {
        must(
            self.endangered(review.name, now),
            "the Workspace is in no danger",
        )?;
        must(
            review.old.is_some_and(|w| managed(w) == "true"),
            "KubeFed leaves it alone anyway",
        )
    }

    fn freeze(&self, now: i64) -> Answer {
        let caused = |w: &str| self.endangered(w, now) || self.churned(w, RAGES_MS, now);
        must(WORKSPACES.iter().any(|(w, _)| caused(w)), "no cause stands")
    }

    fn plant(&self, review: &Review<'_>, now: i64) -> Answer {
        must(
            review.object.is_some_and(|w| managed(w) == "true"),
            "it does not look like KubeFed's",
        )?;
        let stopped = self.facts.lasts(Fact::Stopped, now);
        let ended = stopped.is_some_and(|ms| ms >= ENDED_MS);
        let again = self.planted.is_some_and(|at| now - at < AGAIN_MS);
        let asked = self.facts.lately(Fact::Experiment, now) && !again;
        must(ended || asked, "nobody asked for the experiment")
    }

    /// Both cures need a hold, or an approval while nothing can fall.
    fn cured(&self, rung: Rung, now: i64) -> Answer {
        let stopped = self.facts.lasts(Fact::Stopped, now);
        let still =
            stopped.is_some_and(|ms| ms >= ENDED_MS) || self.facts.lately(Fact::Averted, now);
        let approved = self.facts.lately(Fact::Approval(rung), now) && still;
        must(
            self.facts.lately(Fact::Held, now) || approved,
            "nothing holds",
        )?;
        must(
            self.facts.lately(Fact::Registered(ALIAS), now),
            "no cluster is registered twice",
        )?;
        must(
            !self.facts.settled(Fact::Joins, now),
            "its Cluster object joins the federation: it is in use",
        )
    }

    fn fix(&self, review: &Review<'_>, now: i64) -> Answer {
        self.cured(Rung::FixPlacement, now)?;
        let names = |o: Option<&Value>| -> BTreeSet<String> {
            o.into_iter().flat_map(placed).map(str::to_owned).collect()
        };
        let mut wanted = names(review.old);
        must(wanted.remove(ALIAS), "it is not placed on the leftover")?;
        wanted.insert(HOST_NAME.to_owned());
        must(
            names(review.object) == wanted,
            "the leftover's name is not just replaced by the other",
        )
    }

    fn remove(&self, review: &Review<'_>, now: i64) -> Answer {
        must(review.name == ALIAS, "it is in use")?;
        self.cured(Rung::RemoveStaleCluster, now)?;
        must(!self.removed, "it was removed before and came back")?;
        must(
            !self.facts.settled(Fact::Named, now),
            "a placement still names it",
        )?;
        must(
            !self.facts.settled(Fact::Only, now),
            "a Workspace is placed on it alone",
        )
    }
}

fn deleting(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// Namespace and name of a volume's claim.
fn claim_ref<'a>(review: &Review<'a>) -> (&'a str, &'a str) {
    let claim = review.old.map_or(&Value::Null, |v| &v["spec"]["claimRef"]);
    let text = |field: &str| claim[field].as_str().unwrap_or_default();
    (text("namespace"), text("name"))
}

fn claim<'a>(review: &'a Review<'_>) -> Option<&'a Value> {
    let (namespace, name) = claim_ref(review);
    read(review, ("", "persistentvolumeclaims"), namespace, name)
}

/// The namespace of a volume's claim.
fn claimed<'a>(review: &'a Review<'_>) -> Option<&'a Value> {
    read(review, ("", "namespaces"), "", claim_ref(review).0)
}

/// All owners go, and none of them exists.
fn disarm(review: &Review<'_>) -> Answer {
    let owners = |o: Option<&Value>| -> Vec<Value> {
        let owners = o.and_then(|o| o["metadata"]["ownerReferences"].as_array());
        owners.cloned().unwrap_or_default()
    };
    must(owners(review.object).is_empty(), "an owner is given")?;
    for owner in owners(review.old) {
        let name = owner["name"].as_str().unwrap_or_default();
        let live = read(review, ("tenant.kubesphere.io", "workspaces"), "", name);
        must(
            live.is_none_or(|w| w["metadata"]["uid"] != owner["uid"]),
            "its owner lives",
        )?;
        let federated = ("types.kubefed.io", "federatedworkspaces");
        must(
            read(review, federated, "", name).is_some(),
            "nobody wishes for its Workspace",
        )?;
    }
    Ok(())
}
