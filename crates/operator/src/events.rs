//! Kubernetes events: one for each change of a verdict, none for "still so". Best effort: what matters is in status.

use federation_health_api::{
    FederationHealth, FederationHealthStatus, names::REPORTING_CONTROLLER,
};
use federation_health_core::words::ConditionType;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Client, Resource as _,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

/// Length of a note in the API.
const MAX_NOTE: usize = 1000;

/// Sends events.
pub struct Events {
    recorder: Option<Recorder>,
}

impl Events {
    /// Sends through this client, in the name of this instance.
    pub fn new(client: Client, instance: &str) -> Self {
        let reporter = Reporter {
            controller: REPORTING_CONTROLLER.to_owned(),
            instance: Some(instance.to_owned()),
        };
        Self {
            recorder: Some(Recorder::new(client, reporter)),
        }
    }

    /// Sends nothing: for simulations, since the recorder reads the wall clock.
    pub fn none() -> Self {
        Self { recorder: None }
    }

    /// Tells of conditions that became bad or good between two states of status.
    pub async fn changes(
        &self,
        object: &FederationHealth,
        before: Option<&FederationHealthStatus>,
        after: &FederationHealthStatus,
    ) {
        let Some(recorder) = &self.recorder else {
            return;
        };
        let known = before.map_or(&[][..], |s| &s.conditions);
        let changed = after
            .conditions
            .iter()
            .filter_map(|condition| event(condition, known));
        for event in changed.chain(skipped(before, after)) {
            if let Err(error) = recorder.publish(&event, &object.object_ref(&())).await {
                tracing::debug!(%error, reason = event.reason, "an event could not be written");
            }
        }
    }
}

/// A plan that something stands against, told once for each plan and brake.
fn skipped(
    before: Option<&FederationHealthStatus>,
    after: &FederationHealthStatus,
) -> Option<Event> {
    let plan = after.plan.as_ref()?;
    let brake = plan.blocked_by.as_ref()?;
    let told = before.and_then(|status| status.plan.as_ref());
    if told.is_some_and(|known| known.id == plan.id && known.blocked_by == plan.blocked_by) {
        return None;
    }
    let note = format!("{brake}: {}", plan.message.as_deref().unwrap_or_default());
    Some(Event {
        type_: EventType::Warning,
        reason: "RemediationSkipped".to_owned(),
        note: Some(note.chars().take(MAX_NOTE).collect()),
        action: "Plan".to_owned(),
        secondary: None,
    })
}

fn event(condition: &Condition, known: &[Condition]) -> Option<Event> {
    let before = known.iter().find(|c| c.type_ == condition.type_);
    let changed =
        before.is_none_or(|c| c.status != condition.status || c.reason != condition.reason);
    // Healthy only sums the others up, and the first sight of good news is no news.
    let told = condition.type_ != ConditionType::Healthy.as_str() && changed;
    if !told
        || (before.is_none()
            && condition.status == "True"
            && condition.type_ != ConditionType::Holding.as_str())
    {
        return None;
    }
    let bad = condition.status != "True" || condition.type_ == ConditionType::Holding.as_str();
    let note: String = format!("{}: {}", condition.type_, condition.message)
        .chars()
        .take(MAX_NOTE)
        .collect();
    Some(Event {
        type_: if bad {
            EventType::Warning
        } else {
            EventType::Normal
        },
        reason: condition.reason.clone(),
        note: Some(note),
        action: format!("{}{}", condition.type_, condition.status),
        secondary: None,
    })
}
