//! Rows of Workspaces and namespaces, and how equal ones become one line.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use federation_health_api::v1alpha1::{FederationHealthStatus, FindingStatus};
use federation_health_core::text::times;
use federation_health_report::federation::{self, Overview, Plane, Registration};
use k8s_openapi::jiff::Timestamp;

use super::{is_host, row};
use crate::{shell::Tone, table::age, tree::Node, verbs::explain::mentions};

/// Equal siblings from this many on are one line; fewer are easier to read apart.
const GROUPED: usize = 4;
/// Names in the line of a group.
const NAMED: usize = 5;

/// Where a Workspace is in danger, as far as the object says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// On this server.
    Here,
    /// On the cluster of this registration of the guarded plane.
    Member(usize),
    /// Not here, and on more than one other cluster.
    Several,
}

/// Where: by the registrations that take part in what befell it, or that the findings name which name the Workspace.
fn home(plane: &Plane, status: &FederationHealthStatus, workspace: &str) -> Home {
    let incident = status.incidents.iter().find(|i| i.workspace == workspace);
    let parties = incident.map_or(&[][..], |i| &i.parties);
    let lines = |f: &FindingStatus| {
        let all = std::iter::once(&f.subject).chain(&f.evidence);
        all.cloned().collect::<Vec<_>>()
    };
    let told = status.findings.iter().map(lines);
    let told = told.filter(|lines| lines.iter().any(|l| mentions(l, workspace)));
    let told: Vec<String> = told.flatten().collect();
    let takes_part = |r: &Registration| {
        parties.contains(&r.name) || told.iter().any(|line| mentions(line, &r.name))
    };
    let registrations = plane.registrations.iter().enumerate();
    let clusters: Vec<(usize, &Registration)> =
        registrations.filter(|(_, r)| takes_part(r)).collect();
    let one = |(_, r): &(usize, &Registration)| r.group.is_some() && r.group == clusters[0].1.group;
    match clusters.first() {
        None => Home::Here,
        Some(_) if clusters.iter().any(|(_, r)| is_host(r, status)) => Home::Here,
        Some((first, _)) if clusters.iter().skip(1).all(one) => Home::Member(*first),
        Some(_) => Home::Several,
    }
}

/// The Workspaces that the object names, by where they are in danger.
pub struct Workspaces<'a> {
    overview: &'a Overview,
    status: FederationHealthStatus,
    named: Vec<(String, Home)>,
    grouping: bool,
    now: Timestamp,
}

impl<'a> Workspaces<'a> {
    /// Sorts them.
    pub fn of(overview: &'a Overview, plane: &Plane, grouping: bool, now: Timestamp) -> Self {
        let status = overview.status();
        let named = federation::workspaces(&status).into_iter();
        let named = named.map(|name| {
            let home = home(plane, &status, &name);
            (name, home)
        });
        Self {
            named: named.collect(),
            overview,
            status,
            grouping,
            now,
        }
    }

    /// Those of one place, worst first; and of this server, how many more there are.
    pub fn at(&self, place: Home) -> Vec<Node> {
        let here = self.named.iter().filter(|(_, home)| *home == place);
        let mut nodes: Vec<(u8, String, Node)> = here
            .map(|(name, _)| {
                let (rank, node) = self.workspace(name, place);
                (rank, name.clone(), node)
            })
            .collect();
        nodes.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let shown = nodes.len() as i64;
        let plain = nodes
            .into_iter()
            .map(|(_, name, node)| (name, node))
            .collect();
        let mut list = grouped("Workspaces", plain, self.grouping);
        if place == Home::Here {
            list.extend(self.more(shown));
        }
        list
    }

    /// A line for the Workspaces of this server that the object does not name.
    fn more(&self, shown: i64) -> Option<Node> {
        let risk = self.status.blast_radius.as_ref();
        let names = risk.map_or(&[][..], |r| &r.workspace_names);
        let away = self.named.iter().filter(|(_, home)| *home != Home::Here);
        let away = away.filter(|(name, _)| names.contains(name)).count() as i64;
        let at_risk = risk.map_or(0, |r| r.workspaces) - away;
        let exist = self.status.summary.as_ref().map_or(0, |s| s.workspaces);
        // In a storm, many of those at risk do not exist at the moment.
        let more = exist.max(at_risk) - shown;
        if more <= 0 {
            return None;
        }
        // Some of those that incidents name are at risk as well.
        let hidden = (at_risk + away - names.len() as i64).min(more);
        let noun = if more == 1 { "Workspace" } else { "Workspaces" };
        let (state, message) = if hidden > 0 {
            (("AtRisk", Tone::Bad), format!("{hidden} of them at risk"))
        } else {
            (("OK", Tone::Good), String::new())
        };
        let which = if shown == 0 { "" } else { "more " };
        let cells = row("", state, String::new(), message);
        Some(Node::new(format!("{more} {which}{noun}"), cells))
    }

