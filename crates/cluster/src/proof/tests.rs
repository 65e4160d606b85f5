mod guards;
mod inspect;
mod server;

use std::time::Duration;

use federation_health_core::{assess::Proof, hold::CollectionPolicy};
use serde_json::json;
use tokio::time::Instant;

use super::{Install, Wanted};
use server::Fake;

fn install() -> Install {
    Install {
        namespace: "federation-health-system".to_owned(),
        object: "default".to_owned(),
    }
}

fn wanted(collection: CollectionPolicy, federation: bool) -> Wanted {
    Wanted {
        collection,
        federation,
        plane: "kube-federation-system".into(),
        real: false,
    }
}

fn both() -> Wanted {
    wanted(CollectionPolicy::OnDiagnosis, true)
}

fn collection() -> Wanted {
    wanted(CollectionPolicy::OnDiagnosis, false)
}

const PROVEN: Proof = Proof::Proven { on: 1, of: 1 };

fn failure(proof: &Proof) -> &str {
    match proof {
        Proof::Failed(why) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn each_step_follows_the_one_that_it_needs() {
    let fake = Fake::new(&install());
    let mut wanted = collection();
    wanted.real = true;
    assert_eq!(fake.prove(&wanted).await, PROVEN);
    let slices = "GET /slices";
    let expected = [
        "GET /apis/admissionregistration.k8s.io/v1",
        "GET policy federation-health-collection-fast",
        "GET binding federation-health-collection-fast",
        "GET policy federation-health-collection-durable",
        "GET binding federation-health-collection-durable",
        "GET canary-fast-collection",
        "GET canary-durable-collection",
        slices,
        "proof=false",
        "dry-run canary-fast-collection",
        "proof=true",
        "dry-run canary-fast-collection",
        "proof=false",
        "dry-run canary-fast-collection",
        "dry-run canary-durable-collection",
        "DELETE canary-collector-covered",
        "DELETE canary-collector-control",
        "POST canary-collector-covered",
        "POST canary-collector-control",
        "GET canary-collector-control",
        "GET canary-collector-control",
        "GET canary-collector-covered",
        "DELETE canary-collector-covered",
        "DELETE canary-collector-control",
    ];
    assert_eq!(fake.asked(), expected);
    assert!(fake.clean());
}

/// The caller runs the proof as a task of its own.
#[tokio::test(start_paused = true)]
async fn a_proof_can_be_spawned() {
    let fake = Fake::new(&install());
    let task = tokio::spawn(async move { fake.prove(&both()).await });
    assert_eq!(task.await.unwrap(), PROVEN);
}

#[tokio::test(start_paused = true)]
async fn always_is_the_durable_layer_alone() {
    let fake = Fake::new(&install());
    fake.with(|s| s.forget("federation-health-collection-fast"));
    let always = wanted(CollectionPolicy::Always, false);
    assert_eq!(fake.prove(&always).await, PROVEN);
    assert!(!fake.asked().iter().any(|r| r.starts_with("proof=")));
    assert_eq!(
        fake.prove(&collection()).await,
        Proof::Missing(vec![
            "ValidatingAdmissionPolicy federation-health-collection-fast".to_owned(),
            "ValidatingAdmissionPolicyBinding federation-health-collection-fast".to_owned(),
        ])
    );
    let nothing = wanted(CollectionPolicy::Never, false);
    assert_eq!(fake.prove(&nothing).await, Proof::Pending);
}

#[tokio::test(start_paused = true)]
async fn canaries_that_are_missing_are_made_and_spoilt_ones_are_named() {
    let fake = Fake::new(&install());
    fake.with(|s| s.maps.clear());
    assert_eq!(fake.prove(&both()).await, PROVEN);
    let label = |name: &str, key: &str| fake.with(|s| s.maps[name]["labels"][key].clone());
    assert_eq!(
        label("canary-durable-federation", "federationhealth.io/canary"),
        "durable-federation"
    );
    assert_eq!(
        label("canary-durable-federation", "kubefed.io/managed"),
        "canary"
    );
    assert_eq!(
        label("canary-fast-collection", "kubefed.io/managed"),
        json!(null)
    );

    fake.with(|s| {
        s.maps.insert(
            "canary-fast-federation".to_owned(),
            json!({"labels": {"kubefed.io/managed": "canary"}}),
        );
    });
    assert_eq!(
        fake.prove(&both()).await,
        Proof::Altered(vec![
            "the labels of ConfigMap canary-fast-federation".to_owned()
        ])
    );
}

#[tokio::test(start_paused = true)]
async fn a_fast_layer_that_stays_open_is_told_and_the_flag_is_put_back() {
    let fake = Fake::new(&install());
    fake.with(|s| s.fast_open = true);
    let begun = Instant::now();
    let proof = fake.prove(&both()).await;
    let why = failure(&proof);
    assert!(
        why.contains("fast layer of rule collection") && why.contains("about 30 s"),
        "{why}"
    );
    let took = begun.elapsed();
    assert!(
        took > Duration::from_secs(4) && took <= Duration::from_secs(5),
        "{took:?}"
    );
    assert!(fake.clean());
    let tries = fake
        .asked()
        .iter()
        .filter(|r| r.starts_with("dry-run"))
        .count();
    assert!(tries < 25, "{tries} requests are a storm");
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_starts_late_is_waited_for() {
    let fake = Fake::new(&install());
    fake.with(|s| s.late = 4);
    assert_eq!(fake.prove(&both()).await, PROVEN);
}

#[tokio::test(start_paused = true)]
async fn a_durable_layer_that_stays_open_is_told() {
    let fake = Fake::new(&install());
    fake.with(|s| s.durable_open = true);
    let proof = fake.prove(&collection()).await;
    assert!(failure(&proof).contains("durable layer of rule collection is not in force"));
    assert!(fake.clean());
}

#[tokio::test(start_paused = true)]
async fn only_our_policy_s_own_words_are_a_refusal() {
    let others = [
        "admission webhook \"w.example.com\" denied the request: federation-health proves nothing",
        "ValidatingAdmissionPolicy 'another' with binding 'another' denied request: federation-health proves",
        "ValidatingAdmissionPolicy 'federation-health-collection-durable' with binding \
         'federation-health-collection-durable' denied request: expression 'oldObject.x' resulted in error: no such key",
    ];
    for message in others {
        let fake = Fake::new(&install());
        fake.with(|s| s.refusal = Some(message));
        let proof = fake.prove(&collection()).await;
        assert!(
            failure(&proof).contains("Somebody else refused"),
            "{message}: {proof:?}"
        );
        assert!(fake.clean());
    }
    let fake = Fake::new(&install());
    let rights = "configmaps \"canary-durable-collection\" is forbidden: User \
        \"system:serviceaccount:federation-health-system:federation-health\" cannot delete resource \"configmaps\"";
    fake.with(|s| s.refusal = Some(rights));
    let proof = fake.prove(&collection()).await;
    assert!(
        matches!(&proof, Proof::Forbidden(what) if what.contains("by dry run")),
        "{proof:?}"
    );
    assert!(fake.clean());
}

#[tokio::test(start_paused = true)]
async fn rights_that_are_lacking_are_named() {
    for (path, what) in [
        (
            "/validatingadmissionpolicybindings/",
            "get validatingadmissionpolicybindings federation-health-collection-fast",
        ),
        (
            "/configmaps/canary-",
            "get ConfigMap canary-fast-collection",
        ),
        (
            "/status",
            "switch status.proof of FederationHold default off",
        ),
    ] {
        let fake = Fake::new(&install());
        fake.with(|s| s.forbidden = Some(path));
        assert_eq!(
            fake.prove(&collection()).await,
            Proof::Forbidden(what.to_owned())
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_flag_that_an_earlier_proof_left_on_is_put_back_first() {
    let fake = Fake::new(&install());
    fake.with(|s| s.proof = true);
    assert_eq!(fake.prove(&both()).await, PROVEN);
    assert!(fake.clean());
}

#[tokio::test(start_paused = true)]
async fn a_failed_write_of_the_flag_is_repeated_only_to_put_it_back() {
    let fake = Fake::new(&install());
    // The first two writes pass; the answers to the next two get lost.
    fake.with(|s| s.lost_writes = vec![false, false, true, true]);
    assert_eq!(fake.prove(&collection()).await, PROVEN);
    assert!(fake.clean());

    let fake = Fake::new(&install());
    fake.with(|s| s.lost_writes = vec![false, true]);
    let proof = fake.prove(&collection()).await;
    assert!(
        failure(&proof).contains("Could not switch status.proof"),
        "{proof:?}"
    );
    assert!(
        fake.clean(),
        "written though the answer was lost, and put back"
    );
}

#[tokio::test(start_paused = true)]
async fn every_address_counts() {
    let fake = Fake::new(&install());
    fake.with(|s| s.addresses = vec!["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    assert_eq!(fake.prove(&both()).await, Proof::Proven { on: 3, of: 3 });
    fake.with(|s| s.bad_address = Some("10.0.0.2:6443"));
    assert_eq!(fake.prove(&both()).await, Proof::Proven { on: 2, of: 3 });
    assert!(fake.clean());
    fake.with(|s| s.unbuildable = Some("10.0.0.3:6443"));
    assert_eq!(fake.prove(&both()).await, Proof::Proven { on: 1, of: 3 });
    fake.with(|s| s.addresses = vec!["10.0.0.2"]);
    let proof = fake.prove(&both()).await;
    assert!(failure(&proof).contains("10.0.0.2:6443"), "{proof:?}");
    fake.with(|s| s.unbuildable = Some("10.0.0.2:6443"));
    let proof = fake.prove(&both()).await;
    assert!(failure(&proof).contains("No client"), "{proof:?}");
    assert!(
        !fake.asked().contains(&"proof=true".to_owned()),
        "nobody to ask"
    );
    fake.with(|s| s.forbidden = Some("/endpointslices"));
    assert_eq!(
        fake.prove(&both()).await,
        PROVEN,
        "the configured address counts alone"
    );
}

#[tokio::test(start_paused = true)]
async fn the_collector_must_take_one_and_leave_the_other() {
    let mut wanted = both();
    wanted.real = true;
    let fake = Fake::new(&install());
    fake.with(|s| s.collects = None);
    let begun = Instant::now();
    let proof = fake.prove(&wanted).await;
    assert!(failure(&proof).contains("either none runs here or it is slow"));
    assert!(
        begun.elapsed() <= Duration::from_secs(31),
        "{:?}",
        begun.elapsed()
    );
    assert!(fake.clean());

    let fake = Fake::new(&install());
    fake.with(|s| s.collects = Some("canary-collector-"));
    let proof = fake.prove(&wanted).await;
    assert!(failure(&proof).contains("deleted canary-collector-covered"));
    assert!(fake.clean());
}

#[tokio::test(start_paused = true)]
async fn what_a_cut_off_proof_left_is_removed_before_the_collector_tries() {
    let fake = Fake::new(&install());
    fake.with(|s| {
        let old = json!({"labels": {"federationhealth.io/canary": "another"}});
        s.maps.insert("canary-collector-covered".to_owned(), old);
    });
    let mut wanted = collection();
    wanted.real = true;
    assert_eq!(fake.prove(&wanted).await, PROVEN);
    assert!(fake.clean());
}

#[tokio::test(start_paused = true)]
async fn a_server_without_the_kinds_is_unsupported() {
    for served in [
        None,
        Some(vec![]),
        Some(vec!["validatingadmissionpolicies"]),
    ] {
        let fake = Fake::new(&install());
        fake.with(|s| s.served = served);
        assert_eq!(fake.prove(&both()).await, Proof::Unsupported);
        assert_eq!(fake.asked().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_proof_is_repeated_when_policies_or_servers_change() {
    let fake = Fake::new(&install());
    let first = fake.fingerprint(&both()).await.unwrap();
    fake.with(|s| s.switch("federation-health-collection-durable"));
    assert_eq!(fake.fingerprint(&both()).await, Some(first), "the switch");
    fake.with(|s| s.start = "apiserver-a_2");
    assert_ne!(fake.fingerprint(&both()).await, Some(first), "a restart");
    fake.with(|s| s.start = "apiserver-a_1");
    assert_eq!(fake.fingerprint(&both()).await, Some(first));
    fake.with(|s| s.forbidden = Some("/leases"));
    assert!(
        fake.fingerprint(&both()).await.is_some(),
        "less is known, not nothing"
    );
    fake.with(|s| s.forbidden = None);
    fake.with(|s| s.addresses = vec!["10.0.0.1"]);
    let moved = fake.fingerprint(&both()).await;
    assert_ne!(moved, Some(first));
    fake.with(|s| s.version = "v1.38.0");
    assert_ne!(fake.fingerprint(&both()).await, moved);
    fake.with(|s| s.served = None);
    assert_eq!(fake.fingerprint(&both()).await, None);
}
