//! The policies, a line for each: those of the hold and those beside it.

use std::collections::BTreeMap;

use federation_health_api::{FederationHealth, v1alpha1::JoinGuard};
use federation_health_core::assess::Proof;
use kube::Client;
use serde_json::Value;

use super::{Line, Mark, why};
use crate::proof::{self, Install, Installed, Shipped, ShippedError, Wanted, guards};

const POLICIES: &str =
    "kubectl apply --server-side -k config/policies, or policies.enabled=true of the chart";

/// The policies that `spec.joinGuard` asks for: where one refuses, the other warns of what is not certain.
pub fn join_guard(object: &FederationHealth) -> &'static [&'static str] {
    match object.spec.join_guard {
        JoinGuard::Never => &[],
        JoinGuard::Warn | JoinGuard::Deny => &guards::JOIN,
    }
}

/// Which policies are needed, and what they are compared with.
pub struct Compared<'a> {
    /// Holds that have to work.
    pub wanted: &'a Wanted,
    /// Policies beside the hold that have to be there.
    pub guards: &'a [&'static str],
    /// FederationHealth that they are about.
    pub object: &'a str,
    /// User name of the operator's account; None: the one that the server's fence names.
    pub account: Option<&'a str>,
}

/// The policies and their bindings: those that are needed must be there, and each that is there as shipped.
pub async fn policies(client: &Client, compared: &Compared<'_>) -> Vec<Line> {
    let holds = proof::names(&proof::Part::ALL);
    let names = [&holds[..], &guards::all()].concat();
    let installed = match Installed::read(client, &names).await {
        Ok(installed) => installed,
        // Said by the server's line already; here it is none of them.
        Err(Proof::Unsupported) => Installed::default(),
        Err(other) => return vec![Line::new("policies", Mark::Unknown, why(other))],
    };
    let account = compared.account.or_else(|| guards::fenced(&installed));
    let mut needed = proof::names(&compared.wanted.parts());
    needed.extend(compared.guards);
    let line = |name: &&'static str| {
        if let Some(lacking) = lacking(&installed, name) {
            return if needed.contains(name) {
                Line::new(*name, Mark::Missing, format!("no {lacking}: {POLICIES}"))
            } else {
                let note = format!("no {lacking}, and the spec does not ask for it");
                Line::new(*name, Mark::Absent, note)
            };
        }
        let Some(account) = account else {
            let note = "the operator's account, which it names, is not known";
            return Line::new(*name, Mark::Unknown, note);
        };
        match altered(&installed, name, account, compared) {
            Ok(altered) if altered.is_empty() => Line::new(*name, Mark::Good, ""),
            Ok(altered) => {
                let note = format!("not as shipped: {}. {POLICIES}", altered.join(", "));
                Line::new(*name, Mark::Wrong, note)
            }
            Err(error) => Line::new(*name, Mark::Unknown, error.to_string()),
        }
    };
    names.iter().map(line).collect()
}

fn lacking(installed: &Installed, name: &str) -> Option<&'static str> {
    let has = |objects: &BTreeMap<String, Value>| objects.contains_key(name);
    match (has(&installed.policies), has(&installed.bindings)) {
        (false, _) => Some("policy"),
        (_, false) => Some("binding"),
        _ => None,
    }
}

fn altered(
    installed: &Installed,
    name: &str,
    account: &str,
    compared: &Compared<'_>,
) -> Result<Vec<String>, ShippedError> {
    let Some(part) = proof::Part::ALL.into_iter().find(|p| p.name() == name) else {
        return guards::altered(installed, name, account, compared.object);
    };
    // system:serviceaccount:NAMESPACE:NAME
    let namespace = account.split(':').nth(2).unwrap_or_default();
    let shipped = Shipped::for_install(&Install {
        namespace: namespace.to_owned(),
        object: compared.object.to_owned(),
    })?;
    Ok(proof::faults(&shipped, installed, part, &compared.wanted.plane).altered)
}
