//! A federation on which a process writes with the operator's name, and what it writes.

use std::{sync::Arc, time::Duration};

use federation_health_api::names::{JOURNAL, JOURNAL_KEY};
use federation_health_cluster::rbac::OPERATOR_NAMESPACE;
use federation_health_sim::{Clock, Sim, resources};
use serde_json::{Value, json};

use crate::{
    guarded::USER,
    schedules::{MANAGER, judge::Judge},
    simulated::{ALIAS, PLANE, WORKSPACES, install_crds, pass, set_spec},
};

pub(super) const TENANT: &str = "/apis/tenant.kubesphere.io/v1alpha1/workspaces";
pub(super) const TEMPLATES: &str = "/apis/tenant.kubesphere.io/v1alpha2/workspacetemplates";
pub(super) const REGISTRATIONS: &str =
    "/apis/core.kubefed.io/v1beta1/namespaces/kube-federation-system/kubefedclusters";
pub(super) const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/kube-federation-system/deployments";
pub(super) const HEALTHS: &str = "/apis/federationhealth.io/v1alpha1/federationhealths/default";
pub(super) const BINDINGS: &str =
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings";
pub(super) const LEASE: &str =
    "/apis/coordination.k8s.io/v1/namespaces/federation-health-system/leases";

/// A federation in which the host is registered twice, and a process that writes with the operator's name.
pub(super) struct Scene {
    pub(super) sim: Sim,
    pub(super) judge: Arc<Judge>,
    /// What the leftover's registration says.
    leftover: Value,
}

/// What a doctored operator does to an object.
#[derive(Clone)]
pub(super) struct Deed {
    pub(super) action: &'static str,
    pub(super) path: String,
    pub(super) change: Value,
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    pub(super) state: &'static str,
}

impl Deed {
    pub(super) fn shield() -> Self {
        Self {
            action: "ShieldWorkspaces",
            path: format!("{TENANT}/orders"),
            change: json!({"metadata": {"labels": {"kubefed.io/managed": "false"}}}),
            from: "true",
            to: "false",
            state: "Intended",
        }
    }

    pub(super) fn freeze() -> Self {
        Self {
            action: "FreezeControllers",
            path: format!("{DEPLOYMENTS}/{MANAGER}/scale"),
            change: json!({"spec": {"replicas": 0}}),
            from: "2",
            to: "0",
            state: "Intended",
        }
    }

    pub(super) fn retain() -> Self {
        Self {
            action: "RetainVolumes",
            path: "/api/v1/persistentvolumes/pv-orders-db-data".to_owned(),
            change: json!({"spec": {"persistentVolumeReclaimPolicy": "Retain"}}),
            from: "Delete",
            to: "Retain",
            state: "Intended",
        }
    }

    pub(super) fn fix() -> Self {
        Self {
            action: "FixPlacement",
            path: format!("{TEMPLATES}/orders"),
            change: json!({"spec": {"placement": {"clusters": [{"name": "host"}]}}}),
            from: "produce-trt",
            to: "host",
            state: "Intended",
        }
    }

    pub(super) fn remove() -> Self {
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
    pub(super) fn back(self, change: Value) -> Self {
        Self {
            change,
            state: "Undoing",
            ..self
        }
    }

    /// All owners go off a namespace of this content.
    pub(super) fn disarm(namespace: &Value) -> Self {
        Self {
            action: "DisarmNamespaces",
            path: "/api/v1/namespaces/orders-db".to_owned(),
            change: json!({"metadata": {"ownerReferences": []}}),
            from: namespace["metadata"]["ownerReferences"].to_string().leak(),
            to: "[]",
            state: "Intended",
        }
    }

    pub(super) fn unshield() -> Self {
        Self::shield().back(json!({"metadata": {"labels": {"kubefed.io/managed": "true"}}}))
    }

    pub(super) fn release() -> Self {
        Self::retain().back(json!({"spec": {"persistentVolumeReclaimPolicy": "Delete"}}))
    }

    pub(super) fn thaw() -> Self {
        Self::freeze().back(json!({"spec": {"replicas": 2}}))
    }

    pub(super) fn object(&self) -> &str {
        self.path.trim_end_matches("/scale")
    }
}

impl Scene {
    /// Everything is automatic.
    pub(super) async fn begin() -> Self {
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
        sim.join(ALIAS).unwrap();
        let found = sim.admin().get(&resources::KUBEFED_CLUSTERS, PLANE, ALIAS);
        let leftover = found.unwrap()["spec"].clone();
        let scene = Self {
            sim,
            judge,
            leftover,
        };
        sim_lease(&scene).await;
        scene.wait(1).await;
        scene
    }

