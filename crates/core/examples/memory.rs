//! Resident memory per Workspace: `cargo run --release -p federation-health-core --example memory`.
//!
//! Linux only: reads `/proc/self/statm`. Each Workspace has what a real one has: a template, a FederatedWorkspace and one
//! namespace, each decoded on its own, so that every name arrives in an allocation of its own.
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
        Change::Template(name(), Some(desired(n))),
        Change::Federated(Text::from(FEDERATED), key, Some(desired(n))),
        Change::Workspace(name(), Some(workspace)),
        Change::Namespace(Text::from(format!("project-{n:06}")), Some(namespace)),
    ]
}

fn main() {
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
    let mut from = 0_u128;
    println!("Workspaces  resident MiB  bytes each");
    for total in [10_000_u128, 50_000, 100_000] {
        for n in from..total {
            for change in changes(n) {
                federation.apply(change, now);
            }
        }
        from = total;
        let used = resident().saturating_sub(empty);
        println!(
            "{total:>10}  {:>12.1}  {:>10}",
            used as f64 / (1024.0 * 1024.0),
            u128::from(used) / total
        );
    }
}
