//! The conditions that rest on findings and on how far the facts can be believed.

use super::{ConditionState, MAX_MESSAGE, Truth};
use crate::{
    facts::{Feed, FeedState},
    federation::Federation,
    feeds::{STALE_MS, federated_workspaces},
    findings::{self, Finding, Severity},
    registry::UNREACHABLE_AFTER,
    text::shorten,
    time::Time,
    words::{ConditionType, Reason},
};

impl Federation {
    pub(super) fn checks(&self, all: &[Finding], now: Time) -> Vec<ConditionState> {
        use ConditionType as C;
        let mut checks = vec![
            (C::ClustersUnique, vec![Feed::Registrations, Feed::Clusters]),
            (
                C::ControlPlaneUnique,
                vec![Feed::Configs, Feed::Controllers],
            ),
            (C::RegistrationsCurrent, vec![Feed::Registrations]),
            (
                C::ControlPlaneHealthy,
                vec![
                    Feed::Registrations,
                    Feed::Controllers,
                    Feed::Definitions,
                    federated_workspaces(),
                ],
            ),
            (
                C::WorkspacesStable,
                vec![
                    Feed::Workspaces,
                    federated_workspaces(),
                    Feed::Templates,
                    // Which other kinds loop the same way.
                    Feed::Types,
                ],
            ),
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
        let mine: Vec<&Finding> = all
            .iter()
            .filter(|f| f.condition == type_ && f.severity != Severity::Low)
            .collect();
        if let Some(worst) = mine.iter().find(|f| !f.suspicion) {
            return state(Truth::False, worst.reason, summary(&mine));
        }
        if let Some((reason, message)) = feeds.iter().find_map(|feed| self.trouble(feed, now)) {
            return state(Truth::Unknown, reason, shorten(message, MAX_MESSAGE));
        }
        if let Some(suspicion) = mine.first() {
            return state(Truth::Unknown, suspicion.reason, summary(&mine));
        }
        if type_ == ConditionType::NamespacesSafe
            && let Some(message) = self.ownerless(now)
        {
            return state(Truth::Unknown, Reason::WatchNotSynced, message);
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
        let health = self.feeds.get(feed).cloned().unwrap_or_default();
        // A federation without KubeSphere has no Clusters and no templates, and is judged by the rest; what KubeFed federates
        // besides Workspaces is told by its types, if it has any.
        let optional = matches!(feed, Feed::Clusters | Feed::Templates | Feed::Types);
        if optional && (health.state == FeedState::NotInstalled || !self.feeds.contains_key(feed)) {
            return None;
        }
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
            FeedState::Failing | FeedState::Synced => {
                let names: Vec<&str> = health.malformed.iter().map(|n| &**n).collect();
                (!names.is_empty()).then(|| {
                    (
                        Reason::MalformedObject,
                        format!(
                            "{name} that cannot be read are not judged: {}.",
                            names.join(", ")
                        ),
                    )
                })
            }
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

    /// Namespaces with an owner of which cannot be said whether it exists.
    fn ownerless(&self, now: Time) -> Option<String> {
        let told = self.tells_since(&Feed::Workspaces, now).is_some();
        (!told && !self.armed.is_empty()).then(|| {
            let namespaces = findings::count(self.armed.len(), "namespace");
            format!("The watch of Workspaces is away: whether the owners of {namespaces} exist cannot be told.")
        })
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
            .filter(|(_, e)| e.identity.is_none() && !e.issued_here() && e.failures > 0)
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

    pub(super) fn ready(&self) -> ConditionState {
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
}

fn summary(findings: &[&Finding]) -> String {
    let first = findings
        .first()
        .map(|f| f.message.clone())
        .unwrap_or_default();
    let more = findings.len().saturating_sub(1);
    let text = if more > 0 {
        format!("{first} And {more} more.")
    } else {
        first
    };
    shorten(text, MAX_MESSAGE)
}
