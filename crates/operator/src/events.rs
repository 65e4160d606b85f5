//! Kubernetes events: one for each change of a verdict, none for "still so". Best effort: what matters is in status.

use federation_health_api::{
    FederationHealth, FederationHealthStatus, names::REPORTING_CONTROLLER,
};
use federation_health_core::{
    assess::Assessment,
    findings::{Finding, Severity, Target},
    words::ConditionType,
};
use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{
    Client, Resource as _,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

/// Events on other people's objects after one write of status: a storm is told once, by the FederationHealth's own.
const MAX_TOLD: usize = 16;
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

    /// Tells of findings that `before` did not have, or not as bad, on the objects that they are about: whoever describes such an object
    /// sees that it is at risk, and why.
    pub async fn found(&self, before: Option<&FederationHealthStatus>, assessment: &Assessment) {
        let Some(recorder) = &self.recorder else {
            return;
        };
        for (event, object) in tidings(before, assessment) {
            if let Err(error) = recorder.publish(&event, &object).await {
                tracing::debug!(%error, code = event.action, "an event could not be written");
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
