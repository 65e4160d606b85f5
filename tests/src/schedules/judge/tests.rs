//! The judge bites: an operator that is right but for one thing is found wrong for that thing.

use std::{sync::Arc, time::Duration};

use federation_health_api::names::{JOURNAL, JOURNAL_KEY};
use federation_health_cluster::rbac::OPERATOR_NAMESPACE;
use federation_health_sim::{Clock, Sim, resources};
use serde_json::{Value, json};

use super::Judge;
use crate::{
    guarded::USER,
    schedules::MANAGER,
    simulated::{ALIAS, HOST, PLANE, WORKSPACES, install_crds, pass, set_spec},
};

const TENANT: &str = "/apis/tenant.kubesphere.io/v1alpha1/workspaces";
const TEMPLATES: &str = "/apis/tenant.kubesphere.io/v1alpha2/workspacetemplates";
const REGISTRATIONS: &str =
    "/apis/core.kubefed.io/v1beta1/namespaces/kube-federation-system/kubefedclusters";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/kube-federation-system/deployments";
const HEALTHS: &str = "/apis/federationhealth.io/v1alpha1/federationhealths/default";
const BINDINGS: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings";
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/federation-health-system/leases";

/// A federation in which the host is registered twice, and a process that writes with the operator's name.
struct Scene {
    sim: Sim,
    judge: Arc<Judge>,
}

/// What a doctored operator does to an object.
#[derive(Clone)]
struct Deed {
    action: &'static str,
    path: String,
    change: Value,
    from: &'static str,
    to: &'static str,
    state: &'static str,
}

impl Deed {
    fn shield() -> Self {
        Self {
            action: "ShieldWorkspaces",
            path: format!("{TENANT}/orders"),
            change: json!({"metadata": {"labels": {"kubefed.io/managed": "false"}}}),
            from: "true",
            to: "false",
            state: "Intended",
        }
    }

    fn freeze() -> Self {
        Self {
            action: "FreezeControllers",
            path: format!("{DEPLOYMENTS}/{MANAGER}/scale"),
            change: json!({"spec": {"replicas": 0}}),
            from: "2",
            to: "0",
            state: "Intended",
        }
    }

    fn retain() -> Self {
        Self {
            action: "RetainVolumes",
            path: "/api/v1/persistentvolumes/pv-orders-db-data".to_owned(),
            change: json!({"spec": {"persistentVolumeReclaimPolicy": "Retain"}}),
            from: "Delete",
            to: "Retain",
            state: "Intended",
        }
    }

    fn fix() -> Self {
        Self {
            action: "FixPlacement",
            path: format!("{TEMPLATES}/orders"),
            change: json!({"spec": {"placement": {"clusters": [{"name": "host"}]}}}),
            from: "produce-trt",
            to: "host",
            state: "Intended",
        }
    }

    fn remove() -> Self {
        Self {
            action: "RemoveStaleCluster",
            path: format!("{REGISTRATIONS}/{ALIAS}"),
            change: Value::Null,
            from: "",
            to: "",
            state: "Intended",
        }
    }

    /// The way back of an act.
    fn back(self, change: Value) -> Self {
        Self {
            change,
            state: "Undoing",
            ..self
        }
    }

    fn unshield() -> Self {
        Self::shield().back(json!({"metadata": {"labels": {"kubefed.io/managed": "true"}}}))
    }

    fn release() -> Self {
        Self::retain().back(json!({"spec": {"persistentVolumeReclaimPolicy": "Delete"}}))
    }

    fn thaw() -> Self {
        Self::freeze().back(json!({"spec": {"replicas": 2}}))
    }

    fn object(&self) -> &str {
        self.path.trim_end_matches("/scale")
    }
}

impl Scene {
    /// Everything is automatic.
    async fn begin() -> Self {
        let sim = Sim::new(Clock::simulated());
        sim.install_kubesphere().unwrap();
        for (workspace, namespaces) in WORKSPACES {
            sim.add_workspace(workspace, &["host"], &namespaces)
                .unwrap();
        }
        sim.add_volume("orders-db", "data", "Delete").unwrap();
        install_crds(&sim).unwrap();
        sim.install_policies().unwrap();
        let mut actions = json!({});
        for rung in federation_health_core::remedy::rung::Rung::ALL {
            actions[rung.switch()] = json!("Automatic");
        }
        let spec = json!({
            "hold": {"collection": "OnDiagnosis", "federation": "OnDiagnosis", "releaseAfterSeconds": 5},
            "remediation": {"mode": "Apply", "actions": actions},
        });
        set_spec(&sim, "default", &spec).unwrap();
        let judge = Judge::seat(&sim);
        let scene = Self { sim, judge };
        sim_lease(&scene).await;
        scene.sim.join(ALIAS).unwrap();
        scene.wait(1).await;
        scene
    }

