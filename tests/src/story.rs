//! The incident as a story: played on a stage, simulated or real, and told from the audit log and the object.

mod real;
mod simulated;
mod tell;

use std::{cell::Cell, collections::BTreeMap, fmt::Write as _, future::Future, time::Duration};

use federation_health_api::{FederationHealth, names::HEALTHS};
use federation_health_plugin::{Cluster, wrap};
use federation_health_testbed::error::{Attempt as _, Error, Result};
use k8s_openapi::jiff::Timestamp;
use kube::Client;

use self::tell::{Deed, Teller};
pub use self::{real::RealStage, simulated::SimulatedStage};
use crate::guarded::{condition, holds, switched};

/// The leftover name under which the cluster is registered a second time.
const ALIAS: &str = "produce-trt";
/// The first verdict, and the one on the second registration; a real machine that also compiles needs seconds.
const VERDICT_LIMIT: Duration = Duration::from_secs(30);
/// KubeFed's first deletion comes 10 to 21 s after the join; then it rages for a while.
const RAGE: Duration = Duration::from_secs(40);
/// Two loops of a second each and the collector: all six namespaces are gone long before.
const LOSS_LIMIT: Duration = Duration::from_secs(90);
/// Longer than KubeFed's retries: what is not deleted by then stays.
const AFTERMATH: Duration = Duration::from_secs(15);
/// KubeFed notices a removed registration at its next health check, and the verdict waits for it.
const END_LIMIT: Duration = Duration::from_mins(2);

/// What somebody needs to know who has never seen KubeFed.
pub const INTRODUCTION: &str = "\
KubeFed copies Workspaces into clusters, and deletes them from every cluster
that they are not placed on. A Workspace owns the namespaces of its tenant: when
it is deleted, Kubernetes' garbage collector deletes those namespaces as well.

Here is one cluster, registered with KubeFed as `host`, with two Workspaces of
three namespaces each, placed on `host`. Then somebody registers the very same
cluster again, under a name that an earlier installation left behind.
";
/// Headline of the first part.
pub const WITHOUT: &str = "1  Without a hold (spec.hold: Never, the default)\n";
/// Headline of the second part.
pub const WITH: &str = "2  With the hold (spec.hold: OnDiagnosis)\n";

/// A live Workspace or namespace, such as `Namespace orders-db`, and its UID.
pub type Uids = BTreeMap<String, String>;

/// Where the incident is played.
pub trait Stage {
    /// Now, by the clock of the stage.
    fn now(&self) -> Timestamp;
    /// Lets time pass until it is worth looking again.
    fn pause(&self) -> impl Future<Output = ()>;
    /// A client with all rights.
    fn client(&self) -> Client;
    /// Registers the cluster a second time.
    fn double(&self) -> impl Future<Output = Result<()>>;
    /// Deletes that registration.
    fn cure(&self) -> impl Future<Output = Result<()>>;
    /// Answered requests so far, oldest first.
    fn deeds(&self) -> Result<Vec<Deed>>;
    /// UIDs of the Workspaces and their namespaces, those that are being deleted left out.
    fn uids(&self) -> impl Future<Output = Result<Uids>>;
    /// The object as it is now.
    fn health(&self) -> impl Future<Output = Result<FederationHealth>>;
}

/// What was played: its text, and where it did not go as it should have.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// The story, at most 80 columns wide, ending with a line feed.
    pub text: String,
    /// What went another way; empty if all went as told.
    pub problems: Vec<String>,
}

impl Scene {
    fn expect(&mut self, went: bool, what: impl FnOnce() -> String) {
        if !went {
            self.problems.push(what());
        }
    }

    fn check_width(&mut self) {
        let wide = |l: &&str| l.chars().count() > tell::WIDTH;
        let wide: Vec<String> = self.text.lines().filter(wide).map(str::to_owned).collect();
        self.expect(wide.is_empty(), || {
            format!("wider than 80 columns: {wide:?}")
        });
    }
}

/// Waits, in the stage's time, until the object and what the switch says satisfy `good`; gives the moment too.
async fn wait(
    stage: &impl Stage,
    what: &str,
    limit: Duration,
    good: impl Fn(&FederationHealth, (bool, bool)) -> bool,
) -> Result<(Timestamp, FederationHealth)> {
    let end = stage.now() + limit;
    loop {
        let found = stage.health().await?;
        if good(&found, switched(&stage.client()).await?) {
            return Ok((stage.now(), found));
        }
        if stage.now() > end {
            return Err(Error::Timeout {
                what: what.to_owned(),
                after: limit,
                last_seen: format!("{:?}", found.status.map(|s| s.conditions)),
            });
        }
        stage.pause().await;
    }
}

