//! What became of the acts that stand: seen, superseded, reverted by somebody else, or without effect.

use super::{
    Ask, Remedy, disarm,
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

/// The watch shows our own write some milliseconds after its answer; until then it shows what was before.
pub(super) const OWN_EVENT_MS: i64 = 500;

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
        // It is on its way out, or somebody's finalizer keeps it.
        Some(entry) if entry.facts.uid == target.uid => Sight::Has(Value::none(), false),
        Some(_) => Sight::Has(Value::new("registered again"), false),
    }
}

impl Remedy {
    /// Brings the journal up to what the caches show; asks for a live read of what they show to be another's doing. A watch may
    /// be away just when its object is written: what ends an act for good is not taken from it.
    pub(super) fn follow(&mut self, federation: &Federation, now: Time) -> Option<Ask> {
        let standing: Vec<Record> = self.journal.standing().cloned().collect();
        let mut doubted = Vec::new();
        for record in standing {
            if now > record.until {
                let note = "Too old to be taken back without a person.";
                self.journal.set(record.id, State::Expired, note, now);
            } else if record.rung == Rung::PlantCanary {
                self.follow_canary(federation, &record, now);
            } else if self.follow_one(federation, &record, now) {
                doubted.push((record.rung, record.target));
            }
        }
        doubted.retain(|(rung, target)| self.patience.pause_on(*rung, target, now).is_none());
        (!doubted.is_empty()).then_some(Ask::Survey(doubted))
    }

    /// Whether a live read must tell what became of a record.
    fn follow_one(&mut self, federation: &Federation, record: &Record, now: Time) -> bool {
        let age = now.since_ms(record.since);
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
                    self.without_effect(record, now);
                }
            }
            // A mended placement, and what binds a namespace, is its owner's again, but for what was mended.
            Sight::Has(value, _) if is_left(record) && !brings_back(record, &value) => {}
            Sight::Has(value, _) if age >= OWN_EVENT_MS => {
                return self.changed_by_another(record, &value, now);
            }
            Sight::Unknown | Sight::Has(..) => {}
        }
        false
    }

    /// The expected change did not come: it is taken back, or, where there is no way back, a person has to look.
    fn without_effect(&mut self, record: &Record, now: Time) {
        if record.rung.is_transient() {
            self.revoke.insert(record.id);
        } else {
            self.journal.set(record.id, State::Revoked, NOT_SEEN, now);
        }
    }

    /// Ends a record whose field a live read has just shown to be another's; true if there is no such read.
    fn changed_by_another(&mut self, record: &Record, cached: &Value, now: Time) -> bool {
        let key = (record.rung, record.target.clone());
        let read = self.seen.get(&key);
        let fresh = read.filter(|(_, at)| *at > record.since && now.since_ms(*at) < LAG_MS);
        // What is looked at of these is no field that a read shows: the watch gets the time by which it may trail.
        let told_by_watch = matches!(
            record.rung,
            Rung::DisarmNamespaces | Rung::RemoveStaleCluster | Rung::RetainVolumes
        );
        let value = match fresh {
            _ if told_by_watch && now.since_ms(record.since) < LAG_MS => return false,
            _ if told_by_watch => cached,
            Some((Some(seen), _)) if seen.uid == record.target.uid => &seen.value,
            // That it is gone the watch will tell.
            Some(_) => return false,
            None => return true,
        };
        if *value == record.to {
            return false;
        }
        // A person's thaw after the cause is gone is no contest, but the end that we were waiting for.
        let (state, note) = if *value == record.from && self.safe.is_some() && !is_left(record) {
            (State::Undone, "Taken back by somebody else.".to_owned())
        } else {
            let note = format!("Somebody else made {} {value}.", record.rung.field());
            (State::Contested, note)
        };
        self.journal.set(record.id, state, note, now);
        false
    }
}

/// The placement has a name again that was taken out of it.
fn brings_back(record: &Record, value: &Value) -> bool {
    let has = |value: &Value, name: &str| value.0.split(',').any(|n| n == name);
    let taken_out = |name: &&str| !name.is_empty() && !has(&record.to, name);
    let mut former = record.from.0.split(',').filter(taken_out);
    record.rung == Rung::FixPlacement && former.any(|name| has(value, name))
}

/// What it mended is the owner's again.
fn is_left(record: &Record) -> bool {
    let left = matches!(record.rung, Rung::FixPlacement | Rung::DisarmNamespaces);
    left && record.state == State::Verified
}
