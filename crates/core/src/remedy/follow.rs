//! What became of the acts that stand: seen, superseded, reverted by somebody else, or without effect.

use super::{
    Remedy, disarm,
    journal::{Record, State},
    rung::{Rung, Target, Value},
};
use crate::{
    facts::{Feed, Managed},
    federation::Federation,
    feeds::LAG_MS,
    id::RegistrationKey,
    placement::Placement,
    time::Time,
};

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
        Rung::ShieldWorkspaces | Rung::ArmOrphan => workspace(federation, rung, target),
        Rung::FreezeControllers => controller(federation, target),
        Rung::FixPlacement => template(federation, target),
        Rung::RemoveStaleCluster => registration(federation, target),
        Rung::DisarmNamespaces => disarm::sight(federation, target),
        // These two are followed by other means than the caches.
        Rung::RetainVolumes | Rung::PlantCanary => Sight::Unknown,
    }
}

fn workspace(federation: &Federation, rung: Rung, target: &Target) -> Sight {
    if !federation.known(&Feed::Workspaces) {
        return Sight::Unknown;
    }
    let found = federation.tenants.workspace(&target.name);
    let Some(live) = found.filter(|w| w.uid == target.uid && !w.deleting) else {
        return Sight::Gone;
    };
    let value = match (rung, live.managed) {
        (Rung::ArmOrphan, _) => Value::new(if live.orphan { "true" } else { "false" }),
        (_, Managed::Yes) => Value::new("true"),
        (_, Managed::No) => Value::new("false"),
        (_, Managed::Unmarked) => Value::none(),
    };
    Sight::Has(value, true)
}

fn controller(federation: &Federation, target: &Target) -> Sight {
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

fn template(federation: &Federation, target: &Target) -> Sight {
    if !federation.known(&Feed::Templates) {
        return Sight::Unknown;
    }
    let found = federation.tenants.template(&target.name);
    match found
        .filter(|row| row.uid == target.uid)
        .map(|row| row.placement.placement())
    {
        None => Sight::Gone,
        Some(Placement::Names(names)) => Sight::Has(Value::names(names.iter()), true),
        Some(_) => Sight::Has(Value::none(), true),
    }
}

/// A registration that is gone is what was wished; one that came back under another UID was brought back.
fn registration(federation: &Federation, target: &Target) -> Sight {
    let key = RegistrationKey {
        namespace: target.namespace.clone(),
        name: target.name.clone(),
    };
    match federation.registry.entry(&key) {
        _ if !federation.known(&Feed::Registrations) => Sight::Unknown,
        None => Sight::Has(Value::none(), true),
        Some(entry) if entry.facts.uid == target.uid => Sight::Unknown,
        Some(_) => Sight::Has(Value::new("registered again"), false),
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
            // A mended placement, and what binds a namespace, is its owner's again.
            let left = matches!(record.rung, Rung::FixPlacement | Rung::DisarmNamespaces);
            if left && record.state == State::Verified {
                continue;
            }
            let age = now.since_ms(record.since);
            if record.rung == Rung::PlantCanary {
                self.follow_canary(federation, &record, now);
                continue;
            }
            let sight = match record.rung {
                Rung::RetainVolumes => self.volumes.sight(&record.target),
                rung => sight(federation, rung, &record.target),
            };
            match sight {
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
                    if value == record.from && self.safe.is_some() && age >= LAG_MS =>
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
                Sight::Unknown | Sight::Has(..) => {}
            }
        }
    }
}