async fn rest(stage: &impl Stage, time: Duration) {
    let end = stage.now() + time;
    while stage.now() < end {
        stage.pause().await;
    }
}

/// What `kubectl get federationhealth` prints.
async fn table(stage: &impl Stage) -> Result<String> {
    let cluster = Cluster::of(stage.client());
    let table = cluster.table(HEALTHS).await;
    table.attempt(|| "get the table of FederationHealth objects")
}

fn is(health: &FederationHealth, type_: &str, status: &str) -> bool {
    condition(health, type_).is_some_and(|(found, _)| found == status)
}

fn message(health: &FederationHealth, type_: &str) -> String {
    let conditions = health.status.iter().flat_map(|s| &s.conditions);
    let mut found = conditions.filter(|c| c.type_ == type_);
    found.next().map(|c| c.message.clone()).unwrap_or_default()
}

fn at_risk(health: &FederationHealth) -> String {
    let radius = health.status.as_ref().and_then(|s| s.blast_radius.clone());
    let radius = radius.unwrap_or_default();
    format!(
        "At risk: {} Workspaces ({}), {} namespaces.",
        radius.workspaces,
        radius.workspace_names.join(", "),
        radius.namespaces
    )
}

/// What a scene begins with.
struct Opening {
    teller: Teller,
    /// The object with the verdict on the second registration.
    verdict: FederationHealth,
    /// What there was before.
    before: Uids,
    /// When both holds were first seen to stand.
    held: Option<Timestamp>,
}

/// Waits for the first verdict, registers the cluster again and waits for the second.
async fn begin<S: Stage>(stage: &S) -> Result<Opening> {
    wait(stage, "a first good verdict", VERDICT_LIMIT, |h, _| {
        is(h, "Healthy", "True")
    })
    .await?;
    let before = stage.uids().await?;
    let mut teller = Teller::new(stage.now());
    stage.double().await?;
    teller.line(
        teller.start,
        "somebody",
        format!("registers this cluster a second time, as {ALIAS}"),
    );
    let held = Cell::new(None);
    let named = |h: &FederationHealth, switch: (bool, bool)| {
        if switch == (true, true) && held.get().is_none() {
            held.set(Some(stage.now()));
        }
        is(h, "ClustersUnique", "False")
    };
    let what = "a verdict on the second registration";
    let (at, verdict) = wait(stage, what, VERDICT_LIMIT, named).await?;
    let text = format!(
        "{} {}",
        message(&verdict, "ClustersUnique"),
        at_risk(&verdict)
    );
    teller.line(at, "federation-health", text);
    Ok(Opening {
        teller,
        verdict,
        before,
        held: held.get(),
    })
}

/// The incident without a hold: the namespaces are lost, and each is named.
pub async fn without_hold(stage: &impl Stage) -> Result<Scene> {
    let mut scene = Scene::default();
    let Opening {
        mut teller,
        verdict,
        before,
        ..
    } = begin(stage).await?;
    let namespaces = before
        .keys()
        .filter(|k| k.starts_with("Namespace "))
        .count();
    let lost = |h: &FederationHealth| h.status.as_ref().map_or(0, |s| s.lost_namespaces.len());
    let (at, health) = wait(stage, "the loss of every namespace", LOSS_LIMIT, |h, _| {
        lost(h) >= namespaces
    })
    .await?;
    rest(stage, RAGE).await;
    let deeds = teller.since_start(stage.deeds()?);
    teller.firsts(&deeds);
    let deleted = deeds
        .iter()
        .filter(|d| d.is_deletion("workspaces") && !d.refused);
    let created = deeds
        .iter()
        .filter(|d| d.verb == "create" && d.resource == "workspaces" && !d.refused);
    let first = deleted.clone().map(|d| d.at).min();
    let named = teller.time_of("federation-health");
    scene.expect(first.is_some() && first > named, || {
        format!("the verdict at {named:?} did not come before the first deletion at {first:?}")
    });
    scene.expect(holds(&verdict) == (false, false), || {
        "something was held".to_owned()
    });
    let told = format!(
        "Has seen the loss of {} namespaces, with everything in them.",
        lost(&health)
    );
    teller.line(at, "federation-health", told);
    let told = format!(
        "is still at it: {} deletions of Workspaces by now, and {} creations.",
        deleted.count(),
        created.count()
    );
    teller.line(stage.now(), "KubeFed", told);
    scene.text = teller.text();
    scene
        .text
        .push_str("\nLost, from status.lostNamespaces, with the UIDs that they had:\n\n");
    let lost = health.status.unwrap_or_default().lost_namespaces;
    let widest = lost.iter().map(|l| l.name.len()).max().unwrap_or_default();
    let mut lost: Vec<_> = lost.iter().map(|l| (&l.name, &l.uid)).collect();
    lost.sort();
    for (name, uid) in lost {
        let known = before.get(&format!("Namespace {name}"));
        scene.expect(known == Some(uid), || {
            format!("namespace {name} was lost with UID {uid}, but had {known:?}")
        });
        let _ = writeln!(scene.text, "  {name:<widest$}  {uid}");
    }
    scene.check_width();
    Ok(scene)
}

