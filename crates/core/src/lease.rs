//! Who may write: a Lease of Kubernetes, judged by our own clock alone.
//!
//! Another process' timestamps are never compared with ours: what counts is how long *we* have seen the Lease unchanged, and
//! when *our* last renewal was begun. A Lease is no lock: whoever paused in the middle of a write still thinks that it leads.
//! The writes' own preconditions are the fence; the Lease keeps two processes from trying at once.

use crate::{id::Text, time::Time};

/// How long a Lease that nobody renews still counts: KubeFed needs ten seconds at least from a registration to its first
/// deletion, and twice that as a rule, so a new leader comes in time for most.
pub const DURATION_MS: i64 = 15_000;
/// The holder renews this often: 720 requests an hour, and only while remediation is asked for.
pub const RENEW_MS: i64 = 5000;
/// The holder stops writing this long after its last renewal was begun; others wait for [`DURATION_MS`] from the moment at
/// which they saw it, which is later. The difference is more than any write may last.
pub const LEADS_MS: i64 = 10_000;
/// Pause after a failed attempt.
pub const RETRY_MS: i64 = 2000;

/// A Lease as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseView {
    /// Its holder; empty if it was given up.
    pub holder: Text,
    /// Its resourceVersion: moves with each renewal.
    pub version: Text,
    /// What its holder says of its duration, in milliseconds.
    pub duration_ms: i64,
}

/// What to do about the Lease now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// Make it, with us as its holder.
    Create,
    /// Take it, or renew it, if it still has this resourceVersion.
    Write(Text),
    /// Nothing until then.
    Wait(Time),
}

/// One process' view of the election.
#[derive(Clone, Debug)]
pub struct Election {
    me: Text,
    /// The Lease, and since when it has been seen unchanged. None before the first read and where there is none.
    seen: Option<(LeaseView, Time)>,
    read: bool,
    /// When the last renewal that succeeded was begun.
    renewed: Option<Time>,
    retry: Time,
}

impl Election {
    /// In the name of this instance, which no other pod may bear.
    pub fn new(me: Text) -> Self {
        Self {
            me,
            seen: None,
            read: false,
            renewed: None,
            retry: Time::default(),
        }
    }

    /// The Lease was read; None if there is none.
    pub fn observe(&mut self, view: Option<LeaseView>, now: Time) {
        self.read = true;
        let Some(view) = view else {
            self.seen = None;
            self.renewed = None;
            return;
        };
        if view.holder != self.me {
            self.renewed = None;
        }
        if self.seen.as_ref().is_none_or(|(known, _)| *known != view) {
            self.seen = Some((view, now));
        }
    }

    /// Our write, begun then, came through and left the Lease like this.
    pub fn wrote(&mut self, view: LeaseView, begun: Time) {
        self.renewed = Some(begun);
        self.seen = Some((view, begun));
        self.read = true;
    }

    /// A read or write failed: the Lease is read again before anything is written.
    pub fn failed(&mut self, now: Time) {
        self.read = false;
        self.retry = now.plus_ms(RETRY_MS);
    }

    /// The Lease must be read first.
    pub fn must_read(&self, now: Time) -> bool {
        !self.read && now >= self.retry
    }

    /// What to do now.
    pub fn next(&self, now: Time) -> Move {
        if !self.read {
            return Move::Wait(self.retry);
        }
        let Some((view, since)) = &self.seen else {
            return Move::Create;
        };
        if view.holder == self.me {
            // Our own former life: the process before us in this pod, which is dead. What it still has on its way is fenced
            // by preconditions.
            let due = self.renewed.map_or(now, |at| at.plus_ms(RENEW_MS));
            return if now >= due {
                Move::Write(view.version.clone())
            } else {
                Move::Wait(due)
            };
        }
        if view.holder.is_empty() {
            return Move::Write(view.version.clone());
        }
        let expires = expires(view, *since);
        if now >= expires {
            Move::Write(view.version.clone())
        } else {
            Move::Wait(expires)
        }
    }

    /// Another process leads, by renewals that we saw.
    pub fn another_leads(&self, now: Time) -> bool {
        let other = |view: &LeaseView| view.holder != self.me && !view.holder.is_empty();
        let seen = self.seen.as_ref();
        seen.is_some_and(|(view, since)| other(view) && now < expires(view, *since))
    }

    /// Until when this process may write; None if it does not lead. `now` may be long after the last look: a process that
    /// was stopped finds here that it leads no more.
    pub fn leads_until(&self, now: Time) -> Option<Time> {
        let until = self.renewed?.plus_ms(LEADS_MS);
        (now < until).then_some(until)
    }

