//! `check`: what federation-health itself needs on this server: kinds, the operator, rights, policies.

use federation_health_api::FederationHealth;
use federation_health_cluster::{
    check::{self, Asked, Compared, Line, Mark},
    proof::{Wanted, guards},
};
use federation_health_core::{hold::CollectionPolicy, id::Text};
use federation_health_report::federation::Operator;
use serde_json::{Value, json};

use super::status::{pretty, yaml};
use crate::{
    Error, Outcome, Shell,
    args::{CheckArgs, Form, Global},
    client::Cluster,
    operator,
    shell::Tone,
    table::{Cell, align},
};

/// What a person needs for which verbs of this program.
const RIGHTS: [(&str, &str, &str, &str); 6] = [
    (
        "get",
        "federationhealth.io",
        "federationhealths",
        "status, explain",
    ),
    (
        "patch",
        "federationhealth.io",
        "federationhealths",
        "hold, pause",
    ),
    (
        "patch",
        "federationhealth.io",
        "federationholds",
        "release --all",
    ),
    (
        "list",
        "core.kubefed.io",
        "kubefedclusters",
        "status, preflight",
    ),
    (
        "list",
        "tenant.kubesphere.io",
        "workspaces",
        "preflight, gather",
    ),
    ("list", "", "namespaces", "preflight, gather"),
];

/// Carries out `check`.
pub async fn run(global: &Global, args: &CheckArgs, shell: &mut Shell) -> Result<Outcome, Error> {
    let cluster = Cluster::connect(global, shell).await?;
    let client = cluster.client();
    let mut lines = vec![check::server(client).await.map_err(Error::Server)?];
    lines.extend(check::kinds(client).await);
    let (about, object) = check::object(client, &global.object).await;
    lines.extend(about);
    lines.push(operator_line(
        operator::look(&cluster, &global.object).await,
    ));
    let object = object.unwrap_or_default();
    let compared = Compared {
        wanted: &every_hold(&object),
        guards: &every_guard(&object),
        object: &global.object,
        // Who the operator is, only the operator is told.
        account: None,
    };
    lines.extend(check::policies(client, &compared).await);
    lines.extend(rights(&cluster).await);
    let text = match args.output.form {
        Form::Json => pretty(&document(&lines))?,
        Form::Yaml => yaml(&document(&lines))?,
        Form::Name => lines
            .iter()
            .fold(String::new(), |text, l| text + &l.what + "\n"),
        Form::Table | Form::Wide => draw(&lines, args.output.no_headers, shell.colours),
    };
    shell.say(&text);
    Ok(if check::passes(&lines) {
        Outcome::Healthy
    } else {
        Outcome::Findings
    })
}

fn document(lines: &[Line]) -> Value {
    let checks: Vec<Value> = lines
        .iter()
        .map(|l| json!({"check": l.what, "status": l.mark.as_str(), "message": l.note}))
        .collect();
    json!({"apiVersion": "federationhealth.io/v1alpha1", "kind": "Check", "checks": checks})
}

fn draw(lines: &[Line], no_headers: bool, colours: bool) -> String {
    let mut rows = Vec::new();
    if !no_headers {
        rows.push(["CHECK", "STATUS", "MESSAGE"].map(Cell::from).to_vec());
    }
    for line in lines {
        rows.push(vec![
            line.what.clone().into(),
            Cell::toned(line.mark.as_str(), tone(line.mark)),
            line.note.clone().into(),
        ]);
    }
    align(&rows, colours)
}

fn tone(mark: Mark) -> Tone {
    match mark {
        Mark::Good => Tone::Good,
        Mark::Missing | Mark::Wrong => Tone::Bad,
        Mark::Absent | Mark::Unknown => Tone::Warn,
    }
}

/// Whoever asks by hand wants to know whether holds would work, whatever spec says today.
fn every_hold(object: &FederationHealth) -> Wanted {
    Wanted {
        collection: CollectionPolicy::OnDiagnosis,
        federation: true,
        plane: Text::from(object.spec.federation.namespace.as_str()),
        real: false,
    }
}

fn every_guard(object: &FederationHealth) -> Vec<&'static str> {
    let always = guards::OBJECTS.into_iter().chain(guards::FENCE);
    always
        .chain(check::join_guard(object).iter().copied())
        .collect()
}

/// What stands in the object for ever says nothing of whoever wrote it.
fn operator_line(looked: Result<Operator, Error>) -> Line {
    const WHAT: &str = "Operator";
    match looked {
        Ok(Operator::Runs) => Line::new(WHAT, Mark::Good, "available"),
        Ok(Operator::Stopped(stopped)) => Line::new(WHAT, Mark::Wrong, stopped.why),
        Ok(Operator::Unseen) => Line::new(WHAT, Mark::Unknown, "nobody looked"),
        Err(error) => {
            let report = error.report();
            Line::new(WHAT, Mark::Unknown, report.trim_start_matches("error: "))
        }
    }
}

async fn rights(cluster: &Cluster) -> Vec<Line> {
    let mut lines = Vec::new();
    for (verb, group, resource, used) in RIGHTS {
        let asked = Asked {
            verb,
            group,
            resource,
            ..Asked::default()
        };
        let (mark, note) = match asked.allowed(cluster.client()).await {
            Ok(true) => (Mark::Good, format!("for {used}")),
            Ok(false) => (Mark::Missing, format!("you may not; needed for {used}")),
            Err(error) => (Mark::Unknown, error.to_string()),
        };
        lines.push(Line::new(format!("{verb} {resource}"), mark, note));
    }
    lines
}
