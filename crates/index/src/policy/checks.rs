//! The rules of the CRD, repeated: a server too old for CEL drops the rules, and whoever reads a file has no server.

use std::{collections::BTreeSet, net::IpAddr};

use federation_health_api::{
    FederationHealthSpec,
    v1alpha1::{
        Churn, FederationRef, Hold, IgnoreRequirement, Limits, Probe, Remediation, Workspaces,
    },
};

use super::{InvalidSpec, invalid};

type Checked = Result<(), InvalidSpec>;

/// Entries of `hold.requests` and `remediation.pauseRequests`: more is no set of persons but a program.
const MAX_REQUESTS: usize = 16;
/// Characters of a request's name, as of a label's value.
const MAX_NAME: usize = 63;
/// Clusters that are known to be offline: more than that are an outage, and the share of them is what the limit is for.
const MAX_OFFLINE: usize = 64;
/// Characters of an object's name (RFC 1123 subdomain).
const MAX_OBJECT_NAME: usize = 253;
/// Characters of a reason: a line or two on a terminal.
const MAX_REASON: usize = 256;
/// Labels and requirements of a selector.
const MAX_TERMS: usize = 16;
/// Values of one requirement.
const MAX_VALUES: usize = 32;
/// Characters of a label's key: a prefix of 253, a slash, a name of 63.
const MAX_KEY: usize = 317;
/// CIDR blocks.
const MAX_BLOCKS: usize = 64;

pub(super) fn check(spec: &FederationHealthSpec) -> Checked {
    federation(&spec.federation)?;
    workspaces(&spec.workspaces)?;
    churn(&spec.churn)?;
    probe(&spec.probe)?;
    hold(&spec.hold)?;
    remediation(&spec.remediation)?;
    within(
        "spec.history.maxIncidents",
        spec.history.max_incidents,
        1,
        20,
    )
}

fn within(field: &'static str, value: i64, min: i64, max: i64) -> Checked {
    require((min..=max).contains(&value), field, || {
        format!("choose {min} to {max}")
    })
}

fn at_most(field: &'static str, count: usize, max: usize) -> Checked {
    require(count <= max, field, || {
        format!("list at most {max}, not {count}")
    })
}

fn filled(field: &'static str, text: &str, max: usize) -> Checked {
    let length = text.chars().count();
    require((1..=max).contains(&length), field, || {
        format!("write 1 to {max} characters")
    })
}

fn require<T: Into<String>>(holds: bool, field: &'static str, fix: impl FnOnce() -> T) -> Checked {
    if holds {
        Ok(())
    } else {
        Err(invalid(field, fix()))
    }
}

fn federation(federation: &FederationRef) -> Checked {
    object_name("spec.federation.namespace", &federation.namespace, 63, "")?;
    object_name(
        "spec.federation.controllerDeployment",
        &federation.controller_deployment,
        253,
        ".",
    )
}

/// A name of Kubernetes: `also` are the characters allowed inside it beside `-`.
fn object_name(field: &'static str, name: &str, max: usize, also: &str) -> Checked {
    filled(field, name, max)?;
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let inside = |c: char| edge(Some(c)) || c == '-' || also.contains(c);
    let ends = edge(name.chars().next()) && edge(name.chars().next_back());
    require(
        ends && name.chars().all(inside),
        field,
        || "use lower-case letters, digits and '-', with a letter or digit at both ends",
    )
}

fn workspaces(workspaces: &Workspaces) -> Checked {
    let field = "spec.workspaces.ignoreSelector";
    let Some(selector) = &workspaces.ignore_selector else {
        return Ok(());
    };
    let (labels, requirements) = (&selector.match_labels, &selector.match_expressions);
    require(
        !labels.is_empty() || !requirements.is_empty(),
        field,
        || "name at least one label, or leave the field out",
    )?;
    at_most(
        "spec.workspaces.ignoreSelector.matchLabels",
        labels.len(),
        MAX_TERMS,
    )?;
    at_most(
        "spec.workspaces.ignoreSelector.matchExpressions",
        requirements.len(),
        MAX_TERMS,
    )?;
    requirements.iter().try_for_each(requirement)
}

fn requirement(requirement: &IgnoreRequirement) -> Checked {
    let field = "spec.workspaces.ignoreSelector.matchExpressions";
    filled(field, &requirement.key, MAX_KEY)?;
    at_most(field, requirement.values.len(), MAX_VALUES)
}

