//! Carries deeds out: what people, agents and faults do to a federation.

use std::time::Duration;

use federation_health_cluster::rbac::OPERATOR_NAMESPACE;
use federation_health_sim::{Resource, Sim, resources};
use federation_health_testbed::{Result, error::Attempt as _};
use serde_json::{Value, json};

use super::{
    MANAGER, Stage, kubesphere,
    plan::{Approval, Deed, Placement, Replica, Unhold},
    replica,
};
use crate::simulated::{ALIAS, HOST, PLANE, WORKSPACES};

const HEALTH: (&str, &str) = ("", "default");
const BINDINGS: Resource = Resource::known(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicybindings",
);
/// No block of addresses.
pub(super) const NO_BLOCK: &str = "127.0.0.0/99";
/// As late as a watch may be without anybody noticing.
const LATE: Duration = Duration::from_secs(2);

impl Stage {
    pub(super) fn act(&mut self, deed: Deed) -> Result<()> {
        match deed {
            Deed::Cure => self.cure(),
            Deed::ScaleBack => self.scale_back(),
            Deed::Pause(on) => self.pause(on)?,
            Deed::OptOut(kept, on) => {
                let value = if on { json!("true") } else { Value::Null };
                self.annotate(kept, "federationhealth.io/opt-out", &value);
            }
            Deed::Mark(kept) => {
                self.annotate(kept, "argocd.argoproj.io/tracking-id", &json!("repository"));
            }
            Deed::Undo(on) => {
                let value = if on { json!("all") } else { Value::Null };
                self.ask("federationhealth.io/undo", &value);
            }
            Deed::Relabel(name) => {
                let patch = json!({"metadata": {"labels": {"kubefed.io/managed": "true", "touched": "by-hand"}}});
                self.merge(&resources::WORKSPACES, ("", name), patch);
            }
            Deed::Kill(which) => self.kill(which),
            Deed::Start(which) => self.start(which)?,
            Deed::Rob => self.rob(),
            Deed::Restart => self.world.sim.restart_api_server(),
            Deed::Cut => self.world.sim.cut_watches(),
            Deed::Lag(kind, on) => {
                let lag = if on { LATE } else { Duration::ZERO };
                self.world.sim.lag_watches(kind, lag);
            }
            Deed::Experiment => {
                let until = self.at(Duration::from_mins(30));
                self.ask("federationhealth.io/experiment", &json!(until));
            }
            Deed::Mode(mode) => self.respec(&json!({"remediation": {"mode": mode}}))?,
            Deed::Approve(approval) => self.approve(approval),
            Deed::Place(name, placement) | Deed::Replace(name, placement) => {
                self.place(name, placement, matches!(deed, Deed::Replace(..)));
            }
            Deed::EditNext => self.faults.edits.store(true, super::RELAXED),
            Deed::Unhold(way) => self.unhold(way)?,
            Deed::Rehold => self.rehold()?,
            Deed::Join => self.join(),
            Deed::Rejoin => self.rejoin(),
            Deed::KubeSphere(on) => {
                self.kubesphere = on.then(|| kubesphere(&self.world.sim));
            }
            Deed::Strip => self.strip(),
            Deed::Keep => {
                let kept = json!({"metadata": {"finalizers": ["example.org/kept"]}});
                self.merge(&resources::KUBEFED_CLUSTERS, (PLANE, ALIAS), kept);
            }
            Deed::Spoil(on) => {
                let block = if on { NO_BLOCK } else { "127.0.0.0/8" };
                self.respec(&json!({"probe": {"allowedEndpoints": [block]}}))?;
            }
        }
        Ok(())
    }

    /// What is gone meanwhile cannot be changed, and need not.
    fn merge(&self, resource: &Resource, place: (&str, &str), patch: Value) -> bool {
        let admin = self.world.sim.admin();
        admin.merge(resource, place.0, place.1, patch).is_ok()
    }

    fn annotate(&self, (plural, name): (&str, &str), annotation: &str, value: &Value) {
        let patch = json!({"metadata": {"annotations": {annotation: value}}});
        let (resource, namespace) = match plural {
            "deployments" => (&resources::DEPLOYMENTS, PLANE),
            "kubefedclusters" => (&resources::KUBEFED_CLUSTERS, PLANE),
            "workspaces" => (&resources::WORKSPACES, ""),
            "workspacetemplates" => (&resources::WORKSPACE_TEMPLATES, ""),
            _ => (&resources::PERSISTENT_VOLUMES, ""),
        };
        self.merge(resource, (namespace, name), patch);
    }

