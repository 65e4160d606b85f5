//! From causes to effects, and back to rest.

use super::{
    CollectionPolicy, Confirming, DURABLE_MS, Hold, MAX_BLOCKING, RETRY_MAX_MS, RETRY_MS, VERIFY_MS,
};
use crate::{
    effect::{CauseKind, Effect, HoldImage, Rule},
    id::Text,
    time::Time,
};

impl Hold {
    fn asks(&self, rule: Rule) -> bool {
        let asks = match rule {
            Rule::Collection => self.policy.collection != CollectionPolicy::Never,
            Rule::Federation => self.policy.federation,
        };
        asks || self.policy.in_doubt && self.is_found(rule)
    }

    fn is_found(&self, rule: Rule) -> bool {
        let fast = self.observed.as_ref().is_some_and(|said| said.holds(rule));
        fast || self.bindings[rule as usize].observed == Some(true)
    }

    pub(super) fn allows(&self, rule: Rule) -> bool {
        self.asks(rule) && !self.released[rule as usize]
    }

    fn unverified_for(&self, ms: i64, now: Time) -> bool {
        self.causes
            .longest_verifying()
            .is_some_and(|since| now.since_ms(since) >= ms)
    }

    pub(super) fn wants(&self, rule: Rule, now: Time) -> bool {
        let cause = match rule {
            Rule::Collection => !self.causes.is_empty(),
            Rule::Federation => self.causes.any_settled() || self.unverified_for(VERIFY_MS, now),
        };
        self.allows(rule) && cause
    }

    fn wants_durable(&self, rule: Rule, now: Time) -> bool {
        let always = rule == Rule::Collection && self.policy.collection == CollectionPolicy::Always;
        let cause = self.causes.any_settled() || self.unverified_for(DURABLE_MS, now);
        self.allows(rule) && (always || cause)
    }

