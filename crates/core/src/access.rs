//! Whose rights KubeFed's accounts in a member are.

use std::collections::BTreeSet;

use crate::{
    id::Text,
    registry::{RealCluster, Registry},
};

/// What KubeSphere puts for the host in every account's name, whichever host it is.
const KUBESPHERE: &str = "kubesphere";

/// Accounts that no registration of the cluster accounts for.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    /// This federation's own, of registrations that are gone.
    pub(crate) leftover: BTreeSet<Text>,
    /// Another host's.
    pub(crate) foreign: BTreeSet<Text>,
}

/// Sorts the accounts that probes read in this cluster.
///
/// KubeFed calls an account `<cluster>-<host>`, and both parts may hold dashes: one of a known registration is always taken
/// for ours, and another host is believed only where its name is not the one that our own accounts carry.
pub(crate) fn judge(registry: &Registry, real: &RealCluster) -> Strangers {
    let entries: Vec<_> = real
        .members
        .iter()
        .filter_map(|key| registry.entry(key).map(|entry| (&key.name, entry)))
        .collect();
    let names: BTreeSet<&Text> = entries.iter().map(|(name, _)| *name).collect();
    let accounts: BTreeSet<&Text> = entries.iter().flat_map(|(_, e)| &e.accounts).collect();
    let hosts: BTreeSet<&str> = accounts
        .iter()
        .flat_map(|account| names.iter().filter_map(|name| host_of(account, name)))
        .collect();
    let mut strangers = Strangers::default();
    for account in accounts {
        if names.iter().any(|name| host_of(account, name).is_some()) {
            continue;
        }
        let ours = |host: &str| {
            account
                .strip_suffix(host)
                .is_some_and(|cluster| cluster.len() > 1 && cluster.ends_with('-'))
        };
        let known = hosts.is_empty() || hosts.iter().any(|host| ours(host)) || ours(KUBESPHERE);
        let list = if known {
            &mut strangers.leftover
        } else {
            &mut strangers.foreign
        };
        list.insert(account.clone());
    }
    strangers
}

/// The host's part of an account of this registration.
fn host_of<'a>(account: &'a str, name: &str) -> Option<&'a str> {
    account
        .strip_prefix(name)?
        .strip_prefix('-')
        .filter(|host| !host.is_empty())
}
