//! The experiment: a Workspace of ours that no tenant has is planted, and its label `kubefed.io/managed` watched.
//!
//! KubeFed takes the label off whatever it finds without a federated object, and deletes nothing of it. With every control
//! plane of this server stopped, a label that goes is the work of one that runs on another host.

use super::{
    Remedy,
    brake::Brake,
    journal::{Record, State},
    plan::Wish,
    policy::Allowed,
    rung::{Kind, Rung, Target, Value},
};
use crate::{
    churn::Level,
    facts::Feed,
    federation::Federation,
    feeds::LAG_MS,
    id::{Text, Uid},
    time::Time,
};

/// Name of the Workspace that is planted.
pub const CANARY: &str = "federation-health-canary";
/// Content of the "field": the Workspace is there.
pub const PLANTED: &str = "planted";
/// A stopped pod works on for up to 30 s after it is no longer counted; half as much again for a slow node.
pub(super) const PODS_END_MS: i64 = 45_000;
/// KubeFed looks at an object 10 s after its change, at all of them 20 s after a cluster came: three times that.
const WATCH_MS: i64 = 60_000;
/// A loop has a sign every second or two, and every minute once KubeFed's back-off has grown to its longest.
const RAGES_MS: i64 = 60_000;
/// A request is not repeated within this; it may stand as an annotation for as long as it names.
const AGAIN_MS: i64 = 3_600_000;
/// What another host does is believed for a day: long enough to find whom to call.
const BELIEVED_MS: i64 = 24 * 3_600_000;

/// The label went although every control plane of this server is stopped.
pub const FOREIGN: &str = "The label was taken off although every control plane of this server is stopped: one on another host works here.";
/// It stayed.
pub const ALONE: &str =
    "The label stayed: no control plane works here while those of this server are stopped.";
/// It stayed although some plane of this server runs.
const IDLE: &str = "The label stayed: no control plane that works has this cluster registered.";
/// It went while planes of this server run.
const OWN: &str =
    "The label was taken off; control planes of this server run, so it tells nothing of others.";
/// What is noted of a freeze without a named cause: a person ends it, or an experiment that finds another culprit.
pub(super) const UNFORESEEN: &str =
    "No registration explains the deletions: it stays until a person takes it back.";

/// Notes that say what a record is, whatever becomes of it.
pub(super) fn lasts(note: &str) -> bool {
    [FOREIGN, ALONE, IDLE, OWN, UNFORESEEN].contains(&note)
}

impl Remedy {
    /// With every control plane of this server stopped, one of another host was at work.
    pub fn foreign_plane(&self, now: Time) -> bool {
        self.conclusion().is_some_and(|record| {
            record.note == FOREIGN && now.since_ms(record.since) < BELIEVED_MS
        })
    }

    /// The newest experiment that told something.
    fn conclusion(&self) -> Option<&Record> {
        let records = self.journal.records().iter();
        records
            .filter(|r| r.rung == Rung::PlantCanary && lasts(&r.note))
            .max_by_key(|r| r.id)
    }

    /// The canary, when it can tell something: the planes that were to be stopped have ended, or a person asks.
    pub(super) fn canaries(&self, federation: &Federation, now: Time) -> Option<Wish> {
        let begun = self
            .journal
            .records()
            .iter()
            .filter(|r| r.rung == Rung::PlantCanary && r.state != State::Failed)
            .map(|r| r.at)
            .max();
        let settled = self.settled_at(federation);
        let after_freeze = settled.is_some_and(|at| {
            at <= now && begun.is_none_or(|begun| begun.plus_ms(PODS_END_MS) < at)
        });
        let request = self.policy.experiment.as_ref();
        let asked = request.is_some_and(|r| r.as_ref().is_ok_and(|until| *until > now))
            && begun.is_none_or(|begun| now.since_ms(begun) >= AGAIN_MS);
        let garbled = request.and_then(|r| r.as_ref().err());
        if !after_freeze && !asked && garbled.is_none() {
            return None;
        }
        let against = garbled
            .filter(|_| !after_freeze)
            .map(|why| Brake::NotApproved {
                plan: Text::from("of an experiment"),
                why: Some(why.clone()),
            });
        let target = Target {
            kind: Kind::Workspace,
            namespace: Text::default(),
            name: Text::from(CANARY),
            // It does not exist yet.
            uid: Uid::default(),
        };
        let why = if after_freeze {
            "every control plane of this server is stopped: whether another one works here shows by its label"
        } else {
            "it was asked for: whether any control plane works here shows by its label"
        };
        Some(Wish {
            rung: Rung::PlantCanary,
            against,
            target,
            to: Value::new(PLANTED),
            why: why.to_owned(),
            evidence: Vec::new(),
        })
    }

