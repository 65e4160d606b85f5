//! Kubernetes events: one for each change of a verdict, none for "still so". Best effort: what matters is in status.

use std::time::Duration;

use federation_health_api::{
    FederationHealth, FederationHealthStatus, names::REPORTING_CONTROLLER,
};
use federation_health_core::{
    assess::Assessment,
    findings::{Finding, Severity, Target},
    remedy::brake::WITHOUT_PLAN,
    words::ConditionType,
};
use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{
    Client, Resource as _,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::{sync::mpsc, time::timeout};

/// Events on other people's objects after one write of status: a storm is told once, by the FederationHealth's own.
const MAX_TOLD: usize = 16;
/// Length of a note in the API.
const MAX_NOTE: usize = 1000;
/// Events that wait to be sent: two changes of everything that one write of status can tell of.
const MAX_WAITING: usize = 64;
/// An event that the API server has not taken by then is given up: the next one may be newer.
const DEADLINE: Duration = Duration::from_secs(5);

/// Sends events, from a task of its own: whoever tells of a change has status to write and holds to release, and does not
/// wait for an API server that does not answer.
pub struct Events {
    queue: Option<mpsc::Sender<(Event, ObjectReference)>>,
}

impl Events {
    /// Sends through this client, in the name of this instance, on the runtime that this is called on.
    pub fn new(client: Client, instance: &str) -> Self {
        let reporter = Reporter {
            controller: REPORTING_CONTROLLER.to_owned(),
            instance: Some(instance.to_owned()),
        };
        let (queue, waiting) = mpsc::channel(MAX_WAITING);
        tokio::spawn(send(Recorder::new(client, reporter), waiting));
        Self { queue: Some(queue) }
    }

    /// Sends nothing: for simulations, since the recorder reads the wall clock.
    pub fn none() -> Self {
        Self { queue: None }
    }

    /// Tells of conditions that became bad or good between two states of status.
    pub fn changes(
        &self,
        object: &FederationHealth,
        before: Option<&FederationHealthStatus>,
        after: &FederationHealthStatus,
    ) {
        let known = before.map_or(&[][..], |s| &s.conditions);
        let changed = after
            .conditions
            .iter()
            .filter_map(|condition| event(condition, known));
        for event in changed.chain(skipped(before, after)) {
            self.tell(event, object.object_ref(&()));
        }
    }

    /// Tells of findings that `before` did not have, or not as bad, on the objects that they are about: whoever describes such an object
    /// sees that it is at risk, and why.
    pub fn found(&self, before: Option<&FederationHealthStatus>, assessment: &Assessment) {
        for (event, object) in tidings(before, assessment) {
            self.tell(event, object);
        }
    }

    fn tell(&self, event: Event, object: ObjectReference) {
        let Some(queue) = &self.queue else { return };
        if let Err(error) = queue.try_send((event, object)) {
            tracing::debug!(%error, "an event was dropped");
        }
    }
}

async fn send(recorder: Recorder, mut waiting: mpsc::Receiver<(Event, ObjectReference)>) {
    while let Some((event, object)) = waiting.recv().await {
        match timeout(DEADLINE, recorder.publish(&event, &object)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(%error, reason = event.reason, action = event.action, "an event could not be written");
            }
            Err(_) => {
                tracing::debug!(
                    reason = event.reason,
                    action = event.action,
                    "an event was not taken in time"
                );
            }
        }
    }
}

/// What [`Events::found`] tells, and of what.
fn tidings(
    before: Option<&FederationHealthStatus>,
    assessment: &Assessment,
) -> Vec<(Event, ObjectReference)> {
    let known = before.map_or(&[][..], |status| &status.findings);
    let rank = |word: &str| Severity::ALL.iter().position(|s| s.as_str() == word);
    let is_new = |finding: &&Finding| {
        let mut same = known
            .iter()
            .filter(|f| f.code == finding.code && f.subject == finding.subject);
        same.all(|f| rank(&f.severity) > rank(finding.severity.as_str()))
    };
    let new = assessment.findings.iter().map(|(f, _)| f).filter(is_new);
    new.flat_map(|f| f.targets.iter().map(|target| (told(f), reference(target))))
        .take(MAX_TOLD)
        .collect()
}

/// An event of a finding on an object that it is about.
fn told(finding: &Finding) -> Event {
    Event {
        type_: match finding.severity {
            Severity::Low => EventType::Normal,
            _ => EventType::Warning,
        },
        reason: finding.reason.as_str().to_owned(),
        note: Some(note(&format!("{}: {}", finding.code, finding.message))),
        action: finding.code.to_owned(),
        secondary: None,
    }
}

