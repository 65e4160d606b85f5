//! What a person types while everything is on fire: other writers, a dead operator, few rights.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use federation_health_plugin::demo::{Guard, Scenario};
use federation_health_sim::{Effect, Refusal, RequestFacts, Sim, resources};

use serde_json::{Value, json};

use crate::{
    transcripts::{Bed, one, played},
    watching::OPERATOR,
};

const SWITCH: &str = "kubectl federation-health release --all --force";
const HOLD: &str = "kubectl federation-health hold --for 1h --reason x --enable";

/// What a command prints, its exit code last if it is not 0.
fn typed(bed: &Bed, command: &str) -> String {
    let name = format!(
        "fedhealth-operating-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    );
    let kubeconfig = std::env::temp_dir().join(name);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let text = runtime.block_on(async {
        let listening = bed.sim.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
        std::fs::write(&kubeconfig, listening.kubeconfig()).unwrap();
        one(command, &kubeconfig, bed.now).await
    });
    std::fs::remove_file(kubeconfig).unwrap();
    text
}

fn is(facts: &RequestFacts, verb: &str, resource: &str) -> bool {
    facts.verb == verb && facts.resource == resource
}

/// Somebody else writes the object between the read and the write, so many times.
fn contend(sim: &Sim, times: usize) -> Arc<AtomicUsize> {
    let tried = Arc::new(AtomicUsize::new(0));
    let count = tried.clone();
    sim.inject(move |facts| {
        let own = is(facts, "patch", "federationhealths") && facts.subresource.is_empty();
        let refused = own && count.fetch_add(1, Ordering::SeqCst) < times;
        refused.then(|| Effect::Refuse(Refusal::new(409, "Conflict", "it was changed")))
    });
    tried
}

/// How many requests for a hold stand in the object.
fn requests(sim: &Sim) -> usize {
    let healths = &resources::FEDERATION_HEALTHS;
    let found = sim.admin().get(healths, "", "default").unwrap();
    let requests = found["spec"]["hold"]["requests"].as_array();
    requests.map_or(0, Vec::len)
}

#[test]
fn a_persons_change_is_made_although_others_write_the_object_meanwhile() {
    let bed = played(Scenario::Doubled, Guard::Hold, 1);
    for command in [
        HOLD,
        "kubectl federation-health pause --reason x",
        "kubectl federation-health resume",
        "kubectl federation-health release",
    ] {
        let tried = contend(&bed.sim, 4);
        let text = typed(&bed, command);
        assert!(!text.contains("? 1"), "{command}: {text}");
        assert_eq!(tried.load(Ordering::SeqCst), 5, "{command}");
        bed.sim.clear_faults();
    }
    assert_eq!(requests(&bed.sim), 0);
}

#[test]
fn a_change_that_is_always_refused_is_given_up_with_the_servers_word() {
    let bed = played(Scenario::Doubled, Guard::Hold, 1);
    let tried = contend(&bed.sim, usize::MAX);
    let text = typed(&bed, "kubectl federation-health pause --reason x");
    assert!(text.ends_with("it was changed (409)\n? 1\n"), "{text}");
    assert_eq!(tried.load(Ordering::SeqCst), 5);
}

/// What the switch says of the collector.
fn collection(sim: &Sim) -> Value {
    let found = sim.admin().get(&resources::FEDERATION_HOLDS, "", "default");
    found.unwrap()["spec"]["collection"].clone()
}

#[test]
fn a_release_that_would_lose_namespaces_is_refused_and_says_which() {
    let bed = played(Scenario::Doubled, Guard::Hold, 1);
    let lost = "release would lose orders-db: their owner does not exist, or is being deleted.";
    let condition = json!({
        "type": "Holding", "status": "True", "reason": "ReleaseBlocked", "message": lost,
        "lastTransitionTime": "2026-11-23T06:24:00Z",
    });
    let operator = bed.sim.agent_as(OPERATOR, "federation-health");
    let status = json!({"conditions": [condition]});
    let healths = &resources::FEDERATION_HEALTHS;
    operator.set_status(healths, "", "default", status).unwrap();
    let text = typed(&bed, "kubectl federation-health release --all");
    assert!(text.contains(lost) && text.ends_with("? 1\n"), "{text}");
    assert_ne!(collection(&bed.sim), "Never");
    typed(&bed, SWITCH);
    assert_eq!(collection(&bed.sim), "Never");
}

#[test]
fn a_hold_whose_request_fails_does_not_take_a_release_back() {
    let bed = played(Scenario::Doubled, Guard::Hold, 1);
    let switch = || collection(&bed.sim);
    typed(&bed, SWITCH);
    assert_eq!(switch(), "Never");
    contend(&bed.sim, usize::MAX);
    assert!(typed(&bed, HOLD).ends_with("? 1\n"));
    assert_eq!(switch(), "Never");
    bed.sim.clear_faults();

    // Nor is a request left that holds nothing, because the release may not be taken back.
    bed.sim.inject(|facts| {
        let forbidden = || Refusal::new(403, "Forbidden", "you may not");
        is(facts, "patch", "federationholds").then(|| Effect::Refuse(forbidden()))
    });
    assert!(typed(&bed, HOLD).ends_with("? 1\n"));
    assert_eq!(requests(&bed.sim), 0);
    bed.sim.clear_faults();
    typed(&bed, HOLD);
    assert_eq!(switch(), "Allowed");
}

#[test]
fn whoever_may_not_see_deployments_is_told_so_and_sees_the_rest() {
    let bed = played(Scenario::Healthy, Guard::None, 10);
    bed.sim.inject(|facts| {
        let forbidden = || Refusal::new(403, "Forbidden", "you may not list deployments");
        is(facts, "list", "deployments").then(|| Effect::Refuse(forbidden()))
    });
    let status = typed(&bed, "kubectl federation-health status");
    assert!(status.contains("Healthy"), "{status}");
    assert!(
        status.contains("Not read: the operator's Deployment"),
        "{status}"
    );
    assert!(!status.contains("? "), "{status}");
    let check = typed(&bed, "kubectl federation-health check");
    assert!(check.contains("Operator"), "{check}");
    assert!(check.ends_with("? 2\n"), "{check}");
}

#[test]
fn preflight_judges_the_federation_that_the_object_names() {
    let bed = played(Scenario::Healthy, Guard::None, 5);
    let spec = json!({"spec": {"federation": {"namespace": "elsewhere"}}});
    let healths = &resources::FEDERATION_HEALTHS;
    let admin = bed.sim.admin();
    admin.merge(healths, "", "default", spec).unwrap();
    for flags in ["", " -n kube-federation-system"] {
        let command = format!("kubectl federation-health preflight --join again -o json{flags}");
        let text = typed(&bed, &command);
        assert!(text.contains("elsewhere/again"), "{text}");
    }
    // Where there is none, or none may be read, the flag says it.
    bed.sim.inject(|facts| {
        let forbidden = || Refusal::new(403, "Forbidden", "you may not");
        is(facts, "get", "federationhealths").then(|| Effect::Refuse(forbidden()))
    });
    let text = typed(
        &bed,
        "kubectl federation-health preflight --join again -o json -n other",
    );
    assert!(text.contains("other/again"), "{text}");
}
