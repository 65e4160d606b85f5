//! The join guard's list: what is registered already, and by whom.

use std::{borrow::Cow, collections::BTreeMap, net::Ipv6Addr};

use crate::{
    federation::Federation,
    id::{RegistrationKey, Text},
};

/// Bytes that the list may take of the FederationHealth, as JSON: it has to stay under 128 KiB with all else. A thousand
/// clusters at plain addresses take 30 KiB of endpoints.
pub const LIST_BUDGET: usize = 48 << 10;
/// Quotes, colon and comma around a key and its value.
const PUNCTUATION: usize = 6;

/// What is known of the registered endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Joined {
    /// The join guard is off.
    Off,
    /// The registrations have not been read.
    Unread,
    /// The list.
    Read(JoinList),
}

/// Endpoints and CAs, each with the oldest registration that has it. Where one is registered twice already, the younger is
/// the one that should not have been let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinList {
    /// By endpoint, without the scheme, which is always https.
    pub endpoints: BTreeMap<Text, String>,
    /// By a part of the CA bundle.
    pub authorities: BTreeMap<Text, String>,
    /// Entries that did not fit into [`LIST_BUDGET`].
    pub left_out: usize,
}

/// What the API server has to have for the join guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinPart {
    /// ValidatingAdmissionPolicies.
    Policies,
    /// ValidatingAdmissionPolicyBindings.
    Bindings,
}

/// Entries that share one budget.
struct Filling {
    budget: usize,
    left_out: usize,
}

impl Filling {
    fn put(&mut self, into: &mut BTreeMap<Text, String>, key: &str, owner: String) {
        let size = key.len() + owner.len() + PUNCTUATION;
        if into.contains_key(key) {
            return;
        }
        match self.budget.checked_sub(size) {
            Some(rest) => {
                self.budget = rest;
                into.insert(key.into(), owner);
            }
            None => self.left_out += 1,
        }
    }
}

/// An IPv6 address as the policies compare it: CEL can spell it out, and cannot write it in its short form.
fn spelled_out(endpoint: &str) -> Cow<'_, str> {
    let bracketed = endpoint.strip_prefix('[').and_then(|e| e.split_once(']'));
    let address = bracketed.and_then(|(a, rest)| Some((a.parse::<Ipv6Addr>().ok()?, rest)));
    match address {
        None => Cow::Borrowed(endpoint),
        Some((address, rest)) => {
            let groups = address.segments().map(|group| format!("{group:x}"));
            Cow::Owned(format!("[{}]{rest}", groups.join(":")))
        }
    }
}

impl Federation {
    /// The list for the join guard. Costs one pass over the registrations.
    pub fn joined(&self) -> Joined {
        if !self.policy.join_guard {
            return Joined::Off;
        }
        if !self.registry.is_complete() {
            return Joined::Unread;
        }
        let mut entries: Vec<_> = self.registry.entries.iter().collect();
        entries.sort_by_key(|(key, entry)| (entry.facts.created, *key));
        let owner = |key: &RegistrationKey| match key.namespace == self.policy.namespace {
            true => key.name.to_string(),
            false => key.to_string(),
        };
        let mut list = JoinList::default();
        let mut filling = Filling {
            budget: LIST_BUDGET,
            left_out: 0,
        };
        for (key, entry) in &entries {
            if let Some(endpoint) = &entry.facts.endpoint {
                let endpoint = endpoint.strip_prefix("https://").unwrap_or(endpoint);
                filling.put(&mut list.endpoints, &spelled_out(endpoint), owner(key));
            }
        }
        // Endpoints come first: they refuse, a CA only warns.
        for (key, entry) in &entries {
            if let Some(authority) = &entry.facts.authority {
                filling.put(&mut list.authorities, authority, owner(key));
            }
        }
        list.left_out = filling.left_out;
        Joined::Read(list)
    }

    /// The policies of the join guard, or their bindings, were listed: are they all there?
    pub fn observe_join_policies(&mut self, part: JoinPart, installed: Option<bool>) {
        self.join_policies[part as usize] = installed;
    }
}
