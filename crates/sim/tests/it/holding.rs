//! A guarded federation, and how tests switch its holds.

use std::time::Duration;

use federation_health_sim::{Refusal, Sim, resources};
use serde_json::{Value, json};

use crate::{common::federation, manifest};

pub(crate) const COLLECTOR: &str = "system:serviceaccount:kube-system:generic-garbage-collector";
pub(crate) const OPERATOR: &str =
    "system:serviceaccount:federation-health-system:federation-health";

pub(crate) async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// The federation with policies and a FederationHold that permits both rules.
pub(crate) fn guarded() -> Sim {
    let sim = federation();
    sim.install_policies().unwrap();
    sim.apply(manifest::FEDERATION_HOLD).unwrap();
    sim
}

pub(crate) fn switch(sim: &Sim, hold: Value) {
    set_status(sim, json!({"hold": hold}));
}

pub(crate) fn set_status(sim: &Sim, status: Value) {
    sim.agent_as(OPERATOR, "federation-health")
        .set_status(&resources::FEDERATION_HOLDS, "", "default", status)
        .unwrap();
}

pub(crate) fn delete_as(
    sim: &Sim,
    user: &str,
    resource: &federation_health_sim::Resource,
    namespace: &str,
    name: &str,
) -> Result<(), Refusal> {
    // Tried only, so that each question leaves things as they were.
    sim.agent_as(user, "test")
        .delete(resource, namespace, name, json!({"dryRun": ["All"]}))
}

pub(crate) fn code(answer: Result<(), Refusal>) -> u16 {
    answer.map_or_else(|refusal| refusal.code, |()| 200)
}

/// Activates or puts to sleep a durable binding, by the patches that its manifest documents.
pub(crate) fn durable(sim: &Sim, rule: &str, active: bool) {
    let bindings = federation_health_sim::Resource::known(
        "admissionregistration.k8s.io",
        "v1",
        "validatingadmissionpolicybindings",
    );
    let selector = if active {
        Value::Null
    } else {
        json!({"matchExpressions": null, "matchLabels": {"federationhealth.io/canary": format!("durable-{rule}")}})
    };
    let patch = json!({"spec": {"matchResources": {"objectSelector": selector}}});
    sim.admin()
        .merge(
            &bindings,
            "",
            &format!("federation-health-{rule}-durable"),
            patch,
        )
        .unwrap();
}
