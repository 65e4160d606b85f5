//! What status says of remediation.

use super::{
    Remedy,
    brake::Brake,
    journal::{Record, State},
    policy::Mode,
    rung::MAX_TARGETS,
};
use crate::{
    assess::{ConditionState, Truth},
    words::{ConditionType, Reason},
};

impl Remedy {
    pub(crate) fn conditions(&self) -> Vec<ConditionState> {
        let mut conditions = Vec::new();
        let mut push = |type_, status, reason, message: String| {
            conditions.push(ConditionState {
                type_,
                status,
                reason,
                message,
            });
        };
        let wanted = self.policy.mode != Mode::Observe;
        if wanted {
            match self.refusal() {
                Some(brake) => push(
                    ConditionType::RemediationAllowed,
                    Truth::False,
                    brake.reason(),
                    brake.message(),
                ),
                None => push(
                    ConditionType::RemediationAllowed,
                    Truth::True,
                    Reason::AsExpected,
                    String::new(),
                ),
            }
            if !self.policy.pauses.is_empty() {
                let brake = Brake::Paused(self.policy.pauses.clone());
                push(
                    ConditionType::Paused,
                    Truth::True,
                    brake.reason(),
                    brake.message(),
                );
            }
        }
        let standing: Vec<String> = self
            .journal
            .records()
            .iter()
            .filter(|r| self.perhaps_done(r) || (r.stands() && r.rung.is_transient()))
            .take(MAX_TARGETS)
            .map(|r| {
                let doubt = if r.unsettled() { " (under way)" } else { "" };
                format!("{} on {}{doubt}", r.rung.as_str(), r.target)
            })
            .collect();
        if !standing.is_empty() {
            push(
                ConditionType::Remediating,
                Truth::True,
                Reason::ActsInForce,
                format!("In force: {}.", standing.join(", ")),
            );
        }
        conditions
    }

    /// Its write may have been sent. Not yet, while its intention is not written down.
    fn perhaps_done(&self, record: &Record) -> bool {
        let waits = self.batch.contains(&record.id) && !self.batch_recorded;
        record.unsettled() && !(waits && record.state == State::Intended)
    }
}
