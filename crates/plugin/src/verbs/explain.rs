//! `explain`: one sentence, what it rests on, what is at risk, what comes next, commands to copy.
mod experiment;
mod stop;

use std::fmt::Write as _;

use federation_health_api::v1alpha1::{ClusterGroup, FederationHealthStatus, FindingStatus};
use federation_health_core::text::{listed, times};
use federation_health_report::federation::{Operator, Overview};

use crate::{
    Error, Outcome, Shell,
    args::{ExplainArgs, Global},
    client::Cluster,
    codes::{self, About},
    operator,
    shell::Tone,
    table::{age, item, wrap},
};

/// Carries out `explain`.
pub async fn run(global: &Global, args: &ExplainArgs, shell: &mut Shell) -> Result<Outcome, Error> {
    let subject = args.subject.as_deref();
    let code = subject.and_then(codes::find);
    let log = args.audit.as_deref();
    let log = log
        .map(|log| experiment::told(log, shell.width))
        .transpose()?;
    let log = log.unwrap_or_default();
    let asked = match Cluster::connect(global, shell).await {
        Ok(cluster) => judged(&cluster, global).await,
        Err(error) => Err(error),
    };
    let overview = match (asked, code) {
        (Ok(overview), _) => overview,
        // What a code means can be said without a cluster.
        (Err(_), Some(code)) => {
            shell.say(&(general(code, shell.width, shell.colours) + &log));
            return Ok(Outcome::Healthy);
        }
        (Err(error), None) => return Err(error),
    };
    let (status, warning) = (overview.status(), overview.operator.warning());
    let mut open: Vec<&FindingStatus> = status
        .findings
        .iter()
        .filter(|f| concerns(f, subject, &status))
        .collect();
    open.sort_by_key(|f| codes::order(&f.code));
    let mut text = warning.map_or_else(String::new, |w| wrap(&w, shell.width, "") + "\n");
    text.push_str(&stop::now(&overview, &open, shell.width));
    for same in open.chunk_by(|a, b| a.code == b.code) {
        text.push_str(&particular(same, &status, shell));
    }
    match (subject, code) {
        (Some(_), Some(code)) if open.is_empty() => {
            let _ = write!(text, "{} is not open now.\n\n", code.code);
            text.push_str(&general(code, shell.width, shell.colours));
        }
        (Some(name), None) if open.is_empty() => {
            text.push_str(&known(name, &status).ok_or_else(|| {
                Error::Refused(format!(
                    "nothing open concerns {name}. If it is a code, this version knows: {}",
                    codes::known()
                ))
            })?);
        }
        (None, _) if open.is_empty() => text.push_str(&calm(&overview, shell.width)),
        _ => text.push_str(&risk(&status, shell.width)),
    }
    shell.say(&(text + &log));
    Ok(
        if open.is_empty()
            && (subject.is_some() || super::status::verdict(&overview) == Outcome::Healthy)
        {
            Outcome::Healthy
        } else {
            Outcome::Findings
        },
    )
}

/// The object, and whether anybody judges it now.
async fn judged(cluster: &Cluster, global: &Global) -> Result<Overview, Error> {
    Ok(Overview {
        health: cluster.health(&global.object).await?,
        operator: operator::seen(cluster, &global.object).await,
        ..Overview::default()
    })
}

/// The finding is about what was asked: its code, or a name that it or its evidence has.
fn concerns(
    finding: &FindingStatus,
    subject: Option<&str>,
    status: &FederationHealthStatus,
) -> bool {
    let Some(subject) = subject else { return true };
    if finding.code.eq_ignore_ascii_case(subject) {
        return true;
    }
    let lost = status.lost_namespaces.iter().find(|l| l.name == subject);
    let at_risk = status.blast_radius.as_ref().is_some_and(|r| {
        r.workspace_names
            .iter()
            .chain(&r.namespace_names)
            .any(|n| n == subject)
    });
    mentions(&finding.subject, subject)
        || finding.evidence.iter().any(|line| mentions(line, subject))
        || (finding.code == "FH002"
            && lost.is_some_and(|l| mentions(&finding.subject, &l.workspace)))
        || (at_risk && matches!(finding.code.as_str(), "FH004" | "FH005" | "FH009"))
}

/// The text has this name as a whole: `host` is not in `host-2`, and is in `kube-federation-system/host`.
pub(super) fn mentions(text: &str, name: &str) -> bool {
    let part = |c: char| !(c.is_alphanumeric() || c == '-' || c == '.');
    text.split(part).any(|word| word.trim_matches('.') == name)
}

fn heading(text: &str, colours: bool, tone: Tone) -> String {
    format!("{}\n", tone.paint(text, colours))
}

fn section(out: &mut String, title: &str, text: &str, width: usize) {
    if !text.is_empty() {
        let _ = write!(out, "\n{title}\n{}", wrap(text, width, "  "));
    }
}