fn reference(target: &Target) -> ObjectReference {
    let (api_version, kind, namespace, name, uid) = match target {
        Target::Registration(key, uid) => (
            "core.kubefed.io/v1beta1",
            "KubeFedCluster",
            Some(&key.namespace),
            &key.name,
            uid,
        ),
        Target::Template(name, uid) => (
            "tenant.kubesphere.io/v1alpha2",
            "WorkspaceTemplate",
            None,
            name,
            uid,
        ),
        Target::Namespace(name, uid) => ("v1", "Namespace", None, name, uid),
    };
    ObjectReference {
        api_version: Some(api_version.to_owned()),
        kind: Some(kind.to_owned()),
        namespace: namespace.map(ToString::to_string),
        name: Some(name.to_string()),
        uid: Some(uid.to_string()),
        ..ObjectReference::default()
    }
}

fn note(text: &str) -> String {
    text.chars().take(MAX_NOTE).collect()
}

/// Something stands against a plan, told once for each plan and brake; or against planning, once for each brake and message.
fn skipped(
    before: Option<&FederationHealthStatus>,
    after: &FederationHealthStatus,
) -> Option<Event> {
    let (key, text) = skip(after)?;
    if before.and_then(skip).is_some_and(|(known, _)| known == key) {
        return None;
    }
    Some(Event {
        type_: EventType::Warning,
        reason: "RemediationSkipped".to_owned(),
        note: Some(note(&text)),
        action: "Plan".to_owned(),
        secondary: None,
    })
}

/// What a status says is skipped: by what it is known again, and in words.
fn skip(status: &FederationHealthStatus) -> Option<(String, String)> {
    if let Some(plan) = &status.plan {
        let brake = plan.blocked_by.as_ref()?;
        let why = plan.message.as_deref().unwrap_or_default();
        return Some((format!("{} {brake}", plan.id), format!("{brake}: {why}")));
    }
    let allowed = ConditionType::RemediationAllowed.as_str();
    let refused = status
        .conditions
        .iter()
        .find(|c| c.type_ == allowed && c.status == "False")?;
    let tells = WITHOUT_PLAN.iter().any(|r| r.as_str() == refused.reason);
    let text = format!("{}: {}", refused.reason, refused.message);
    tells.then(|| (text.clone(), text))
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
    Some(Event {
        type_: if bad {
            EventType::Warning
        } else {
            EventType::Normal
        },
        reason: condition.reason.clone(),
        note: Some(note(&format!("{}: {}", condition.type_, condition.message))),
        action: format!("{}{}", condition.type_, condition.status),
        secondary: None,
    })
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future::pending};

    use federation_health_api::v1alpha1::PlanStatus;
    use http::{Request, Response};
    use http_body_util::{BodyExt as _, Full};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use kube::client::Body;

    use super::*;

    fn refused(reason: &str, message: &str) -> FederationHealthStatus {
        FederationHealthStatus {
            conditions: vec![Condition {
                type_: "RemediationAllowed".to_owned(),
                status: "False".to_owned(),
                reason: reason.to_owned(),
                message: message.to_owned(),
                last_transition_time: Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH),
                observed_generation: None,
            }],
            ..FederationHealthStatus::default()
        }
    }

    #[test]
    fn what_is_refused_without_a_plan_is_told_once_for_each_brake_and_message() {
        let one = refused("NoneStale", "Of a.");
        let told = skipped(None, &one).unwrap();
        assert_eq!(told.note.as_deref(), Some("NoneStale: Of a."));
        assert!(skipped(Some(&one), &one).is_none());
        assert!(skipped(Some(&one), &refused("NoneStale", "Of b.")).is_some());
        assert!(skipped(None, &refused("Paused", "By c.")).is_none());
        let mut planned = refused("Paused", "By c.");
        planned.plan = Some(PlanStatus {
            blocked_by: Some("Paused".to_owned()),
            ..PlanStatus::default()
        });
        assert!(skipped(Some(&one), &planned).is_some());
    }

    fn of(reason: &str) -> Event {
        Event {
            type_: EventType::Normal,
            reason: reason.to_owned(),
            note: None,
            action: "Test".to_owned(),
            secondary: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_does_not_answer_delays_nobody_and_costs_one_event() {
        let (seen, mut reasons) = mpsc::channel(4);
        let server = tower::service_fn(move |request: Request<Body>| {
            let seen = seen.clone();
            async move {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let event: serde_json::Value = serde_json::from_slice(&body).unwrap();
                let reason = event["reason"].as_str().unwrap().to_owned();
                seen.send(reason.clone()).await.unwrap();
                if reason == "Lost" {
                    pending::<()>().await;
                }
                Ok::<_, Infallible>(Response::new(Full::new(body)))
            }
        });
        let events = Events::new(Client::new(server, "default"), "test");
        let about = ObjectReference::default();
        events.tell(of("Lost"), about.clone());
        events.tell(of("Told"), about);
        let begun = tokio::time::Instant::now();
        assert_eq!(reasons.recv().await.as_deref(), Some("Lost"));
        assert_eq!(reasons.recv().await.as_deref(), Some("Told"));
        assert_eq!(begun.elapsed(), DEADLINE);
    }
}
