//! What the facts mean now: conditions, findings, counts, and when the answer could change by time alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    federation::Federation,
    feeds::STALE_MS,
    findings::{self, Finding},
    joined::Joined,
    text::shorten,
    time::Time,
    view::{self, GroupView, Radius},
    words::{ConditionType, Reason},
};

mod checks;
mod holding;
mod joining;

/// Bytes of a condition's message; Kubernetes allows 32 KiB, a person reads less.
const MAX_MESSAGE: usize = 1024;

/// Dates of findings kept while some feed is silent; ten times what can be open at once in a storm is a leak.
const MAX_SINCE: usize = 16_384;

/// Status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truth {
    /// Bad.
    False,
    /// Not known, which is never good.
    Unknown,
    /// Good.
    True,
}

impl Truth {
    /// The word in status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::False => "False",
            Self::Unknown => "Unknown",
            Self::True => "True",
        }
    }
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionState {
    /// Type.
    pub type_: ConditionType,
    /// Status.
    pub status: Truth,
    /// Reason.
    pub reason: Reason,
    /// Message.
    pub message: String,
}

/// What is known of the hold chain on this server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Proof {
    /// Not tried yet.
    #[default]
    Pending,
    /// The server has no ValidatingAdmissionPolicy v1.
    Unsupported,
    /// These policies or bindings are missing.
    Missing(Vec<String>),
    /// These differ from what is shipped.
    Altered(Vec<String>),
    /// A right is lacking.
    Forbidden(String),
    /// The proof ran and failed: which step, and what was seen.
    Failed(String),
    /// Proven through so many of so many addresses of the API server.
    Proven {
        /// Addresses through which the canaries were refused and allowed as they must be.
        on: usize,
        /// Addresses known.
        of: usize,
    },
}

/// Judgement at one instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// Conditions.
    pub conditions: Vec<ConditionState>,
    /// Findings with their first time, worst first, at most [`findings::MAX_FINDINGS`], and every code among them.
    pub findings: Vec<(Finding, Time)>,
    /// All findings.
    pub findings_total: usize,
    /// Clusters with a finding.
    pub groups: Vec<GroupView>,
    /// What is at risk.
    pub radius: Radius,
    /// Registrations.
    pub clusters: usize,
    /// Workspaces.
    pub workspaces: usize,
    /// Workspaces that churn.
    pub churning: usize,
    /// The join guard's list.
    pub joined: Joined,
    /// When time alone could change this.
    pub next: Option<Time>,
}

impl Assessment {
    /// A condition by type.
    pub fn condition(&self, type_: ConditionType) -> Option<&ConditionState> {
        self.conditions.iter().find(|c| c.type_ == type_)
    }
}

impl Federation {
    /// Judges everything at `now`.
    pub fn assess(&mut self, now: Time, proof: &Proof) -> Assessment {
        self.refresh_risk(now);
        let mut all = findings::all(self, now);
        self.remember_since(&all, now);
        let young = self.hold_back(&mut all, now);
        let mut conditions = self.checks(&all, now);
        conditions.extend(self.hold_conditions(proof));
        let joined = self.joined();
        conditions.extend(self.join_guard_ready(&joined));
        conditions.extend(self.remedy.conditions());
        let healthy = healthy(&conditions);
        conditions.insert(0, healthy);
        conditions.insert(0, self.ready());
        let churning = all.iter().filter(|f| f.reason == Reason::Churning).count();
        let total = all.len();
        let dated = findings::shown(all).into_iter().map(|finding| {
            let since = self
                .since
                .get(&(finding.code, finding.subject.clone()))
                .copied()
                .unwrap_or(now);
            (finding, since)
        });
        Assessment {
            conditions,
            findings: dated.collect(),
            findings_total: total,
            groups: view::groups(self),
            radius: view::radius(self),
            clusters: self.registry.entries.len(),
            workspaces: self.tenants.workspaces.len(),
            churning,
            joined,
            next: self.next(young, now),
        }
    }

    fn remember_since(&mut self, all: &[Finding], now: Time) {
        let keys: BTreeSet<(&'static str, &str)> =
            all.iter().map(|f| (f.code, f.subject.as_str())).collect();
        // Findings of a feed that is still silent after a restart keep their date.
        if self.sure(now) || self.since.len() > MAX_SINCE {
            self.since
                .retain(|(code, subject), _| keys.contains(&(*code, subject.as_str())));
        }
        for (code, subject) in keys {
            self.since.entry((code, subject.to_owned())).or_insert(now);
        }
    }

    /// Takes out what has not been seen for long enough; gives when the first of it will have been.
    fn hold_back(&self, all: &mut Vec<Finding>, now: Time) -> Option<Time> {
        let mut first: Option<Time> = None;
        all.retain(|finding| {
            let since = self
                .since
                .get(&(finding.code, finding.subject.clone()))
                .copied()
                .unwrap_or(now);
            let told_at = since.plus_ms(finding.after_ms);
            if told_at > now {
                first = Some(first.map_or(told_at, |at| at.min(told_at)));
            }
            told_at <= now
        });
        first
    }

    /// When time alone makes a fault out of what is known.
    fn ripens(&self, now: Time) -> Option<Time> {
        let registry = &self.registry;
        let stuck = self
            .objects
            .dying()
            .map(|(_, at)| at.plus_ms(findings::BLOCKED_MS));
        let silent = registry
            .looked_at()
            .map(|(_, at)| at.plus_ms(findings::SILENT_MS));
        let flapping = registry.entries.iter().filter_map(|(_, e)| e.rests_at());
        let homes = registry.terminating_planes().into_iter();
        let hanging = homes.map(|(_, at)| at.plus_ms(findings::HANGING_MS));
        stuck
            .chain(silent)
            .chain(flapping)
            .chain(hanging)
            .chain(self.fights.changes_at(now))
            .chain(self.witnesses.rests_at())
            .chain(self.removed.ends_at())
            .filter(|at| *at > now)
            .min()
    }

    fn next(&self, young: Option<Time>, now: Time) -> Option<Time> {
        let stale = self
            .feeds
            .values()
            .map(|h| h.heard.plus_ms(STALE_MS))
            .filter(|at| *at > now)
            .min();
        [
            young,
            self.ripens(now),
            findings::armed_ripen(self, now),
            self.hold.changes_at(now),
            self.ledger.changes_at(now, &self.policy.churn),
            stale,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

fn healthy(conditions: &[ConditionState]) -> ConditionState {
    let verdict = |c: &&ConditionState| {
        !matches!(
            c.type_,
            ConditionType::Holding
                | ConditionType::RemediationAllowed
                | ConditionType::Remediating
                | ConditionType::Paused
        )
    };
    let worst = conditions
        .iter()
        .filter(verdict)
        .map(|c| c.status)
        .min()
        .unwrap_or(Truth::Unknown);
    let mut bad: Vec<&ConditionState> = conditions
        .iter()
        .filter(verdict)
        .filter(|c| c.status != Truth::True)
        .collect();
    bad.sort_by_key(|c| c.status);
    let message: Vec<String> = bad
        .iter()
        .map(|c| format!("{}: {}", c.type_.as_str(), c.message))
        .collect();
    let reason = match worst {
        Truth::False => Reason::IssuesReported,
        Truth::Unknown => Reason::UnknownReported,
        Truth::True => Reason::NoFindings,
    };
    ConditionState {
        type_: ConditionType::Healthy,
        status: worst,
        reason,
        message: shorten(message.join(" "), MAX_MESSAGE),
    }
}

/// Since when findings are open, by code and subject.
pub type Since = BTreeMap<(&'static str, String), Time>;
