//! `check`: what federation-health itself needs on this server: kinds, the operator, rights, policies.

use federation_health_api::{
    FederationHealth,
    names::{COLLECTION_DURABLE, COLLECTION_FAST, FEDERATION_DURABLE, FEDERATION_FAST, HEALTHS},
};
use serde_json::{Value, json};

use super::status::{condition, pretty, yaml};
use crate::{
    Error, Outcome, Shell,
    args::{CheckArgs, Form, Global},
    client::Cluster,
    kinds::Kind,
    shell::Tone,
    table::{Cell, align},
};

const POLICIES: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
const BINDINGS: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings";
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

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

/// How a check ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Ok,
    Missing,
    /// Not there, and not needed for what is asked for.
    Optional,
}

struct Line {
    what: String,
    mark: Mark,
    note: String,
}

impl Line {
    fn new(what: impl Into<String>, mark: Mark, note: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            mark,
            note: note.into(),
        }
    }

    fn word(&self) -> (&'static str, Tone) {
        match self.mark {
            Mark::Ok => ("OK", Tone::Good),
            Mark::Missing => ("Missing", Tone::Bad),
            Mark::Optional => ("Absent", Tone::Warn),
        }
    }
}

/// Carries out `check`.
pub async fn run(global: &Global, args: &CheckArgs, shell: &mut Shell) -> Result<Outcome, Error> {
    let cluster = Cluster::connect(global, shell).await?;
    let mut lines = vec![server(&cluster).await?];
    lines.extend(kinds(&cluster).await?);
    lines.extend(operator(&cluster, global).await?);
    lines.extend(policies(&cluster).await?);
    lines.extend(rights(&cluster).await?);
    let text = match args.output.form {
        Form::Json => pretty(&document(&lines))?,
        Form::Yaml => yaml(&document(&lines))?,
        Form::Name => lines
            .iter()
            .fold(String::new(), |text, l| text + &l.what + "\n"),
        Form::Table | Form::Wide => draw(&lines, args.output.no_headers, shell.colours),
    };
    shell.say(&text);
    let missing = lines.iter().any(|l| l.mark == Mark::Missing);
    Ok(if missing {
        Outcome::Findings
    } else {
        Outcome::Healthy
    })
}

fn document(lines: &[Line]) -> Value {
    let checks: Vec<Value> = lines
        .iter()
        .map(|l| json!({"check": l.what, "status": l.word().0, "message": l.note}))
        .collect();
    json!({"apiVersion": "federationhealth.io/v1alpha1", "kind": "Check", "checks": checks})
}

fn draw(lines: &[Line], no_headers: bool, colours: bool) -> String {
    let mut rows = Vec::new();
    if !no_headers {
        rows.push(["CHECK", "STATUS", "MESSAGE"].map(Cell::from).to_vec());
    }
    for line in lines {
        let (word, tone) = line.word();
        rows.push(vec![
            line.what.clone().into(),
            Cell::toned(word, tone),
            line.note.clone().into(),
        ]);
    }
    align(&rows, colours)
}

async fn server(cluster: &Cluster) -> Result<Line, Error> {
    let version: Value = cluster.get("/version").await?;
    let text = version["gitVersion"].as_str().unwrap_or("unknown");
    let number = |field: &str| {
        let digits: String = version[field]
            .as_str()
            .unwrap_or_default()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        digits.parse::<u32>().unwrap_or_default()
    };
    let holds = (number("major"), number("minor")) >= (1, 30);
    Ok(if holds {
        Line::new("Kubernetes", Mark::Ok, text)
    } else {
        Line::new(
            "Kubernetes",
            Mark::Optional,
            format!("{text}: holds need 1.30 or later; everything else works"),
        )
    })
}

