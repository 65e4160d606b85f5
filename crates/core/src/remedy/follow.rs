//! What became of the acts that stand: seen, superseded, reverted by somebody else, or without effect.

use super::{
    Remedy,
    journal::{Record, State},
    rung::{Rung, Target, Value},
};
use crate::{
    facts::{Feed, Managed},
    federation::Federation,
    time::Time,
};

/// A watch may trail a write by this much on a busy server; only later is a difference somebody else's doing.
pub(super) const LAG_MS: i64 = 5000;
/// What is noted of an act whose effect did not come.
pub(super) const NOT_SEEN: &str = "The expected change did not come in time.";

/// An object as the caches know it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// Its kind is not watched, or the watch has not delivered.
    Unknown,
    /// It does not exist, or another object bears its name.
    Gone,
    /// The rung's field contains this; whether the rung has the effect that it should.
    Has(Value, bool),
}

/// Looks a target up.
pub(crate) fn sight(federation: &Federation, rung: Rung, target: &Target) -> Sight {
    match rung {
        Rung::ShieldWorkspaces => {
            if !federation.known(&Feed::Workspaces) {
                return Sight::Unknown;
            }
            match federation
                .tenants
                .workspaces
                .get(&target.name)
                .filter(|w| w.uid == target.uid)
            {
                None => Sight::Gone,
                Some(w) if w.deleting => Sight::Gone,
                Some(w) => {
                    let value = match w.managed {
                        Managed::Yes => Value::new("true"),
                        Managed::No => Value::new("false"),
                        Managed::Unmarked => Value::none(),
                    };
                    Sight::Has(value, true)
                }
            }
        }
        Rung::FreezeControllers => {
            if !federation.known(&Feed::Controllers) {
                return Sight::Unknown;
            }
            let key = (target.namespace.clone(), target.name.clone());
            match federation
                .registry
                .controllers
                .get(&key)
                .filter(|c| c.uid == target.uid)
            {
                None => Sight::Gone,
                Some(c) => Sight::Has(Value::replicas(c.replicas), c.available == 0),
            }
        }
        _ => Sight::Unknown,
    }
}

impl Remedy {
    /// Brings the journal up to what the caches show.
    pub(super) fn follow(&mut self, federation: &Federation, now: Time) {
        let standing: Vec<Record> = self.journal.standing().cloned().collect();
        for record in standing {
            if now > record.until {
                let note = "Too old to be taken back without a person.";
                self.journal.set(record.id, State::Expired, note, now);
                continue;
            }
            let age = now.since_ms(record.since);
            match sight(federation, record.rung, &record.target) {
                Sight::Unknown => {}
                Sight::Gone => {
                    let note = "The object is gone or another one bears its name.";
                    self.journal.set(record.id, State::Superseded, note, now);
                }
                Sight::Has(value, effect) if value == record.to => {
                    if record.state == State::Done && effect {
                        self.journal.set(record.id, State::Verified, "", now);
                    } else if record.state == State::Done && age >= record.rung.verify_within_ms() {
                        self.revoke.insert(record.id);
                    }
                }
                // A person's thaw after the cause is gone is no contest, but the end that we were waiting for.
                Sight::Has(value, _)
                    if value == record.from && self.quiet.is_some() && age >= LAG_MS =>
                {
                    self.journal.set(
                        record.id,
                        State::Undone,
                        "Taken back by somebody else.",
                        now,
                    );
                }
                Sight::Has(value, _) if age >= LAG_MS => {
                    let note = format!("Somebody else made {} {value}.", record.rung.field());
                    self.journal.set(record.id, State::Contested, note, now);
                }
                Sight::Has(..) => {}
            }
        }
    }
}