    /// A request as a user; the answer, or null if it is refused.
    pub(super) async fn send(&self, user: &str, verb: &str, path: &str, body: &Value) -> Value {
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

    pub(super) async fn person(&self, path: &str, patch: Value) {
        self.send("kubernetes-admin", "PATCH", path, &patch).await;
    }

    pub(super) async fn respec(&self, spec: Value) {
        self.person(HEALTHS, json!({"spec": spec})).await;
    }

    pub(super) async fn annotate(&self, annotation: &str, value: Value) {
        let patch = json!({"metadata": {"annotations": {annotation: value}}});
        self.person(HEALTHS, patch).await;
    }

    /// The plan in status has this deed, and a person approves one of that name for so many seconds.
    pub(super) async fn approve(&self, deed: &Deed, plan: &str, seconds: i64) {
        let uid = self.get(deed.object()).await["metadata"]["uid"].clone();
        let step = json!({"action": deed.action, "uid": uid});
        let shown = json!({"status": {"plan": {"id": "the-plan", "steps": [step]}}});
        self.send(USER, "PATCH", &format!("{HEALTHS}/status"), &shown)
            .await;
        let until = self.sim.clock().now().as_second() + seconds;
        let until = k8s_openapi::jiff::Timestamp::from_second(until).unwrap();
        let word = json!(format!("{plan}@{until}"));
        self.annotate("federationhealth.io/approve", word).await;
    }

    /// Time passes, in which the lease is renewed: at each write the judge looks around.
    pub(super) async fn wait(&self, seconds: u64) {
        for _ in 0..seconds {
            pass(Duration::from_secs(1)).await;
            self.renew("pod-1").await;
        }
    }

    pub(super) async fn renew(&self, holder: &str) {
        let now = self.sim.clock().now();
        let spec = json!({"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": now.to_string()});
        let path = format!("{LEASE}/federation-health");
        self.send(USER, "PATCH", &path, &json!({"spec": spec}))
            .await;
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        self.send("kubernetes-admin", "GET", path, &Value::Null)
            .await
    }

    /// Writes the journal down in both of its places.
    pub(super) async fn write_down(&self, deed: &Deed) {
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
    pub(super) async fn carry_out(&self, deed: &Deed) {
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

    pub(super) async fn act(&self, deed: &Deed) {
        self.write_down(deed).await;
        self.carry_out(deed).await;
    }

    /// Both durable rules hold, and the switch says so.
    pub(super) async fn hold(&self) {
        for rule in ["collection", "federation"] {
            let path = format!("{BINDINGS}/federation-health-{rule}-durable");
            let selector = json!({"spec": {"matchResources": {"objectSelector": null}}});
            self.person(&path, selector).await;
        }
    }

    /// The leftover is gone, and nothing is in danger for as long as the owner wants.
    pub(super) async fn cure(&self) {
        let path = format!("{REGISTRATIONS}/{ALIAS}");
        self.send("kubernetes-admin", "DELETE", &path, &Value::Null)
            .await;
        self.wait(6).await;
    }

    /// The leftover is registered again.
    pub(super) async fn double(&self) {
        let again = json!({"metadata": {"name": ALIAS, "namespace": PLANE}, "spec": self.leftover});
        let admin = self.sim.admin();
        admin.create(&resources::KUBEFED_CLUSTERS, again).unwrap();
        self.wait(1).await;
    }

    pub(super) async fn place(&self, names: &[&str]) {
        let names: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
        let patch = json!({"spec": {"placement": {"clusters": names}}});
        self.person(&format!("{TEMPLATES}/orders"), patch.clone())
            .await;
        let federated = "/apis/types.kubefed.io/v1beta1/federatedworkspaces/orders";
        self.person(federated, patch).await;
    }

    pub(super) fn wrong(&self) -> Vec<String> {
        self.judge.verdict(&[], false)
    }

    pub(super) fn is_right(&self) {
        assert_eq!(self.wrong(), Vec::<String>::new());
    }

    /// One thing is wrong, and this is it.
    pub(super) fn is_wrong(&self, why: &str) {
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
