//! Pauses after failures. Each is about what failed alone: a volume that cannot be patched must not keep a Workspace from being
//! saved, nor one Workspace the others.

use std::collections::BTreeMap;

use super::{
    brake::Brake,
    rung::{Rung, Target},
};
use crate::time::Time;

/// The first pause; each further failure doubles it up to the longest.
const FIRST_MS: i64 = 1000;
const LONGEST_MS: i64 = 60_000;
/// The longest while something is in danger, and for how many failures in a row: KubeFed's first deletion comes 10 to 21 s after
/// its cause, and a few failures must not use that up. What still fails then is no hiccup, and a server in trouble is spared.
const IN_DANGER_MS: i64 = 2000;
const IN_DANGER: u32 = 12;
/// Failures in a row after which the next rung is relied on. One alone may be a conflict with another writer.
const RELIABLE: u32 = 2;
/// Objects in a row that fail before their rung pauses: what all of them lack, like a right, is not asked for each.
const ALIKE: u32 = 3;

/// What a request was about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Concern {
    /// The journal, without which nothing is done.
    Journal,
    /// The list of volumes.
    Volumes,
    /// Most objects of a rung.
    Rung(Rung),
    /// One object of a rung.
    Target(Rung, Target),
}

#[derive(Debug)]
struct Pause {
    failures: u32,
    why: Brake,
    until: Time,
}

/// What failed, why, and when it is tried again.
#[derive(Debug, Default)]
pub(super) struct Patience {
    pauses: BTreeMap<Concern, Pause>,
    /// Objects in a row that failed, of each rung.
    alike: BTreeMap<Rung, u32>,
}

impl Patience {
    /// Lets what failed rest, longer each time.
    pub(super) fn failed(
        &mut self,
        concern: Concern,
        why: impl FnOnce(Time) -> Brake,
        danger: bool,
        now: Time,
    ) {
        let before = self.pauses.get(&concern).map_or(0, |pause| pause.failures);
        let doubled = FIRST_MS << before.min(8);
        let pause = match before.checked_sub(IN_DANGER) {
            _ if !danger => doubled,
            None => doubled.min(IN_DANGER_MS),
            Some(further) => IN_DANGER_MS << further.min(8),
        };
        let until = now.plus_ms(pause.min(LONGEST_MS));
        let pause = Pause {
            failures: before.saturating_add(1),
            why: why(until),
            until,
        };
        self.pauses.insert(concern, pause);
    }

    /// The same of one object, and of its rung where it is not the first in a row. `silent`: nothing answered at all.
    pub(super) fn failed_on(
        &mut self,
        (rung, target): (Rung, Target),
        why: impl Fn(Time) -> Brake,
        silent: bool,
        danger: bool,
        now: Time,
    ) {
        let alike = self.alike.entry(rung).or_default();
        *alike = alike.saturating_add(1);
        if silent || *alike >= ALIKE {
            self.failed(Concern::Rung(rung), &why, danger, now);
        }
        self.failed(Concern::Target(rung, target), why, danger, now);
    }

    /// It went well.
    pub(super) fn eased(&mut self, concern: &Concern) {
        self.pauses.remove(concern);
    }

    /// The same of one object, and so of its rung.
    pub(super) fn eased_on(&mut self, rung: Rung, target: &Target) {
        self.alike.remove(&rung);
        self.eased(&Concern::Rung(rung));
        self.eased(&Concern::Target(rung, target.clone()));
    }

    /// What it waits for, if it waits.
    pub(super) fn pause(&self, concern: &Concern, now: Time) -> Option<&Brake> {
        let pause = self.pauses.get(concern)?;
        (pause.until > now).then_some(&pause.why)
    }

    /// The same of one object or its rung.
    pub(super) fn pause_on(&self, rung: Rung, target: &Target, now: Time) -> Option<&Brake> {
        let own = self.pause(&Concern::Target(rung, target.clone()), now);
        own.or_else(|| self.pause(&Concern::Rung(rung), now))
    }

    /// It has failed too often to be relied on.
    pub(super) fn fails(&self, rung: Rung, target: &Target) -> bool {
        let concerns = [Concern::Rung(rung), Concern::Target(rung, target.clone())];
        let mut pauses = concerns.iter().filter_map(|c| self.pauses.get(c));
        pauses.any(|pause| pause.failures >= RELIABLE)
    }

