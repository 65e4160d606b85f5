//! Spec to policy. Servers too old for CEL drop the CRD's rules, so each is repeated here.

use federation_health_api::{
    FederationHealth, FederationHealthSpec,
    v1alpha1::{Churn, CollectionRule, FederationRule, JoinGuard, Kinds, ProbeMode},
};
use federation_health_core::{
    churn::Thresholds,
    federation::Policy,
    hold::{CollectionPolicy, HoldPolicy},
    id::Text,
    placement::Selector,
    time::Time,
};

use crate::facts::selector;

mod checks;

/// What the operator does, as the spec says, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// For the decisions.
    pub policy: Policy,
    /// Workspaces that are not judged.
    pub ignore: Option<Selector>,
    /// Every federated kind is watched, not Workspaces alone.
    pub all_kinds: bool,
    /// Seconds between two probes of one registration.
    pub probe_period_seconds: u64,
    /// Seconds after which a probe is given up.
    pub probe_timeout_seconds: u64,
    /// CIDR blocks that may be dialled.
    pub allowed_endpoints: Vec<String>,
}

/// What is wrong with a spec: field, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {fix}")]
pub struct InvalidSpec {
    /// Path of the field.
    pub field: &'static str,
    /// What to change.
    pub fix: String,
}

fn invalid(field: &'static str, fix: impl Into<String>) -> InvalidSpec {
    InvalidSpec {
        field,
        fix: fix.into(),
    }
}

/// Translates the spec.
///
/// # Errors
/// The first rule that the spec breaks.
pub fn settings(object: &FederationHealth) -> Result<Settings, InvalidSpec> {
    let spec = &object.spec;
    checks::check(spec)?;
    let ignore = spec
        .workspaces
        .ignore_selector
        .as_ref()
        .map(|s| {
            selector(&s.into())
                .map_err(|error| invalid("spec.workspaces.ignoreSelector", error.to_string()))
        })
        .transpose()?;
    Ok(Settings {
        policy: Policy {
            generation: object.metadata.generation.unwrap_or_default(),
            namespace: Text::from(spec.federation.namespace.as_str()),
            probing: spec.probe.mode == ProbeMode::Probe,
            churn: thresholds(&spec.churn),
            hold: hold(spec),
            max_incidents: spec.history.max_incidents as usize,
            join_guard: spec.join_guard != JoinGuard::Never,
            remedy: crate::remedy::policy(object),
        },
        ignore,
        all_kinds: spec.workspaces.kinds == Kinds::AllFederatedTypes,
        probe_period_seconds: spec.probe.period_seconds as u64,
        probe_timeout_seconds: spec.probe.timeout_seconds as u64,
        allowed_endpoints: spec.probe.allowed_endpoints.clone(),
    })
}

/// What a spec that breaks a rule still asks for: each part of it with which the whole is `usable`, defaults for the others.
pub fn mended(
    object: &FederationHealth,
    usable: impl Fn(&FederationHealth) -> bool,
) -> FederationHealth {
    type Part = fn(&mut FederationHealthSpec, &FederationHealthSpec);
    const PARTS: [Part; 8] = [
        |to, from| to.federation.clone_from(&from.federation),
        |to, from| to.workspaces.clone_from(&from.workspaces),
        |to, from| to.churn.clone_from(&from.churn),
        |to, from| to.probe.clone_from(&from.probe),
        |to, from| to.hold.clone_from(&from.hold),
        |to, from| to.join_guard.clone_from(&from.join_guard),
        |to, from| to.remediation.clone_from(&from.remediation),
        |to, from| to.history.clone_from(&from.history),
    ];
    let mut mended = FederationHealth {
        metadata: object.metadata.clone(),
        ..FederationHealth::default()
    };
    for part in PARTS {
        let mut with = mended.clone();
        part(&mut with.spec, &object.spec);
        if usable(&with) {
            mended = with;
        }
    }
    mended
}

fn thresholds(churn: &Churn) -> Thresholds {
    Thresholds {
        fast_half_life_ms: churn.fast_half_life_seconds * 1000,
        fast_on: churn.fast_threshold_percent as f32 / 100.0,
        slow_half_life_ms: churn.slow_half_life_seconds * 1000,
        slow_on: churn.slow_threshold_percent as f32 / 100.0,
        off: churn.clear_percent as f32 / 100.0,
    }
}

fn hold(spec: &FederationHealthSpec) -> HoldPolicy {
    let hold = &spec.hold;
    HoldPolicy {
        collection: match hold.collection {
            CollectionRule::Never => CollectionPolicy::Never,
            CollectionRule::OnDiagnosis => CollectionPolicy::OnDiagnosis,
            CollectionRule::Always => CollectionPolicy::Always,
        },
        federation: hold.federation == FederationRule::OnDiagnosis,
        release_after_ms: hold.release_after_seconds * 1000,
        in_doubt: false,
        requests: hold
            .requests
            .iter()
            .map(|r| {
                (
                    Text::from(r.name.as_str()),
                    Text::from(r.reason.as_str()),
                    Time(r.until.0.as_millisecond()),
                )
            })
            .collect(),
    }
}
