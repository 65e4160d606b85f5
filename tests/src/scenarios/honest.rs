//! The other side of the tripwire: deletions that somebody wishes must happen, and no hold may stay for them.

use std::time::Duration;

use federation_health_api::FederationHealth;
use federation_health_testbed::{
    Federation, FederationOptions,
    audit::AuditEvent,
    error::{Attempt as _, Error, Result},
    kinds,
    proxy::{Proxy, Trouble},
    wait::{self, Look},
    workspace::{self, Placement, Snapshot, WorkspaceSpec},
};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;

use super::{
    bed::{LATE, SOON},
    figures::{Spread, milliseconds},
    tripwire::hold_of,
};
use crate::guarded::{self, Guarded, Options, USER, holding, holds};

/// A binding is in force within a second after it was switched.
const IN_FORCE: Duration = Duration::from_secs(2);
/// How late the operator learns what is wished for.
const DELAY: Duration = Duration::from_secs(2);
/// Longest that a hold may outlive its explanation.
const HOLD_LIMIT_MS: f64 = 1000.0;
/// Namespaces of each Workspace.
const NAMESPACES: usize = 2;
/// KubeSphere's sign that a Workspace goes and its namespaces stay.
const ORPHAN: &str = "orphan.finalizers.kubesphere.io";

/// A guarded federation with real KubeFed.
pub struct Honest {
    /// The federation.
    pub bed: Federation,
    /// The operator on it.
    pub guard: Guarded,
    _proxy: Option<Proxy>,
}

/// One round of honest deletions: two Workspaces, one placement, one project.
#[derive(Clone, Debug)]
pub struct Round {
    /// How long each hold stood, in milliseconds.
    pub holds: Vec<f64>,
    /// Namespaces of the Workspace whose placement dropped this cluster that are still there.
    pub kept: usize,
}

impl Honest {
    /// Starts everything; `delayed`: the operator's watches of FederatedWorkspaces and WorkspaceTemplates are two
    /// seconds late.
    ///
    /// # Errors
    /// Something did not start.
    pub async fn start(delayed: bool) -> Result<Self> {
        let options = FederationOptions {
            workspaces: vec![WorkspaceSpec::on_host("standing", NAMESPACES)],
            ..FederationOptions::default()
        };
        let bed = Federation::start(options).await?;
        let mut options = Options::default();
        let mut proxy = None;
        if delayed {
            let late = ["federatedworkspaces", "workspacetemplates"];
            // The operator's account exists only once it is installed; until then there is nothing to pass on.
            let nothing = Options {
                operator: false,
                ..Options::default()
            };
            Guarded::install(bed.host(), nothing).await?;
            let client = guarded::operator_client(bed.host()).await?;
            let trouble = Trouble {
                delay: DELAY,
                ..Trouble::default()
            };
            let slow = Proxy::start(client, &late, trouble).await?;
            options.server = Some(slow.url());
            proxy = Some(slow);
        }
        let guard = Guarded::install(bed.host(), options).await?;
        guard.wait_condition("HoldReady", "True", LATE).await?;
        Ok(Self {
            bed,
            guard,
            _proxy: proxy,
        })
    }

    /// Sets the collection hold's policy and waits until it is in force.
    ///
    /// # Errors
    /// It never was.
    pub async fn collection(&self, policy: &str) -> Result<()> {
        let mut spec = holding();
        spec["hold"]["collection"] = json!(policy);
        guarded::set_spec(&self.bed.client(), &spec).await?;
        let proven = |h: &FederationHealth| {
            h.status.as_ref().and_then(|s| s.observed_generation) == h.metadata.generation
        };
        self.guard
            .wait("the spec to be taken", SOON, proven)
            .await?;
        self.guard.wait_condition("HoldReady", "True", LATE).await?;
        tokio::time::sleep(IN_FORCE).await;
        Ok(())
    }

    /// Makes four Workspaces, deletes in every honest way, and waits for all of it to finish.
    ///
    /// # Errors
    /// A deletion did not finish, or took what it must not take.
    pub async fn round(&self, number: usize) -> Result<Round> {
        let client = self.bed.client();
        let name = |what: &str| format!("{what}-{number}");
        let specs: Vec<WorkspaceSpec> = ["whole", "orphaned", "dropped", "thinned"]
            .map(|what| WorkspaceSpec::on_host(&name(what), NAMESPACES))
            .into();
        for spec in &specs {
            workspace::create(&client, spec).await?;
        }
        let before = workspace::wait_bound(&client, &specs, LATE).await?;
        let mut log = self.bed.audit().reader_from_now();

        self.orphan(&name("orphaned")).await?;
        for template in ["whole", "orphaned"] {
            self.delete_template(&name(template)).await?;
        }
        workspace::set_placement(&client, &name("dropped"), &Placement::Clusters(Vec::new()))
            .await?;
        self.delete_project(&format!("{}-1", name("thinned")))
            .await?;

        let gone = |now: &Snapshot, spec: &str, namespaces: usize| {
            !now.workspaces.contains_key(spec)
                && (1..=namespaces).all(|n| !now.namespaces.contains_key(&format!("{spec}-{n}")))
        };
        let now = self
            .settle("honest deletions to finish", |now| {
                gone(now, &name("whole"), NAMESPACES)
                    && gone(now, &name("orphaned"), 0)
                    && gone(now, &name("dropped"), 0)
                    && !now
                        .namespaces
                        .contains_key(&format!("{}-1", name("thinned")))
            })
            .await?;
        for kept in ["orphaned-{}-1", "orphaned-{}-2", "thinned-{}-2"] {
            let kept = kept.replace("{}", &number.to_string());
            if now.lost_since(&before).contains(&kept) {
                return Err(Error::refused(format!(
                    "{kept} was deleted and nobody wished it"
                )));
            }
        }
        let kept = self.kept(&name("dropped")).await?;
        self.tidy(&specs).await?;
        let idle = |h: &FederationHealth| holds(h) == (false, false);
        self.guard.wait("no fast hold", LATE, idle).await?;
        Ok(Round {
            holds: durations(&log.read_new()?)?,
            kept,
        })
    }

