//! Resident memory per Workspace, kind by kind:
//! `cargo run --release -p federation-health-core --example memory [WORKSPACES]`.
//!
//! Linux only: reads `/proc/self/statm`. Each Workspace has what a real one has: a template, a FederatedWorkspace and one
//! namespace, each decoded on its own.
#![expect(clippy::print_stdout, reason = "its purpose")]

use federation_health_core::{
    facts::{Change, Desired, FederatedKind, Feed, Managed, Namespace, ObjectKey, Workspace},
    federation::Federation,
    id::{Text, Uid},
    placement::Placement,
    time::Time,
};

/// Pages are this large on every machine that this is run on.
const PAGE: u64 = 4096;
const FEDERATED: &str = "FederatedWorkspace";
/// In the order of [`changes`].
const KINDS: [&str; 4] = ["Workspace", "WorkspaceTemplate", FEDERATED, "Namespace"];

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|word| word.parse().ok());
    pages.unwrap_or(0_u64) * PAGE
}

fn desired(n: u128) -> Desired {
    Desired {
        uid: Uid::from(n),
        generation: 1,
        deleting: false,
        placement: Placement::names([Text::from("host")]),
    }
}

fn changes(n: u128) -> [Change; 4] {
    let name = || Text::from(format!("workspace-{n:06}"));
    let workspace = Workspace {
        uid: Uid::from(n),
        deleting: false,
        managed: Managed::Yes,
        ignored: false,
        orphan: false,
    };
    let namespace = Namespace {
        uid: Uid::from(n << 32),
        deleting: false,
        workspace: name(),
        owner: Some(Uid::from(n)),
        other_owner: false,
    };
    let key = ObjectKey {
        namespace: Text::default(),
        name: name(),
    };
    [
        Change::Workspace(name(), Some(workspace)),
        Change::Template(name(), Some(desired(n))),
        Change::Federated(Text::from(FEDERATED), key, Some(desired(n))),
        Change::Namespace(Text::from(format!("project-{n:06}")), Some(namespace)),
    ]
}

fn main() {
    let total: u32 = std::env::args()
        .nth(1)
        .and_then(|word| word.parse().ok())
        .unwrap_or(100_000);
    let mut federation = Federation::default();
    let now = Time(0);
    let kind = FederatedKind {
        kind: Text::from(FEDERATED),
        target: Text::from("Workspace"),
        namespaced: false,
    };
    let types = Change::Type(Text::from("plane"), Text::from("workspaces"), Some(kind));
    federation.apply(types, now);
    federation.begin(&Feed::Registrations);
    federation.end(&Feed::Registrations, now);
    let empty = resident();
    println!("{total} of each     bytes each  bytes in all");
    let mut before = 0;
    // One kind after the other: the difference is what the kind costs where the former are known already.
    for (at, kind) in KINDS.iter().enumerate() {
        for n in 0..total {
            if let Some(change) = changes(n.into()).into_iter().nth(at) {
                federation.apply(change, now);
            }
        }
        let used = resident().saturating_sub(empty) / u64::from(total);
        println!("{kind:<20}{:>9}{used:>14}", used.saturating_sub(before));
        before = used;
    }
}