    /// A word on the FederationHealth.
    fn ask(&self, annotation: &str, value: &Value) {
        let patch = json!({"metadata": {"annotations": {annotation: value}}});
        self.merge(&resources::FEDERATION_HEALTHS, HEALTH, patch);
    }

    fn respec(&self, spec: &Value) -> Result<()> {
        let health = &resources::FEDERATION_HEALTHS;
        let admin = self.world.sim.admin();
        let written = admin.merge(health, HEALTH.0, HEALTH.1, json!({"spec": spec}));
        written.attempt(|| "change the spec").map(drop)
    }

    fn at(&self, later: Duration) -> String {
        (self.world.sim.clock().now() + later).to_string()
    }

    /// Placements first, then what would bring the registration back, then the registration.
    fn cure(&mut self) {
        for (workspace, _) in WORKSPACES {
            let patch = json!({"spec": {"placement": {"clusters": [{"name": "host"}]}}});
            self.merge(&resources::WORKSPACE_TEMPLATES, ("", workspace), patch);
        }
        let free = json!({"metadata": {"finalizers": null}});
        self.merge(&resources::KUBEFED_CLUSTERS, (PLANE, ALIAS), free);
        let admin = self.world.sim.admin();
        // They may not exist, or not any more.
        let _ = admin.delete(&resources::CLUSTERS, "", ALIAS, Value::Null);
        let _ = self.world.cure();
    }

    fn strip(&self) {
        let admin = self.world.sim.admin();
        for (workspace, _) in WORKSPACES {
            let bare = |w: &mut Value| {
                let finalizers = w["metadata"]["finalizers"].as_array_mut();
                let ours = |f: &mut Value| *f == "orphan";
                if let Some(all) = finalizers {
                    all.retain_mut(ours);
                }
            };
            // One that is gone has none.
            let _ = admin.edit(&resources::WORKSPACES, "", workspace, bare);
        }
    }

    fn scale_back(&mut self) {
        let admin = self.world.sim.admin();
        let running = admin.get(&resources::DEPLOYMENTS, PLANE, MANAGER);
        if running.is_some_and(|d| d["spec"]["replicas"] == 0) {
            let _ = admin.scale(&resources::DEPLOYMENTS, PLANE, MANAGER, 2);
        }
    }

    fn pause(&self, on: bool) -> Result<()> {
        let requests = if on {
            json!([{"name": "a person", "reason": "look first"}])
        } else {
            Value::Null
        };
        self.respec(&json!({"remediation": {"pauseRequests": requests}}))
    }

    fn kill(&mut self, which: Replica) {
        let operator = match which {
            Replica::First => &mut self.world.operator,
            Replica::Second => &mut self.second,
        };
        if let Some(operator) = operator.take() {
            self.gone.push(operator.metrics.clone());
            self.judge.killed(&self.world.sim);
        }
    }

    pub(super) fn start(&mut self, which: Replica) -> Result<()> {
        self.kill(which);
        match which {
            Replica::First => self.world.restart_operator()?,
            Replica::Second => self.second = Some(replica(&self.world.sim)?),
        }
        Ok(())
    }

    fn rob(&mut self) {
        let admin = self.world.sim.admin();
        let take = |lease: &mut Value| lease["spec"]["holderIdentity"] = json!("a-stranger");
        let lease = &resources::LEASES;
        let robbed = admin.edit(lease, OPERATOR_NAMESPACE, "federation-health", take);
        self.happened("robbed of the lease", robbed.is_ok());
    }

    fn approve(&mut self, approval: Approval) {
        let annotation = federation_health_api::names::APPROVE_ANNOTATION;
        let health = self.world.health().and_then(|h| h.status);
        let plan = health.and_then(|status| status.plan).map(|plan| plan.id);
        self.happened(
            "a plan approved",
            approval == Approval::Valid && plan.is_some(),
        );
        let plan = plan.unwrap_or_else(|| "0123456789abcdef0123".to_owned());
        let value = match approval {
            Approval::Valid => format!("{plan}@{}", self.at(Duration::from_mins(10))),
            Approval::Expired => format!("{plan}@{}", self.at(Duration::ZERO)),
            Approval::Other => format!("ffffffffff0123456789@{}", self.at(Duration::from_mins(10))),
            Approval::Endless => format!("{plan}@{}", self.at(Duration::from_hours(48))),
            Approval::Withdrawn => return self.ask(annotation, &Value::Null),
        };
        self.ask(annotation, &json!(value));
    }