    /// A request as a user; the answer, or null if it is refused.
    async fn send(&self, user: &str, verb: &str, path: &str, body: &Value) -> Value {
        let kind = if verb == "PATCH" {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let request = http::Request::builder()
            .method(verb)
            .uri(path)
            .header("content-type", kind)
            .body(serde_json::to_vec(body).unwrap())
            .unwrap();
        let answer = self.sim.client_as(user).request::<Value>(request).await;
        answer.unwrap_or_default()
    }

    async fn person(&self, path: &str, patch: Value) {
        self.send("kubernetes-admin", "PATCH", path, &patch).await;
    }

    async fn respec(&self, spec: Value) {
        self.person(HEALTHS, json!({"spec": spec})).await;
    }

    async fn annotate(&self, annotation: &str, value: Value) {
        let patch = json!({"metadata": {"annotations": {annotation: value}}});
        self.person(HEALTHS, patch).await;
    }

    /// Time passes, in which the lease is renewed: at each write the judge looks around.
    async fn wait(&self, seconds: u64) {
        for _ in 0..seconds {
            pass(Duration::from_secs(1)).await;
            self.renew("pod-1").await;
        }
    }

    async fn renew(&self, holder: &str) {
        let now = self.sim.clock().now();
        let spec = json!({"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": now.to_string()});
        let path = format!("{LEASE}/federation-health");
        self.send(USER, "PATCH", &path, &json!({"spec": spec}))
            .await;
    }

    async fn get(&self, path: &str) -> Value {
        self.send("kubernetes-admin", "GET", path, &Value::Null)
            .await
    }

    /// Writes the journal down in both of its places.
    async fn write_down(&self, deed: &Deed) {
        let object = self.get(deed.object()).await;
        let record = json!({
            "id": 1, "act": 1, "plan": "p", "action": deed.action, "kind": "",
            "name": object["metadata"]["name"], "uid": object["metadata"]["uid"],
            "from": deed.from, "to": deed.to, "state": deed.state,
        });
        let pages = json!({"actions": [record.clone()]}).to_string();
        let path = format!("/api/v1/namespaces/{OPERATOR_NAMESPACE}/configmaps");
        let body = json!({"metadata": {"name": JOURNAL}, "data": {JOURNAL_KEY: pages}});
        let kept = format!("{path}/{JOURNAL}");
        if self.send(USER, "PATCH", &kept, &body).await.is_null() {
            self.send(USER, "POST", &path, &body).await;
        }
        let shown = json!({"status": {"actions": [record]}});
        self.send(USER, "PATCH", &format!("{HEALTHS}/status"), &shown)
            .await;
    }

    /// The write itself, with its preconditions.
    async fn carry_out(&self, deed: &Deed) {
        let object = self.get(deed.object()).await;
        let meta = &object["metadata"];
        let stated = json!({"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]});
        if deed.change.is_null() {
            let options = json!({"preconditions": stated});
            self.send(USER, "DELETE", &deed.path, &options).await;
            return;
        }
        let mut body = deed.change.clone();
        for (field, value) in stated.as_object().unwrap() {
            body["metadata"][field] = value.clone();
        }
        self.send(USER, "PATCH", &deed.path, &body).await;
    }

    async fn act(&self, deed: &Deed) {
        self.write_down(deed).await;
        self.carry_out(deed).await;
    }

    /// Both durable rules hold, and the switch says so.
    async fn hold(&self) {
        for rule in ["collection", "federation"] {
            let path = format!("{BINDINGS}/federation-health-{rule}-durable");
            let selector = json!({"spec": {"matchResources": {"objectSelector": null}}});
            self.person(&path, selector).await;
        }
    }

    /// The leftover is gone, and nothing is in danger for as long as the owner wants.
    async fn cure(&self) {
        let path = format!("{REGISTRATIONS}/{ALIAS}");
        self.send("kubernetes-admin", "DELETE", &path, &Value::Null)
            .await;
        self.wait(6).await;
    }

    async fn place(&self, names: &[&str]) {
        let names: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
        let patch = json!({"spec": {"placement": {"clusters": names}}});
        self.person(&format!("{TEMPLATES}/orders"), patch.clone())
            .await;
        let federated = "/apis/types.kubefed.io/v1beta1/federatedworkspaces/orders";
        self.person(federated, patch).await;
    }

    fn wrong(&self) -> Vec<String> {
        self.judge.verdict(&[], false)
    }

    fn is_right(&self) {
        assert_eq!(self.wrong(), Vec::<String>::new());
    }

    /// One thing is wrong, and this is it.
    fn is_wrong(&self, why: &str) {
        let wrong = self.wrong();
        let told = wrong.iter().filter(|line| line.ends_with(why)).count();
        assert_eq!((told, wrong.len()), (1, 1), "{why}: {wrong:?}");
    }
}

async fn sim_lease(scene: &Scene) {
    let lease = json!({"metadata": {"name": "federation-health"}, "spec": {}});
    scene.send(USER, "POST", LEASE, &lease).await;
    scene.renew("pod-1").await;
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_does_everything_right_is_not_found_wrong() {
    let scene = Scene::begin().await;
    for deed in [Deed::retain(), Deed::shield(), Deed::freeze()] {
        scene.act(&deed).await;
    }
    scene.cure().await;
    scene.act(&Deed::thaw()).await;
    scene.wait(60).await;
    scene.act(&Deed::unshield()).await;
    scene.act(&Deed::release()).await;
    scene.is_right();
    let acts = [
        "act FreezeControllers",
        "act RetainVolumes",
        "act ShieldWorkspaces",
    ];
    assert_eq!(scene.judge.counts().into_keys().collect::<Vec<_>>(), acts);

    let scene = Scene::begin().await;
    scene.place(&[ALIAS]).await;
    scene.hold().await;
    scene.act(&Deed::fix()).await;
    scene.place(&["host"]).await;
    scene.wait(6).await;
    scene.act(&Deed::remove()).await;
    scene.is_right();
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_not_prepared_is_found() {
    let scene = Scene::begin().await;
    scene.carry_out(&Deed::shield()).await;
    scene.is_wrong("the journal's ConfigMap does not say so");

    let scene = Scene::begin().await;
    scene.write_down(&Deed::shield()).await;
    let none = json!({"status": {"actions": []}});
    scene
        .send(USER, "PATCH", &format!("{HEALTHS}/status"), &none)
        .await;
    scene.carry_out(&Deed::shield()).await;
    scene.is_wrong("status.actions does not say so");

    let scene = Scene::begin().await;
    let deed = Deed::shield();
    scene.write_down(&deed).await;
    scene.send(USER, "PATCH", &deed.path, &deed.change).await;
    scene.is_wrong("uid and resourceVersion are not its preconditions");

    let scene = Scene::begin().await;
    scene.write_down(&deed).await;
    scene.wait(1).await;
    scene
        .person(&deed.path, json!({"spec": {"networkIsolation": true}}))
        .await;
    scene.carry_out(&deed).await;
    scene.is_wrong("somebody edited it after it was planned");

    let scene = Scene::begin().await;
    scene.write_down(&deed).await;
    pass(Duration::from_secs(16)).await;
    scene.carry_out(&deed).await;
    scene.is_wrong("the lease has run out");

    let scene = Scene::begin().await;
    scene.write_down(&deed).await;
    scene.renew("a-stranger").await;
    scene.carry_out(&deed).await;
    scene.is_wrong("somebody else holds the lease");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_more_or_less_than_a_rung_is_found() {
    let mut deed = Deed::shield();
    deed.change["metadata"]["labels"]["more"] = json!("1");
    let scene = Scene::begin().await;
    // Its own fence would refuse it: without that it is the judge's.
    scene
        .sim
        .admin()
        .delete(
            &federation_health_sim::Resource::known(
                "admissionregistration.k8s.io",
                "v1",
                "validatingadmissionpolicybindings",
            ),
            "",
            "federation-health-guard-operator",
            Value::Null,
        )
        .unwrap();
    scene.act(&deed).await;
    scene.is_wrong("more than the rung's field is changed");

    let scene = Scene::begin().await;
    let both = json!({"metadata": {
        "labels": {"kubefed.io/managed": "false"}, "finalizers": ["finalizers.tenant.kubesphere.io", "orphan"],
    }});
    scene
        .act(&Deed {
            change: both,
            ..Deed::shield()
        })
        .await;
    scene.is_wrong("no field of a rung is changed, or several at once");
}

/// Each change of the owner's mind, and what a shield is then.
#[tokio::test(start_paused = true)]
async fn a_write_against_the_owners_word_is_found() {
    let approval = json!({"actions": {"shieldWorkspaces": "Approval"}});
    let pauses = json!([{"name": "a person", "reason": "look first"}]);
    for (remediation, why) in [
        (json!({"mode": "DryRun"}), "the mode is not Apply"),
        (json!({"mode": "Observe"}), "it was only to observe"),
        (json!({"pauseRequests": pauses}), "remediation is paused"),
        (
            json!({"actions": {"shieldWorkspaces": "Never"}}),
            "its switch is off, or nobody approved it",
        ),
        (approval, "its switch is off, or nobody approved it"),
    ] {
        let scene = Scene::begin().await;
        scene.respec(json!({"remediation": remediation})).await;
        scene.wait(1).await;
        scene.act(&Deed::shield()).await;
        scene.is_right();

        let scene = Scene::begin().await;
        scene.respec(json!({"remediation": remediation})).await;
        scene.wait(7).await;
        scene.act(&Deed::shield()).await;
        scene.is_wrong(why);
    }

    let scene = Scene::begin().await;
    scene
        .annotate("federationhealth.io/undo", json!("all"))
        .await;
    scene.wait(7).await;
    scene.act(&Deed::shield()).await;
    scene.is_wrong("a person asks acts back");

    let scene = Scene::begin().await;
    let limits = json!({"limits": {"maxActionsPerHour": 1}});
    scene.respec(json!({"remediation": limits})).await;
    scene.act(&Deed::retain()).await;
    scene.wait(1).await;
    scene.act(&Deed::shield()).await;
    scene.is_wrong("the budget is spent");
}

#[tokio::test(start_paused = true)]
async fn an_approval_counts_only_for_its_plan_and_its_time() {
    for (plan, seconds, valid) in [
        ("the-plan", 600, true),
        ("the-plan", -6, false),
        ("the-plan", 90_000, false),
        ("another", 600, false),
    ] {
        let scene = Scene::begin().await;
        let approval = json!({"actions": {"shieldWorkspaces": "Approval"}});
        scene.respec(json!({"remediation": approval})).await;
        let uid = scene.get(&format!("{TENANT}/orders")).await["metadata"]["uid"].clone();
        let step = json!({"action": "ShieldWorkspaces", "uid": uid});
        let shown = json!({"status": {"plan": {"id": "the-plan", "steps": [step]}}});
        scene
            .send(USER, "PATCH", &format!("{HEALTHS}/status"), &shown)
            .await;
        let until = scene.sim.clock().now().as_second() + seconds;
        let until = k8s_openapi::jiff::Timestamp::from_second(until).unwrap();
        let word = json!(format!("{plan}@{until}"));
        scene.annotate("federationhealth.io/approve", word).await;
        scene.wait(7).await;
        scene.act(&Deed::shield()).await;
        if valid {
            scene.is_right();
        } else {
            scene.is_wrong("its switch is off, or nobody approved it");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_to_what_others_keep_or_took_back_is_found() {
    let scene = Scene::begin().await;
    let opt_out = json!({"metadata": {"annotations": {"federationhealth.io/opt-out": "true"}}});
    scene.person(&Deed::shield().path, opt_out).await;
    scene.act(&Deed::shield()).await;
    scene.is_wrong("it opted out");

    let scene = Scene::begin().await;
    let mark = json!({"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": "x"}}});
    scene
        .person(&format!("{DEPLOYMENTS}/{MANAGER}"), mark)
        .await;
    scene.act(&Deed::freeze()).await;
    scene.is_wrong("a GitOps agent keeps it");

    let scene = Scene::begin().await;
    let label = json!({"metadata": {"labels": {"kubefed.io/managed": "true"}}});
    for _ in 0..2 {
        scene.act(&Deed::shield()).await;
        scene.person(&Deed::shield().path, label.clone()).await;
    }
    scene.is_wrong("somebody took it back before: that is a fight");
    // Who asks acts back has looked.
    let scene = Scene::begin().await;
    scene.act(&Deed::shield()).await;
    scene.person(&Deed::shield().path, label).await;
    scene
        .annotate("federationhealth.io/undo", json!("all"))
        .await;
    scene.wait(1).await;
    scene
        .annotate("federationhealth.io/undo", Value::Null)
        .await;
    scene.act(&Deed::shield()).await;
    scene.is_right();
}

#[tokio::test(start_paused = true)]
async fn a_rung_without_its_cause_is_found() {
    for (deed, why) in [
        (Deed::shield(), "the Workspace is in no danger"),
        (Deed::freeze(), "no cause stands"),
        (Deed::retain(), "its namespace is in no danger"),
    ] {
        let scene = Scene::begin().await;
        scene.cure().await;
        scene.act(&deed).await;
        scene.is_wrong(why);

        let scene = Scene::begin().await;
        scene.hold().await;
        let hold = json!({"status": {"hold": {"collection": true, "federation": true}}});
        let switch = json!({
            "apiVersion": "federationhealth.io/v1alpha1", "kind": "FederationHold",
            "metadata": {"name": "default"}, "spec": {},
        });
        scene.sim.apply_object(switch).unwrap();
        let path = HEALTHS.replace("healths", "holds") + "/status";
        scene.send(USER, "PATCH", &path, &hold).await;
        scene.wait(7).await;
        scene.act(&deed).await;
        scene.is_wrong("a proven hold stands, so it was not needed");
    }

    let scene = Scene::begin().await;
    let canary = json!({
        "apiVersion": "tenant.kubesphere.io/v1alpha1", "kind": "Workspace", "spec": {},
        "metadata": {
            "name": "federation-health-canary",
            "labels": {"kubefed.io/managed": "true", "federationhealth.io/canary": "workspace"},
        },
    });
    let plant = Deed {
        action: "PlantCanary",
        path: TENANT.to_owned(),
        ..Deed::shield()
    };
    let record =
        json!({"action": "PlantCanary", "name": "federation-health-canary", "state": "Intended"});
    scene.write_down(&plant).await;
    let pages = json!({"actions": [record.clone()]}).to_string();
    let path = format!("/api/v1/namespaces/{OPERATOR_NAMESPACE}/configmaps/{JOURNAL}");
    scene
        .send(USER, "PATCH", &path, &json!({"data": {JOURNAL_KEY: pages}}))
        .await;
    let shown = json!({"status": {"actions": [record]}});
    scene
        .send(USER, "PATCH", &format!("{HEALTHS}/status"), &shown)
        .await;
    scene.send(USER, "POST", TENANT, &canary).await;
    scene.is_wrong("nobody asked for the experiment");

    let scene = Scene::begin().await;
    let owners = json!({"metadata": {"ownerReferences": []}});
    let namespace = scene.get("/api/v1/namespaces/orders-db").await;
    let from = namespace["metadata"]["ownerReferences"].to_string();
    let disarm = Deed {
        action: "DisarmNamespaces",
        path: "/api/v1/namespaces/orders-db".to_owned(),
        change: owners,
        from: from.leak(),
        to: "[]",
        state: "Intended",
    };
    scene.act(&disarm).await;
    scene.is_wrong("its owner lives");
}

#[tokio::test(start_paused = true)]
async fn a_way_back_that_is_too_early_or_not_exact_is_found() {
    for (deed, back) in [
        (Deed::shield(), Deed::unshield()),
        (Deed::freeze(), Deed::thaw()),
        (Deed::retain(), Deed::release()),
    ] {
        let scene = Scene::begin().await;
        scene.wait(6).await;
        scene.act(&deed).await;
        scene.act(&back).await;
        scene.is_wrong("the cause stands");
    }

    let scene = Scene::begin().await;
    scene.act(&Deed::freeze()).await;
    scene.cure().await;
    let three = json!({"spec": {"replicas": 3}});
    let thaw = Deed {
        from: "3",
        ..Deed::thaw()
    };
    scene
        .act(&Deed {
            change: three,
            ..thaw
        })
        .await;
    scene.is_wrong("that is not what the operator found there");

    let scene = Scene::begin().await;
    scene.act(&Deed::shield()).await;
    scene.act(&Deed::freeze()).await;
    scene.cure().await;
    scene.act(&Deed::thaw()).await;
    scene.wait(50).await;
    scene.act(&Deed::unshield()).await;
    scene.is_wrong("KubeFed was not watched for a minute after the thaw");

    let scene = Scene::begin().await;
    scene.act(&Deed::retain()).await;
    scene.cure().await;
    scene
        .send(
            "kubernetes-admin",
            "DELETE",
            "/api/v1/namespaces/orders-db",
            &Value::Null,
        )
        .await;
    scene.act(&Deed::release()).await;
    scene.is_wrong("its claim goes, and its data with it");
}

#[tokio::test(start_paused = true)]
async fn a_cure_that_is_not_safe_is_found() {
    let scene = Scene::begin().await;
    scene.act(&Deed::remove()).await;
    scene.is_wrong("nothing holds");

    let scene = Scene::begin().await;
    scene.hold().await;
    scene.place(&["host", ALIAS]).await;
    scene.wait(7).await;
    scene.act(&Deed::remove()).await;
    scene.is_wrong("a placement still names it");

    let scene = Scene::begin().await;
    scene.hold().await;
    let patch = json!({"spec": {"placement": {"clusters": [{"name": ALIAS}]}}});
    let federated = "/apis/types.kubefed.io/v1beta1/federatedworkspaces/orders";
    scene.person(federated, patch).await;
    scene.wait(7).await;
    scene.act(&Deed::remove()).await;
    scene.is_wrong("a Workspace is placed on it alone");

    let scene = Scene::begin().await;
    scene.hold().await;
    let cluster = json!({
        "apiVersion": "cluster.kubesphere.io/v1alpha1", "kind": "Cluster", "metadata": {"name": ALIAS},
        "spec": {"joinFederation": true, "connection": {"kubernetesAPIEndpoint": HOST}},
    });
    scene.sim.apply_object(cluster).unwrap();
    scene.wait(7).await;
    scene.act(&Deed::remove()).await;
    scene.is_wrong("its Cluster object joins the federation: it is in use");

    let scene = Scene::begin().await;
    scene.hold().await;
    let found = scene.get(&Deed::remove().path).await;
    scene.act(&Deed::remove()).await;
    let again = json!({"metadata": {"name": ALIAS, "namespace": PLANE}, "spec": found["spec"]});
    let admin = scene.sim.admin();
    admin.create(&resources::KUBEFED_CLUSTERS, again).unwrap();
    scene.act(&Deed::remove()).await;
    scene.is_wrong("it was removed before and came back");

    let scene = Scene::begin().await;
    scene.hold().await;
    scene.place(&[ALIAS, "elsewhere"]).await;
    scene.act(&Deed::fix()).await;
    let told = scene.wrong();
    assert!(
        told[0].ends_with("the journal's ConfigMap does not say so"),
        "{told:?}"
    );

    let scene = Scene::begin().await;
    scene.place(&[ALIAS]).await;
    scene.act(&Deed::fix()).await;
    scene.is_wrong("nothing holds");
}

#[tokio::test(start_paused = true)]
async fn what_the_fence_refused_and_what_was_not_read_is_found_in_the_audit_trail() {
    let scene = Scene::begin().await;
    let deed = Deed::shield();
    scene.sim.clear_audit();
    let path = format!("{LEASE}/federation-health");
    scene.send(USER, "GET", &path, &Value::Null).await;
    scene.send(USER, "GET", &deed.path, &Value::Null).await;
    scene.act(&deed).await;
    assert_eq!(
        scene.judge.verdict(&scene.sim.audit(), true),
        Vec::<String>::new()
    );

    scene.sim.clear_audit();
    scene.send(USER, "GET", &deed.path, &Value::Null).await;
    scene.act(&Deed::freeze()).await;
    let told = scene.judge.verdict(&scene.sim.audit(), true);
    assert!(
        told.len() == 1 && told[0].ends_with("lease and target were not read before"),
        "{told:?}"
    );

    scene.sim.clear_audit();
    let path = format!("{REGISTRATIONS}/host");
    scene.send(USER, "DELETE", &path, &Value::Null).await;
    let told = scene.judge.verdict(&scene.sim.audit(), true);
    assert!(
        told.len() == 1 && told[0].ends_with("its own fence had to refuse it"),
        "{told:?}"
    );
}
