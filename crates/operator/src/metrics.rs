//! Prometheus metrics: an owned registry, and labels from finite sets alone.

use std::sync::{Mutex, PoisonError};

use federation_health_cluster::call::CallError;
use federation_health_core::{
    assess::{Assessment, Proof, Truth},
    effect::Rule,
    facts::{Feed, FeedState},
    federation::Federation,
    words::ConditionType,
};
use prometheus::{
    Encoder as _, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder,
};

use make::{counter, counters, gauge, gauges};

mod make;

/// All metrics of the operator.
pub struct Metrics {
    registry: Registry,
    /// Held while an assessment replaces the former one, and while the registry is read: a scrape between the two would miss
    /// series, at which an alert ends and its `for` begins anew.
    shown: Mutex<Shown>,
    condition: IntGaugeVec,
    unexpected: IntCounter,
    recreations: IntCounter,
    lost: IntCounter,
    churning: IntGauge,
    at_risk: IntGauge,
    findings: IntGauge,
    clusters: IntGauge,
    workspaces: IntGauge,
    hold_active: IntGaugeVec,
    hold_durable: IntGaugeVec,
    hold_since: IntGaugeVec,
    hold_writes: IntCounterVec,
    write_failures: IntCounterVec,
    status_writes: IntCounter,
    feeds: Feeds,
    parts: Parts,
    remedy: Remedy,
}

/// What the series of conditions and feeds show: most assessments repeat it, and making series costs more than the rest of one.
#[derive(Default)]
struct Shown {
    name: String,
    conditions: Vec<(ConditionType, Truth)>,
    feeds: Vec<(Feed, bool)>,
}

/// What the watches tell, and the lists beside them.
struct Feeds {
    synced: IntGaugeVec,
    oldest_list: IntGauge,
    lost_deletions: IntCounter,
}

impl Feeds {
    fn new(r: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            synced: gauges(
                r,
                "feed_synced",
                "1 while the watch of the kind is in order.",
                &["feed"],
            )?,
            oldest_list: gauge(
                r,
                "oldest_list_timestamp_seconds",
                "When the kind that was not listed for longest was last listed; a list finds what a watch was never told.",
            )?,
            lost_deletions: counter(
                r,
                "lost_deletions_total",
                "Deletions that the API server never told of, found by a list beside the watch.",
            )?,
        })
    }

    fn show(&self, federation: &Federation, shown: &mut Vec<(Feed, bool)>) {
        raise_to(&self.lost_deletions, federation.lost_deletions());
        let listed = federation.oldest_list();
        self.oldest_list.set(listed.map_or(0, |at| at.0 / 1000));
        if federation.feeds().eq(shown.iter().map(|(f, s)| (f, *s))) {
            return;
        }
        *shown = federation.feeds().map(|(f, s)| (f.clone(), s)).collect();
        self.synced.reset();
        for (feed, synced) in shown {
            let series = self.synced.with_label_values(&[feed.as_str()]);
            series.set((*synced).into());
        }
    }
}

/// What the installation consists of on the API server.
struct Parts {
    policies_missing: IntGauge,
    kind_served: IntGaugeVec,
}

impl Parts {
    fn new(r: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            policies_missing: gauge(
                r,
                "policies_missing",
                "Policies and bindings that spec.hold needs and the API server does not have.",
            )?,
            kind_served: gauges(
                r,
                "kind_served",
                "1 while the API server serves the kind of ours, 0 while it does not.",
                &["kind"],
            )?,
        })
    }
}

/// What remediation does.
struct Remedy {
    acts: IntCounterVec,
    refusals: IntCounterVec,
    standing: IntGauge,
}

impl Remedy {
    fn new(r: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            acts: counters(
                r,
                "remediation_writes_total",
                "Writes of remediation by action and outcome.",
                &["action", "outcome"],
            )?,
            refusals: counters(
                r,
                "remediation_refusals_total",
                "Times at which a brake began to stand against acting.",
                &["brake"],
            )?,
            standing: gauge(
                r,
                "remediation_acts_standing",
                "Changes of remediation that are in force and to be taken back.",
            )?,
        })
    }
}

