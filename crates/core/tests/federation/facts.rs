//! Facts by number: an object's UID is its number.

use federation_health_core::{
    facts::{Desired, Feed, Managed, Namespace, ObjectKey, Readiness, Registration, Workspace},
    federation::Policy,
    hold::{CollectionPolicy, HoldPolicy},
    id::{RegistrationKey, Text, Uid},
    placement::Placement,
};

/// Namespace of the guarded control plane.
pub const PLANE: &str = "kube-federation-system";
/// UID of this server's kube-system.
pub const HERE: u128 = 0xc1;
/// The federated kind of Workspaces.
pub const FW: &str = "FederatedWorkspace";
/// How long a hold outlives its cause here.
pub const RELEASE_AFTER_MS: i64 = 5000;

pub fn text(name: &str) -> Text {
    Text::from(name)
}

pub fn uid(n: u128) -> Uid {
    Uid::from(n)
}

pub fn key(namespace: &str, name: &str) -> RegistrationKey {
    RegistrationKey {
        namespace: text(namespace),
        name: text(name),
    }
}

pub fn cluster_key(name: &str) -> ObjectKey {
    ObjectKey {
        namespace: text(""),
        name: text(name),
    }
}

/// A registration of the server behind `endpoint`, Ready.
pub fn registration(n: u128, endpoint: &str) -> Registration {
    Registration {
        uid: uid(n),
        endpoint: Some(text(endpoint)),
        ca: Some(endpoint.bytes().fold(7, |hash, byte| {
            (hash * 31 + u128::from(byte)) % 1_000_000_007
        })),
        ready: Readiness::True,
        host_label: endpoint == "https://here:6443",
        ..Registration::default()
    }
}

pub fn desired(n: u128, clusters: &[&str]) -> Desired {
    Desired {
        uid: uid(n),
        generation: 1,
        deleting: false,
        placement: Placement::names(clusters.iter().map(|c| text(c))),
    }
}

pub fn workspace(n: u128) -> Workspace {
    Workspace {
        uid: uid(n),
        deleting: false,
        managed: Managed::Yes,
        ignored: false,
        orphan: false,
    }
}

pub fn namespace(n: u128, workspace: &str, owner: u128) -> Namespace {
    Namespace {
        uid: uid(n),
        deleting: false,
        workspace: text(workspace),
        owner: Some(uid(owner)),
        other_owner: false,
    }
}

pub fn policy(collection: CollectionPolicy, federation: bool) -> Policy {
    Policy {
        namespace: text(PLANE),
        hold: HoldPolicy {
            collection,
            federation,
            release_after_ms: RELEASE_AFTER_MS,
            ..HoldPolicy::default()
        },
        max_incidents: 10,
        ..Policy::default()
    }
}

pub fn both() -> Policy {
    policy(CollectionPolicy::OnDiagnosis, true)
}

/// Every feed of a federation with KubeSphere.
pub fn feeds() -> Vec<Feed> {
    vec![
        Feed::Registrations,
        Feed::Configs,
        Feed::Types,
        Feed::Clusters,
        Feed::Templates,
        Feed::Workspaces,
        Feed::Namespaces,
        Feed::Controllers,
        Feed::Definitions,
        Feed::Federated(text(FW)),
    ]
}
