//! `status`: control planes, clusters, Workspaces and namespaces as a tree, worst first.
use std::fmt::Write as _;

use federation_health_api::v1alpha1::FederationHealthStatus;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Condition, jiff::Timestamp};
use serde_json::Value;

use federation_health_report::federation::{CONSEQUENCE, Operator, Overview, Plane, Registration};

use rows::{Home, Workspaces};

use crate::{
    Error, Outcome, Shell,
    args::{Form, Global, StatusArgs},
    client::{Cluster, read_health},
    codes, operator, overview,
    shell::Tone,
    table::{Cell, age, align, wrap},
    tree::{self, Node},
};

mod rows;
mod watching;

const HEADERS: [&str; 5] = ["NAME", "READY", "STATE", "SINCE", "MESSAGE"];

/// Carries out `status`.
pub async fn run(global: &Global, args: &StatusArgs, shell: &mut Shell) -> Result<Outcome, Error> {
    let cluster = Cluster::connect(global, shell).await?;
    if args.watch {
        return watching::run(&cluster, global, args, shell).await;
    }
    let shown = show(&cluster, global, args, shell).await?;
    shell.say(&shown.text);
    Ok(shown.outcome)
}

/// One look.
struct Shown {
    text: String,
    outcome: Outcome,
    /// resourceVersion of the object that was looked at.
    version: String,
}

/// What there is to see now.
async fn show(
    cluster: &Cluster,
    global: &Global,
    args: &StatusArgs,
    shell: &Shell,
) -> Result<Shown, Error> {
    let value = cluster.health_value(&global.object).await?;
    let health = read_health(&value)?;
    let overview = match args.output.form {
        Form::Table | Form::Wide => overview::read(cluster, health).await?,
        _ => Overview {
            operator: operator::seen(cluster, &global.object).await,
            health,
            ..Overview::default()
        },
    };
    let text = match args.output.form {
        Form::Json => pretty(&value)?,
        Form::Yaml => yaml(&value)?,
        Form::Name => format!("federationhealth.federationhealth.io/{}\n", global.object),
        Form::Table | Form::Wide => draw(&overview, args, shell),
    };
    let version = value["metadata"]["resourceVersion"].as_str();
    Ok(Shown {
        text,
        outcome: verdict(&overview),
        version: version.unwrap_or_default().to_owned(),
    })
}

/// The same for the demonstration: at this instant, with these colours, this wide.
pub async fn seen(
    cluster: &Cluster,
    global: &Global,
    args: &StatusArgs,
    (now, colours, width): (Timestamp, bool, usize),
) -> Result<String, Error> {
    let shell = Shell {
        clock: Some(now),
        colours,
        width,
        ..Shell::process()
    };
    Ok(show(cluster, global, args, &shell).await?.text)
}

/// Healthy is only what says so.
pub fn verdict(overview: &Overview) -> Outcome {
    match overview.healthy() {
        "True" => Outcome::Healthy,
        _ => Outcome::Findings,
    }
}

/// A condition by its type.
pub fn condition<'a>(status: &'a FederationHealthStatus, type_: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|c| c.type_ == type_)
}

/// Indented JSON.
pub fn pretty(value: &impl serde::Serialize) -> Result<String, Error> {
    let text = serde_json::to_string_pretty(value);
    text.map(|t| t + "\n")
        .map_err(|e| Error::parse("write JSON", e))
}

/// YAML.
pub fn yaml(value: &Value) -> Result<String, Error> {
    serde_saphyr::to_string(value).map_err(|e| Error::parse("write YAML", e))
}

fn draw(overview: &Overview, args: &StatusArgs, shell: &Shell) -> String {
    let headers = (!args.output.no_headers).then_some(&HEADERS[..]);
    let now = shell.now();
    let root = root(overview, !args.no_grouping, now);
    let mut text = tree::render(headers, &root, shell.colours);
    if matches!(overview.operator, Operator::Stopped(_)) {
        let warning = format!("The operator does not run: {CONSEQUENCE}");
        let _ = write!(text, "\n{}", wrap(&warning, shell.width, ""));
    }
    let status = overview.status();
    if !status.findings.is_empty() && !args.output.no_headers {
        text.push('\n');
        text.push_str(&findings(&status, args.output.form == Form::Wide, shell));
        let codes = status.findings.iter().map(|f| f.code.as_str());
        let first = codes
            .min_by_key(|code| codes::order(code))
            .unwrap_or_default();
        let _ = write!(
            text,
            "\nWhat it means and what to do: kubectl federation-health explain {first}\n"
        );
    }
    for gap in &overview.gaps {
        text.push_str(&wrap(&format!("Not read: {gap}"), shell.width, ""));
    }
    text
}

fn findings(status: &FederationHealthStatus, wide: bool, shell: &Shell) -> String {
    let mut rows = vec![
        ["CODE", "SEVERITY", "SINCE", "SUBJECT"]
            .map(Cell::from)
            .to_vec(),
    ];
    for finding in &status.findings {
        let mut row = vec![
            Cell::from(finding.code.clone()),
            Cell::toned(finding.severity.clone(), tone(&finding.severity)),
            age(finding.since.0, shell.now()).into(),
            finding.subject.clone().into(),
        ];
        if wide {
            row.push(finding.message.clone().into());
        }
        rows.push(row);
    }
    if wide {
        rows[0].push("MESSAGE".into());
    }
    let total = status.summary.as_ref().map_or(0, |s| s.findings);
    let mut text = align(&rows, shell.colours);
    if total > status.findings.len() as i64 {
        let _ = writeln!(text, "and {} more", total - status.findings.len() as i64);
    }
    text
}

