//! Ten thousand Workspaces without a server: what the decisions know after so many watch events.

use std::collections::BTreeMap;

use federation_health_api::foreign;
use federation_health_cluster::{call::CallError, rbac::FEDERATED_KINDS};
use federation_health_core::{
    assess::Proof,
    facts::{Change, Feed, FeedState, ObjectKey},
    federation::{Federation, Policy},
    id::Text,
    objects::FEDERATED_WORKSPACE,
    remedy::{brake, rung::Rung},
    time::Time,
};
use federation_health_index::facts;
use federation_health_operator::metrics::Metrics;
use serde_json::json;

use super::Failure;

/// What an operator exports that has seen everything that it can see: every kind that KubeSphere federates, every failure of
/// every request, every action and every brake, in a federation with so many Workspaces and registrations of one cluster.
pub fn exposition(workspaces: usize, registrations: usize) -> Result<String, Failure> {
    let mut crowd = Crowd::new(workspaces)?;
    for i in 1..registrations {
        crowd.register(&format!("leftover-{i}"), i)?;
    }
    let fixed = [
        Feed::Configs,
        Feed::Types,
        Feed::Clusters,
        Feed::Templates,
        Feed::Controllers,
        Feed::Definitions,
    ];
    let federated = FEDERATED_KINDS
        .iter()
        .map(|kind| Feed::Federated(Text::from(*kind)));
    for feed in fixed.into_iter().chain(federated) {
        crowd.apply(Change::Feed(feed, FeedState::Synced));
    }
    for round in 0..workspaces {
        crowd.recreate(round)?;
    }
    let metrics = Metrics::new()?;
    let assessment = crowd.federation.assess(crowd.now, &Proof::Pending);
    metrics.assessed("default", &assessment, &crowd.federation);
    metrics.proven(&Proof::Pending, true);
    for kind in ["FederationHealths", "FederationHolds"] {
        metrics.served(kind, FeedState::Synced);
    }
    for lowers in [true, false] {
        metrics.hold_written(lowers);
    }
    // The words of executor, reconcile, contents, remedy and lease.
    for operation in [
        "hold", "durable", "verify", "confirm", "status", "contents", "survey", "lease",
    ] {
        for class in CallError::CLASSES {
            metrics.write_failed(operation, class);
        }
    }
    for rung in Rung::ALL {
        for outcome in ["Tried", "Wrote", "Refused", "Failed", "Unknown"] {
            metrics.remedied(rung.as_str(), outcome);
        }
    }
    for (word, ..) in brake::TABLE {
        metrics.refused(word);
    }
    Ok(String::from_utf8(metrics.text()?)?)
}

/// A federation of one cluster, fed as the watches feed it.
pub struct Crowd {
    /// Decisions.
    pub federation: Federation,
    /// The instant of the last change.
    pub now: Time,
}

impl Crowd {
    /// With so many Workspaces, each with a namespace.
    pub fn new(workspaces: usize) -> Result<Self, Failure> {
        let mut crowd = Self {
            federation: Federation::default(),
            now: Time(1_700_000_000_000),
        };
        crowd.federation.set_policy(
            Policy {
                namespace: Text::from("kube-federation-system"),
                ..Policy::default()
            },
            crowd.now,
        );
        let federated = Feed::Federated(Text::from(FEDERATED_WORKSPACE));
        for feed in [
            Feed::Registrations,
            Feed::Workspaces,
            Feed::Namespaces,
            federated,
        ] {
            crowd.apply(Change::Feed(feed, FeedState::Synced));
        }
        crowd.register("host", 0)?;
        for i in 0..workspaces {
            crowd.workspace(i)?;
        }
        Ok(crowd)
    }

