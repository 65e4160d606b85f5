//! Faults of the field on real control planes: members that are shared or doubled, a deleted kind, a resurrected registration.

use std::time::Duration;

use federation_health_testbed::{
    ControlPlane, ControlPlaneOptions, Federation, FederationOptions, apply,
    audit::AuditEvent,
    join::{self, JoinOptions},
    kinds::{self, KUBEFED_NAMESPACE},
    kubefed::{FederatedType, Kubefed, KubefedOptions, KubefedVersion},
    kubesphere::Kubesphere,
    wait, workspace,
};
use federation_health_tests::{
    guarded::{Guarded, Options, holds, observing},
    scenarios::{
        bed::{Bed, LATE, Record, SOON},
        figures::milliseconds,
        kubefedctl,
        remote::shop,
        tripwire::hold_of,
    },
};
use kube::runtime::wait::conditions::is_created;
use serde_json::json;

/// KubeFed's finalizer and the collector need a few seconds to take what the kind takes along.
const RAGE: Duration = Duration::from_secs(30);
/// KubeFed looks again ten seconds after the label went; three times, and the rival's first health check.
const UNDONE: Duration = Duration::from_mins(4);
const VERSION: KubefedVersion = KubefedVersion::V0_10_0;

/// A second host with a KubeFed of its own.
async fn rival(types: Vec<FederatedType>) -> (ControlPlane, Kubefed) {
    let rival = ControlPlane::start(ControlPlaneOptions::named("rival"))
        .await
        .unwrap();
    Kubesphere::install_definitions(&rival.client())
        .await
        .unwrap();
    let options = KubefedOptions {
        version: VERSION,
        types,
        ..KubefedOptions::default()
    };
    let kubefed = Kubefed::install(&rival, options).await.unwrap();
    kubefed.wait_ready().await.unwrap();
    (rival, kubefed)
}

/// A member as KubeSphere prepares it.
pub async fn member() -> ControlPlane {
    let member = ControlPlane::start(ControlPlaneOptions::named("member"))
        .await
        .unwrap();
    Kubesphere::install_definitions(&member.client())
        .await
        .unwrap();
    member
}

#[tokio::test(flavor = "multi_thread")]
async fn shared_and_doubled_members_and_a_deleted_kind_are_named() {
    let options = FederationOptions::with_kubefed(VERSION);
    let (bed, member) = tokio::join!(Bed::start(options, Options::default()), member());
    let bed = bed.unwrap();
    // By KubeFed's own program.
    let (rival, kubefed) = rival(Vec::new()).await;
    let output = kubefedctl::join(&rival, &member, "prod", "rival")
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");

    bed.federation
        .join_member(&member, "east", JoinOptions::default())
        .await
        .unwrap();
    let shared = bed.guard.wait_finding("FH010", LATE).await.unwrap();
    assert!(shared.contains("prod-rival"), "{shared}");
    kubefed.stop().await;
    rival.stop().await.unwrap();

    let record = bed.record().await.unwrap();
    doubled_member(&bed, &member).await;
    bed.federation.unregister("east-old").await.unwrap();
    record.no_workspace_deleted().unwrap();

    deleted_kind(&bed, &record).await;
    member.stop().await.unwrap();
}

/// Told before the first deletion by identity; afterwards by what KubeFed says, with the name that deletes.
async fn doubled_member(bed: &Bed, member: &ControlPlane) {
    workspace::create(&bed.federation.client(), &shop())
        .await
        .unwrap();
    bed.federation
        .wait_registration_ready("east")
        .await
        .unwrap();
    bed.federation
        .join_member(member, "east-old", JoinOptions::default())
        .await
        .unwrap();
    let doubled = bed.guard.wait_finding("FH004", SOON).await.unwrap();
    for part in ["east", "east-old", "shop"] {
        assert!(doubled.contains(part), "{part}: {doubled}");
    }
    let deleted = member.audit().deletions("workspaces").unwrap();
    assert!(deleted.is_empty(), "named after a deletion: {deleted:?}");
    let churning = bed.guard.wait_finding("FH001", LATE).await.unwrap();
    assert!(churning.contains("shop"), "{churning}");
    assert!(
        churning.contains("Deleted through east-old (sure"),
        "{churning}"
    );
    assert!(!member.audit().deletions("workspaces").unwrap().is_empty());
}