    /// Why it failed, if it has not gone well since, whether it waits or not.
    pub(super) fn why(&self, concern: &Concern) -> Option<&Brake> {
        self.pauses.get(concern).map(|pause| &pause.why)
    }

    /// The same of whatever stands first in the order of concerns.
    pub(super) fn first(&self) -> Option<&Brake> {
        self.pauses.values().next().map(|pause| &pause.why)
    }

    /// Forgets objects that nothing is wished of any more, and the rungs that have none left.
    pub(super) fn retain(&mut self, wanted: impl Fn(Rung, &Target) -> bool) {
        self.pauses.retain(|concern, _| match concern {
            Concern::Target(rung, target) => wanted(*rung, target),
            _ => true,
        });
        let Self { pauses, alike } = self;
        let targets: Vec<Rung> = pauses
            .keys()
            .filter_map(|concern| match concern {
                Concern::Target(rung, _) => Some(*rung),
                _ => None,
            })
            .collect();
        pauses.retain(|concern, _| match concern {
            Concern::Rung(rung) => targets.contains(rung),
            _ => true,
        });
        alike.retain(|rung, _| targets.contains(rung));
    }

    /// When the first of what waits is tried again.
    pub(super) fn ends(&self, now: Time) -> Option<Time> {
        let ends = self.pauses.values().map(|pause| pause.until);
        ends.filter(|at| *at > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{Text, Uid},
        remedy::rung::Kind,
    };

    const NOW: Time = Time(1_000_000_000);

    fn because(until: Time) -> Brake {
        Brake::RequestFailed("no".to_owned(), until)
    }

    fn workspace(n: u128) -> Target {
        Target {
            kind: Kind::Workspace,
            namespace: Text::default(),
            name: Text::from(format!("w{n}")),
            uid: Uid::from(n),
        }
    }

    #[test]
    fn failures_in_a_row_pause_ever_longer_and_in_danger_not_before_kubefed_deletes() {
        let pauses = |danger: bool| {
            let mut patience = Patience::default();
            let pause = |_| {
                patience.failed(Concern::Journal, because, danger, NOW);
                patience.ends(NOW).unwrap().since_ms(NOW)
            };
            (0..20).map(pause).collect::<Vec<_>>()
        };
        let quiet = pauses(false);
        assert_eq!(quiet[..4], [1000, 2000, 4000, 8000]);
        assert_eq!(quiet[19], 60_000, "a minute is the longest");
        let danger = pauses(true);
        assert_eq!(danger[0], 1000);
        assert_eq!(
            danger[1..13],
            [2000; 12],
            "all tries of the first 21 s and more"
        );
        assert_eq!(danger[13..16], [4000, 8000, 16_000]);
        assert_eq!(danger[19], 60_000);
    }

    #[test]
    fn what_fails_pauses_alone_until_three_in_a_row_blame_the_rung() {
        let rung = Rung::ShieldWorkspaces;
        let mut patience = Patience::default();
        let waits = |patience: &Patience, n| patience.pause_on(rung, &workspace(n), NOW).is_some();
        for (n, all) in [(1, false), (2, false), (3, true)] {
            patience.failed_on((rung, workspace(n)), because, false, true, NOW);
            assert_eq!(
                (waits(&patience, n), waits(&patience, 9)),
                (true, all),
                "{n}"
            );
        }
        assert!(
            patience
                .pause_on(Rung::FreezeControllers, &workspace(1), NOW)
                .is_none()
        );
        patience.eased_on(rung, &workspace(9));
        assert_eq!((waits(&patience, 1), waits(&patience, 9)), (true, false));
        patience.failed_on((rung, workspace(9)), because, true, true, NOW);
        assert!(waits(&patience, 4), "silence is everybody's");
    }

    #[test]
    fn one_failure_is_no_reason_to_rely_on_the_next_rung_two_are() {
        let rung = Rung::ShieldWorkspaces;
        let mut patience = Patience::default();
        for relied_on in [true, false] {
            patience.failed_on((rung, workspace(1)), because, false, true, NOW);
            assert_eq!(patience.fails(rung, &workspace(1)), !relied_on);
            assert!(!patience.fails(rung, &workspace(2)));
        }
        patience.retain(|_, target| *target != workspace(1));
        assert!(!patience.fails(rung, &workspace(1)));
        assert!(patience.first().is_none());
    }
}