    /// What the collector leaves of a Workspace's namespaces within five seconds of its end.
    async fn kept(&self, name: &str) -> Result<usize> {
        let left = |now: &Snapshot| {
            (1..=NAMESPACES)
                .filter(|n| {
                    now.namespaces
                        .get(&format!("{name}-{n}"))
                        .is_some_and(|n| !n.terminating)
                })
                .count()
        };
        let wait = wait::until("the collector", Duration::from_secs(5), || async {
            Ok(match left(&self.bed.snapshot().await?) {
                0 => Look::Done(()),
                left => Look::Pending(format!("{left} namespaces")),
            })
        });
        match wait.await {
            Ok(()) => Ok(0),
            Err(_) => Ok(left(&self.bed.snapshot().await?)),
        }
    }

    async fn orphan(&self, name: &str) -> Result<()> {
        let api = kinds::all(&self.bed.client(), &kinds::workspace_template());
        let found = api.get(name).await.attempt(|| "read a template")?;
        let mut finalizers = found.metadata.finalizers.unwrap_or_default();
        finalizers.push(ORPHAN.to_owned());
        let patch = Patch::Merge(json!({"metadata": {"finalizers": finalizers}}));
        api.patch(name, &PatchParams::default(), &patch)
            .await
            .attempt(|| format!("let the namespaces of {name} stay"))?;
        Ok(())
    }

    async fn delete_template(&self, name: &str) -> Result<()> {
        let api = kinds::all(&self.bed.client(), &kinds::workspace_template());
        api.delete(name, &DeleteParams::default())
            .await
            .attempt(|| format!("delete WorkspaceTemplate {name}"))?;
        Ok(())
    }

    async fn delete_project(&self, name: &str) -> Result<()> {
        let api: Api<Namespace> = Api::all(self.bed.client());
        match api.delete(name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            other => other
                .map(drop)
                .attempt(|| format!("delete namespace {name}")),
        }
    }

    async fn settle(&self, what: &str, done: impl Fn(&Snapshot) -> bool) -> Result<Snapshot> {
        wait::until(what, LATE, || async {
            let now = self.bed.snapshot().await?;
            Ok(match done(&now) {
                true => Look::Done(now),
                false => Look::Pending(format!("{:?}", now.workspaces.keys())),
            })
        })
        .await
    }

    /// Takes away what the deletions left, by hand.
    async fn tidy(&self, specs: &[WorkspaceSpec]) -> Result<()> {
        let api = kinds::all(&self.bed.client(), &kinds::workspace_template());
        for spec in specs {
            let found = api
                .get_opt(&spec.name)
                .await
                .attempt(|| "read a template")?;
            if found.is_some() {
                self.delete_template(&spec.name).await?;
            }
            for namespace in &spec.namespaces {
                self.delete_project(namespace).await?;
            }
        }
        let mine = |now: &Snapshot| {
            specs.iter().any(|spec| {
                now.workspaces.contains_key(&spec.name)
                    || spec
                        .namespaces
                        .iter()
                        .any(|n| now.namespaces.contains_key(n))
            })
        };
        self.settle("the round's leftovers to go", |now| !mine(now))
            .await
            .map(drop)
    }
}

/// How long each of the operator's holds stood, from the PATCH that raised it to the one that lowered it.
fn durations(events: &[AuditEvent]) -> Result<Vec<f64>> {
    let mut standing: Option<&AuditEvent> = None;
    let mut held = Vec::new();
    for event in events.iter().filter(|e| e.user == USER && e.took_effect()) {
        let Some(on) = hold_of(event).and_then(|hold| hold["collection"].as_bool()) else {
            continue;
        };
        match (standing, on) {
            (None, true) => standing = Some(event),
            (Some(raised), false) => {
                held.push(milliseconds(raised.reached, event.reached));
                standing = None;
            }
            (None, false) | (Some(_), true) => {}
        }
    }
    match standing {
        None => Ok(held),
        Some(raised) => Err(Error::refused(format!(
            "a hold was never lowered: {raised:?}"
        ))),
    }
}

/// Fails if a hold of these rounds stood for too long.
///
/// # Errors
/// One did.
pub fn brief(rounds: &[Round]) -> Result<Spread> {
    let spread = Spread::of(rounds.iter().flat_map(|round| round.holds.iter().copied()));
    match spread.max().is_some_and(|max| max > HOLD_LIMIT_MS) {
        true => Err(Error::refused(format!(
            "a hold stood for too long: {spread} ms"
        ))),
        false => Ok(spread),
    }
}

/// Repeats the rounds with both policies, without and with the delay.
///
/// # Errors
/// A deletion did not finish, or a hold stood for more than a second.
pub async fn soak(rounds: usize) -> Result<()> {
    for delayed in [false, true] {
        let honest = Honest::start(delayed).await?;
        for policy in ["OnDiagnosis", "Always"] {
            honest.collection(policy).await?;
            let mut seen = Vec::new();
            for number in 0..rounds {
                seen.push(honest.round(number).await?);
            }
            let kept: usize = seen.iter().map(|round| round.kept).sum();
            println!(
                "{policy}, watches {}: {rounds} rounds finished, holds stood for {} ms, {kept} namespaces of dropped placements kept",
                if delayed { "2 s late" } else { "in time" },
                brief(&seen)?,
            );
        }
        honest.bed.stop().await?;
    }
    Ok(())
}
