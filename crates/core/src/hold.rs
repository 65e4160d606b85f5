//! The hold: which causes stand, what must be held for them, and when it may end.
//!
//! ```text
//! deletion nobody wished ─► Verifying ─explained──► (forgotten at once)
//!                              └─not explained────► Standing ──────────── ended by a person only
//! diagnosis ───────────────────────────────────► Standing ─cause gone─► Gone ─after releaseAfter,
//! request ─────────────────────────────────────► Standing ─withdrawn──► Gone   nothing armed─► released
//! ```
//!
//! Nothing is written before the object and its owner's wishes are known: a spec that cannot be read must not end a hold.

use std::collections::BTreeSet;

use crate::{
    effect::{CauseKind, HoldImage, Rule},
    id::{Text, Uid},
    time::Time,
};

mod causes;
mod image;
mod plan;
mod switch;

use causes::{Cause, Causes, State};

/// A deletion that is still unexplained after this long is held on both rules: two live reads take a few milliseconds, so
/// this is the time of a server in trouble, not of a healthy one.
pub const VERIFY_MS: i64 = 300;
/// A deletion that cannot be explained for this long is held durably as well: the fast layer opens when a server restarts.
pub const DURABLE_MS: i64 = 1000;
/// Pause before a release is confirmed again, or a write of a binding is tried again.
pub const RETRY_MS: i64 = 2000;
/// Longest pause between two looks at a blocked release: each is a list of all namespaces.
pub const RETRY_MAX_MS: i64 = 60_000;
/// Namespaces that the federation rule covers; the CRD has the same bound.
const MAX_NAMESPACES: usize = 16;
/// Namespaces remembered that block a release: the message names a few, the list is read again before any release.
const MAX_BLOCKING: usize = 1024;

/// When the collection rule is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CollectionPolicy {
    /// Never.
    #[default]
    Never,
    /// While a cause stands.
    OnDiagnosis,
    /// Always, durably.
    Always,
}

/// What the owner allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HoldPolicy {
    /// Collection rule.
    pub collection: CollectionPolicy,
    /// Federation rule, on diagnosis.
    pub federation: bool,
    /// Milliseconds for which a hold outlives its cause.
    pub release_after_ms: i64,
    /// Persons' requests: name, reason, end.
    pub requests: Vec<(Text, Text, Time)>,
    /// The spec breaks a rule, and nothing is known of what was asked for before: what stands may have been, and is held as if
    /// it were.
    pub in_doubt: bool,
}

/// State of one durable binding.
#[derive(Clone, Copy, Debug, Default)]
struct Binding {
    observed: Option<bool>,
    asked: Option<(bool, Time)>,
    /// Found active at the first sight: a hold that an earlier process left.
    found: bool,
}

/// When a release is confirmed next, and how long after that.
#[derive(Clone, Copy, Debug)]
struct Confirming {
    next: Time,
    pause_ms: i64,
}

/// The hold of one federation.
#[derive(Debug, Default)]
pub struct Hold {
    policy: HoldPolicy,
    /// The owner's wishes have been read.
    instructed: bool,
    /// Rules that a person released by hand.
    released: [bool; 2],
    causes: Causes,
    namespaces: Vec<Text>,
    /// What the switch says as far as is known; None while there is none.
    observed: Option<HoldImage>,
    /// What it was last asked to say, until that is answered.
    asked: Option<HoldImage>,
    version: u64,
    bindings: [Binding; 2],
    confirming: Option<Confirming>,
    blocked: Vec<Text>,
}

impl Hold {
    /// Takes the owner's wishes.
    pub(crate) fn set_policy(&mut self, policy: HoldPolicy, now: Time) {
        let was = std::mem::replace(&mut self.policy, policy);
        let instructed = std::mem::replace(&mut self.instructed, true);
        self.forget_personal();
        let fell_back = was.collection == CollectionPolicy::Always
            && self.policy.collection == CollectionPolicy::OnDiagnosis;
        // What stood armed under a standing hold is collected when it falls: it ends as any hold does, by a confirmed list.
        if instructed && fell_back && self.causes.is_empty() {
            self.put(
                CauseKind::Unrecorded,
                Rule::Collection.as_str(),
                State::Gone(now),
                now,
            );
        }
        self.follow_requests(now);
    }

    /// Takes the rules that a person released by hand, indexed as [`Rule`].
    pub(crate) fn set_released(&mut self, released: [bool; 2]) {
        self.released = released;
        self.forget_personal();
    }

    /// A person's release of every rule ends what has no other end.
    fn forget_personal(&mut self) {
        if !self.instructed || Rule::ALL.into_iter().any(|rule| self.allows(rule)) {
            return;
        }
        for kind in [CauseKind::UnexpectedDeletion, CauseKind::Unrecorded] {
            let keys: Vec<_> = self.causes.of_kind(kind).map(|(k, _)| k.clone()).collect();
            for key in keys {
                self.causes.remove(&key);
            }
        }
    }