    /// The name of this instance.
    pub fn me(&self) -> &Text {
        &self.me
    }
}

/// When a Lease that was seen unchanged since then counts no more.
fn expires(view: &LeaseView, since: Time) -> Time {
    since.plus_ms(view.duration_ms.max(DURATION_MS))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn view(holder: &str, version: u64) -> LeaseView {
        LeaseView {
            holder: Text::from(holder),
            version: Text::from(version.to_string()),
            duration_ms: DURATION_MS,
        }
    }

    #[test]
    fn a_lease_of_another_is_taken_only_after_it_stood_still_for_its_whole_duration() {
        let mut b = Election::new(Text::from("b"));
        b.observe(Some(view("a", 1)), Time(0));
        assert_eq!(b.next(Time(DURATION_MS - 1)), Move::Wait(Time(DURATION_MS)));
        b.observe(Some(view("a", 2)), Time(DURATION_MS - 1));
        assert_eq!(
            b.next(Time(DURATION_MS)),
            Move::Wait(Time(2 * DURATION_MS - 1))
        );
        assert_eq!(
            b.next(Time(2 * DURATION_MS - 1)),
            Move::Write(Text::from("2"))
        );
        assert_eq!(
            b.leads_until(Time(2 * DURATION_MS)),
            None,
            "asking is not leading"
        );
    }

    #[test]
    fn another_leads_as_long_as_its_lease_was_seen_to_move() {
        let mut b = Election::new(Text::from("b"));
        assert!(!b.another_leads(Time(0)), "nothing is known");
        b.observe(Some(view("a", 1)), Time(0));
        assert!(b.another_leads(Time(DURATION_MS - 1)));
        assert!(!b.another_leads(Time(DURATION_MS)));
        b.observe(Some(view("", 2)), Time(1));
        assert!(!b.another_leads(Time(1)), "it was given up");
        b.wrote(view("b", 3), Time(2));
        assert!(!b.another_leads(Time(2)));
    }

    #[test]
    fn a_holder_that_was_stopped_finds_that_it_leads_no_more() {
        let mut a = Election::new(Text::from("a"));
        a.wrote(view("a", 1), Time(0));
        assert_eq!(a.leads_until(Time(LEADS_MS - 1)), Some(Time(LEADS_MS)));
        assert_eq!(a.leads_until(Time(LEADS_MS)), None);
    }

    #[test]
    fn a_former_life_in_the_same_pod_is_followed_at_once() {
        let mut a = Election::new(Text::from("a"));
        a.observe(Some(view("a", 7)), Time(0));
        assert_eq!(a.leads_until(Time(1)), None);
        assert_eq!(a.next(Time(1)), Move::Write(Text::from("7")));
    }

    #[test]
    fn a_failed_write_is_followed_by_a_read() {
        let mut a = Election::new(Text::from("a"));
        a.wrote(view("a", 1), Time(0));
        a.failed(Time(10_000));
        assert_eq!(a.next(Time(10_000)), Move::Wait(Time(12_000)));
        assert!(a.must_read(Time(12_000)));
    }

    /// A store with compare-and-set, and processes that are stopped for any time at any point.
    fn election(steps: &[(bool, i64, bool)]) -> Result<(), TestCaseError> {
        let names = ["a", "b"];
        let mut store: Option<LeaseView> = None;
        let mut version = 0;
        let mut now = Time(0);
        let mut both = [
            Election::new(Text::from("a")),
            Election::new(Text::from("b")),
        ];
        for (second, pause, lost) in steps {
            now = now.plus_ms(*pause);
            let i = usize::from(*second);
            both[i].observe(store.clone(), now);
            let begun = now;
            let expected = match both[i].next(now) {
                Move::Wait(_) => continue,
                Move::Create => None,
                Move::Write(v) => Some(v),
            };
            prop_assert_eq!(expected, store.as_ref().map(|v| v.version.clone()));
            version += 1;
            let written = view(names[i], version);
            store = Some(written.clone());
            if *lost {
                both[i].failed(now);
            } else {
                both[i].wrote(written, begun);
            }
            let leaders = both.iter().filter(|e| e.leads_until(now).is_some()).count();
            prop_assert!(leaders <= 1, "{leaders} lead at {now:?}");
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn two_never_lead_at_once(steps in prop::collection::vec((any::<bool>(), 0_i64..40_000, any::<bool>()), 0..200)) {
            election(&steps)?;
        }
    }
}
