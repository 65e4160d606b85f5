//! The story, from what the server's audit log and the object say.

use std::{collections::BTreeSet, fmt::Write as _};

use federation_health_api::{FederationHealth, names::HEALTHS};
use federation_health_core::remedy::journal::State;
use federation_health_report::{live, picture};
use federation_health_sim::AuditEntry;
use k8s_openapi::jiff::Timestamp;

use super::{ALIAS, Guard, Kept, Scenario, Stage};
use crate::{
    Error,
    args::{Global, Output, StatusArgs},
    client::Cluster,
    offline::audit,
    overview,
    table::wrap,
};

/// What somebody needs to know who has never seen KubeFed.
pub const INTRODUCTION: &str = "\
KubeFed copies Workspaces into clusters, and deletes them from every cluster
that they are not placed on. A Workspace owns the namespaces of its tenant: when
it is deleted, Kubernetes' garbage collector deletes those namespaces as well.

Here is one cluster, registered as `host`, with two Workspaces of three
namespaces each. Everything is in memory and in virtual time: the operator's own
code, models of KubeFed, KubeSphere and the garbage collector.";

/// What else there is in a scenario.
pub fn beside(scenario: Scenario) -> Option<&'static str> {
    match scenario {
        Scenario::RemoteMember => Some(
            "\nA second cluster is registered as `east`. Workspace stock lives there, with one\nnamespace.",
        ),
        Scenario::Misplaced => Some("\nA third Workspace, billing, has one namespace."),
        _ => None,
    }
}

/// Deeds of one sort within this time are one line.
const TOGETHER_MS: i64 = 2000;
/// Lines of deeds: the beginning tells the story.
const LINES: usize = 8;

/// One line.
struct Line {
    at: Timestamp,
    who: String,
    what: String,
}

/// Tells one part.
pub struct Narrator {
    start: Timestamp,
    head: &'static str,
    lines: Vec<Line>,
    seen: String,
}

impl Narrator {
    /// Begins a part.
    pub fn new(start: Timestamp, guard: Guard) -> Self {
        Self {
            start,
            head: match guard {
                Guard::None => "Without a hold (spec.hold: Never, the default)",
                Guard::Hold => "With the hold (spec.hold: OnDiagnosis)",
                Guard::Ask => {
                    "With the hold, and remediation that waits for approval (spec.remediation.mode: Apply)"
                }
                Guard::Apply => "With the hold and remediation (spec.remediation.mode: Apply)",
            },
            lines: Vec::new(),
            seen: String::new(),
        }
    }

    fn line(&mut self, at: Timestamp, who: impl Into<String>, what: impl Into<String>) {
        self.lines.push(Line {
            at,
            who: who.into(),
            what: what.into(),
        });
    }

    /// What happens.
    pub fn strike(&mut self, scenario: Scenario) {
        let at = self.start;
        self.line(at, "somebody", announced(scenario).replace("somebody ", ""));
    }

    /// The first verdict.
    pub fn verdict(&mut self, at: Timestamp, health: Option<&FederationHealth>) {
        let status = health.and_then(|h| h.status.as_ref());
        let finding = status.and_then(|s| s.findings.first());
        if let Some(finding) = finding {
            self.line(
                at,
                "federation-health",
                format!("{} {}", finding.code, finding.message),
            );
        }
        let hold = status
            .and_then(|s| s.hold.as_ref())
            .filter(|h| h.collection || h.federation);
        if hold.is_some() {
            let text =
                "Holds: the API server refuses KubeFed and the garbage collector from now on.";
            self.line(at, "federation-health", text);
        }
    }

    /// The first deeds of each sort on each server, and how often they came in all.
    pub fn deeds(&mut self, stage: &Stage) {
        for (place, sim) in stage.servers() {
            self.deeds_on(place, &sim.audit());
        }
        self.lines.sort_by_key(|l| l.at);
    }

    fn deeds_on(&mut self, place: &str, audit: &[AuditEntry]) {
        let told = audit.iter().filter(|e| e.at >= self.start && tells(e));
        let mut groups: Vec<(&AuditEntry, Vec<&str>, usize)> = Vec::new();
        for entry in told {
            let same = |known: &AuditEntry| {
                (&known.user, &known.resource, known.code == 403)
                    == (&entry.user, &entry.resource, entry.code == 403)
            };
            match groups.iter_mut().find(|(known, _, _)| same(known)) {
                Some((known, names, count)) => {
                    let apart = entry.at.as_millisecond() - known.at.as_millisecond();
                    if apart <= TOGETHER_MS && !names.contains(&entry.name.as_str()) {
                        names.push(&entry.name);
                    }
                    *count += 1;
                }
                None => groups.push((entry, vec![&entry.name], 1)),
            }
        }
        for (entry, names, count) in groups.into_iter().take(LINES) {
            let refused = if entry.code == 403 {
                ", and is refused"
            } else {
                ""
            };
            let again = if count > names.len() {
                format!(" ({count} times by now)")
            } else {
                String::new()
            };
            let place = if place.is_empty() {
                String::new()
            } else {
                format!(" in {place}")
            };
            let what = format!(
                "deletes {} {}{place}{refused}{again}",
                entry.resource,
                names.join(", ")
            );
            self.line(entry.at, audit::who(&entry.user, &BTreeSet::new()), what);
        }
    }