    /// Requests that are new, withdrawn or expired. One that ended is released as any other cause: by a confirmed list.
    fn follow_requests(&mut self, now: Time) {
        let live: BTreeSet<Text> = self
            .policy
            .requests
            .iter()
            .filter(|(_, _, until)| *until > now)
            .map(|(name, _, _)| name.clone())
            .collect();
        for name in &live {
            self.raise(CauseKind::Requested, name.clone(), None, now);
        }
        let ended: Vec<_> = self
            .causes
            .of_kind(CauseKind::Requested)
            .filter(|((_, name), cause)| cause.state == State::Standing && !live.contains(name))
            .map(|(key, _)| key.clone())
            .collect();
        for key in ended {
            self.causes.set_state(&key, State::Gone(now));
        }
    }

    fn put(&mut self, kind: CauseKind, subject: &str, state: State, now: Time) {
        let cause = Cause {
            uid: None,
            since: now,
            state,
        };
        self.causes.put((kind, Text::from(subject)), cause);
    }

    /// The FederationHealth is gone: without its owner's wishes nothing is held anew, and nothing that stands may fall.
    pub(crate) fn uninstructed(&mut self) {
        self.instructed = false;
    }

    /// A durable binding was seen: active, dormant, or missing.
    pub(crate) fn binding(&mut self, rule: Rule, active: Option<bool>) {
        let binding = &mut self.bindings[rule as usize];
        binding.found |=
            binding.observed.is_none() && active == Some(true) && binding.asked.is_none();
        binding.observed = active;
        if binding
            .asked
            .is_some_and(|(asked, _)| Some(asked) == active)
        {
            binding.asked = None;
        }
    }

    /// Raises a cause, or brings a gone one back; true if it did.
    pub(crate) fn raise(
        &mut self,
        kind: CauseKind,
        subject: Text,
        uid: Option<Uid>,
        now: Time,
    ) -> bool {
        let key = (kind, subject);
        let known = self.causes.get(&key).copied();
        if known.is_some_and(|cause| !matches!(cause.state, State::Gone(_))) {
            return false;
        }
        let state = if kind == CauseKind::UnexpectedDeletion {
            State::Verifying
        } else {
            State::Standing
        };
        let since = known.map_or(now, |cause| cause.since);
        self.causes.put(key, Cause { uid, since, state });
        self.confirming = None;
        self.blocked.clear();
        true
    }

    /// Live reads spoke about a deletion; true if that was still open.
    pub(crate) fn verified(&mut self, workspace: &Text, explained: bool) -> bool {
        let key = (CauseKind::UnexpectedDeletion, workspace.clone());
        let open = self
            .causes
            .get(&key)
            .is_some_and(|cause| cause.state == State::Verifying);
        if open && explained {
            self.causes.remove(&key);
        } else if open {
            self.causes.set_state(&key, State::Standing);
        }
        open
    }

    /// Live reads about this deletion are under way, and not yet overdue.
    pub(crate) fn verifying(&self, workspace: &Text, now: Time) -> bool {
        self.causes
            .get(&(CauseKind::UnexpectedDeletion, workspace.clone()))
            .is_some_and(|cause| {
                cause.state == State::Verifying && now.since_ms(cause.since) < VERIFY_MS
            })
    }

    /// Some live reads are overdue.
    pub(crate) fn overdue(&self, now: Time) -> bool {
        self.causes
            .longest_verifying()
            .is_some_and(|since| now.since_ms(since) >= VERIFY_MS)
    }

    /// Takes the named causes that stand now. `is_sure` of a cause: the facts about it are in order, so that one which is not
    /// named is gone.
    pub(crate) fn diagnose(
        &mut self,
        current: &BTreeSet<(CauseKind, Text)>,
        is_sure: impl Fn(CauseKind, &Text) -> bool,
        now: Time,
    ) {
        for (kind, subject) in current {
            self.raise(*kind, subject.clone(), None, now);
        }
        let gone: Vec<_> = CauseKind::DIAGNOSED
            .into_iter()
            .flat_map(|kind| self.causes.of_kind(kind))
            .filter(|(key, cause)| {
                cause.state == State::Standing && !current.contains(*key) && is_sure(key.0, &key.1)
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            self.causes.set_state(&key, State::Gone(now));
        }
    }

    /// Workspaces whose deletion is unexplained so far, and whether their live reads are still under way.
    pub(crate) fn unexplained(&self) -> impl Iterator<Item = (&Text, bool)> {
        self.causes
            .of_kind(CauseKind::UnexpectedDeletion)
            .map(|((_, name), cause)| (name, cause.state == State::Verifying))
    }

    /// A named cause accounts for this deletion as well.
    pub(crate) fn subsume(&mut self, workspace: &Text) {
        self.causes
            .remove(&(CauseKind::UnexpectedDeletion, workspace.clone()));
    }

    /// A named cause stands: it is what a hold without a record was for.
    pub(crate) fn account_for_unrecorded(&mut self) {
        let keys: Vec<_> = self
            .causes
            .of_kind(CauseKind::Unrecorded)
            .map(|(key, _)| key.clone())
            .collect();
        for key in keys {
            self.causes.remove(&key);
        }
    }

    /// Namespaces whose ServiceAccounts the federation rule must cover, the most important first.
    pub(crate) fn cover(&mut self, namespaces: Vec<Text>) {
        let mut kept: Vec<Text> = Vec::new();
        for namespace in namespaces {
            if kept.len() < MAX_NAMESPACES && !namespace.is_empty() && !kept.contains(&namespace) {
                kept.push(namespace);
            }
        }
        kept.sort();
        self.namespaces = kept;
    }
}
