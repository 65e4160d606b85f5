//! The hold: which causes stand, what must be held for them, and when it may end.
//!
//! ```text
//! deletion nobody wished ─► Verifying ─explained──► (forgotten at once)
//!                              └─not explained────► Standing ──────────── ended by a person only
//! diagnosis ───────────────────────────────────► Standing ─cause gone─► Gone ─after releaseAfter,
//!                                                                        nothing armed─► released
//! ```

use std::collections::BTreeMap;

use crate::{
    effect::{CauseKind, CauseView, Effect, HoldImage, Rule},
    id::{Text, Uid},
    time::Time,
};

/// A deletion that is still unexplained after this long is held on both rules: two live reads take a few milliseconds, so
/// this is the time of a server in trouble, not of a healthy one.
pub const VERIFY_MS: i64 = 300;
/// Pause before a blocked release or a failed write of a binding is tried again.
pub const RETRY_MS: i64 = 2000;
/// Causes shown in status.
const MAX_SHOWN: usize = 16;
/// Namespaces that the federation rule covers; the CRD has the same bound.
const MAX_NAMESPACES: usize = 16;

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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Verifying,
    Standing,
    Gone(Time),
}

#[derive(Clone, Debug)]
struct Cause {
    uid: Option<Uid>,
    since: Time,
    state: State,
}

/// State of one durable binding.
#[derive(Clone, Copy, Debug, Default)]
struct Binding {
    observed: Option<bool>,
    asked: Option<(bool, Time)>,
    /// Found active at the first sight: a hold that an earlier process left.
    found: bool,
}

/// The hold of one federation.
#[derive(Debug, Default)]
pub struct Hold {
    policy: HoldPolicy,
    causes: BTreeMap<(CauseKind, Text), Cause>,
    namespaces: Vec<Text>,
    /// What the object says; None while that is unknown, after a write that failed.
    written: Option<HoldImage>,
    version: u64,
    present: bool,
    bindings: [Binding; 2],
    confirming: Option<Time>,
    blocked: Vec<Text>,
}

impl Hold {
    /// Takes the owner's wishes.
    pub(crate) fn set_policy(&mut self, policy: HoldPolicy, now: Time) {
        self.policy = policy;
        if self.policy.collection == CollectionPolicy::Never && !self.policy.federation {
            // A person's release: what has no other end, ends here.
            self.causes
                .retain(|(kind, _), _| *kind != CauseKind::UnexpectedDeletion);
        }
        let live: Vec<(Text, Time)> = self
            .policy
            .requests
            .iter()
            .filter(|r| r.2 > now)
            .map(|r| (r.0.clone(), r.2))
            .collect();
        for (name, _) in &live {
            self.raise(CauseKind::Requested, name.clone(), None, now);
        }
        self.causes.retain(|(kind, subject), _| {
            *kind != CauseKind::Requested || live.iter().any(|(name, _)| name == subject)
        });
    }

    /// Takes what the object says, unless it is older than our own last write.
    pub(crate) fn observe(&mut self, image: HoldImage, version: u64) {
        self.present = true;
        if version >= self.version {
            self.written = Some(image);
            self.version = version;
        }
    }

    /// Takes up the causes that an earlier process left. They stand until this one knows better.
    pub(crate) fn restore(&mut self, image: &HoldImage, now: Time) {
        for cause in &image.causes {
            self.causes
                .entry((cause.kind, cause.subject.clone()))
                .or_insert(Cause {
                    uid: cause.uid,
                    since: image.since.unwrap_or(now),
                    state: State::Standing,
                });
        }
        if (image.collection || image.federation) && image.causes.is_empty() {
            self.raise(CauseKind::Unrecorded, Text::from("status.hold"), None, now);
        }
    }

    /// The object is gone: nothing may be written, and nothing durable may fall because of that.
    pub(crate) fn vanished(&mut self) {
        self.present = false;
        self.written = None;
        self.version = 0;
    }

    /// Our write of `status.hold` came through with this version, or failed.
    pub(crate) fn wrote(&mut self, outcome: Option<u64>) {
        match outcome {
            Some(version) => self.version = self.version.max(version),
            None => self.written = None,
        }
    }