/// Findings of one code: each with its evidence, then what all of them ask for.
fn particular(same: &[&FindingStatus], status: &FederationHealthStatus, shell: &Shell) -> String {
    let (width, mut out) = (shell.width, String::new());
    let Some(first) = same.first() else {
        return out;
    };
    let head = format!(
        "{} {}: {}",
        first.code,
        first.severity,
        codes::title(&first.code)
    );
    let tone = super::status::tone(&first.severity);
    out.push_str(&heading(&head, shell.colours, tone));
    for alike in same.chunk_by(|a, b| a.evidence == b.evidence) {
        for finding in alike {
            let since = age(finding.since.0, shell.now());
            let said = format!("{} (for {since})", finding.message);
            out.push_str(&wrap(&said, width, ""));
        }
        out.extend(alike[0].evidence.iter().map(|line| item(line, width)));
    }
    let groups = status.cluster_groups.iter();
    for group in groups.filter(|g| same.iter().any(|f| belongs(g, f))) {
        section(
            &mut out,
            "Which name is the leftover",
            &members(group),
            width,
        );
    }
    match codes::find(&first.code) {
        Some(about) => instruct(&mut out, about, width),
        None => section(
            &mut out,
            "Meaning",
            "This plugin is older than the operator and does not know the code: its page in the documentation says more.",
            width,
        ),
    }
    let mut next: Vec<&str> = same.iter().filter_map(|f| f.next.as_deref()).collect();
    next.dedup();
    if next.is_empty() {
        next.extend(codes::find(&first.code).map(|about| about.next));
    }
    commands(&mut out, &next);
    out.push('\n');
    out
}

/// Whole, however wide: they are to be copied.
fn commands(out: &mut String, commands: &[&str]) {
    for command in commands {
        let _ = writeln!(out, "  {command}");
    }
}

fn belongs(group: &ClusterGroup, finding: &FindingStatus) -> bool {
    matches!(finding.code.as_str(), "FH004" | "FH009" | "FH024" | "FH025")
        && group
            .members
            .iter()
            .all(|m| mentions(&finding.subject, &m.name))
}

fn members(group: &ClusterGroup) -> String {
    let lines = group.members.iter().map(|m| {
        let signs = if m.staleness.is_empty() {
            "no sign either way".to_owned()
        } else {
            m.staleness.join(" ")
        };
        format!("{}/{} (Ready {}): {signs}", m.namespace, m.name, m.ready)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn general(about: &About, width: usize, colours: bool) -> String {
    let head = format!("{}: {}", about.code, about.title);
    let mut out = heading(&head, colours, Tone::Plain);
    out.push_str(&wrap(about.meaning, width, ""));
    section(&mut out, "Evidence", about.evidence, width);
    instruct(&mut out, about, width);
    commands(&mut out, &[about.next]);
    out
}

fn instruct(out: &mut String, about: &About, width: usize) {
    section(out, "What may be lost", about.risk, width);
    section(out, "What to do", about.action, width);
    section(out, "When it is a false alarm", about.false_alarm, width);
    out.push('\n');
}

fn risk(status: &FederationHealthStatus, width: usize) -> String {
    let Some(radius) = &status.blast_radius else {
        return String::new();
    };
    let sorts = [
        ("Workspaces", radius.workspaces, &radius.workspace_names),
        ("namespaces", radius.namespaces, &radius.namespace_names),
        ("other objects", radius.objects, &radius.object_names),
    ];
    let text: Vec<String> = sorts
        .iter()
        .filter(|(_, total, _)| *total > 0)
        .map(|(noun, total, names)| {
            let noun = if *total == 1 {
                noun.trim_end_matches('s')
            } else {
                noun
            };
            format!("{total} {noun}: {}", listed(names, *total as usize))
        })
        .collect();
    let mut text = text.join("\n");
    let contents = [
        (radius.workloads, "workloads"),
        (radius.bound_claims, "bound volume claims"),
    ];
    for (count, noun) in contents {
        if let Some(count) = count {
            let _ = write!(text, "\nin them {count} {noun}");
        }
    }
    let mut out = String::from("At risk\n");
    out.push_str(&wrap(&text, width, "  "));
    if let Some(hold) = status
        .hold
        .as_ref()
        .filter(|h| h.collection || h.federation)
    {
        let said = hold.message.clone().unwrap_or_default();
        let _ = write!(out, "\nHeld\n{}", wrap(&said, width, "  "));
    } else {
        let _ = write!(out, "\nHeld\n{}", wrap("Nothing.", width, "  "));
    }
    out
}

/// What is known of a name that no finding concerns.
fn known(name: &str, status: &FederationHealthStatus) -> Option<String> {
    let lost = status.lost_namespaces.iter().find(|l| l.name == name);
    if let Some(lost) = lost {
        return Some(format!(
            "Namespace {name} (UID {}) of Workspace {} was lost at {}.\n",
            lost.uid, lost.workspace, lost.time.0
        ));
    }
    let incident = status.incidents.iter().find(|i| i.workspace == name)?;
    Some(format!(
        "Workspace {name} was recreated {} between {} and {}; {} namespaces were lost. Nothing is open now.\n",
        times(incident.recreations),
        incident.first_seen_time.0,
        incident.last_seen_time.0,
        incident.namespaces_lost
    ))
}

fn calm(overview: &Overview, width: usize) -> String {
    let status = overview.status();
    let mut out = String::new();
    for condition in status
        .conditions
        .iter()
        .filter(|c| c.status != "True" && c.type_ != "Healthy")
    {
        out.push_str(&wrap(
            &format!(
                "{} is {} ({}): {}",
                condition.type_, condition.status, condition.reason, condition.message
            ),
            width,
            "",
        ));
    }
    if out.is_empty() {
        out.push_str(match overview.operator {
            Operator::Stopped(_) => "Nothing was open then: every check had passed.\n",
            Operator::Unseen | Operator::Runs => "Nothing is open: every check passed.\n",
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_as_a_whole_only() {
        assert!(mentions(
            "kube-federation-system/host and x/produce-trt",
            "host"
        ));
        assert!(mentions(
            "FederatedWorkspace: orders, payments.",
            "payments"
        ));
        assert!(!mentions("kube-federation-system/host-2", "host"));
    }
}
