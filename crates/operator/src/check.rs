//! `check`: whether a server has what the operator needs, asked with the operator's own rights.

use std::{fmt::Write as _, time::Duration};

use federation_health_api::FederationHealth;
use federation_health_cluster::{
    call::CallError,
    check::{self, Line, Mark, passes},
    proof::{Install, Wanted, guards},
    rbac::{Holder, KUBEFED_NAMESPACE, OPERATOR_NAMESPACE, ROLES, Reach, Role},
};
use federation_health_core::{
    federation::Policy,
    hold::CollectionPolicy,
    remedy::{Allowed, Mode, rung::Rung},
};
use federation_health_index::policy;
use kube::Client;
use tokio::time::Instant;

/// Pause between two looks while something is not well yet: a new operator writes its first status within seconds.
const AGAIN: Duration = Duration::from_secs(2);

/// Why nothing could be looked at.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The API server does not answer.
    #[error("ask the API server for its version")]
    Server(#[source] CallError),
}

/// Looks until nothing has to be done, or for as long as there is patience; the last look.
///
/// # Errors
/// The API server does not answer.
pub async fn until_well(
    client: &Client,
    install: &Install,
    patience: Duration,
) -> Result<Vec<Line>, CheckError> {
    let end = Instant::now() + patience;
    loop {
        let lines = look(client, install).await;
        let well = lines.as_ref().is_ok_and(|lines| passes(lines));
        if well || Instant::now() + AGAIN > end {
            return lines;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// One line for each need.
pub fn text(lines: &[Line]) -> String {
    lines.iter().fold(String::new(), |mut text, line| {
        let colon = if line.note.is_empty() { "" } else { ": " };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{:<7} {}{colon}{}",
            line.mark.as_str(),
            line.what,
            line.note
        );
        text
    })
}

/// Looks once.
///
/// # Errors
/// The API server does not answer.
pub async fn look(client: &Client, install: &Install) -> Result<Vec<Line>, CheckError> {
    let mut lines = vec![check::server(client).await.map_err(CheckError::Server)?];
    lines.extend(check::kinds(client).await);
    let (about, object) = check::object(client, &install.object).await;
    lines.extend(about);
    let object = object.unwrap_or_default();
    let policy = asked_for(&object, &mut lines);
    let account = guards::myself(client).await.map_err(CheckError::Server)?;
    let compared = check::Compared {
        wanted: &Wanted::of(&policy),
        guards: &guarding(&object, &policy),
        object: &install.object,
        account: Some(&account),
    };
    lines.extend(check::policies(client, &compared).await);
    for role in ROLES.iter().filter(|r| r.holder == Holder::Operator) {
        let namespace = match role.reach {
            Reach::Cluster => "",
            Reach::Namespace(OPERATOR_NAMESPACE) => install.namespace.as_str(),
            Reach::Namespace(KUBEFED_NAMESPACE) => &*policy.namespace,
            Reach::Namespace(other) => other,
        };
        lines.push(check::role(client, role, namespace, needed(role, &policy)).await);
    }
    Ok(lines)
}

/// What the spec asks for; where it cannot be used, what an empty one does.
fn asked_for(object: &FederationHealth, lines: &mut Vec<Line>) -> Policy {
    let settings = policy::settings(object).or_else(|error| {
        lines.push(Line::new("spec", Mark::Wrong, error.to_string()));
        policy::settings(&FederationHealth::default())
    });
    settings.map(|s| s.policy).unwrap_or_default()
}

/// The policies beside the hold that the spec asks for.
fn guarding(object: &FederationHealth, policy: &Policy) -> Vec<&'static str> {
    let mut needed = Vec::new();
    if holds(policy) {
        needed.extend(guards::OBJECTS);
    }
    if policy.remedy.mode != Mode::Observe {
        needed.extend(guards::FENCE);
    }
    needed.extend(check::join_guard(object));
    needed
}

fn holds(policy: &Policy) -> bool {
    policy.hold.collection != CollectionPolicy::Never || policy.hold.federation
}

/// Whether the spec asks for something that this role is there for.
fn needed(role: &Role, policy: &Policy) -> bool {
    let allowed = |rung: &Rung| policy.remedy.allowed(*rung) != Allowed::Never;
    // A dry run sends the same writes, and they are authorized alike.
    let acts = |rungs: &[Rung]| policy.remedy.mode != Mode::Observe && rungs.iter().any(allowed);
    match role.file {
        "observer" => true,
        "holder" | "prover" => holds(policy),
        "prober" => policy.probing,
        _ if !role.rungs.is_empty() => acts(role.rungs),
        _ => acts(&Rung::ALL),
    }
}

#[cfg(test)]
mod tests {
    use federation_health_cluster::rbac;

    use super::*;

    fn policy(spec: &serde_json::Value) -> Policy {
        let object = serde_json::json!({"apiVersion": "federationhealth.io/v1alpha1", "kind": "FederationHealth",
            "metadata": {"name": "default"}, "spec": spec});
        policy::settings(&serde_json::from_value(object).unwrap())
            .unwrap()
            .policy
    }

    #[test]
    fn a_role_is_needed_when_the_spec_asks_for_what_it_is_for() {
        let watching = policy(&serde_json::json!({}));
        let needed_by = |policy: &Policy| -> Vec<&str> {
            let own = ROLES.iter().filter(|r| r.holder == Holder::Operator);
            own.filter(|r| needed(r, policy)).map(|r| r.name).collect()
        };
        let observer = [
            rbac::OBSERVER.name,
            rbac::ADDRESSES.name,
            rbac::EVENTS.name,
            rbac::RESTARTS.name,
            rbac::RECORDS.name,
        ];
        assert_eq!(needed_by(&watching), observer);

        let holding = policy(&serde_json::json!({"hold": {"federation": "OnDiagnosis"}}));
        assert!(needed(&rbac::HOLDER, &holding) && needed(&rbac::PROVER, &holding));
        let probing = policy(&serde_json::json!({"probe": {"mode": "Probe"}}));
        assert!(needed(&rbac::PROBER, &probing));

        let freeze = serde_json::json!({"freezeControllers": "Automatic"});
        let mode = |mode: &str| {
            policy(&serde_json::json!({"remediation": {"mode": mode, "actions": freeze}}))
        };
        assert_eq!(needed_by(&mode("Observe")), observer);
        assert!(
            needed(&rbac::FREEZE, &mode("DryRun")),
            "it sends the writes"
        );
        let acting = mode("Apply");
        for role in [rbac::FREEZE, rbac::JOURNAL, rbac::LEADER] {
            assert!(needed(&role, &acting), "{}", role.name);
        }
        assert!(!needed(&rbac::PLACE, &acting) && !needed(&rbac::SHIELD, &acting));
    }

    #[test]
    fn a_line_says_what_it_is_about_how_it_is_and_what_to_do() {
        let lines = [
            Line::new("Workspaces", Mark::Good, ""),
            Line::new("FederationHolds", Mark::Missing, "apply them"),
        ];
        assert_eq!(
            text(&lines),
            "OK      Workspaces\nMissing FederationHolds: apply them\n"
        );
        assert!(passes(&lines[..1]) && !passes(&lines));
        let unknown = [Line::new("policies", Mark::Unknown, "")];
        assert!(!passes(&unknown), "what could not be seen is not good");
    }
}
