use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::{
    facts::{Change, Desired, Managed},
    federation::Federation,
    objects::{FEDERATED_WORKSPACE, cluster_key},
    placement::Placement,
    time::Time,
};

fn bound_to(workspace: &str, deleting: bool) -> Namespace {
    Namespace {
        workspace: Text::from(workspace),
        deleting,
        ..Namespace::default()
    }
}

proptest! {
    #[test]
    fn the_namespaces_of_a_workspace_are_those_that_were_bound_to_it_last(
        moves in prop::collection::vec((0..6_u8, prop::option::of((0..3_u8, any::<bool>()))), 0..60)
    ) {
        let mut tenants = Tenants::default();
        let mut naive = BTreeMap::new();
        for (namespace, to) in moves {
            let name = Text::from(format!("namespace-{namespace}"));
            let facts = to.map(|(ws, deleting)| bound_to(&format!("workspace-{ws}"), deleting));
            tenants.put_namespace(&name, facts.clone());
            match facts {
                Some(facts) => naive.insert(name, facts),
                None => naive.remove(&name),
            };
            for ws in 0..3 {
                let ws = Text::from(format!("workspace-{ws}"));
                let told: BTreeSet<&Text> = tenants.members(&ws).collect();
                let bound = naive.iter().filter(|(_, facts)| facts.workspace == ws);
                let meant: BTreeSet<&Text> = bound.map(|(name, _)| name).collect();
                prop_assert_eq!(told, meant);
            }
            for (name, facts) in &naive {
                let told = tenants.namespace(name);
                prop_assert_eq!(told.as_ref(), Some(facts));
            }
        }
    }
}

/// A Workspace with template, FederatedWorkspace and namespace: how it comes, or how it goes.
fn changes(n: u128, there: bool) -> [Change; 4] {
    let name = Text::from(format!("a-name-that-no-other-tenant-ever-had-{n}"));
    let desired = there.then(|| Desired {
        uid: Uid::from(n),
        generation: 1,
        deleting: false,
        placement: Placement::names([Text::from(format!("cluster-{n}"))]),
    });
    let workspace = there.then(|| Workspace {
        uid: Uid::from(n),
        managed: Managed::Yes,
        ..Workspace::default()
    });
    let namespace = there.then(|| bound_to(&name, false));
    [
        Change::Template(name.clone(), desired.clone()),
        Change::Federated(Text::from(FEDERATED_WORKSPACE), cluster_key(&name), desired),
        Change::Workspace(name.clone(), workspace),
        Change::Namespace(name, namespace),
    ]
}

#[test]
fn tenants_that_come_and_go_for_months_take_the_room_of_those_that_live_at_once() {
    const LIVE: u128 = 10;
    let mut federation = Federation::default();
    for n in 0..5_000_u128 {
        let goes = n.checked_sub(LIVE).map(|old| changes(old, false));
        let now = Time(3_600_000 * n as i64);
        for change in changes(n, true)
            .into_iter()
            .chain(goes.into_iter().flatten())
        {
            federation.apply(change, now);
        }
        federation.tick(now);
    }
    let tenants = &federation.tenants;
    assert_eq!(tenants.workspaces.len(), LIVE as usize);
    let mut rooms = vec![tenants.names.room(), tenants.namespaces.room()];
    rooms.extend(federation.objects.room());
    // Eleven at the most, and containers grow by doubling.
    assert!(rooms.iter().all(|room| *room <= 32), "{rooms:?}");
}
