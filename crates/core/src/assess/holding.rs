//! The conditions of the hold: would it work, and does it stand.

use super::{ConditionState, MAX_MESSAGE, Proof, Truth};
use crate::{
    effect::{CauseKind, HoldImage, Rule},
    federation::Federation,
    findings,
    id::Text,
    text::shorten,
    words::{ConditionType, Reason},
};

impl Federation {
    pub(super) fn hold_conditions(&self, proof: &Proof) -> Vec<ConditionState> {
        let mut conditions = Vec::new();
        if self.hold.asked_for() {
            let (status, reason, message) =
                self.released_by_hand().unwrap_or_else(|| hold_ready(proof));
            conditions.push(ConditionState {
                type_: ConditionType::HoldReady,
                status,
                reason,
                message,
            });
        }
        let written = self.hold.written();
        if written.collection || written.federation {
            conditions.push(holding(&written, self.hold.blocked()));
        }
        conditions
    }
}

impl Federation {
    /// Nothing can be held by a rule that a person released by hand; it must not be forgotten.
    fn released_by_hand(&self) -> Option<(Truth, Reason, String)> {
        let rules: Vec<&str> = self.hold.released().map(Rule::as_str).collect();
        if rules.is_empty() {
            return None;
        }
        let fields: Vec<String> = rules
            .iter()
            .map(|r| format!("\"{r}\":\"Allowed\""))
            .collect();
        let message = format!(
            "The FederationHold says Never: nothing is held by rule {}. To allow it again: kubectl patch federationhold default \
             --type=merge -p '{{\"spec\":{{{}}}}}'.",
            rules.join(" and "),
            fields.join(","),
        );
        Some((Truth::False, Reason::ReleasedByHand, message))
    }
}

fn hold_ready(proof: &Proof) -> (Truth, Reason, String) {
    const FIX: &str = "Apply config/policies again.";
    match proof {
        Proof::Pending => (Truth::Unknown, Reason::ProofPending, "The hold has not been proven on this server yet.".to_owned()),
        Proof::Unsupported => (
            Truth::False,
            Reason::PolicyUnsupported,
            "This API server does not serve ValidatingAdmissionPolicy v1 (Kubernetes 1.30 or newer): nothing can be held.".to_owned(),
        ),
        Proof::Missing(names) => (Truth::False, Reason::PolicyMissing, format!("Missing: {}. {FIX}", names.join(", "))),
        Proof::Altered(names) => (Truth::False, Reason::PolicyAltered, format!("Altered: {}. {FIX}", names.join(", "))),
        Proof::Forbidden(what) => (Truth::False, Reason::Forbidden, format!("The operator may not {what}: apply its roles again.")),
        Proof::Failed(what) => (Truth::False, Reason::ProofFailed, what.clone()),
        Proof::Proven { on, of } if on == of => {
            (Truth::True, Reason::Proven, format!("Proven on {on}/{of} addresses of the API server."))
        }
        Proof::Proven { on, of } => {
            (Truth::False, Reason::ProofFailed, format!("Proven on {on}/{of} addresses of the API server only."))
        }
    }
}

fn holding(image: &HoldImage, blocked: &[Text]) -> ConditionState {
    let reason = match image.reason {
        _ if !blocked.is_empty() => Reason::ReleaseBlocked,
        Some(CauseKind::DoubledRegistration) => Reason::DoubledRegistration,
        Some(CauseKind::SecondControlPlane) => Reason::SecondControlPlane,
        Some(CauseKind::SelectedNowhere) => Reason::SelectedNowhere,
        Some(CauseKind::FederatedKindDeleted) => Reason::FederatedKindDeleted,
        Some(CauseKind::Requested) => Reason::Requested,
        Some(CauseKind::Unrecorded) => Reason::Unrecorded,
        Some(CauseKind::UnexpectedDeletion) | None => Reason::UnexpectedDeletion,
    };
    let what = match (image.collection, image.federation) {
        (true, true) => "The garbage collector and KubeFed are refused",
        (true, false) => "The garbage collector is refused",
        _ => "KubeFed is refused",
    };
    let mut message = format!("{what}: {}.", image.message);
    if !blocked.is_empty() {
        let names = findings::some_names(blocked.iter());
        message = format!(
            "{message} The cause is gone, but release would lose {names}: their owner does not exist, or is being deleted."
        );
    }
    ConditionState {
        type_: ConditionType::Holding,
        status: Truth::True,
        reason,
        message: shorten(message, MAX_MESSAGE),
    }
}
