//! Remediation between the decisions and the object: policy from spec and annotations, plan and journal to status, and back.

use std::cmp::Reverse;

use federation_health_api::{
    FederationHealth,
    foreign::PersistentVolume,
    names::{APPROVE_ANNOTATION, EXPERIMENT_ANNOTATION, UNDO_ANNOTATION},
    v1alpha1::{ActionPolicy, ActionStatus, PlanStatus, PlanStep, RemediationMode},
};
use federation_health_core::{
    id::{Text, Uid},
    remedy::{
        Allowed, Approval, Mode, RemedyPolicy, Undo, Volume,
        brake::Brake,
        journal::{MAX_NOTE, MAX_VALUE, Record, State},
        plan::{Order, Plan, Step},
        rung::{Rung, Target, Value},
    },
    text::clip,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::{
    facts::time,
    time::{instant, wire_time},
};

/// Steps shown: with their reasons 26 KiB of the 128 that status may have.
const MAX_STEPS: usize = 24;
/// Records shown in status; the ConfigMap has all.
const MAX_ACTIONS: usize = 24;
/// Bytes of what their fields contain, 32 of the 128 KiB; that of a freeze is a digit and always in.
const MAX_SHOWN: usize = 32 << 10;
/// Lines shown that this version does not understand: what the schema has room for beside the others.
const MAX_UNREAD: usize = 8;
/// Bytes of a sentence.
const MAX_TEXT: usize = 512;
/// Bytes of a step's evidence, all lines: two lines of names are enough to recognise a cause.
const MAX_LINE: usize = 256;
/// Lines of a step's evidence.
const MAX_LINES: usize = 2;
/// Bytes of a condition's message.
const MAX_MESSAGE: usize = 1024;

/// What the owner allows.
pub fn policy(object: &FederationHealth) -> RemedyPolicy {
    let spec = &object.spec.remediation;
    let actions = &spec.actions;
    let annotation = |name: &str| {
        object
            .metadata
            .annotations
            .as_ref()
            .and_then(|a| a.get(name))
            .map(String::as_str)
    };
    RemedyPolicy {
        valid: true,
        mode: match spec.mode {
            RemediationMode::Observe => Mode::Observe,
            RemediationMode::DryRun => Mode::DryRun,
            RemediationMode::Apply => Mode::Apply,
        },
        actions: [
            allowed(actions.retain_volumes),
            allowed(actions.arm_orphan),
            allowed(actions.shield_workspaces),
            allowed(actions.freeze_controllers),
            allowed(actions.plant_canary),
            allowed(actions.disarm_namespaces),
            allowed(actions.fix_placement),
            allowed(actions.remove_stale_cluster),
        ],
        max_acts_per_hour: spec.limits.max_actions_per_hour as usize,
        cooldown_ms: spec.limits.cooldown_seconds * 1000,
        max_unhealthy_percent: spec.limits.max_unhealthy_percent,
        expected_offline: spec
            .limits
            .expected_offline
            .iter()
            .map(|name| Text::from(name.as_str()))
            .collect(),
        pauses: spec
            .pause_requests
            .iter()
            .map(|p| Text::from(p.name.as_str()))
            .collect(),
        approval: annotation(APPROVE_ANNOTATION).map(approval),
        experiment: annotation(EXPERIMENT_ANNOTATION).map(|value| {
            time(value.trim()).ok_or_else(|| {
                format!("the annotation {EXPERIMENT_ANNOTATION} is no time as 2026-11-23T22:00:00Z")
            })
        }),
        undo: annotation(UNDO_ANNOTATION).map(undo),
    }
}

fn allowed(policy: ActionPolicy) -> Allowed {
    match policy {
        ActionPolicy::Never => Allowed::Never,
        ActionPolicy::Approval => Allowed::Approval,
        ActionPolicy::Automatic => Allowed::Automatic,
    }
}

fn approval(value: &str) -> Approval {
    let parsed = value
        .split_once('@')
        .and_then(|(id, until)| Some((Text::from(id.trim()), time(until.trim())?)));
    parsed.map_or_else(
        || Approval::Malformed(format!("the annotation {APPROVE_ANNOTATION} is not PLAN@TIME, the time as 2026-11-23T22:00:00Z")),
        |(id, until)| Approval::Plan(id, until),
    )
}

fn undo(value: &str) -> Undo {
    match value.trim() {
        "all" => Undo::All,
        word => Rung::parse(word)
            .map_or_else(|| Undo::Malformed(Text::from(clip(word, 64))), Undo::Rung),
    }
}

/// A volume that is bound to a claim; none if it is not.
pub fn volume(object: &PersistentVolume) -> Option<Volume> {
    let claim = object.spec.claim_ref.as_ref()?;
    (object.status.phase == "Bound").then(|| Volume {
        name: Text::from(object.metadata.name.as_str()),
        uid: object
            .metadata
            .uid
            .as_deref()
            .and_then(Uid::parse)
            .unwrap_or_default(),
        policy: Text::from(object.spec.persistent_volume_reclaim_policy.as_str()),
        namespace: Text::from(claim.namespace.as_str()),
        claim: Text::from(claim.name.as_str()),
    })
}

/// The plan as status shows it.
pub fn plan(plan: &Plan) -> PlanStatus {
    let refusal = plan.refusal();
    PlanStatus {
        id: plan.id.to_string(),
        since: Some(wire_time(plan.since)),
        blocked_by: refusal.map(|b| b.reason().as_str().to_owned()),
        message: refusal.map(|b| clip(&b.message(), MAX_MESSAGE).to_owned()),
        blocked_until: refusal.and_then(Brake::ends).map(wire_time),
        steps: plan.steps.iter().take(MAX_STEPS).map(step).collect(),
    }
}

fn step(step: &Step) -> PlanStep {
    let rung = step.rung;
    let change = match rung {
        // What it was is the whole manifest.
        Rung::RemoveStaleCluster => format!("{}: deleted", rung.field()),
        _ => format!(
            "{}: {} -> {}",
            rung.field(),
            clip(&step.from.to_string(), 200),
            clip(&step.to.to_string(), 200)
        ),
    };
    PlanStep {
        action: rung.as_str().to_owned(),
        kind: step.target.kind.as_str().to_owned(),
        namespace: namespace(&step.target),
        name: step.target.name.to_string(),
        uid: step.target.uid.to_string(),
        resource_version: step.version.to_string(),
        change: clip(&change, MAX_TEXT).to_owned(),
        to: (step.to.0.len() <= MAX_TEXT).then(|| step.to.0.to_string()),
        why: clip(&step.why, MAX_TEXT).to_owned(),
        evidence: step
            .evidence
            .iter()
            .take(MAX_LINES)
            .map(|line| clip(line, MAX_LINE).to_owned())
            .collect(),
        reversible: rung.released() || !rung.destructive(),
        verification: rung.verification().to_owned(),
        undo: rung.undo().to_owned(),
        blocked_by: step.brake.as_ref().map(|b| b.reason().as_str().to_owned()),
        dry_run: step.tried.as_ref().map(|said| {
            let said = if said.is_empty() { "Accepted" } else { said };
            clip(said, MAX_TEXT).to_owned()
        }),
    }
}

/// The write that a step of status stands for; None if this version does not know the action, or status leaves out what the
/// field is to contain. What the field contains now is for a live read to say.
pub fn order(step: &PlanStep) -> Option<Order> {
    let rung = Rung::parse(&step.action)?;
    Some(Order {
        record: None,
        rung,
        target: Target {
            kind: rung.kind(),
            namespace: Text::from(step.namespace.as_deref().unwrap_or_default()),
            name: Text::from(step.name.as_str()),
            uid: Uid::parse(&step.uid)?,
        },
        generation: None,
        from: Value::none(),
        to: Value::new(step.to.as_deref()?),
        dry_run: false,
    })
}

fn namespace(target: &Target) -> Option<String> {
    (!target.namespace.is_empty()).then(|| target.namespace.to_string())
}

/// What status shows of the journal: what is in force or open, a freeze before all else, then the newest of the rest; and what
/// was not understood, as it was found. No record is shown in part.
pub fn shown(records: &[Record], unread: &[Json]) -> Vec<ActionStatus> {
    let fits = |value: &Value| value.0.len() <= MAX_VALUE;
    let freezes = |r: &Record| r.open() && r.rung == Rung::FreezeControllers;
    let mut ranked: Vec<&Record> = records
        .iter()
        .filter(|r| fits(&r.from) && fits(&r.to))
        .collect();
    ranked.sort_by_key(|r| (!freezes(r), !r.open(), Reverse(r.id)));
    let mut room = MAX_SHOWN;
    ranked.retain(|r| {
        let left = room.checked_sub(r.from.0.len() + r.to.0.len());
        room = left.unwrap_or(room);
        left.is_some()
    });
    ranked.truncate(MAX_ACTIONS);
    ranked.sort_by_key(|r| r.id);
    let unread = unread
        .iter()
        .filter_map(|line| ActionStatus::deserialize(line).ok());
    let shown = ranked.into_iter().map(action);
    shown.chain(unread.take(MAX_UNREAD)).collect()
}

fn action(record: &Record) -> ActionStatus {
    ActionStatus {
        id: record.id as i64,
        act: record.act as i64,
        plan: record.plan.to_string(),
        action: record.rung.as_str().to_owned(),
        kind: record.target.kind.as_str().to_owned(),
        namespace: namespace(&record.target),
        name: record.target.name.to_string(),
        uid: record.target.uid.to_string(),
        from: record.from.0.to_string(),
        to: record.to.0.to_string(),
        time: wire_time(record.at),
        undo_until: wire_time(record.until),
        state: record.state.as_str().to_owned(),
        since: wire_time(record.since),
        message: (!record.note.is_empty()).then(|| clip(&record.note, MAX_NOTE).to_owned()),
    }
}

/// Records as they were written. A line that makes no sense is left out: nothing is done for what cannot be read.
pub fn records(actions: &[ActionStatus]) -> Vec<Record> {
    actions.iter().filter_map(record).collect()
}

/// The same of lines as they were found; what makes no sense is given back as it is, for whoever wrote it.
pub fn read(lines: Vec<Json>) -> (Vec<Record>, Vec<Json>) {
    let (mut known, mut unread) = (Vec::new(), Vec::new());
    for line in lines {
        let action = ActionStatus::deserialize(&line).ok();
        match action.as_ref().and_then(record) {
            Some(record) => known.push(record),
            None => unread.push(line),
        }
    }
    (known, unread)
}

/// A line that makes no sense, in a few words.
pub fn named(line: &Json) -> Text {
    let word = |field: &str| clip(line[field].as_str().unwrap_or("?"), 64);
    Text::from(format!(
        "{} of {} {} in state {}",
        word("action"),
        word("kind"),
        word("name"),
        word("state")
    ))
}

fn record(action: &ActionStatus) -> Option<Record> {
    let rung = Rung::parse(&action.action)?;
    Some(Record {
        id: u64::try_from(action.id).ok()?,
        act: u64::try_from(action.act).ok()?,
        plan: Text::from(action.plan.as_str()),
        rung,
        target: Target {
            kind: rung.kind(),
            namespace: Text::from(action.namespace.as_deref().unwrap_or_default()),
            name: Text::from(action.name.as_str()),
            uid: Uid::parse(&action.uid)?,
        },
        from: Value::new(&action.from),
        to: Value::new(&action.to),
        at: instant(&action.time),
        until: instant(&action.undo_until),
        state: State::parse(&action.state)?,
        since: instant(&action.since),
        note: action.message.clone().unwrap_or_default(),
    })
}

/// The journal in its ConfigMap.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pages {
    /// UID of the kube-system namespace of the cluster that it is about.
    #[serde(default)]
    pub cluster: String,
    /// UID of the ConfigMap that it was written into; empty until it has one.
    #[serde(default)]
    pub object: String,
    /// Records, and what was not understood, as it was found.
    #[serde(default)]
    pub actions: Vec<Json>,
}

impl Pages {
    /// These records.
    pub fn new(cluster: Option<Uid>, records: &[Record], unread: &[Json]) -> Self {
        let known = records.iter().map(|record| json!(action(record)));
        Self {
            cluster: cluster.map(|uid| uid.to_string()).unwrap_or_default(),
            object: String::new(),
            actions: known.chain(unread.iter().cloned()).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