    fn workspace(&self, name: &str, place: Home) -> (u8, Node) {
        let status = &self.status;
        let subject = format!("Workspace {name}");
        let finding = status
            .findings
            .iter()
            .find(|f| f.code == "FH001" && f.subject == subject);
        let incident = status.incidents.iter().find(|i| i.workspace == name);
        let risk = status.blast_radius.as_ref();
        let at_risk = risk.is_some_and(|r| r.workspace_names.iter().any(|n| n == name));
        let (rank, state, since) = match (finding, at_risk, incident) {
            (Some(f), _, Some(i)) if i.recreations > 1 => {
                (0, ("Churning", Tone::Bad), Some(&f.since))
            }
            (Some(f), _, _) => (0, ("Deleted", Tone::Bad), Some(&f.since)),
            (None, true, _) => (1, ("AtRisk", Tone::Bad), None),
            (None, false, Some(i)) => (2, ("WasHit", Tone::Warn), Some(&i.last_seen_time)),
            (None, false, None) => (2, ("WasHit", Tone::Warn), None),
        };
        let since = since.map_or_else(String::new, |t| age(t.0, self.now));
        let message = incident
            .filter(|i| i.recreations > 0)
            .map_or_else(String::new, |i| {
                format!("recreated {}", times(i.recreations))
            });
        let mut node = Node::new(format!("Workspace/{name}"), row("", state, since, message));
        // Those that were read are this server's.
        if place == Home::Here {
            let endangered = at_risk || finding.is_some();
            node.children = namespaces(self.overview, status, name, endangered, self.grouping);
        }
        (rank, node)
    }
}

fn namespaces(
    overview: &Overview,
    status: &FederationHealthStatus,
    workspace: &str,
    endangered: bool,
    grouping: bool,
) -> Vec<Node> {
    let live = overview.namespaces.get(workspace).map_or(&[][..], |v| v);
    let mut states: BTreeMap<&str, (&str, Tone)> = BTreeMap::new();
    for lost in status
        .lost_namespaces
        .iter()
        .filter(|l| l.workspace == workspace)
    {
        states.insert(&lost.name, ("Lost", Tone::Bad));
    }
    for namespace in live {
        let state = match (namespace.terminating, endangered) {
            (true, _) => ("Terminating", Tone::Bad),
            (false, true) => ("AtRisk", Tone::Bad),
            (false, false) => ("OK", Tone::Good),
        };
        // One that was lost and made anew is told by its loss: it is empty.
        states.entry(&namespace.name).or_insert(state);
    }
    let kinds: BTreeSet<&str> = states.values().map(|s| s.0).collect();
    let mut nodes = Vec::new();
    for kind in ["Lost", "Terminating", "AtRisk", "OK"]
        .iter()
        .filter(|k| kinds.contains(**k))
    {
        let alike = states
            .iter()
            .filter(|(_, s)| s.0 == *kind)
            .map(|(name, state)| {
                let cells = row("", *state, String::new(), String::new());
                (
                    (*name).to_owned(),
                    Node::new(format!("Namespace/{name}"), cells),
                )
            });
        nodes.extend(grouped("Namespaces", alike.collect(), grouping));
    }
    nodes
}

/// Neighbours that say the same and have nothing, or the same, below them become one line.
pub fn grouped(many: &str, nodes: Vec<(String, Node)>, grouping: bool) -> Vec<Node> {
    let least = if many == "Namespaces" { 2 } else { GROUPED };
    let mut runs: Vec<Vec<(String, Node)>> = Vec::new();
    for (name, node) in nodes {
        let same = |run: &&mut Vec<(String, Node)>| {
            run.first()
                .is_some_and(|(_, first)| first.cells == node.cells)
        };
        match runs.last_mut().filter(|run| grouping && same(run)) {
            Some(run) => run.push((name, node)),
            None => runs.push(vec![(name, node)]),
        }
    }
    let lines = runs.into_iter().flat_map(|run| {
        if run.len() < least {
            return run.into_iter().map(|(_, node)| node).collect();
        }
        vec![together(many, &run)]
    });
    lines.collect()
}

fn together(many: &str, run: &[(String, Node)]) -> Node {
    let names: Vec<&str> = run.iter().take(NAMED).map(|(name, _)| &**name).collect();
    let mut message = names.join(", ");
    if run.len() > NAMED {
        let _ = write!(message, " and {} more", run.len() - NAMED);
    }
    let mut cells = run[0].1.cells.clone();
    if let Some(last) = cells.last_mut() {
        *last = message.into();
    }
    let below: usize = run.iter().map(|(_, node)| count(node)).sum();
    let mut name = format!("{} {many}", run.len());
    if below > 0 {
        let _ = write!(name, " with {below} Namespaces");
    }
    Node::new(name, cells)
}

/// Namespaces below a Workspace, those in groups counted one by one.
fn count(node: &Node) -> usize {
    let group = |n: &Node| {
        n.name
            .split(' ')
            .next()
            .and_then(|w| w.parse().ok())
            .unwrap_or(1)
    };
    node.children.iter().map(group).sum()
}