/// The kind goes: held from its own deletionTimestamp on, and ended by the advice of its finding.
async fn deleted_kind(bed: &Bed, record: &Record<'_>) {
    bed.wait_proven().await.unwrap();
    let host = bed.federation.host();
    let kind = "federatedworkspaces.types.kubefed.io";
    let kubectl = async |args: &[&str]| {
        let output = host.kubectl(args).await.unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    kubectl(&["delete", "customresourcedefinition", kind, "--wait=false"]).await;
    bed.guard.wait_finding("FH011", SOON).await.unwrap();
    let both = |h: &_| holds(h) == (true, true);
    bed.guard.wait("both holds", SOON, both).await.unwrap();
    bed.wait_durable([true, true]).await.unwrap();
    tokio::time::sleep(RAGE).await;
    let first = |keep: &dyn Fn(&AuditEvent) -> bool| {
        let found = record.matching(keep).unwrap();
        found.into_iter().min_by_key(|e| e.received).unwrap()
    };
    let marked = first(&|e| e.verb == "delete" && e.object.resource == "customresourcedefinitions");
    let held = first(&|e| {
        let hold = hold_of(e).filter(|hold| hold["collection"] == true);
        hold.is_some() && e.received >= marked.received
    });
    let tried = first(&|e| e.verb == "delete" && e.object.resource == "workspaces" && !e.dry_run);
    let died = record.deletions("workspaces").unwrap().len();
    let refused = record.refusals("workspaces").unwrap().len();
    println!(
        "from the definition's DELETE: hold answered after {:.1} ms, KubeFed's first DELETE after {:.1} ms; \
         {died} Workspaces died, {refused} deletions of Workspaces refused",
        milliseconds(marked.reached, held.reached),
        milliseconds(marked.reached, tried.received),
    );
    record.no_namespace_lost().await.unwrap();

    kubectl(&["annotate", kind, "--all", "kubefed.io/orphan=true"]).await;
    kubectl(&[
        "wait",
        "--for=delete",
        "--timeout=120s",
        "customresourcedefinition",
        kind,
    ])
    .await;
    bed.calm().await.unwrap();
    tokio::time::sleep(RAGE).await;
    assert_eq!(record.deletions("workspaces").unwrap().len(), died);
    record.no_namespace_lost().await.unwrap();
}

/// Both hosts call the member `east`, and KubeSphere calls every host `kubesphere`: all names and rights are the same. Each
/// KubeFed takes the label off what its own host does not federate.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_host_under_one_name_is_known_by_what_it_undoes() {
    let options = FederationOptions::with_kubefed(KubefedVersion::V0_8_1);
    let (bed, member, rival) = tokio::join!(
        Bed::start(options, Options::default()),
        member(),
        rival(vec![FederatedType::Workspaces]),
    );
    let (bed, (rival, kubefed)) = (bed.unwrap(), rival);
    let host = &bed.federation;
    host.join_member(&member, "east", JoinOptions::default())
        .await
        .unwrap();
    workspace::create(&host.client(), &shop()).await.unwrap();
    let created = kinds::all(&member.client(), &kinds::workspace());
    wait::for_object(created, "shop", "Workspace shop", LATE, is_created())
        .await
        .unwrap();
    join::join(&rival.client(), &member, "east", &JoinOptions::default())
        .await
        .unwrap();
    let undone = bed.guard.wait_finding("FH010", UNDONE).await.unwrap();
    assert!(
        undone.contains("east") && undone.contains("Workspace shop lost its label"),
        "{undone}"
    );
    assert!(member.audit().deletions("workspaces").unwrap().is_empty());
    assert_eq!(holds(&bed.guard.health().await.unwrap()), (false, false));
    kubefed.stop().await;
    rival.stop().await.unwrap();
    member.stop().await.unwrap();
}

/// A namespace that is force-finalized while nobody empties it leaves its objects in the store; the next namespace of that
/// name has them, older than itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_registration_that_outlived_its_namespace_is_named() {
    let bed = Federation::start(FederationOptions::without_kubefed())
        .await
        .unwrap();
    let options = Options {
        spec: Some(observing()),
        ..Options::default()
    };
    let guard = Guarded::install(bed.host(), options).await.unwrap();
    guard
        .wait_condition("RegistrationsCurrent", "True", SOON)
        .await
        .unwrap();
    let host = bed.host();
    host.stop_controller_manager().await.unwrap();
    let kubectl = async |args: &[&str]| {
        let output = host.kubectl(args).await.unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    kubectl(&["delete", "namespace", KUBEFED_NAMESPACE, "--wait=false"]).await;
    let empty = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": KUBEFED_NAMESPACE}, "spec": {"finalizers": []},
    });
    let file = host.dir().join("finalized.json");
    std::fs::write(&file, empty.to_string()).unwrap();
    let finalize = format!("/api/v1/namespaces/{KUBEFED_NAMESPACE}/finalize");
    kubectl(&[
        "replace",
        "--raw",
        &finalize,
        "-f",
        &file.display().to_string(),
    ])
    .await;
    let again =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": KUBEFED_NAMESPACE}});
    apply::object(&bed.client(), &again).await.unwrap();
    let resurrected = guard.wait_finding("FH006", LATE).await.unwrap();
    assert!(resurrected.contains("host"), "{resurrected}");
    assert!(bed.audit().deletions("workspaces").unwrap().is_empty());
    bed.stop().await.unwrap();
}
