//! The condition of the join guard: would it see a second registration.

use super::{ConditionState, Truth};
use crate::{
    federation::Federation,
    joined::Joined,
    words::{ConditionType, Reason},
};

impl Federation {
    /// None while the join guard is off. What is missing is looked at, not tried: a trial would need the right to register.
    pub(super) fn join_guard_ready(&self, joined: &Joined) -> Option<ConditionState> {
        let (status, reason, message) = match (joined, self.join_policies) {
            (Joined::Off, _) => return None,
            (_, [Some(false), _] | [_, Some(false)]) => (
                Truth::False,
                Reason::PolicyMissing,
                "The policies of the join guard or their bindings are missing, or the bindings do not refuse and warn: \
                 apply config/policies/join.yaml again."
                    .to_owned(),
            ),
            (Joined::Unread, _) | (_, [None, _] | [_, None]) => (
                Truth::Unknown,
                Reason::WatchNotSynced,
                "Registrations or admission policies have not been read yet.".to_owned(),
            ),
            (Joined::Read(list), _) if list.left_out > 0 => (
                Truth::False,
                Reason::ListFull,
                format!(
                    "{} endpoints and CAs are not in the list that new registrations are compared with: it is full.",
                    list.left_out
                ),
            ),
            (Joined::Read(_), _) => (Truth::True, Reason::AsExpected, String::new()),
        };
        Some(ConditionState {
            type_: ConditionType::JoinGuardReady,
            status,
            reason,
            message,
        })
    }
}