fn churn(churn: &Churn) -> Checked {
    let (fast, slow) = (churn.fast_half_life_seconds, churn.slow_half_life_seconds);
    within("spec.churn.fastHalfLifeSeconds", fast, 30, 86_400)?;
    within("spec.churn.slowHalfLifeSeconds", slow, 60, 604_800)?;
    require(
        fast < slow,
        "spec.churn.fastHalfLifeSeconds",
        || "choose less than slowHalfLifeSeconds",
    )?;
    let (fast, slow) = (churn.fast_threshold_percent, churn.slow_threshold_percent);
    within("spec.churn.fastThresholdPercent", fast, 110, 1600)?;
    within("spec.churn.slowThresholdPercent", slow, 110, 1600)?;
    within("spec.churn.clearPercent", churn.clear_percent, 10, 1500)?;
    require(
        churn.clear_percent < fast.min(slow),
        "spec.churn.clearPercent",
        || "choose less than both thresholds",
    )
}

fn probe(probe: &Probe) -> Checked {
    within("spec.probe.periodSeconds", probe.period_seconds, 5, 3600)?;
    within("spec.probe.timeoutSeconds", probe.timeout_seconds, 1, 60)?;
    require(
        probe.timeout_seconds < probe.period_seconds,
        "spec.probe.timeoutSeconds",
        || "choose less than periodSeconds",
    )?;
    let field = "spec.probe.allowedEndpoints";
    at_most(field, probe.allowed_endpoints.len(), MAX_BLOCKS)?;
    let stranger = probe.allowed_endpoints.iter().find(|block| !is_cidr(block));
    require(stranger.is_none(), field, || {
        let stranger = stranger.map_or("", String::as_str);
        format!("{stranger:?} is no CIDR block; write for example 10.0.0.0/8 or fd00::/8")
    })
}

fn is_cidr(text: &str) -> bool {
    let Some((address, prefix)) = text.split_once('/') else {
        return false;
    };
    let longest = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    prefix.bytes().all(|b| b.is_ascii_digit()) && prefix.parse::<u8>().is_ok_and(|p| p <= longest)
}

fn hold(hold: &Hold) -> Checked {
    within(
        "spec.hold.releaseAfterSeconds",
        hold.release_after_seconds,
        1,
        86_400,
    )?;
    at_most("spec.hold.requests", hold.requests.len(), MAX_REQUESTS)?;
    let mut names = BTreeSet::new();
    for request in &hold.requests {
        filled("spec.hold.requests.name", &request.name, MAX_NAME)?;
        filled("spec.hold.requests.reason", &request.reason, MAX_REASON)?;
        require(names.insert(&request.name), "spec.hold.requests", || {
            format!(
                "two requests are named {:?}; give each its own name",
                request.name
            )
        })?;
    }
    Ok(())
}

fn remediation(remediation: &Remediation) -> Checked {
    let Limits {
        max_actions_per_hour,
        cooldown_seconds,
        max_unhealthy_percent,
        ref expected_offline,
    } = remediation.limits;
    within(
        "spec.remediation.limits.maxActionsPerHour",
        max_actions_per_hour,
        0,
        60,
    )?;
    within(
        "spec.remediation.limits.cooldownSeconds",
        cooldown_seconds,
        0,
        86_400,
    )?;
    within(
        "spec.remediation.limits.maxUnhealthyPercent",
        max_unhealthy_percent,
        1,
        100,
    )?;
    let field = "spec.remediation.limits.expectedOffline";
    at_most(field, expected_offline.len(), MAX_OFFLINE)?;
    expected_offline
        .iter()
        .try_for_each(|name| filled(field, name, MAX_OBJECT_NAME))?;
    let requests = &remediation.pause_requests;
    at_most(
        "spec.remediation.pauseRequests",
        requests.len(),
        MAX_REQUESTS,
    )?;
    requests.iter().try_for_each(|request| {
        filled(
            "spec.remediation.pauseRequests.name",
            &request.name,
            MAX_NAME,
        )?;
        filled(
            "spec.remediation.pauseRequests.reason",
            &request.reason,
            MAX_REASON,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_an_address_and_a_prefix_that_fits_it() {
        for block in [
            "10.0.0.0/8",
            "127.0.0.1/32",
            "fd00::/8",
            "::1/128",
            "0.0.0.0/0",
        ] {
            assert!(is_cidr(block), "{block}");
        }
        for text in [
            "10.0.0.0",
            "10.0.0/8",
            "10.0.0.0/33",
            "fd00::/129",
            "host/8",
            "10.0.0.0/+8",
            "/8",
            "10.0.0.0/",
        ] {
            assert!(!is_cidr(text), "{text}");
        }
    }

    #[test]
    fn dots_are_for_deployments_alone_and_never_at_an_end() {
        assert!(object_name("f", "kubefed.v2", 63, ".").is_ok());
        assert!(object_name("f", "kubefed.v2", 63, "").is_err());
        for name in ["", "-a", "a-", ".a", "Fed", "a_b", "ä"] {
            assert!(object_name("f", name, 63, ".").is_err(), "{name}");
        }
        assert!(object_name("f", &"a".repeat(63), 63, "").is_ok());
        assert!(object_name("f", &"a".repeat(64), 63, "").is_err());
    }
}