    /// Newest resourceVersion known.
    pub(crate) fn version(&self) -> u64 {
        self.version
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

    /// Raises a cause, or brings a gone one back.
    pub(crate) fn raise(
        &mut self,
        kind: CauseKind,
        subject: Text,
        uid: Option<Uid>,
        now: Time,
    ) -> bool {
        let fresh = if kind == CauseKind::UnexpectedDeletion {
            State::Verifying
        } else {
            State::Standing
        };
        let cause = self.causes.entry((kind, subject));
        match cause {
            std::collections::btree_map::Entry::Vacant(slot) => {
                slot.insert(Cause {
                    uid,
                    since: now,
                    state: fresh,
                });
                true
            }
            std::collections::btree_map::Entry::Occupied(mut slot) => {
                let cause = slot.get_mut();
                if matches!(cause.state, State::Gone(_)) {
                    cause.state = fresh;
                    return true;
                }
                false
            }
        }
    }

    /// Live reads spoke about a deletion.
    pub(crate) fn verified(&mut self, workspace: &Text, explained: bool) {
        let key = (CauseKind::UnexpectedDeletion, workspace.clone());
        if explained {
            self.causes.remove(&key);
        } else if let Some(cause) = self.causes.get_mut(&key) {
            cause.state = State::Standing;
        }
    }

    /// Takes the named causes that stand now. `sure`: every deciding feed is in order, so that what is not named is gone.
    pub(crate) fn diagnose(&mut self, current: &BTreeMap<Text, CauseKind>, sure: bool, now: Time) {
        for (subject, kind) in current {
            self.raise(*kind, subject.clone(), None, now);
        }
        if !sure {
            return;
        }
        for ((kind, subject), cause) in &mut self.causes {
            let named = !matches!(kind, CauseKind::UnexpectedDeletion | CauseKind::Requested);
            if named && current.get(subject) != Some(kind) && cause.state == State::Standing {
                cause.state = State::Gone(now);
            }
        }
    }

    /// Workspaces whose deletion is unexplained so far.
    pub(crate) fn unexplained(&self) -> Vec<Text> {
        self.causes
            .keys()
            .filter(|(kind, _)| *kind == CauseKind::UnexpectedDeletion)
            .map(|(_, s)| s.clone())
            .collect()
    }

    /// A named cause accounts for this deletion as well.
    pub(crate) fn subsume(&mut self, workspace: &Text) {
        self.causes
            .remove(&(CauseKind::UnexpectedDeletion, workspace.clone()));
    }

    /// Namespaces whose ServiceAccounts the federation rule must cover.
    pub(crate) fn cover(&mut self, mut namespaces: Vec<Text>) {
        namespaces.truncate(MAX_NAMESPACES);
        self.namespaces = namespaces;
    }

    fn allows(&self, rule: Rule) -> bool {
        match rule {
            Rule::Collection => self.policy.collection != CollectionPolicy::Never,
            Rule::Federation => self.policy.federation,
        }
    }

    fn wants(&self, rule: Rule, now: Time) -> bool {
        self.allows(rule)
            && self.causes.values().any(|cause| {
                rule == Rule::Collection
                    || cause.state != State::Verifying
                    || now.since_ms(cause.since) >= VERIFY_MS
            })
    }

    fn wants_durable(&self, rule: Rule, now: Time) -> bool {
        let standing = self
            .causes
            .values()
            .any(|cause| cause.state != State::Verifying);
        (rule == Rule::Collection && self.policy.collection == CollectionPolicy::Always)
            || (standing && self.wants(rule, now))
    }

    fn image(&self, now: Time) -> HoldImage {
        let (collection, federation) = (
            self.wants(Rule::Collection, now),
            self.wants(Rule::Federation, now),
        );
        if !collection && !federation {
            return HoldImage::default();
        }
        let mut causes: Vec<_> = self.causes.iter().collect();
        causes.sort_by_key(|((kind, subject), cause)| (cause.since, *kind, subject.clone()));
        let first = causes
            .first()
            .map(|((kind, subject), cause)| (*kind, subject.clone(), cause.since));
        HoldImage {
            collection,
            federation,
            namespaces: if federation {
                self.namespaces.clone()
            } else {
                Vec::new()
            },
            since: first.as_ref().map(|f| f.2),
            reason: first.as_ref().map(|f| f.0),
            message: first
                .map(|(kind, subject, _)| sentence(kind, &subject, causes.len()))
                .unwrap_or_default(),
            causes: causes
                .into_iter()
                .take(MAX_SHOWN)
                .map(|((kind, subject), cause)| CauseView {
                    kind: *kind,
                    subject: subject.clone(),
                    uid: cause.uid,
                })
                .collect(),
        }
    }

    /// Effects that bring the world to what is wanted now. Calling it twice asks for nothing twice.
    pub(crate) fn plan(&mut self, now: Time) -> Vec<Effect> {
        let mut effects = Vec::new();
        if !self.present {
            return effects;
        }
        self.adopt_found(now);
        let image = self.image(now);
        if self.written.as_ref() != Some(&image) {
            let held = |rule| {
                self.written
                    .as_ref()
                    .is_some_and(|written| written.holds(rule))
            };
            let raises = Rule::ALL
                .into_iter()
                .any(|rule| image.holds(rule) && !held(rule));
            let keeps = Rule::ALL
                .into_iter()
                .all(|rule| image.holds(rule) || !held(rule));
            let raise = raises || (keeps && self.written.is_some());
            self.written = Some(image.clone());
            effects.push(if raise {
                Effect::Raise(image)
            } else {
                Effect::Lower(image)
            });
        }
        for rule in Rule::ALL {
            let wanted = self.wants_durable(rule, now);
            let binding = &mut self.bindings[rule as usize];
            let asked = binding
                .asked
                .is_some_and(|(target, at)| target == wanted && now.since_ms(at) < RETRY_MS);
            if binding.observed.is_some_and(|active| active != wanted) && !asked {
                binding.asked = Some((wanted, now));
                effects.push(Effect::Durable(rule, wanted));
            }
        }
        effects
    }

    /// A durable hold without a record is not dropped by a process that has just started: it ends as any other does.
    fn adopt_found(&mut self, now: Time) {
        for rule in Rule::ALL {
            let found = std::mem::take(&mut self.bindings[rule as usize].found);
            if found && self.allows(rule) && !self.wants_durable(rule, now) {
                self.raise(CauseKind::Unrecorded, Text::from(rule.as_str()), None, now);
            }
        }
    }

    /// Time passed: expired requests, and causes that have been gone for long enough.
    pub(crate) fn tick(&mut self, now: Time) -> Vec<Effect> {
        let policy = &self.policy;
        self.causes.retain(|(kind, subject), _| {
            *kind != CauseKind::Requested
                || policy.requests.iter().any(|r| r.0 == *subject && r.2 > now)
        });
        let mut effects = self.plan(now);
        let due = self
            .confirming
            .is_none_or(|at| now.since_ms(at) >= RETRY_MS);
        if self.present && due && self.releasable(now) {
            self.confirming = Some(now);
            effects.push(Effect::ConfirmRelease);
        }
        effects
    }

    fn releasable(&self, now: Time) -> bool {
        let over = |cause: &Cause| match cause.state {
            State::Gone(at) => now.since_ms(at) >= self.policy.release_after_ms,
            State::Verifying | State::Standing => false,
        };
        !self.causes.is_empty() && self.causes.values().all(over)
    }

    /// A consistent list was read: these namespaces would be collected on release.
    pub(crate) fn confirmed(&mut self, armed: Vec<Text>, now: Time) {
        self.blocked = armed;
        if self.blocked.is_empty() && self.releasable(now) {
            self.causes.clear();
            self.confirming = None;
        }
    }

    /// When the answer changes by time alone.
    pub(crate) fn changes_at(&self, now: Time) -> Option<Time> {
        let by_cause = self.causes.values().filter_map(|cause| match cause.state {
            State::Verifying => Some(cause.since.plus_ms(VERIFY_MS)),
            State::Gone(at) => Some(at.plus_ms(self.policy.release_after_ms)),
            State::Standing => None,
        });
        let requests = self.policy.requests.iter().map(|r| r.2);
        let next = by_cause.chain(requests).filter(|at| *at > now).min();
        let asked = self.bindings.iter().any(|b| b.asked.is_some());
        let retry = (self.releasable(now) || asked).then(|| now.plus_ms(RETRY_MS));
        [next, retry].into_iter().flatten().min()
    }

    /// What the object says, or will say when our write is through.
    pub fn written(&self) -> HoldImage {
        self.written.clone().unwrap_or_default()
    }

    /// Namespaces that block the release.
    pub fn blocked(&self) -> &[Text] {
        if self.causes.is_empty() {
            &[]
        } else {
            &self.blocked
        }
    }

    /// Whether the durable binding of this rule is active; None while it is missing.
    pub fn durable(&self, rule: Rule) -> Option<bool> {
        self.bindings[rule as usize].observed
    }

    /// The owner asked for any hold.
    pub fn asked_for(&self) -> bool {
        self.policy.collection != CollectionPolicy::Never || self.policy.federation
    }
}

fn sentence(kind: CauseKind, subject: &str, causes: usize) -> String {
    let why = match kind {
        CauseKind::DoubledRegistration => {
            format!("{subject} are one cluster, and a placement names only some of them")
        }
        CauseKind::SecondControlPlane => {
            format!("{subject} are one cluster under two control planes")
        }
        CauseKind::SelectedNowhere => {
            format!("a placement names a cluster that is not registered, and not {subject}")
        }
        CauseKind::UnexpectedDeletion => {
            format!("Workspace {subject} was deleted although it is still wished for")
        }
        CauseKind::Unrecorded => {
            format!("a hold ({subject}) was found standing whose cause is not recorded")
        }
        CauseKind::Requested => format!("requested as {subject} in spec.hold.requests"),
    };
    if causes > 1 {
        format!("{why}; {} more causes", causes - 1)
    } else {
        why
    }
}