async fn kinds(cluster: &Cluster) -> Result<Vec<Line>, Error> {
    let mut lines = Vec::new();
    for kind in [Kind::Registration, Kind::Workspace, Kind::Template] {
        let feed = kind.feed();
        let (path, _) = kind.path();
        let found: Option<Value> = found(cluster, &format!("{path}?limit=1")).await?;
        let (mark, note) = match (&found, &kind) {
            (Some(_), _) => (Mark::Ok, ""),
            (None, Kind::Template) => (Mark::Optional, "a federation without KubeSphere"),
            (None, _) => (
                Mark::Missing,
                "install KubeFed and KubeSphere, or ask elsewhere",
            ),
        };
        lines.push(Line::new(feed.as_str(), mark, note));
    }
    Ok(lines)
}

/// As `find`, but what may not be read is there.
async fn found(cluster: &Cluster, path: &str) -> Result<Option<Value>, Error> {
    match cluster.find(path).await {
        Err(error) if error.status() == Some(403) => Ok(Some(Value::Null)),
        other => other,
    }
}

async fn operator(cluster: &Cluster, global: &Global) -> Result<Vec<Line>, Error> {
    let apply = "kubectl apply --server-side -k config/default";
    let served: Option<Value> = found(cluster, &format!("{HEALTHS}?limit=1")).await?;
    if served.is_none() {
        return Ok(vec![Line::new("FederationHealths", Mark::Missing, apply)]);
    }
    let mut lines = vec![Line::new("FederationHealths", Mark::Ok, "")];
    let name = format!("FederationHealth {}", global.object);
    let path = format!("{HEALTHS}/{}", global.object);
    let Some(health) = cluster.find::<FederationHealth>(&path).await? else {
        lines.push(Line::new(
            name,
            Mark::Missing,
            "the operator makes it: does it run?",
        ));
        return Ok(lines);
    };
    let status = health.status.unwrap_or_default();
    let ready = condition(&status, "Ready");
    lines.push(match ready {
        Some(c) if c.status == "True" => Line::new(name, Mark::Ok, "judged"),
        Some(c) => Line::new(name, Mark::Missing, format!("{}: {}", c.reason, c.message)),
        None => Line::new(name, Mark::Missing, "never judged: does the operator run?"),
    });
    if let Some(c) = condition(&status, "HoldReady") {
        let mark = if c.status == "True" {
            Mark::Ok
        } else {
            Mark::Missing
        };
        lines.push(Line::new(
            "HoldReady",
            mark,
            format!("{} {}", c.reason, c.message),
        ));
    }
    Ok(lines)
}

async fn policies(cluster: &Cluster) -> Result<Vec<Line>, Error> {
    let mut lines = Vec::new();
    for name in [
        COLLECTION_FAST,
        COLLECTION_DURABLE,
        FEDERATION_FAST,
        FEDERATION_DURABLE,
    ] {
        let policy = found(cluster, &format!("{POLICIES}/{name}")).await?;
        let binding = found(cluster, &format!("{BINDINGS}/{name}")).await?;
        let (mark, note) = match (policy, binding) {
            (Some(_), Some(_)) => (Mark::Ok, ""),
            (None, _) => (
                Mark::Missing,
                "no policy: kubectl apply --server-side -k config/policies",
            ),
            (_, None) => (
                Mark::Missing,
                "no binding: kubectl apply --server-side -k config/policies",
            ),
        };
        lines.push(Line::new(name, mark, note));
    }
    Ok(lines)
}

async fn rights(cluster: &Cluster) -> Result<Vec<Line>, Error> {
    let mut lines = Vec::new();
    for (verb, group, resource, used) in RIGHTS {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"verb": verb, "group": group, "resource": resource}},
        });
        let answer = cluster.create(REVIEWS, &review).await?;
        let allowed = answer["status"]["allowed"].as_bool() == Some(true);
        let (mark, note) = if allowed {
            (Mark::Ok, format!("for {used}"))
        } else {
            (Mark::Missing, format!("you may not; needed for {used}"))
        };
        lines.push(Line::new(format!("{verb} {resource}"), mark, note));
    }
    Ok(lines)
}