    /// Effects that bring the world to what is wanted now. Calling it twice asks for nothing twice.
    pub(crate) fn plan(&mut self, now: Time) -> Vec<Effect> {
        let mut effects = Vec::new();
        if !self.instructed {
            return effects;
        }
        let switch = self.observed.is_some();
        if switch {
            self.adopt_found(now);
            let image = self.image(now);
            let said = self.asked.as_ref().or(self.observed.as_ref());
            if !said.is_some_and(|said| self.agrees(said, &image)) {
                effects.push(self.order(image));
            }
        }
        for rule in Rule::ALL {
            let wanted = self.wants_durable(rule, now);
            // What stands may be recorded in the switch, which has not been read.
            if !switch && !wanted {
                continue;
            }
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

    /// Raising needs no precondition and so must never take a rule away that somebody may have put there; while an order of
    /// ours is open, the object may say the one or the other.
    fn order(&mut self, image: HoldImage) -> Effect {
        let holds = |known: Option<&HoldImage>, rule| known.is_some_and(|k| k.holds(rule));
        let latest = self.asked.as_ref().or(self.observed.as_ref());
        let raises = Rule::ALL
            .into_iter()
            .any(|rule| image.holds(rule) && !holds(latest, rule));
        let lowers = Rule::ALL.into_iter().any(|rule| {
            let held = holds(self.asked.as_ref(), rule) || holds(self.observed.as_ref(), rule);
            !image.holds(rule) && held
        });
        self.asked = Some(image.clone());
        if raises || !lowers {
            Effect::Raise(image)
        } else {
            Effect::Lower(image)
        }
    }

    /// A durable hold without a record is not dropped by a process that has just started.
    fn adopt_found(&mut self, now: Time) {
        for rule in Rule::ALL {
            let found = std::mem::take(&mut self.bindings[rule as usize].found);
            if found && self.allows(rule) && !self.wants_durable(rule, now) {
                self.raise(CauseKind::Unrecorded, Text::from(rule.as_str()), None, now);
            }
        }
    }

    /// Time passed: expired requests, and causes that have been gone for long enough. `sure` as in [`Hold::diagnose`].
    pub(crate) fn tick(&mut self, sure: bool, now: Time) -> Vec<Effect> {
        self.follow_requests(now);
        let mut effects = self.plan(now);
        let ready = sure && self.instructed && self.observed.is_some() && self.releasable(now);
        let due = self.confirming.is_none_or(|c| now >= c.next);
        if ready && due {
            let pause_ms = self.confirming.map_or(RETRY_MS, |c| c.pause_ms);
            self.confirming = Some(Confirming {
                next: now.plus_ms(pause_ms),
                pause_ms,
            });
            effects.push(Effect::ConfirmRelease);
        }
        effects
    }

    fn outlives_ms(&self, kind: CauseKind) -> i64 {
        // A person who withdraws a request means now; a diagnosis may come back.
        if kind == CauseKind::Requested {
            0
        } else {
            self.policy.release_after_ms
        }
    }

    fn releasable(&self, now: Time) -> bool {
        self.causes.all_gone().is_some_and(|gone| {
            gone.into_iter()
                .all(|(kind, at)| now.since_ms(at) >= self.outlives_ms(kind))
        })
    }

    /// A consistent list was read: these namespaces would be collected on release.
    pub(crate) fn confirmed(&mut self, mut armed: Vec<Text>, sure: bool, now: Time) {
        // An answer to a question that was overtaken by a new cause says nothing.
        let Some(confirming) = &mut self.confirming else {
            return;
        };
        if armed.is_empty() {
            if sure && self.releasable(now) {
                self.causes.clear();
                self.confirming = None;
                self.blocked.clear();
            }
            return;
        }
        confirming.next = now.plus_ms(confirming.pause_ms);
        confirming.pause_ms = (confirming.pause_ms * 2).min(RETRY_MAX_MS);
        armed.sort();
        armed.truncate(MAX_BLOCKING);
        self.blocked = armed;
    }

    /// Nothing is armed any more as far as the caches know: a blocked release is looked at again soon.
    pub(crate) fn disarmed(&mut self, now: Time) {
        if let Some(confirming) = self
            .confirming
            .as_mut()
            .filter(|_| !self.blocked.is_empty())
        {
            confirming.next = confirming.next.min(now.plus_ms(RETRY_MS));
            confirming.pause_ms = RETRY_MS;
        }
    }

    /// When the answer changes by time alone.
    pub(crate) fn changes_at(&self, now: Time) -> Option<Time> {
        let verifying = self
            .causes
            .longest_verifying()
            .into_iter()
            .flat_map(|since| [since.plus_ms(VERIFY_MS), since.plus_ms(DURABLE_MS)]);
        let gone = self.causes.all_gone().into_iter().flatten();
        let release = gone.map(|(kind, at)| at.plus_ms(self.outlives_ms(kind)));
        let requests = self.policy.requests.iter().map(|(_, _, until)| *until);
        let bindings = self
            .bindings
            .iter()
            .filter_map(|b| b.asked.map(|(_, at)| at.plus_ms(RETRY_MS)));
        let confirming = self.confirming.map(|c| c.next);
        verifying
            .chain(release)
            .chain(requests)
            .chain(bindings)
            .chain(confirming)
            .filter(|at| *at > now)
            .min()
    }

    /// What the switch says, or will say when our write is through.
    pub fn written(&self) -> HoldImage {
        let said = self.asked.as_ref().or(self.observed.as_ref());
        said.cloned().unwrap_or_default()
    }

    /// Namespaces that block the release.
    pub fn blocked(&self) -> &[Text] {
        &self.blocked
    }

    /// Whether the durable binding of this rule is active; None while it is missing.
    pub fn durable(&self, rule: Rule) -> Option<bool> {
        self.bindings[rule as usize].observed
    }

    /// Rules that are asked for, but released by hand.
    pub fn released(&self) -> impl Iterator<Item = Rule> {
        Rule::ALL
            .into_iter()
            .filter(|rule| self.released[*rule as usize] && self.asks(*rule))
    }

    /// The owner asked for any hold.
    pub fn asked_for(&self) -> bool {
        Rule::ALL.into_iter().any(|rule| self.asks(rule))
    }

    /// A deletion that nobody wished was seen less than this many milliseconds ago.
    pub fn deletion_within(&self, ms: i64, now: Time) -> bool {
        self.causes
            .of_kind(CauseKind::UnexpectedDeletion)
            .any(|(_, cause)| now.since_ms(cause.since) < ms)
    }

    /// Some cause stands, is verified, or is gone for too short a time.
    pub fn stands(&self) -> bool {
        !self.causes.is_empty()
    }
}
