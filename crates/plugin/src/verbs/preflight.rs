//! `preflight`: is it safe to start, reinstall or join here? Works without the operator and without its CRD.
use std::fmt::Write as _;

use federation_health_api::{FederationHealth, names::HEALTHS, v1alpha1::FederationHealthStatus};
use federation_health_core::{
    facts::{Change, FeedState, Probe, Registration},
    id::{RegistrationKey, Text, Uid},
    time::Time,
};
use federation_health_index::{ca::ca_fingerprint, facts::endpoint};
use futures::future::join_all;
use serde_json::{Value, json};

use super::status::{pretty, tone, yaml};
use crate::{
    Error, Outcome, Shell,
    args::{Form, Global, PreflightArgs},
    client::{Cluster, read_health},
    codes,
    judge::{JUDGED, Judge},
    kinds::{Kind, enabled},
    shell::Tone,
    table::{Cell, align, item, wrap},
};

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Safe,
    Unsafe,
    Unknown,
}

impl Answer {
    fn as_str(self) -> &'static str {
        match self {
            Self::Safe => "Safe",
            Self::Unsafe => "Unsafe",
            Self::Unknown => "Unknown",
        }
    }
}

/// One kind and how far it was read.
struct Listed {
    kind: Kind,
    objects: Vec<Value>,
    state: FeedState,
}

/// Carries out `preflight`.
pub async fn run(
    global: &Global,
    args: &PreflightArgs,
    shell: &mut Shell,
) -> Result<Outcome, Error> {
    let cluster = Cluster::connect(global, shell).await?;
    let now = Time(shell.now().as_millisecond());
    shell.progress("reading registrations, placements, Workspaces and namespaces ...");
    let listed = read(&cluster).await?;
    let object = asked(&cluster, global).await?;
    let mut judge = Judge::new(&object, now)?;
    for list in &listed {
        take(&mut judge, list, now);
    }
    if let Some(name) = &args.join {
        let plane = &object.spec.federation.namespace;
        join(&mut judge, (global, args), (plane, name), shell, now).await?;
    }
    let mut status = judge.look(now);
    status.findings.retain(|f| concerns(&f.code));
    let answer = answer(&status, &listed, args.join.is_some());
    let text = match args.output.form {
        Form::Json => pretty(&document(answer, &status, &listed))?,
        Form::Yaml => yaml(&document(answer, &status, &listed))?,
        Form::Name => format!("{}\n", answer.as_str()),
        Form::Table | Form::Wide => draw(answer, &status, &listed, args, shell),
    };
    shell.say(&text);
    Ok(if answer == Answer::Safe {
        Outcome::Healthy
    } else {
        Outcome::Findings
    })
}

/// Which federation is meant and which of its objects count: as the FederationHealth object says, where there is one.
async fn asked(cluster: &Cluster, global: &Global) -> Result<FederationHealth, Error> {
    let mut object = FederationHealth::default();
    if let Some(namespace) = &global.namespace {
        object.spec.federation.namespace.clone_from(namespace);
    }
    match cluster
        .find::<Value>(&format!("{HEALTHS}/{}", global.object))
        .await
    {
        Ok(Some(known)) => {
            let known = read_health(&known)?;
            object.spec.federation = known.spec.federation;
            object.spec.workspaces = known.spec.workspaces;
        }
        // Whoever may not read it knows the namespace; the kinds themselves are asked for next.
        Err(error) if !matches!(error.status(), Some(401 | 403)) => return Err(error),
        Ok(None) | Err(_) => {}
    }
    Ok(object)
}

async fn read(cluster: &Cluster) -> Result<Vec<Listed>, Error> {
    let mut listed = join_all(Kind::fixed().into_iter().map(|kind| {
        let (path, select) = kind.path();
        list(cluster, kind, path, select)
    }))
    .await
    .into_iter()
    .collect::<Result<Vec<_>, _>>()?;
    let types: &[Value] = listed
        .iter()
        .find(|l| l.kind == Kind::Type)
        .map_or(&[], |l| &l.objects);
    let others = enabled(types)
        .into_iter()
        .map(|(kind, path)| list(cluster, kind, path, None));
    for other in join_all(others).await {
        listed.push(other?);
    }
    Ok(listed)
}