    /// What remediation did, and took back.
    pub fn acts(&mut self, health: Option<&FederationHealth>) {
        let actions = health
            .and_then(|h| h.status.as_ref())
            .map_or(&[][..], |s| &s.actions);
        for action in actions {
            let what = format!("{}: {} {}", action.action, action.kind, action.name);
            self.line(action.time.0, "federation-health", what.clone());
            if action.state == State::Undone.as_str() {
                self.line(
                    action.since.0,
                    "federation-health",
                    format!("takes back {what}"),
                );
            }
        }
        self.lines.sort_by_key(|l| l.at);
    }

    /// What a person would see.
    pub fn show(&mut self, seen: &str) {
        self.seen.push_str(seen);
    }

    /// The cause goes.
    pub fn cure(&mut self, at: Timestamp, what: &str) {
        self.line(at, "somebody", what);
    }

    /// The hold ended.
    pub fn released(&mut self, at: Timestamp) {
        let text = "The cause is gone, and nothing would be deleted without the hold: ends it.";
        self.line(at, "federation-health", text);
    }

    /// What is left.
    pub fn survivors(&mut self, at: Timestamp, kept: &Kept) {
        let [(workspaces, of_workspaces), (namespaces, of_namespaces)] = kept.0;
        let what = if kept.whole() {
            format!(
                "has all {of_workspaces} Workspaces and {of_namespaces} namespaces, with the UIDs they had."
            )
        } else {
            format!(
                "has {workspaces} of {of_workspaces} Workspaces and {namespaces} of {of_namespaces} namespaces left."
            )
        };
        self.line(at, "the federation", what);
    }

    /// Milliseconds from the beginning.
    fn since(&self, line: &Line) -> i64 {
        line.at.as_millisecond() - self.start.as_millisecond()
    }

    /// The part as text.
    pub fn text(&self, width: usize) -> String {
        let last = self.lines.iter().map(|l| self.since(l)).max();
        let digits = (last.unwrap_or_default() / 1000).to_string().len().max(2);
        let widest = self
            .lines
            .iter()
            .map(|l| l.who.len())
            .max()
            .unwrap_or_default();
        let mut out = format!("\n{}\n\n", self.head);
        for line in &self.lines {
            let ms = self.since(line);
            let head = format!(
                "t+{:>digits$}.{:03} s  {:<widest$}  ",
                ms / 1000,
                ms % 1000,
                line.who
            );
            let indent = " ".repeat(head.len());
            let body = wrap(&line.what, width.max(head.len() + 30), &indent);
            out.push_str(&body.replacen(&indent, &head, 1));
        }
        out.push_str(&self.seen);
        out
    }
}

/// Deletions that tell the story.
fn tells(entry: &AuditEntry) -> bool {
    entry.verb == "delete"
        && !entry.dry_run
        && matches!(entry.resource.as_str(), "workspaces" | "namespaces")
        && (entry.code < 300 || entry.code == 403)
}

/// What the scenario is about.
pub fn announced(scenario: Scenario) -> String {
    match scenario {
        Scenario::Doubled => format!("somebody registers this cluster a second time, as {ALIAS}"),
        Scenario::TwoPlanes => "somebody starts a second KubeFed in another namespace, which registers this cluster as well".to_owned(),
        Scenario::Resurrection => format!("somebody installs KubeFed again, whose namespace had been removed by force: the registration {ALIAS} comes back with it"),
        Scenario::Misplaced => format!("somebody registers this cluster a second time, as {ALIAS}, and places Workspace orders there alone"),
        Scenario::RemoteMember => "somebody registers the cluster east a second time, as east-old".to_owned(),
        Scenario::Nowhere => "somebody places Workspace orders on a cluster that is not registered".to_owned(),
        Scenario::Healthy => "somebody does nothing".to_owned(),
    }
}

/// What `kubectl get federationhealth` prints, with the moment at which it does.
pub async fn table(stage: &Stage, when: &str) -> Result<String, Error> {
    let table = cluster(stage).table(HEALTHS).await?;
    Ok(format!(
        "\nkubectl get federationhealth, {when}:\n\n{table}"
    ))
}

fn cluster(stage: &Stage) -> Cluster {
    Cluster::of(stage.sim.client_as("kubernetes-admin"))
}

/// What the three commands print that an engineer types first.
pub async fn look(
    stage: &Stage,
    object: &str,
    colours: bool,
    width: usize,
) -> Result<String, Error> {
    let cluster = cluster(stage);
    let global = Global {
        object: object.to_owned(),
        ..Global::default()
    };
    let args = StatusArgs {
        output: Output::default(),
        watch: false,
        no_grouping: false,
    };
    let now = stage.sim.clock().now();
    let mut text = table(stage, "40 s after it happened").await?;
    let status =
        crate::verbs::status::seen(&cluster, &global, &args, (now, colours, width)).await?;
    let _ = write!(text, "\nThen kubectl federation-health status:\n\n{status}");
    let overview = overview::read(&cluster, cluster.health(object).await?).await?;
    if let Some(lanes) = picture::text::draw(&live::history(&overview, now), None, width) {
        let _ = write!(
            text,
            "\nThen kubectl federation-health timeline:\n\n{lanes}"
        );
    }
    Ok(text)
}
