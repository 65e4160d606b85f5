//! `undo`: what remediation did, and the way back. The operator takes back what only stopped a loss; what mended a cause is
//! taken back by a person's hand, from what the journal keeps.

use std::fmt::Write as _;

use federation_health_api::{
    FederationHealth,
    names::{HEALTHS, UNDO_ANNOTATION},
    v1alpha1::{ActionStatus, RemediationMode},
};
use federation_health_cluster::remedy::{patch, path};
use federation_health_core::remedy::{
    journal::{Record, State},
    plan::Order,
    rung::Rung,
};
use federation_health_index::remedy::records;
use serde_json::{Value, json};

use super::{
    hold::done,
    plan::{command, quoted},
    status::{pretty, yaml},
};
use crate::{
    Error, Outcome, Shell,
    args::{Form, Global, UndoArgs},
    client::Cluster,
    kinds::KUBEFED,
    table::{Cell, age, align, wrap},
};

/// What is to be taken back.
enum Wish {
    All,
    Rung(Rung),
}

impl Wish {
    fn parse(word: &str) -> Result<Self, Error> {
        let same = |rung: &Rung| rung.as_str().eq_ignore_ascii_case(word);
        match (word, Rung::ALL.into_iter().find(same)) {
            ("all", _) => Ok(Self::All),
            (_, Some(rung)) => Ok(Self::Rung(rung)),
            _ => {
                let known: Vec<&str> = Rung::ALL.iter().map(|r| r.as_str()).collect();
                Err(Error::Refused(format!(
                    "{word} is no action: name all, or one of {}",
                    known.join(", ")
                )))
            }
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Rung(rung) => rung.as_str(),
        }
    }

    fn covers(&self, rung: Rung) -> bool {
        match self {
            Self::All => true,
            Self::Rung(wished) => *wished == rung,
        }
    }
}

/// Carries out `undo`.
pub async fn run(global: &Global, args: &UndoArgs, shell: &mut Shell) -> Result<Outcome, Error> {
    let cluster = Cluster::connect(global, shell).await?;
    let health = cluster.health(&global.object).await?;
    let actions = health.status.as_ref().map_or(&[][..], |s| &s.actions);
    let asked = requested(&health);
    let health_path = format!("{HEALTHS}/{}", global.object);
    if args.end {
        if asked.is_none() {
            return Err(Error::Refused(
                "nobody has asked to take anything back".to_owned(),
            ));
        }
        cluster
            .merge(&health_path, &annotation(None), args.dry_run)
            .await?;
        done(
            shell,
            &global.object,
            "undo request taken back",
            args.dry_run,
        );
        return Ok(Outcome::Healthy);
    }
    let Some(word) = &args.action else {
        let text = match args.output.form {
            Form::Json => pretty(&document(actions, asked))?,
            Form::Yaml => yaml(&document(actions, asked))?,
            Form::Name => actions.iter().fold(String::new(), |text, a| {
                text + &format!("{} {}/{}\n", a.action, a.kind, a.name)
            }),
            Form::Table | Form::Wide => shown(actions, asked, args.output.no_headers, shell),
        };
        shell.say(&text);
        return Ok(Outcome::Healthy);
    };
    let wish = Wish::parse(word)?;
    let journal = records(actions);
    let chosen: Vec<&Record> = journal
        .iter()
        .filter(|r| wish.covers(r.rung) && (r.stands() || r.unsettled() || r.state.latches()))
        .collect();
    if chosen.is_empty() {
        return Err(Error::Refused(format!(
            "nothing of {} is in force: kubectl federation-health undo lists what was done",
            wish.word()
        )));
    }
    let by_hand: Vec<&Record> = chosen
        .iter()
        .copied()
        .filter(|r| r.stands() && !r.rung.released())
        .collect();
    // To be shown a command is no request of the operator.
    let ask = args.yes || by_hand.len() < chosen.len();
    if ask {
        refuse_in_vain(&health)?;
        cluster
            .merge(&health_path, &annotation(Some(wish.word())), args.dry_run)
            .await?;
        done(
            shell,
            &global.object,
            &format!("undo of {} requested", wish.word()),
            args.dry_run,
        );
        shell.say("Nothing new is done while the request stands. When it may act again: kubectl federation-health undo --end");
        let kept = |r: &&Record| r.rung == Rung::RetainVolumes && r.stands();
        if matches!(wish, Wish::All) && chosen.iter().any(kept) {
            shell.say("Volumes keep the policy Retain until nothing is in danger. Now, whatever becomes of their data: kubectl federation-health undo RetainVolumes");
        }
    }
    for record in by_hand {
        self::by_hand(&cluster, record, args, shell).await?;
    }
    Ok(Outcome::Healthy)
}

/// A request that nobody carries out must not look as if it were.
fn refuse_in_vain(health: &FederationHealth) -> Result<(), Error> {
    let remediation = &health.spec.remediation;
    if remediation.mode == RemediationMode::Observe {
        return Err(Error::Refused(
            "spec.remediation.mode is Observe, so the operator writes nothing, not even the way back: set DryRun, in which it takes back and does nothing new".to_owned(),
        ));
    }
    let pauses: Vec<&str> = remediation
        .pause_requests
        .iter()
        .map(|p| p.name.as_str())
        .collect();
    if !pauses.is_empty() {
        return Err(Error::Refused(format!(
            "remediation is paused by {}, the way back included: kubectl federation-health resume --name {}",
            pauses.join(", "),
            pauses[0]
        )));
    }
    Ok(())
}