/// How a severity is meant.
pub fn tone(severity: &str) -> Tone {
    match severity {
        "Critical" | "High" => Tone::Bad,
        _ => Tone::Warn,
    }
}

fn row(ready: &str, state: (&str, Tone), since: String, message: String) -> Vec<Cell> {
    vec![
        ready.into(),
        Cell::toned(state.0, state.1),
        since.into(),
        message.into(),
    ]
}

fn root(overview: &Overview, grouping: bool, now: Timestamp) -> Node {
    let status = overview.status();
    let ready = condition(&status, "Ready").map_or("Unknown", |c| c.status.as_str());
    let stopped = match &overview.operator {
        Operator::Stopped(stopped) => Some(stopped),
        Operator::Unseen | Operator::Runs => None,
    };
    let ready = stopped.map_or(ready, |_| "Unknown");
    let healthy = condition(&status, "Healthy");
    let state = match overview.healthy() {
        "True" => ("Healthy", Tone::Good),
        "False" => ("Unhealthy", Tone::Bad),
        _ => ("Unknown", Tone::Warn),
    };
    let since = healthy.map_or_else(String::new, |c| age(c.last_transition_time.0, now));
    let name = overview.health.metadata.name.clone().unwrap_or_default();
    let message = match (healthy, stopped) {
        (None, _) => "not judged yet",
        (Some(c), Some(_)) if c.status == "True" => "the operator does not run",
        (Some(c), _) => c.reason.as_str(),
    };
    let cells = row(ready, state, since, message.to_owned());
    let mut root = Node::new(format!("FederationHealth/{name}"), cells);
    root.children.extend(stopped.map(|stopped| {
        let state = ("Stopped", Tone::Bad);
        let cells = row(&stopped.ready, state, String::new(), stopped.why.clone());
        Node::new("Operator", cells)
    }));
    root.children.extend(hold(&status, now));
    let guarded = &overview.health.spec.federation.namespace;
    for plane in &overview.planes {
        root.children
            .push(self::plane(overview, plane, guarded, grouping, now));
    }
    root
}

fn hold(status: &FederationHealthStatus, now: Timestamp) -> Option<Node> {
    let hold = status
        .hold
        .as_ref()
        .filter(|h| h.collection || h.federation)?;
    let rules = match (hold.collection, hold.federation) {
        (true, true) => "refuses KubeFed and the garbage collector",
        (true, false) => "refuses the garbage collector",
        _ => "refuses KubeFed",
    };
    let reason = hold.reason.clone().unwrap_or_default();
    let since = hold
        .since
        .as_ref()
        .map_or_else(String::new, |t| age(t.0, now));
    let message = format!("{rules}: {reason}");
    Some(Node::new(
        "Hold",
        row("", ("Holding", Tone::Warn), since, message),
    ))
}

fn plane(
    overview: &Overview,
    plane: &Plane,
    guarded: &str,
    grouping: bool,
    now: Timestamp,
) -> Node {
    let second = plane.namespace != guarded;
    let (ready, state) = match plane.replicas {
        None => ("<none>".to_owned(), ("NoDeployment", Tone::Warn)),
        Some((a, 0)) => (format!("{a}/0"), ("Frozen", Tone::Warn)),
        Some((a, w)) if second => (format!("{a}/{w}"), ("Second", Tone::Bad)),
        Some((a, w)) => (format!("{a}/{w}"), ("Running", Tone::Good)),
    };
    let message = if second {
        "not the guarded federation"
    } else {
        ""
    };
    let cells = row(&ready, state, String::new(), message.to_owned());
    let mut node = Node::new(format!("ControlPlane/{}", plane.namespace), cells);
    let status = overview.status();
    let host = plane.registrations.iter().position(|r| is_host(r, &status));
    let workspaces = (!second).then(|| Workspaces::of(overview, plane, grouping, now));
    let at = |home| workspaces.as_ref().map_or_else(Vec::new, |w| w.at(home));
    let mut plain: Vec<(String, Node)> = Vec::new();
    for (i, registration) in plane.registrations.iter().enumerate() {
        let mut child = self::registration(registration, &plane.namespace, &status);
        if Some(i) == host.or(Some(0)) {
            child.children = at(Home::Here);
        }
        child.children.extend(at(Home::Member(i)));
        if child.children.is_empty() && registration.group.is_none() {
            plain.push((registration.name.clone(), child));
        } else {
            node.children.push(child);
        }
    }
    node.children.extend(at(Home::Several));
    node.children
        .extend(rows::grouped("Clusters", plain, grouping));
    node
}

fn is_host(registration: &Registration, status: &FederationHealthStatus) -> bool {
    let group = registration
        .group
        .and_then(|g| status.cluster_groups.get(g));
    registration.host || group.is_some_and(|g| g.host)
}

fn registration(r: &Registration, plane: &str, status: &FederationHealthStatus) -> Node {
    let group = r.group.and_then(|g| status.cluster_groups.get(g));
    let (state, message) = match group {
        Some(group) => {
            let others: Vec<String> = group
                .members
                .iter()
                .filter(|m| m.name != r.name || m.namespace != plane)
                .map(|m| {
                    if m.namespace == plane {
                        m.name.clone()
                    } else {
                        format!("{}/{}", m.namespace, m.name)
                    }
                })
                .collect();
            if group.certain {
                let message = format!("one cluster with {}", others.join(", "));
                (("Doubled", Tone::Bad), message)
            } else {
                let message = format!("may be one cluster with {}", others.join(", "));
                (("Suspected", Tone::Warn), message)
            }
        }
        None if r.ready == "True" => (("OK", Tone::Good), String::new()),
        None => (("NotReady", Tone::Warn), String::new()),
    };
    Node::new(
        format!("Cluster/{}", r.name),
        row(&r.ready, state, String::new(), message),
    )
}
