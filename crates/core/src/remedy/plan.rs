//! The plan: what would be done, to which objects, why, and what stands against it.

use sha2::{Digest as _, Sha256};

use super::{
    brake::{Brake, CLAIM_DYING, CLAIM_GONE, GONE, OWNED},
    gate::not_ours,
    rung::{RETAIN, Rung, Target, Value},
};
use crate::{
    id::{Text, Uid},
    time::Time,
};

/// Hexadecimal digits of a plan's id: 80 bits, which nobody finds twice, and which a person can still copy.
const ID_DIGITS: usize = 20;

/// What a live read found of the object that the target hangs on: a volume's claim, a namespace's owners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tie {
    /// Nobody looked.
    #[default]
    Unread,
    /// It exists, or cannot be told.
    Alive,
    /// It is being deleted, or what contains it is.
    Dying,
    /// It does not exist, or another object bears its name.
    Gone,
}

/// A target as a live read found it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// UID.
    pub uid: Uid,
    /// resourceVersion: the precondition of the write.
    pub version: Text,
    /// Generation of the spec, 0 where the kind has none.
    pub generation: i64,
    /// It has a deletionTimestamp.
    pub deleting: bool,
    /// What the rung's field contains.
    pub value: Value,
    /// It carries the opt-out annotation.
    pub opted_out: bool,
    /// The program that keeps it as it is, if one says so.
    pub keeper: Option<Text>,
    /// What it hangs on, where [`Order::needs_tie`].
    pub tie: Tie,
}

/// What is wished of one object, before anybody looked at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) rung: Rung,
    pub(crate) target: Target,
    pub(crate) to: Value,
    pub(crate) why: String,
    pub(crate) evidence: Vec<String>,
    /// What the caches and the simulation say against it.
    pub(crate) against: Option<Brake>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Rung.
    pub rung: Rung,
    /// Object.
    pub target: Target,
    /// Its resourceVersion when the plan was made; the write takes that of its own live read.
    pub version: Text,
    /// Its generation when the plan was made.
    pub generation: i64,
    /// What the field contains.
    pub from: Value,
    /// What it is to contain.
    pub to: Value,
    /// Why, in a sentence.
    pub why: String,
    /// What that rests on.
    pub evidence: Vec<String>,
    /// What stands against this step alone.
    pub brake: Option<Brake>,
    /// Answer to the dry run: None before it, else empty or the refusal.
    pub tried: Option<String>,
}

impl Step {
    /// Nothing but a switch stands against it.
    pub(crate) fn may_be_tried(&self) -> bool {
        matches!(
            self.brake,
            None | Some(Brake::ActionNever(_) | Brake::NotApproved { .. })
        )
    }
}

/// Steps in the order in which they would be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Hash of what is to be done to which objects.
    pub id: Text,
    /// When a plan of this id was first made.
    pub since: Time,
    /// Steps, least harm first.
    pub steps: Vec<Step>,
    /// What stands against every step.
    pub brake: Option<Brake>,
}

impl Plan {
    /// Of these steps. The wording is no part of the id, nor is the resourceVersion, which KubeFed moves every ten seconds.
    pub(crate) fn new(steps: Vec<Step>, now: Time) -> Self {
        let mut hash = Sha256::new();
        for step in &steps {
            let t = &step.target;
            let fields = [
                step.rung.as_str(),
                &t.namespace,
                &t.name,
                &t.uid.to_string(),
                &step.generation.to_string(),
                &step.from.0,
                &step.to.0,
            ];
            for field in fields {
                hash.update((field.len() as u64).to_be_bytes());
                hash.update(field.as_bytes());
            }
        }
        let digits = format!("{:x}", hash.finalize());
        Self {
            id: Text::from(&digits[..ID_DIGITS]),
            since: now,
            steps,
            brake: None,
        }
    }

    /// What stands against it: against all of it, or against each of its steps. A switch that is on and is refused says more
    /// than one that is off.
    pub fn refusal(&self) -> Option<&Brake> {
        if self.brake.is_some() || self.steps.iter().any(|step| step.brake.is_none()) {
            return self.brake.as_ref();
        }
        let brakes = || self.steps.iter().filter_map(|step| step.brake.as_ref());
        let telling = brakes().find(|brake| !matches!(brake, Brake::ActionNever(_)));
        telling.or_else(|| brakes().next())
    }
}

/// One write, as the writer gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Record in the journal; None in a dry run.
    pub record: Option<u64>,
    /// Rung.
    pub rung: Rung,
    /// Object.
    pub target: Target,
    /// Generation that the object must still have; None on the way back, where the field alone decides.
    pub generation: Option<i64>,
    /// What the field must contain.
    pub from: Value,
    /// What it is to contain.
    pub to: Value,
    /// The API server is to check everything and store nothing.
    pub dry_run: bool,
}

impl Order {
    /// The write is right only with a look at what the target hangs on: with its former policy a volume would go with its
    /// claim, and an owner may exist after all.
    pub fn needs_tie(&self) -> bool {
        match self.rung {
            Rung::RetainVolumes => &*self.to.0 != RETAIN,
            rung => rung == Rung::DisarmNamespaces,
        }
    }

    /// Whether a live read still shows what the order was made for.
    ///
    /// # Errors
    /// The brake that says what is different.
    pub fn check(&self, seen: Option<&Seen>) -> Result<(), Brake> {
        let changed = |what| Err(Brake::TargetChanged(self.target.clone(), what));
        let Some(seen) = seen else {
            return changed(GONE);
        };
        if seen.uid != self.target.uid {
            return changed("is another object of the same name");
        }
        // What a keeper was told keeps nobody from taking back what was done before.
        let back = self.generation.is_none();
        let brake = not_ours(self.rung, &self.target, seen);
        if let Some(brake) = brake.filter(|b| !back || matches!(b, Brake::OptedOut(_))) {
            return Err(brake);
        }
        if seen.deleting {
            return changed("is being deleted");
        }
        if seen.value != self.from {
            return changed("was changed in the very field");
        }
        if self
            .generation
            .is_some_and(|known| known != seen.generation)
        {
            return changed("was edited");
        }
        match (self.rung, seen.tie) {
            _ if !self.needs_tie() => Ok(()),
            (Rung::RetainVolumes, Tie::Alive) | (Rung::DisarmNamespaces, Tie::Gone) => Ok(()),
            (Rung::RetainVolumes, Tie::Gone) => changed(CLAIM_GONE),
            (Rung::RetainVolumes, _) => changed(CLAIM_DYING),
            _ => changed(OWNED),
        }
    }
}
