//! What the facts mean now: conditions, findings, counts, and when the answer could change by time alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    effect::{CauseKind, HoldImage},
    facts::{Feed, FeedState},
    federation::{Federation, STALE_MS},
    findings::{self, Finding, MAX_FINDINGS},
    id::Text,
    registry::UNREACHABLE_AFTER,
    time::Time,
    view::{self, GroupView, Radius},
    words::{ConditionType, Reason},
};

/// Length of a condition's message; Kubernetes allows 32 KiB, a person reads less.
const MAX_MESSAGE: usize = 1024;

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
    /// Findings with their first time, worst first, at most [`MAX_FINDINGS`].
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
        self.refresh_risk();
        let all = findings::all(self, now);
        self.remember_since(&all, now);
        let mut conditions = self.checks(&all, now);
        conditions.extend(self.hold_conditions(proof));
        if self.policy.remediating {
            conditions.push(ConditionState {
                type_: ConditionType::RemediationAllowed,
                status: Truth::False,
                reason: Reason::NoActionAvailable,
                message: "This version holds deletions; it changes nothing else.".to_owned(),
            });
        }
        let healthy = healthy(&conditions);
        conditions.insert(0, healthy);
        conditions.insert(0, self.ready());
        let churning = all.iter().filter(|f| f.reason == Reason::Churning).count();
        let total = all.len();
        let dated = all.into_iter().take(MAX_FINDINGS).map(|finding| {
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
            next: self.next(now),
        }
    }

    fn remember_since(&mut self, all: &[Finding], now: Time) {
        let keys: BTreeSet<(&'static str, &str)> =
            all.iter().map(|f| (f.code, f.subject.as_str())).collect();
        // Findings of a feed that is still silent after a restart keep their date.
        if self.sure(now) {
            self.since
                .retain(|(code, subject), _| keys.contains(&(*code, subject.as_str())));
        }
        for (code, subject) in keys {
            self.since.entry((code, subject.to_owned())).or_insert(now);
        }
    }

    fn checks(&self, all: &[Finding], now: Time) -> Vec<ConditionState> {
        use ConditionType as C;
        let workspace = Feed::Federated(Text::from(crate::objects::FEDERATED_WORKSPACE));
        let mut checks = vec![
            (C::ClustersUnique, vec![Feed::Registrations]),
            (
                C::ControlPlaneUnique,
                vec![Feed::Configs, Feed::Controllers],
            ),
            (C::RegistrationsCurrent, vec![Feed::Registrations]),
            (C::WorkspacesStable, vec![Feed::Workspaces, workspace]),
            (C::NamespacesSafe, vec![Feed::Namespaces, Feed::Workspaces]),
        ];
        if self.policy.probing {
            checks.push((C::ClustersReachable, vec![Feed::Registrations]));
        }
        checks
            .into_iter()
            .map(|(type_, feeds)| self.check(type_, &feeds, all, now))
            .collect()
    }

    fn check(
        &self,
        type_: ConditionType,
        feeds: &[Feed],
        all: &[Finding],
        now: Time,
    ) -> ConditionState {
        let state = |status, reason, message| ConditionState {
            type_,
            status,
            reason,
            message,
        };
        if type_ == ConditionType::ClustersReachable
            && let Some(message) = self.unreachable()
        {
            return state(Truth::False, Reason::Unreachable, message);
        }
        let mine: Vec<&Finding> = all.iter().filter(|f| f.condition == type_).collect();
        if let Some(worst) = mine.iter().find(|f| !f.suspicion) {
            return state(Truth::False, worst.reason, summary(&mine));
        }
        if let Some((reason, message)) = feeds.iter().find_map(|feed| self.trouble(feed, now)) {
            return state(Truth::Unknown, reason, message);
        }
        if let Some(suspicion) = mine.first() {
            return state(Truth::Unknown, suspicion.reason, summary(&mine));
        }
        if type_ == ConditionType::ClustersUnique
            && let Some(message) = self.unidentified()
        {
            return state(Truth::Unknown, Reason::Unreachable, message);
        }
        state(Truth::True, Reason::AsExpected, String::new())
    }

    /// Why a feed cannot be relied on.
    fn trouble(&self, feed: &Feed, now: Time) -> Option<(Reason, String)> {
        let name = feed.as_str();
        let health = self.feeds.get(feed).copied().unwrap_or_default();
        let stale = now.since_ms(health.heard) >= STALE_MS;
        match health.state {
            FeedState::NotInstalled => Some((
                Reason::CRDNotInstalled,
                format!(
                    "{name} are not installed on this server: install KubeFed's and KubeSphere's CRDs, or remove this object."
                ),
            )),
            FeedState::Forbidden => Some((
                Reason::Forbidden,
                format!("The operator may not list and watch {name}: apply its ClusterRole again."),
            )),
            FeedState::Pending => Some((
                Reason::WatchNotSynced,
                format!("{name} have not been read yet."),
            )),
            // A connection that comes back within the time of a bookmark has missed nothing: no flicker for it.
            FeedState::Failing | FeedState::Synced if stale || !health.synced_once => Some((
                Reason::WatchNotSynced,
                format!("The watch of {name} has been silent for too long."),
            )),
            FeedState::Failing | FeedState::Synced => self.malformed.get(feed).map(|names| {
                let names: Vec<&str> = names.iter().map(|n| &**n).collect();
                (
                    Reason::MalformedObject,
                    format!(
                        "{name} that cannot be read are not judged: {}.",
                        names.join(", ")
                    ),
                )
            }),
        }
    }

    fn unreachable(&self) -> Option<String> {
        let mut bad: Vec<String> = self
            .registry
            .entries
            .iter()
            .filter(|(_, e)| e.failures >= UNREACHABLE_AFTER)
            .map(|(key, e)| format!("{key} ({})", e.failure.unwrap_or("Unknown")))
            .collect();
        bad.sort();
        bad.truncate(findings::MAX_NAMES);
        (!bad.is_empty()).then(|| format!("No answer from {}.", bad.join(", ")))
    }

    /// Registrations that were dialled in vain and never identified.
    fn unidentified(&self) -> Option<String> {
        if !self.policy.probing {
            return None;
        }
        let mut bad: Vec<String> = self
            .registry
            .entries
            .iter()
            .filter(|(_, e)| e.identity.is_none() && e.failures > 0)
            .map(|(key, e)| format!("{key} ({})", e.failure.unwrap_or("Unknown")))
            .collect();
        bad.sort();
        bad.truncate(findings::MAX_NAMES);
        (!bad.is_empty()).then(|| {
            format!(
                "Not identified: {}. They may be a cluster that is registered already.",
                bad.join(", ")
            )
        })
    }

    fn ready(&self) -> ConditionState {
        let pending: Vec<&str> = self
            .feeds
            .iter()
            .filter(|(_, h)| h.state == FeedState::Pending)
            .map(|(f, _)| f.as_str())
            .collect();
        let (status, reason, message) = if self.feeds.is_empty() || !pending.is_empty() {
            (
                Truth::Unknown,
                Reason::NotObservedYet,
                format!("Waiting for {}.", pending.join(", ")),
            )
        } else {
            (Truth::True, Reason::Evaluating, String::new())
        };
        ConditionState {
            type_: ConditionType::Ready,
            status,
            reason,
            message,
        }
    }

    fn hold_conditions(&self, proof: &Proof) -> Vec<ConditionState> {
        let mut conditions = Vec::new();
        if self.hold.asked_for() {
            let (status, reason, message) = hold_ready(proof);
            conditions.push(ConditionState {
                type_: ConditionType::HoldReady,
                status,
                reason,
                message,
            });
        }
        let written = self.hold.written();
        if written.collection || written.federation {
            conditions.push(holding(&written, self.hold.blocked()));
        }
        conditions
    }

    fn next(&self, now: Time) -> Option<Time> {
        let stale = self
            .feeds
            .values()
            .map(|h| h.heard.plus_ms(STALE_MS))
            .filter(|at| *at > now)
            .min();
        [
            self.hold.changes_at(now),
            self.ledger.changes_at(now, &self.policy.churn),
            stale,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

fn hold_ready(proof: &Proof) -> (Truth, Reason, String) {
    const FIX: &str = "Apply config/policies again.";
    match proof {
        Proof::Pending => (Truth::Unknown, Reason::ProofPending, "The hold has not been proven on this server yet.".to_owned()),
        Proof::Unsupported => (
            Truth::False,
            Reason::PolicyUnsupported,
            "This API server does not serve ValidatingAdmissionPolicy v1 (Kubernetes 1.30 or newer): nothing can be held.".to_owned(),
        ),
        Proof::Missing(names) => (Truth::False, Reason::PolicyMissing, format!("Missing: {}. {FIX}", names.join(", "))),
        Proof::Altered(names) => (Truth::False, Reason::PolicyAltered, format!("Altered: {}. {FIX}", names.join(", "))),
        Proof::Forbidden(what) => (Truth::False, Reason::Forbidden, format!("The operator may not {what}: apply its roles again.")),
        Proof::Failed(what) => (Truth::False, Reason::ProofFailed, what.clone()),
        Proof::Proven { on, of } if on == of => {
            (Truth::True, Reason::Proven, format!("Proven on {on}/{of} addresses of the API server."))
        }
        Proof::Proven { on, of } => {
            (Truth::False, Reason::ProofFailed, format!("Proven on {on}/{of} addresses of the API server only."))
        }
    }
}

fn holding(image: &HoldImage, blocked: &[Text]) -> ConditionState {
    let reason = match image.reason {
        _ if !blocked.is_empty() => Reason::ReleaseBlocked,
        Some(CauseKind::DoubledRegistration) => Reason::DoubledRegistration,
        Some(CauseKind::SecondControlPlane) => Reason::SecondControlPlane,
        Some(CauseKind::SelectedNowhere) => Reason::SelectedNowhere,
        Some(CauseKind::Requested) => Reason::Requested,
        Some(CauseKind::Unrecorded) => Reason::Unrecorded,
        Some(CauseKind::UnexpectedDeletion) | None => Reason::UnexpectedDeletion,
    };
    let what = match (image.collection, image.federation) {
        (true, true) => "The garbage collector and KubeFed are refused",
        (true, false) => "The garbage collector is refused",
        _ => "KubeFed is refused",
    };
    let mut message = format!("{what}: {}.", image.message);
    if !blocked.is_empty() {
        let names = findings::some_names(blocked.iter());
        message.push_str(&format!(
            " The cause is gone, but release would lose {names}: their owner does not exist."
        ));
    }
    ConditionState {
        type_: ConditionType::Holding,
        status: Truth::True,
        reason,
        message: cut(message),
    }
}

fn healthy(conditions: &[ConditionState]) -> ConditionState {
    let verdict = |c: &&ConditionState| {
        !matches!(
            c.type_,
            ConditionType::Holding | ConditionType::RemediationAllowed
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
        message: cut(message.join(" ")),
    }
}

fn summary(findings: &[&Finding]) -> String {
    let first = findings
        .first()
        .map(|f| f.message.clone())
        .unwrap_or_default();
    let more = findings.len().saturating_sub(1);
    cut(if more > 0 {
        format!("{first} And {more} more.")
    } else {
        first
    })
}

/// Cuts at a character boundary.
fn cut(mut text: String) -> String {
    if text.len() > MAX_MESSAGE {
        let end = (0..=MAX_MESSAGE - 3)
            .rev()
            .find(|i| text.is_char_boundary(*i))
            .unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// Since when findings are open, by code and subject.
pub type Since = BTreeMap<(&'static str, String), Time>;