/// The same with the hold: nothing is lost, and the hold ends by itself once the cause is gone.
pub async fn with_hold(stage: &impl Stage) -> Result<Scene> {
    let mut scene = Scene::default();
    let Opening {
        mut teller,
        before,
        held,
        ..
    } = begin(stage).await?;
    let held = if let Some(at) = held {
        at
    } else {
        let stand = |_: &FederationHealth, switch| switch == (true, true);
        wait(stage, "both holds", VERDICT_LIMIT, stand).await?.0
    };
    teller.line(
        held,
        "federation-health",
        "Holds: the API server now refuses KubeFed to delete Workspaces, and the garbage collector to delete their namespaces.",
    );
    let during = rage_held(stage, &mut scene, &mut teller).await?;

    stage.cure().await?;
    teller.line(
        stage.now(),
        "somebody",
        format!("deletes the registration {ALIAS}"),
    );
    let (released, _) = wait(
        stage,
        "the hold to end by itself",
        END_LIMIT,
        |_, switch| switch == (false, false),
    )
    .await?;
    teller.line(
        released,
        "federation-health",
        "The cause is gone, and nothing would be deleted without the hold: ends it.",
    );
    wait(stage, "a good verdict", END_LIMIT, |h, _| {
        is(h, "Healthy", "True") && !is(h, "Holding", "True")
    })
    .await?;
    rest(stage, AFTERMATH).await;
    let after = stage.uids().await?;
    let deeds = teller.since_start(stage.deeds()?);
    let done = deeds
        .iter()
        .filter(|d| !d.refused && (d.is_deletion("workspaces") || d.is_deletion("namespaces")));
    let done = done.count();
    scene.expect(done == 0, || format!("{done} deletions took effect"));
    scene.expect(after == before, || {
        format!("before: {before:#?}\nafter: {after:#?}")
    });
    let kept = format!(
        "All {} Workspaces and namespaces are there, with the UIDs they had.",
        after.len()
    );
    teller.line(stage.now(), "the cluster", kept);
    scene.text = teller.text();
    scene.text.push_str(&during);
    let rows = table(stage).await?;
    scene
        .text
        .push_str(&teller.table(stage.now(), "the registration is gone", &rows));
    scene.check_width();
    Ok(scene)
}

/// What the hold refuses; gives what kubectl prints meanwhile.
async fn rage_held<S: Stage>(stage: &S, scene: &mut Scene, teller: &mut Teller) -> Result<String> {
    rest(stage, RAGE).await;
    let (held, health) = wait(stage, "the hold to stand", VERDICT_LIMIT, |h, _| {
        is(h, "Holding", "True")
    })
    .await?;
    let deeds = teller.since_start(stage.deeds()?);
    teller.firsts(&deeds);
    let refused = deeds
        .iter()
        .filter(|d| d.is_deletion("workspaces") && d.refused)
        .count();
    scene.expect(refused > 0, || {
        "KubeFed never tried: nothing was held".to_owned()
    });
    let told = format!("has been refused {refused} times by now. Deleted: nothing.");
    teller.line(held, "KubeFed", told);
    let rows = table(stage).await?;
    let why = wrap(&message(&health, "Healthy"), tell::WIDTH, "");
    Ok(format!(
        "{}\n{why}",
        teller.table(held, "deletions are held", &rows)
    ))
}
