//! What the owner allows.

use std::collections::BTreeSet;

use super::rung::Rung;
use crate::{id::Text, time::Time};

/// How far remediation goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Report.
    #[default]
    Observe,
    /// Plan, and try each write without effect.
    DryRun,
    /// Carry out.
    Apply,
}

/// Who starts an action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Allowed {
    /// Nobody.
    #[default]
    Never,
    /// A person, by approving the plan.
    Approval,
    /// The operator.
    Automatic,
}

/// A person's approval, as the annotation says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approval {
    /// This plan, until then.
    Plan(Text, Time),
    /// Not readable, and why.
    Malformed(String),
}

/// What a person asks to take back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// Everything.
    All,
    /// Acts of one rung.
    Rung(Rung),
    /// Not readable: what it says. Nothing is taken back, and nothing new is done.
    Malformed(Text),
}

impl Undo {
    pub(super) fn covers(&self, rung: Rung) -> bool {
        match self {
            Self::All => true,
            Self::Rung(asked) => *asked == rung,
            Self::Malformed(_) => false,
        }
    }

    pub(super) fn text(&self) -> Text {
        match self {
            Self::All => Text::from("all"),
            Self::Rung(rung) => Text::from(rung.as_str()),
            Self::Malformed(text) => text.clone(),
        }
    }
}

/// Remediation as the owner wishes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemedyPolicy {
    /// Mode.
    pub mode: Mode,
    /// The spec that says so can be used.
    pub valid: bool,
    /// Switch of each rung, in the order of [`Rung::ALL`].
    pub actions: [Allowed; 8],
    /// Acts an hour.
    pub max_acts_per_hour: usize,
    /// Milliseconds between two acts of one rung on one name.
    pub cooldown_ms: i64,
    /// Share of clusters that may turn bad within 15 minutes.
    pub max_unhealthy_percent: i64,
    /// Names of registrations that do not count in it.
    pub expected_offline: BTreeSet<Text>,
    /// Names of those who ask for a pause.
    pub pauses: Vec<Text>,
    /// Annotation `federationhealth.io/approve`.
    pub approval: Option<Approval>,
    /// Annotation `federationhealth.io/experiment`: until when it asks for one, or why it cannot be read.
    pub experiment: Option<Result<Time, String>>,
    /// Annotation `federationhealth.io/undo`.
    pub undo: Option<Undo>,
}

impl RemedyPolicy {
    /// Switch of a rung.
    pub fn allowed(&self, rung: Rung) -> Allowed {
        self.actions[rung as usize]
    }
}