impl Metrics {
    /// Registers everything.
    ///
    /// # Errors
    /// Two metrics of one name: a mistake in this file.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new_custom(Some("federationhealth".to_owned()), None)?;
        let r = &registry;
        let metrics = Self {
            condition: gauges(
                r,
                "status_condition",
                "Conditions of the FederationHealth object, one series a status.",
                &["name", "condition", "status"],
            )?,
            unexpected: counter(
                r,
                "unexpected_deletions_total",
                "Workspaces deleted although they were still wished for.",
            )?,
            recreations: counter(
                r,
                "workspace_recreations_total",
                "Workspaces that came back under a new UID.",
            )?,
            lost: counter(
                r,
                "namespaces_lost_total",
                "Namespaces deleted with their Workspace.",
            )?,
            churning: gauge(
                r,
                "workspaces_churning",
                "Workspaces that are recreated again and again now.",
            )?,
            at_risk: gauge(
                r,
                "namespaces_at_risk",
                "Namespaces that open findings put at risk.",
            )?,
            findings: gauge(r, "findings", "Open findings.")?,
            clusters: gauge(r, "registrations", "KubeFedClusters in all namespaces.")?,
            workspaces: gauge(r, "workspaces", "Workspaces on this server.")?,
            hold_active: gauges(
                r,
                "hold_active",
                "1 while the fast layer of the rule holds.",
                &["rule"],
            )?,
            hold_durable: gauges(
                r,
                "hold_durable_active",
                "1 while the durable binding of the rule is active.",
                &["rule"],
            )?,
            hold_since: gauges(
                r,
                "hold_since_timestamp_seconds",
                "Since when the rule holds, 0 while it does not.",
                &["rule"],
            )?,
            hold_writes: counters(
                r,
                "hold_writes_total",
                "Writes of the switch, status.hold of the FederationHold.",
                &["kind"],
            )?,
            write_failures: counters(
                r,
                "write_failures_total",
                "Requests to the API server that failed.",
                &["operation", "class"],
            )?,
            status_writes: counter(r, "status_writes_total", "Writes of status without hold.")?,
            feeds: Feeds::new(r)?,
            parts: Parts::new(r)?,
            remedy: Remedy::new(r)?,
            registry,
            shown: Mutex::default(),
        };
        let info = gauges(
            &metrics.registry,
            "build_info",
            "Version of the running operator.",
            &["version"],
        )?;
        info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        for rule in Rule::ALL {
            metrics.rule(rule, false, false, 0);
        }
        // A counter that appears with its first failure has no increase that an alert could see.
        for operation in ["hold", "durable", "status"] {
            for class in CallError::CLASSES {
                let failures = &metrics.write_failures;
                failures.with_label_values(&[operation, class]).inc_by(0);
            }
        }
        Ok(metrics)
    }

    fn rule(&self, rule: Rule, active: bool, durable: bool, since: i64) {
        let label = &[rule.as_str()];
        self.hold_active.with_label_values(label).set(active.into());
        self.hold_durable
            .with_label_values(label)
            .set(durable.into());
        self.hold_since.with_label_values(label).set(since);
    }

    /// Shows what was judged.
    pub fn assessed(&self, name: &str, assessment: &Assessment, federation: &Federation) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        self.conditions(name, assessment, &mut shown);
        let ledger = federation.ledger();
        raise_to(&self.unexpected, ledger.unexpected_total());
        let (lost, recreations) = ledger.since_start();
        raise_to(&self.recreations, recreations);
        raise_to(&self.lost, lost);
        self.churning.set(assessment.churning as i64);
        self.at_risk.set(assessment.radius.namespaces as i64);
        self.findings.set(assessment.findings_total as i64);
        self.clusters.set(assessment.clusters as i64);
        self.workspaces.set(assessment.workspaces as i64);
        let written = federation.hold().written();
        for rule in Rule::ALL {
            let active = written.holds(rule);
            let since = written.since.filter(|_| active).map_or(0, |t| t.0 / 1000);
            self.rule(
                rule,
                active,
                federation.hold().durable(rule) == Some(true),
                since,
            );
        }
        // A cure stands for as long as it can be told apart from what was there before; nobody waits for its end.
        let standing = federation.remedy().journal().standing();
        let transient = standing.filter(|r| r.rung.is_transient()).count();
        self.remedy.standing.set(transient as i64);
        self.feeds.show(federation, &mut shown.feeds);
    }

    fn conditions(&self, name: &str, assessment: &Assessment, shown: &mut Shown) {
        let conditions = assessment.conditions.iter().map(|c| (c.type_, c.status));
        if shown.name == name && conditions.clone().eq(shown.conditions.iter().copied()) {
            return;
        }
        name.clone_into(&mut shown.name);
        shown.conditions = conditions.collect();
        self.condition.reset();
        for (type_, is) in &shown.conditions {
            for (status, label) in [
                (Truth::True, "true"),
                (Truth::False, "false"),
                (Truth::Unknown, "unknown"),
            ] {
                self.condition
                    .with_label_values(&[name, type_.as_str(), label])
                    .set((*is == status).into());
            }
        }
    }

    /// Shows what the last proof of the hold missed; nothing while no hold is asked for.
    pub fn proven(&self, proof: &Proof, asked_for: bool) {
        let missing = match proof {
            Proof::Missing(names) if asked_for => names.len(),
            _ => 0,
        };
        self.parts.policies_missing.set(missing as i64);
    }

    /// Whether a kind of ours is served; what cannot be read says nothing about it.
    pub fn served(&self, kind: &'static str, state: FeedState) {
        let served = match state {
            FeedState::Synced => 1,
            FeedState::NotInstalled => 0,
            FeedState::Pending | FeedState::Forbidden | FeedState::Failing => return,
        };
        self.parts
            .kind_served
            .with_label_values(&[kind])
            .set(served);
    }

    /// A hold was written.
    pub fn hold_written(&self, lowers: bool) {
        self.hold_writes
            .with_label_values(&[if lowers { "lower" } else { "raise" }])
            .inc();
    }

    /// An order of remediation was carried out, or was not.
    pub fn remedied(&self, action: &str, outcome: &str) {
        self.remedy.acts.with_label_values(&[action, outcome]).inc();
    }

    /// A brake began to stand against acting.
    pub fn refused(&self, brake: &str) {
        self.remedy.refusals.with_label_values(&[brake]).inc();
    }

    /// Status was written.
    pub fn status_written(&self) {
        self.status_writes.inc();
    }

    /// A request failed.
    pub fn write_failed(&self, operation: &str, class: &str) {
        self.write_failures
            .with_label_values(&[operation, class])
            .inc();
    }

    /// The text exposition.
    ///
    /// # Errors
    /// An inconsistent metric family: a mistake in this file.
    pub fn text(&self) -> Result<Vec<u8>, prometheus::Error> {
        let families = {
            let _whole = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            self.registry.gather()
        };
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(text)
    }
}

/// The ledger counts over restarts; the counter follows it upwards.
fn raise_to(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

#[cfg(test)]
mod tests;