    /// An agent writes only what differs from its repository.
    fn place(&mut self, name: &str, placement: Placement, agent: bool) {
        let admin = self.world.sim.admin();
        let names = match placement {
            Placement::Leftover => json!([{"name": ALIAS}]),
            Placement::Both => json!([{"name": "host"}, {"name": ALIAS}]),
        };
        let template = admin.get(&resources::WORKSPACE_TEMPLATES, "", name);
        if !template.is_some_and(|t| t["spec"]["placement"]["clusters"] != names) {
            return;
        }
        let registered = admin.get(&resources::KUBEFED_CLUSTERS, PLANE, ALIAS);
        if placement == Placement::Leftover && registered.is_none() {
            self.nowhere = true;
        }
        let patch = json!({"spec": {"placement": {"clusters": names}}});
        let placed = self.merge(&resources::WORKSPACE_TEMPLATES, ("", name), patch);
        let what = if agent {
            "a placement put back"
        } else {
            "a placement edited"
        };
        self.happened(what, placed);
    }

    fn unhold(&mut self, way: Unhold) -> Result<()> {
        let (_, durable) = self.held();
        self.happened("a standing hold switched off", durable);
        let never = json!({"collection": "Never", "federation": "Never"});
        match way {
            Unhold::Health => self.respec(&json!({"hold": never}))?,
            Unhold::Switch => {
                let patch = json!({"spec": never});
                self.merge(&resources::FEDERATION_HOLDS, HEALTH, patch);
            }
            Unhold::Bindings => {
                for rule in ["collection", "federation"] {
                    let name = format!("federation-health-{rule}-durable");
                    let canary = json!({"federationhealth.io/canary": format!("durable-{rule}")});
                    let selector = json!({"matchLabels": canary});
                    let patch = json!({"spec": {"matchResources": {"objectSelector": selector}}});
                    self.merge(&BINDINGS, ("", &name), patch);
                }
            }
        }
        Ok(())
    }

    fn rehold(&self) -> Result<()> {
        let patch = json!({"spec": {"collection": null, "federation": null}});
        self.merge(&resources::FEDERATION_HOLDS, HEALTH, patch);
        self.respec(&json!({"hold": {"collection": "OnDiagnosis", "federation": "OnDiagnosis"}}))
    }

    /// Both rules: in the fast layer, in the durable one.
    fn held(&self) -> (bool, bool) {
        let admin = self.world.sim.admin();
        let dormant = |rule: &str| {
            let name = format!("federation-health-{rule}-durable");
            let binding = admin.get(&BINDINGS, "", &name);
            binding.is_none_or(|b| {
                b["spec"]["matchResources"]["objectSelector"]["matchLabels"].is_object()
            })
        };
        let fast = self.world.switched() == (true, true);
        (fast, !dormant("collection") && !dormant("federation"))
    }

    fn join(&mut self) {
        let admin = self.world.sim.admin();
        let cluster = json!({
            "apiVersion": "cluster.kubesphere.io/v1alpha1", "kind": "Cluster", "metadata": {"name": ALIAS},
            "spec": {"joinFederation": true, "connection": {"kubernetesAPIEndpoint": HOST}},
        });
        let made = admin.create(&resources::CLUSTERS, cluster);
        self.happened("a Cluster object joined", made.is_ok());
    }

    fn rejoin(&mut self) {
        let again = self.world.double_again(&self.leftover);
        self.happened("the leftover registered again", again);
    }

    /// Counts what really happened.
    pub(super) fn happened(&mut self, what: &str, did: bool) {
        if did {
            *self.counted.entry(what.to_owned()).or_default() += 1;
        }
    }
}

/// Edits every object that may be planned, in a part that no rung touches.
pub(super) fn edit_all(sim: &Sim) {
    let admin = sim.admin();
    let note = json!({"spec": {"template": {"metadata": {"annotations": {"edited": "by-hand"}}}}});
    let _ = admin.merge(&resources::DEPLOYMENTS, PLANE, MANAGER, note.clone());
    for (workspace, _) in WORKSPACES {
        let _ = admin.merge(&resources::WORKSPACE_TEMPLATES, "", workspace, note.clone());
        let patch = json!({"spec": {"networkIsolation": true}});
        let _ = admin.merge(&resources::WORKSPACES, "", workspace, patch);
    }
    let labels = json!({"spec": {"disabledTLSValidations": ["SubjectName"]}});
    let _ = admin.merge(&resources::KUBEFED_CLUSTERS, PLANE, ALIAS, labels);
}