    /// From when on the planes of this server, all stopped and one of them by us, do nothing any more.
    fn settled_at(&self, federation: &Federation) -> Option<Time> {
        let frozen = self
            .journal
            .standing()
            .filter(|r| r.rung == Rung::FreezeControllers && r.state == State::Verified);
        let last = frozen.map(|r| r.since.plus_ms(PODS_END_MS)).max()?;
        all_stopped(federation, |_| true).then_some(last)
    }

    /// What the canary shows. Its conclusion is noted, and by that it is due to be taken away.
    pub(super) fn follow_canary(&mut self, federation: &Federation, record: &Record, now: Time) {
        if record.state != State::Done {
            return;
        }
        let age = now.since_ms(record.since);
        let found = federation.tenants.canaries.get(&record.target.name);
        let live = found.filter(|canary| !canary.deleting);
        let stopped = all_stopped(federation, |_| true);
        let (state, note) = match live.map(|canary| canary.managed) {
            None if age < LAG_MS => return,
            None => (
                State::Superseded,
                "Somebody took it away before it told anything.",
            ),
            Some(true) if age < WATCH_MS => return,
            Some(true) => (State::Verified, if stopped { ALONE } else { IDLE }),
            Some(false) => (State::Verified, if stopped { FOREIGN } else { OWN }),
        };
        self.journal.set(record.id, state, note, now);
    }

    /// When it could show something by time alone.
    pub(super) fn canary_changes_at(&self, federation: &Federation) -> Option<Time> {
        let planted = self
            .journal
            .standing()
            .find(|r| r.rung == Rung::PlantCanary && r.state == State::Done);
        let tells = planted.map(|r| r.since.plus_ms(WATCH_MS));
        tells.or_else(|| self.settled_at(federation))
    }

    /// Canaries of an experiment that the owner switched off meanwhile, alone or with all else: they go at once.
    pub(super) fn unwanted_canaries(&self, now: Time) -> Vec<Record> {
        let off = self.policy.allowed(Rung::PlantCanary) == Allowed::Never;
        if !off && self.unwanted().is_none() {
            return Vec::new();
        }
        self.removable_canaries(now).cloned().collect()
    }

    /// Canaries that stand, but for one that could not be removed a moment ago: everything else goes on meanwhile.
    fn removable_canaries(&self, now: Time) -> impl Iterator<Item = &Record> {
        let planted = self.journal.standing();
        planted.filter(move |r| {
            r.rung == Rung::PlantCanary && self.patience.pause_on(r.rung, &r.target, now).is_none()
        })
    }

    /// A canary of ours may be there: by the journal, or by the caches while that is unread.
    pub(super) fn canary_left(&self, federation: &Federation) -> bool {
        if !self.loaded {
            return federation.tenants.canaries.len() > 0;
        }
        let mut records = self.journal.records().iter();
        records.any(|r| r.rung == Rung::PlantCanary && (r.stands() || r.unsettled()))
    }

    /// Acts whose time is over whatever the danger: a canary that has told, and a stop of our own planes that turned out not
    /// to help.
    pub(super) fn pointless(&self, now: Time) -> Vec<Record> {
        let told = self.removable_canaries(now);
        let told: Vec<Record> = told
            .filter(|r| r.state == State::Verified)
            .cloned()
            .collect();
        if !told.is_empty() || !self.foreign_plane(now) {
            return told;
        }
        let since = self.conclusion().map(|r| r.id);
        self.journal
            .standing()
            .filter(|r| r.note == UNFORESEEN && Some(r.id) < since)
            .cloned()
            .collect()
    }
}

/// Every control plane of this server that lies in such a namespace is known to be stopped; not so where none is known.
pub(super) fn all_stopped(federation: &Federation, among: impl Fn(&Text) -> bool) -> bool {
    let controllers = federation.registry.controllers.iter();
    let mut there = controllers
        .filter(|((namespace, _), _)| among(namespace))
        .peekable();
    federation.known(&Feed::Controllers)
        && there.peek().is_some()
        && there.all(|(_, c)| c.replicas == 0 && c.available == 0)
}

/// Workspaces that are recreated again and again right now although they are wished for, and that no registration explains
/// or explained: the churn of a loop whose cause was named outlives the cause.
pub(super) fn unforeseen(federation: &Federation, now: Time) -> Vec<Text> {
    let ledger = &federation.ledger;
    let churns = |name: &Text| {
        matches!(
            ledger.level(name, now, &federation.policy.churn),
            Level::Churning { .. }
        )
    };
    let now_and_here = |name: &Text| {
        let last = ledger.incidents().get(name).map(|incident| incident.last);
        last.is_some_and(|at| now.since_ms(at) < RAGES_MS)
    };
    let names = federation.hold.unexplained().map(|(name, _)| name);
    names
        .filter(|name| {
            !federation.hold.verifying(name, now)
                && now_and_here(name)
                && churns(name)
                && federation.wished(name)
                && federation.danger_here(name).is_none()
        })
        .cloned()
        .collect()
}