fn requested(health: &FederationHealth) -> Option<&str> {
    let annotations = health.metadata.annotations.as_ref()?;
    annotations.get(UNDO_ANNOTATION).map(String::as_str)
}

fn annotation(word: Option<&str>) -> Value {
    json!({"metadata": {"annotations": {UNDO_ANNOTATION: word}}})
}

fn document(actions: &[ActionStatus], asked: Option<&str>) -> Value {
    json!({"apiVersion": "federationhealth.io/v1alpha1", "kind": "Actions", "requested": asked, "actions": actions})
}

/// What was done, what is in force, and how it ends.
fn shown(actions: &[ActionStatus], asked: Option<&str>, no_headers: bool, shell: &Shell) -> String {
    if actions.is_empty() {
        return "Remediation has done nothing.\n".to_owned();
    }
    let mut rows = Vec::new();
    if !no_headers {
        let heads = ["ACTION", "TARGET", "STATE", "SINCE", "THE WAY BACK"];
        rows.push(heads.map(Cell::from).to_vec());
    }
    for action in actions {
        rows.push(vec![
            action.action.clone().into(),
            format!("{}/{}", action.kind, action.name).into(),
            action.state.clone().into(),
            age(action.since.0, shell.now()).into(),
            way_back(action).into(),
        ]);
    }
    let mut out = align(&rows, shell.colours);
    for action in actions.iter().filter(|a| a.message.is_some()) {
        let message = action.message.as_deref().unwrap_or_default();
        let text = format!("{} {}: {message}", action.action, action.name);
        let _ = write!(out, "\n{}", wrap(&text, shell.width, ""));
    }
    if let Some(word) = asked {
        let _ = write!(
            out,
            "\nUndo of {word} is requested: nothing new is done until kubectl federation-health undo --end\n"
        );
    }
    out
}

fn way_back(action: &ActionStatus) -> String {
    let stands = matches!(
        State::parse(&action.state),
        Some(State::Done | State::Verified)
    );
    match Rung::parse(&action.action).filter(|_| stands) {
        None => String::new(),
        Some(rung) if rung.released() => format!("{}, when the danger is gone", rung.undo()),
        // An owner that does not exist, put back, would take the namespace.
        Some(Rung::DisarmNamespaces) => Rung::DisarmNamespaces.undo().to_owned(),
        Some(rung) => format!("kubectl federation-health undo {}", rung.as_str()),
    }
}

/// What mended a cause: shown as a command, or with `--yes` carried out.
async fn by_hand(
    cluster: &Cluster,
    record: &Record,
    args: &UndoArgs,
    shell: &mut Shell,
) -> Result<(), Error> {
    let target = &record.target;
    let back = Order {
        record: None,
        rung: record.rung,
        target: target.clone(),
        generation: None,
        from: record.to.clone(),
        to: record.from.clone(),
        dry_run: args.dry_run,
    };
    let way = Way::of(cluster, &back).await?;
    if args.yes {
        way.go(cluster, &back).await?;
        let tried = if args.dry_run { " (dry run)" } else { "" };
        shell.say(&format!("{target} is as it was{tried}"));
    } else {
        shell.say(&format!(
            "{} on {target} mended the cause, and the operator does not take that back: the danger would return.\nWith --yes it is done from what the journal keeps; or by hand:\n  {}",
            record.rung.as_str(),
            way.command(&back)?
        ));
    }
    Ok(())
}

/// How an object becomes what it was.
enum Way {
    /// It is gone, and is made again.
    Create(Value),
    /// It is patched, if it is still the one that was read.
    Patch(Value),
}

impl Way {
    async fn of(cluster: &Cluster, back: &Order) -> Result<Self, Error> {
        let target = &back.target;
        if back.rung == Rung::RemoveStaleCluster {
            let manifest = serde_json::from_str(&back.to.0);
            return manifest
                .map(Self::Create)
                .map_err(|e| Error::parse(format!("read the kept manifest of {target}"), e));
        }
        let object: Option<Value> = cluster.find(&path(target)).await?;
        let uid = target.uid.to_string();
        object
            .filter(|o| o["metadata"]["uid"] == uid.as_str())
            .map(Self::Patch)
            .ok_or_else(|| Error::Refused(format!("{target} is gone: there is nothing to undo")))
    }

    fn command(&self, back: &Order) -> Result<String, Error> {
        match self {
            Self::Create(manifest) => Ok(format!(
                "echo {} | kubectl create -f -",
                quoted(&manifest.to_string())
            )),
            Self::Patch(object) => command(back, object),
        }
    }

    async fn go(&self, cluster: &Cluster, back: &Order) -> Result<(), Error> {
        match self {
            Self::Create(manifest) => {
                let dry = if back.dry_run { "?dryRun=All" } else { "" };
                let namespace = &back.target.namespace;
                let path = format!("{KUBEFED}/namespaces/{namespace}/kubefedclusters{dry}");
                cluster.create(&path, manifest).await.map(drop)
            }
            Self::Patch(object) => {
                let path = path(&back.target);
                let patch = patch(back, object)
                    .map_err(|e| Error::parse(format!("make the patch of {path}"), e))?;
                cluster.merge(&path, &patch, back.dry_run).await.map(drop)
            }
        }
    }
}
