//! The lesser faults of the field, each made on real control planes, named, and gone with its cause.

use std::time::Duration;

use federation_health_testbed::{
    ControlPlane, Federation, FederationOptions, apply,
    federation::HOST,
    forward::Forward,
    join::JoinOptions,
    kinds::{self, KUBEFED_NAMESPACE},
    kubefed::KubefedVersion,
    ports::free_port,
    wait::{self, Look},
    workspace::{self, Placement, WorkspaceSpec},
};
use federation_health_tests::{
    guarded::{Guarded, Options, finding, observing},
    scenarios::bed::{ALIAS, Bed, How, LATE, SOON},
};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{ApiResource, DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::field::member;

/// What two watches could contradict each other in is told after a minute; a probe, and a machine that compiles, come on top.
const SETTLED: Duration = Duration::from_secs(150);
/// What is told only after ten minutes.
const LONG: Duration = Duration::from_mins(13);
const MEMBER: &str = "east";

/// Probing every few seconds: what only a probe sees need not be waited for.
fn spec() -> Value {
    let mut spec = observing();
    spec["probe"]["periodSeconds"] = json!(6);
    spec
}

fn options() -> Options {
    Options {
        spec: Some(spec()),
        ..Options::default()
    }
}

struct Field {
    bed: Bed,
    member: ControlPlane,
    line: Forward,
}

impl Field {
    async fn start() -> Self {
        let options_of_bed = FederationOptions::with_kubefed(KubefedVersion::V0_8_1);
        let (bed, member) = tokio::join!(Bed::start(options_of_bed, options()), member());
        let line = Forward::before(&member).await.unwrap();
        let bed = bed.unwrap();
        Self { bed, member, line }
    }

    async fn told(&self, code: &str, limit: Duration, parts: &[&str]) {
        let told = self.bed.guard.wait_finding(code, limit).await.unwrap();
        for part in parts {
            assert!(told.contains(part), "{code}: no {part} in {told}");
        }
    }

    async fn gone(&self, codes: &[&str], limit: Duration) {
        for code in codes {
            self.bed.guard.wait_without(code, limit).await.unwrap();
        }
    }

    async fn join(&self, alias: &str) {
        let options = JoinOptions {
            endpoint: Some(self.line.url()),
            ..JoinOptions::default()
        };
        let federation = &self.bed.federation;
        federation
            .join_member(&self.member, alias, options)
            .await
            .unwrap();
    }

    async fn create(&self, object: Value) {
        apply::object(&self.bed.federation.client(), &object)
            .await
            .unwrap();
    }

    async fn delete(&self, kind: &ApiResource, name: &str) {
        kinds::all(&self.bed.federation.client(), kind)
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
    }

    async fn merge(&self, kind: &ApiResource, name: &str, patch: Value) {
        kinds::all(&self.bed.federation.client(), kind)
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    }

    /// Points the member's registration somewhere else.
    async fn point(&self, endpoint: &str) {
        let client = self.bed.federation.client();
        let patch = Patch::Merge(json!({"spec": {"apiEndpoint": endpoint}}));
        kinds::within(&client, &kinds::kubefed_cluster(), KUBEFED_NAMESPACE)
            .patch(MEMBER, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    async fn scale_kubefed(&self, replicas: u16) {
        let federation = &self.bed.federation;
        federation
            .scale_kubefed(KUBEFED_NAMESPACE, replicas)
            .await
            .unwrap();
    }
}

fn cluster(name: &str, joins: bool, uid: &str) -> Value {
    json!({
        "apiVersion": "cluster.kubesphere.io/v1alpha1", "kind": "Cluster",
        "metadata": {"name": name},
        "spec": {"joinFederation": joins, "connection": {"kubernetesAPIEndpoint": "https://127.0.0.1:1"}},
        "status": {"uid": uid},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn lesser_faults_are_named_and_end_with_their_causes() {
    let field = Field::start().await;
    field
        .bed
        .guard
        .wait_condition("Healthy", "True", LATE)
        .await
        .unwrap();
    let record = field.bed.record().await.unwrap();
    while_kubefed_runs(&field).await;
    while_kubefed_stands(&field).await;
    record.no_workspace_deleted().unwrap();
    record.no_namespace_lost().await.unwrap();
    field.scale_kubefed(2).await;
    field.gone(&["FH013"], LATE).await;
    field.member.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_host_and_an_orphaned_workspace_are_named() {
    let field = Field::start().await;
    field.join(MEMBER).await;
    let healthy = field.bed.guard.wait_condition("Healthy", "True", LATE);
    healthy.await.unwrap();
    let record = field.bed.record().await.unwrap();
    field.scale_kubefed(0).await;
    renamed_by_its_cluster(&field).await;
    record.no_workspace_deleted().unwrap();
    record.no_namespace_lost().await.unwrap();
    out_of_its_workspace(&field).await;
    field.member.stop().await.unwrap();
}

async fn while_kubefed_runs(field: &Field) {
    // A member is renamed; KubeFed leaves the rights of its former name.
    field.join("former").await;
    field.bed.federation.unregister("former").await.unwrap();
    field.join(MEMBER).await;
    let federation = &field.bed.federation;
    let client = federation.client();
    federation.wait_registration_ready(MEMBER).await.unwrap();

    let system: Api<Namespace> = Api::all(client.clone());
    let uid = system.get("kube-system").await.unwrap().metadata.uid;
    field
        .create(cluster("host-again", false, uid.as_deref().unwrap()))
        .await;
    let expiring = json!([{"type": "KubeConfigCertExpiresInSevenDays", "status": "True"}]);
    let conditions = |list: Value| json!({"status": {"conditions": list}});
    field
        .merge(&kinds::cluster(), HOST, conditions(expiring))
        .await;
    field.told("FH021", SOON, &[HOST]).await;

    fight_over(field, "orders-1").await;
    field.told("FH016", SOON, &["orders-1"]).await;

    for _ in 0..3 {
        assert!(finding(&field.bed.guard.health().await.unwrap(), "FH014").is_none());
        for up in [false, true] {
            field.line.set_open(up);
            federation.wait_readiness(MEMBER, up).await.unwrap();
        }
    }
    field.told("FH014", SOON, &[MEMBER]).await;
    field
        .told("FH015", SETTLED, &["Clusters host and host-again"])
        .await;
    field.told("FH020", SETTLED, &["former-kubesphere"]).await;

    field.delete(&kinds::cluster(), "host-again").await;
    field
        .merge(&kinds::cluster(), HOST, conditions(json!([])))
        .await;
    field.gone(&["FH015", "FH021"], LATE).await;
}

/// KubeFed writes a namespace without its owner, KubeSphere binds it again.
async fn fight_over(field: &Field, namespace: &str) {
    let api: Api<Namespace> = Api::all(field.bed.federation.client());
    for _ in 0..3 {
        let unowned = Patch::Merge(json!({"metadata": {"ownerReferences": null}}));
        api.patch(namespace, &PatchParams::default(), &unowned)
            .await
            .unwrap();
        wait::until("KubeSphere to bind again", SOON, || async {
            let found = api.get(namespace).await.unwrap();
            Ok(match found.metadata.owner_references {
                Some(owners) if !owners.is_empty() => Look::Done(()),
                _ => Look::Pending("no owner".to_owned()),
            })
        })
        .await
        .unwrap();
    }
}

async fn while_kubefed_stands(field: &Field) {
    field.scale_kubefed(0).await;
    let workspace = |managed: &str| {
        json!({
            "apiVersion": "tenant.kubesphere.io/v1alpha1", "kind": "Workspace",
            "metadata": {"name": "system-workspace", "labels": {"kubefed.io/managed": managed}},
            "spec": {"manager": "admin"},
        })
    };
    field.create(workspace("true")).await;
    field
        .create(json!({
            "apiVersion": "types.kubefed.io/v1beta1", "kind": "FederatedWorkspace",
            "metadata": {"name": "uninstalled"},
            "spec": {"placement": {"clusters": [{"name": HOST}]}, "template": {"spec": {}}},
        }))
        .await;
    field.bed.register(How::AsItIs).await.unwrap();
    field.told("FH004", SOON, &[HOST, ALIAS]).await;
    let dead = format!("https://127.0.0.1:{}", free_port().unwrap());
    field.point(&dead).await;
    field.told("FH023", SOON, &[MEMBER, &dead]).await;
    field.point(&field.line.url()).await;
    field.gone(&["FH023"], LATE).await;

    field.told("FH018", SETTLED, &["system-workspace"]).await;
    field.told("FH008", SETTLED, &["uninstalled"]).await;
    field
        .told("FH007", SETTLED, &[ALIAS, "KubeSphere has no Cluster"])
        .await;
    // Its clusters read Ready as before, and nobody looks.
    field.told("FH013", SETTLED, &[HOST]).await;

    // Placements that name the leftover, more than name the host.
    let placed = ["a", "b", "c"].map(|name| WorkspaceSpec {
        name: name.to_owned(),
        placement: Placement::clusters([ALIAS]),
        namespaces: Vec::new(),
    });
    let client = field.bed.federation.client();
    for spec in &placed {
        workspace::create(&client, spec).await.unwrap();
    }
    field.told("FH026", SETTLED, &[ALIAS, "3 objects"]).await;
    field.gone(&["FH007"], SOON).await;

    field.create(workspace("false")).await;
    field
        .delete(&kinds::federated_workspace(), "uninstalled")
        .await;
    for spec in &placed {
        field.delete(&kinds::workspace_template(), &spec.name).await;
    }
    field.bed.unregister().await.unwrap();
    field
        .gone(&["FH004", "FH008", "FH018", "FH026"], LATE)
        .await;
}

/// The host's Cluster is deleted and made again under another name: the placements still ask for the former one.
async fn renamed_by_its_cluster(field: &Field) {
    let federation = &field.bed.federation;
    field.delete(&kinds::cluster(), HOST).await;
    federation
        .join_alias("host-2", JoinOptions::host())
        .await
        .unwrap();
    field
        .told("FH005", LATE, &["host-2", "orders", "payments"])
        .await;
    let renamed = Placement::clusters(["host-2"]);
    for spec in federation.workspaces() {
        workspace::set_placement(&federation.client(), &spec.name, &renamed)
            .await
            .unwrap();
    }
    field.gone(&["FH005"], SOON).await;
}

/// The finalizer `orphan` saves the namespaces of a Workspace that falls; KubeSphere takes them out of it.
async fn out_of_its_workspace(field: &Field) {
    let workspaces = kinds::all(&field.bed.federation.client(), &kinds::workspace());
    let mut saved = workspaces.get("orders").await.unwrap();
    let finalizers = saved.metadata.finalizers.get_or_insert_default();
    finalizers.push("orphan".to_owned());
    let armed = json!({"metadata": {"finalizers": finalizers}});
    field.merge(&kinds::workspace(), "orders", armed).await;
    field.delete(&kinds::workspace(), "orders").await;
    field.told("FH017", LATE, &["orders"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_members_store_is_a_clone_and_no_second_name() {
    let bed = Federation::start(FederationOptions::without_kubefed());
    let (bed, original) = tokio::join!(bed, member());
    let bed = bed.unwrap();
    let copy = original.start_copy("copy").await.unwrap();
    let guard = Guarded::install(bed.host(), options()).await.unwrap();
    for (alias, plane) in [("original", &original), ("copy", &copy)] {
        let joined = bed.join_member(plane, alias, JoinOptions::default());
        joined.await.unwrap();
    }
    let told = guard.wait_finding("FH025", SETTLED).await.unwrap();
    assert!(told.contains("original") && told.contains("copy"), "{told}");
    let health = guard.health().await.unwrap();
    assert!(finding(&health, "FH004").is_none(), "{:?}", health.status);
    copy.stop().await.unwrap();
    original.stop().await.unwrap();
    bed.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_for_ten_minutes_is_named() {
    let field = Field::start().await;
    let federation = &field.bed.federation;
    let client = federation.client();
    field.join(MEMBER).await;
    federation.wait_registration_ready(MEMBER).await.unwrap();
    let shop = WorkspaceSpec {
        name: "shop".to_owned(),
        placement: Placement::clusters([HOST, MEMBER]),
        namespaces: Vec::new(),
    };
    workspace::create(&client, &shop).await.unwrap();
    workspace::wait_bound(&client, &[shop], LATE).await.unwrap();
    field.line.set_open(false);
    federation.wait_readiness(MEMBER, false).await.unwrap();
    field.delete(&kinds::workspace_template(), "shop").await;

    let old = "old-federation";
    field
        .create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": old}}))
        .await;
    field
        .create(json!({
            "apiVersion": "core.kubefed.io/v1beta1", "kind": "KubeFedConfig",
            "metadata": {"name": "kubefed", "namespace": old, "finalizers": ["federation.example/kept"]},
            "spec": {"scope": "Namespaced"},
        }))
        .await;
    let namespaces: Api<Namespace> = Api::all(client);
    namespaces
        .delete(old, &DeleteParams::default())
        .await
        .unwrap();
    let mut waits = cluster("west", true, "e2c9d0b8-waits");
    waits["status"]["conditions"] = json!([{"type": "Federated", "status": "False"}]);
    field.create(waits).await;

    field.told("FH012", LONG, &[MEMBER, "shop"]).await;
    field.told("FH019", LONG, &[old]).await;
    field.told("FH022", LONG, &["west"]).await;
    field.line.set_open(true);
    field.gone(&["FH012"], LATE).await;
    field.member.stop().await.unwrap();
}