async fn list(
    cluster: &Cluster,
    kind: Kind,
    path: String,
    select: Option<(&'static str, String)>,
) -> Result<Listed, Error> {
    let (objects, state) = match cluster
        .list(&path, select.as_ref().map(|(k, v)| (*k, v.as_str())))
        .await
    {
        Ok(objects) => (objects, FeedState::Synced),
        Err(error) => match error.status() {
            Some(404) => (Vec::new(), FeedState::NotInstalled),
            Some(401 | 403) => (Vec::new(), FeedState::Forbidden),
            // Nobody answers: there is nothing to judge.
            _ => return Err(error),
        },
    };
    Ok(Listed {
        kind,
        objects,
        state,
    })
}

fn take(judge: &mut Judge, list: &Listed, now: Time) {
    if list.state != FeedState::Synced {
        return judge.state(&list.kind, list.state, now);
    }
    judge.begin(&list.kind);
    for object in &list.objects {
        judge.object(&list.kind, object, false, now);
    }
    judge.end(&list.kind, now);
}

/// Registers a cluster in thought: what a join would do, before anybody does it.
async fn join(
    judge: &mut Judge,
    (global, args): (&Global, &PreflightArgs),
    (plane, name): (&str, &str),
    shell: &Shell,
    now: Time,
) -> Result<(), Error> {
    let context = args.join_context.clone().or_else(|| global.context.clone());
    let other = Global {
        context,
        ..global.clone()
    };
    let member = Cluster::connect(&other, shell).await?;
    let (server, authority) = member.server();
    let namespace: Value = member.get("/api/v1/namespaces/kube-system").await?;
    let uid = namespace["metadata"]["uid"].as_str().and_then(Uid::parse);
    let key = RegistrationKey {
        namespace: Text::from(plane),
        name: Text::from(name),
    };
    let registration = Registration {
        // No object has this UID: it is nobody's.
        uid: Uid::parse("preflight").unwrap_or_default(),
        created: Some(now),
        endpoint: endpoint(&server),
        ca: authority.and_then(|ca| ca_fingerprint(&ca).ok()),
        ..Registration::default()
    };
    let asked = registration.asked();
    judge.apply(Change::Registration(key.clone(), Some(registration)), now);
    if let Some(uid) = uid {
        let answered = Probe::Answered {
            uid,
            leases: Box::default(),
        };
        judge.apply(Change::Probed(key, asked, answered), now);
    }
    Ok(())
}

fn answer(status: &FederationHealthStatus, listed: &[Listed], joining: bool) -> Answer {
    if absent(listed) && !joining {
        return Answer::Safe;
    }
    let judged = status
        .conditions
        .iter()
        .filter(|c| JUDGED.contains(&c.type_.as_str()));
    judged.fold(Answer::Safe, |worst, condition| {
        match (condition.status.as_str(), worst) {
            ("False", _) | (_, Answer::Unsafe) => Answer::Unsafe,
            ("True", worst) => worst,
            _ => Answer::Unknown,
        }
    })
}

/// Whether a finding is of a check that is judged here: that KubeFed is stopped is why one asks.
fn concerns(code: &str) -> bool {
    let condition = codes::find(code).map(|about| about.condition.as_str());
    condition.is_some_and(|c| JUDGED.contains(&c))
}

/// Without KubeFed there are no registrations and nobody deletes.
fn absent(listed: &[Listed]) -> bool {
    let registrations = listed.iter().find(|l| l.kind == Kind::Registration);
    registrations.is_some_and(|l| l.state == FeedState::NotInstalled)
}

fn document(answer: Answer, status: &FederationHealthStatus, listed: &[Listed]) -> Value {
    let conditions: Vec<Value> = status
        .conditions
        .iter()
        .filter(|c| JUDGED.contains(&c.type_.as_str()))
        .map(|c| json!({"type": c.type_, "status": c.status, "reason": c.reason, "message": c.message}))
        .collect();
    let read: Vec<Value> = listed
        .iter()
        .map(|l| json!({"kind": l.kind.feed().as_str(), "state": l.state.as_str(), "objects": l.objects.len()}))
        .collect();
    json!({
        "apiVersion": "federationhealth.io/v1alpha1",
        "kind": "Preflight",
        "answer": answer.as_str(),
        "safe": answer == Answer::Safe,
        "conditions": conditions,
        "findings": status.findings,
        "clusterGroups": status.cluster_groups,
        "blastRadius": status.blast_radius,
        "read": read,
    })
}

fn draw(
    answer: Answer,
    status: &FederationHealthStatus,
    listed: &[Listed],
    args: &PreflightArgs,
    shell: &Shell,
) -> String {
    if absent(listed) && args.join.is_none() {
        return "Safe: KubeFed is not installed here, so there is nobody to delete.\n".to_owned();
    }
    let (word, tone_of, text) = match (answer, args.join.is_some()) {
        (Answer::Safe, false) => (
            "Safe",
            Tone::Good,
            "starting KubeFed here deletes nothing that is wished for.",
        ),
        (Answer::Safe, true) => (
            "Safe",
            Tone::Good,
            "joining this cluster deletes nothing that is wished for.",
        ),
        (Answer::Unsafe, false) => (
            "Unsafe",
            Tone::Bad,
            "do not start KubeFed here, and do not reinstall: mend what follows first.",
        ),
        (Answer::Unsafe, true) => (
            "Unsafe",
            Tone::Bad,
            "do not join this cluster: mend what follows first.",
        ),
        (Answer::Unknown, _) => (
            "Unknown",
            Tone::Warn,
            "it cannot be said: what could not be judged may be bad.",
        ),
    };
    let mut out = wrap(&format!("{word}: {text}"), shell.width, "");
    if shell.colours {
        out = out.replacen(word, &tone_of.paint(word, true), 1);
    }
    let mut rows = vec![["CHECK", "STATUS", "REASON"].map(Cell::from).to_vec()];
    for c in status
        .conditions
        .iter()
        .filter(|c| JUDGED.contains(&c.type_.as_str()))
    {
        let tone = match c.status.as_str() {
            "True" => Tone::Good,
            "False" => Tone::Bad,
            _ => Tone::Warn,
        };
        rows.push(vec![
            c.type_.clone().into(),
            Cell::toned(c.status.clone(), tone),
            c.reason.clone().into(),
        ]);
    }
    if args.output.no_headers {
        rows.remove(0);
    }
    out.push('\n');
    out.push_str(&align(&rows, shell.colours));
    for finding in &status.findings {
        let head = format!("\n{} {} ", finding.code, finding.severity);
        out.push_str(&tone(&finding.severity).paint(&head, shell.colours));
        let title = codes::title(&finding.code);
        let _ = write!(
            out,
            "{title}\n{}",
            wrap(&finding.message, shell.width, "  ")
        );
        for line in &finding.evidence {
            out.push_str(&item(line, shell.width));
        }
    }
    for c in status.conditions.iter().filter(|c| {
        JUDGED.contains(&c.type_.as_str()) && c.status == "Unknown" && !c.message.is_empty()
    }) {
        let _ = write!(
            out,
            "\n{}",
            wrap(&format!("{}: {}", c.type_, c.message), shell.width, "")
        );
    }
    out.push('\n');
    let counts: Vec<String> = listed
        .iter()
        .map(|l| match l.state {
            FeedState::Synced => format!("{} {}", l.objects.len(), l.kind.feed().as_str()),
            other => format!("{} {}", l.kind.feed().as_str(), other.as_str()),
        })
        .collect();
    out.push_str(&wrap(
        &format!("Read: {}", counts.join(", ")),
        shell.width,
        "",
    ));
    out
}