    /// Registers the cluster under one more name.
    pub fn register(&mut self, name: &str, i: usize) -> Result<(), Failure> {
        let registration: foreign::KubeFedCluster = serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "kube-federation-system", "uid": uid(1, i), "labels": {"cluster-role.kubesphere.io/host": ""}},
            "spec": {"apiEndpoint": "https://127.0.0.1:6443", "caBundle": "YXV0aG9yaXR5"},
        }))?;
        let (key, facts) = facts::registration(&registration);
        self.apply(Change::Registration(key, Some(facts)));
        Ok(())
    }

    /// One more fact, a moment later.
    pub fn apply(&mut self, change: Change) {
        self.now = self.now.plus_ms(10);
        self.federation.apply(change, self.now);
    }

    fn workspace(&mut self, i: usize) -> Result<(), Failure> {
        let name = format!("workspace-{i:06}");
        let desired: foreign::FederatedObject = serde_json::from_value(json!({
            "metadata": {"name": name, "uid": uid(2, i), "generation": 1},
            "spec": {"placement": {"clusters": [{"name": "host"}]}},
        }))?;
        let (key, wish) = facts::desired(&desired)?;
        self.apply(Change::Template(key.name.clone(), Some(wish.clone())));
        self.apply(Change::Federated(
            Text::from(FEDERATED_WORKSPACE),
            ObjectKey {
                namespace: Text::default(),
                ..key
            },
            Some(wish),
        ));
        self.seen(&line(&name, &uid(3, i), false))?;
        self.bound(&name, &uid(3, i))
    }

    /// The Workspace in the middle dies and comes back.
    pub fn recreate(&mut self, round: usize) -> Result<(), Failure> {
        let name = format!("workspace-{:06}", 50);
        let (old, new) = if round == 0 {
            (uid(3, 50), uid(4, 0))
        } else {
            (uid(4, round - 1), uid(4, round))
        };
        self.seen(&line(&name, &old, true))?;
        let gone: foreign::Object = serde_json::from_str(&line(&name, &old, true))?;
        self.apply(Change::Workspace(Text::from(gone.metadata.name), None));
        self.seen(&line(&name, &new, false))?;
        self.bound(&name, &new)
    }

    fn seen(&mut self, line: &str) -> Result<(), Failure> {
        let object: foreign::Object = serde_json::from_str(line)?;
        let (name, facts) = facts::workspace(&object, None);
        self.apply(Change::Workspace(name, Some(facts)));
        Ok(())
    }

    fn bound(&mut self, workspace: &str, owner: &str) -> Result<(), Failure> {
        let object: foreign::Object = serde_json::from_value(json!({"metadata": {
            "name": format!("{workspace}-ns"), "uid": uid(5, 0), "labels": {"kubesphere.io/workspace": workspace},
            "ownerReferences": [{"apiVersion": "tenant.kubesphere.io/v1alpha1", "kind": "Workspace", "name": workspace, "uid": owner}],
        }}))?;
        let name = Text::from(object.metadata.name.as_str());
        self.apply(Change::Namespace(name, facts::namespace(&object)));
        Ok(())
    }
}

fn uid(sort: u16, i: usize) -> String {
    format!("00000000-0000-{sort:04x}-0000-{i:012x}")
}

/// A Workspace as the API server sends it, managed fields included.
fn line(name: &str, uid: &str, deleting: bool) -> String {
    let mut metadata = BTreeMap::from([
        ("name", json!(name)),
        ("uid", json!(uid)),
        ("resourceVersion", json!("123456")),
        ("generation", json!(3)),
        ("creationTimestamp", json!("2026-11-23T06:23:44Z")),
        ("labels", json!({"kubefed.io/managed": "true"})),
        ("finalizers", json!(["finalizers.tenant.kubesphere.io"])),
        (
            "managedFields",
            json!([{"manager": "controller-manager", "operation": "Update", "fieldsV1": {"f:metadata": {"f:labels": {"f:kubefed.io/managed": {}}}}}]),
        ),
    ]);
    if deleting {
        metadata.insert("deletionTimestamp", json!("2026-11-23T06:24:44Z"));
    }
    json!({"apiVersion": "tenant.kubesphere.io/v1alpha1", "kind": "Workspace", "metadata": metadata, "spec": {"manager": "admin"}}).to_string()
}
