//! A cause that nothing foresees: a script deletes a Workspace with a KubeFed ServiceAccount, nothing is doubled anywhere.

use std::time::Duration;

use federation_health_api::{FederationHealth, FederationHold, names};
use federation_health_cluster::connect;
use federation_health_testbed::{
    Federation, FederationOptions,
    audit::AuditEvent,
    error::{Attempt as _, Error, Result},
    join::member_account,
    kinds,
    wait::{self, Look},
    workspace,
};
use k8s_openapi::api::{
    admissionregistration::v1::ValidatingAdmissionPolicyBinding, apps::v1::Deployment,
};
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};

use super::{
    bed::{COLLECTOR, restore},
    collector,
    figures::{Spread, milliseconds},
    padding::{Padding, groups},
    prototype::Prototype,
};
use crate::guarded::{self, Guarded, Options, condition, holding, observing};

/// Far more than anything here needs, on a machine that also compiles.
const LIMIT: Duration = Duration::from_secs(60);
/// The collector comes 14 to 42 ms after the deletion; a machine that also compiles gets more.
const COLLECTOR_LIMIT: Duration = Duration::from_secs(5);
/// What came before, the proof of the hold above all, still keeps both cores of a small machine busy for some hundred
/// milliseconds; the deletion to be measured is one in a federation at rest.
const REST: Duration = Duration::from_secs(1);
/// Milliseconds that the collector leaves at least.
const BAR: f64 = 10.0;
/// Namespaces of each Workspace.
const NAMESPACES: usize = 3;

/// A federation without KubeFed, guarded.
pub struct Tripwire {
    /// The federation.
    pub bed: Federation,
    /// The operator on it.
    pub guard: Guarded,
    script: Client,
    turn: usize,
    operated: bool,
}

/// One deletion.
#[derive(Clone, Debug)]
pub struct Run {
    /// From the answer to the DELETE to the answer to the PATCH that holds, in milliseconds; None if no hold came.
    pub held_after: Option<f64>,
    /// Of which the API server worked on the PATCH.
    pub patch_took: Option<f64>,
    /// From the answer to the DELETE to the collector's first attempt on a namespace.
    pub collector_after: Option<f64>,
    /// Namespaces lost.
    pub lost: Vec<String>,
}

impl Tripwire {
    /// Starts everything and waits until the hold is proven.
    ///
    /// # Errors
    /// Something did not start.
    pub async fn start() -> Result<Self> {
        let options = FederationOptions {
            workspaces: vec![
                workspace::WorkspaceSpec::on_host("payments", NAMESPACES),
                workspace::WorkspaceSpec::on_host("orders", NAMESPACES),
            ],
            ..FederationOptions::without_kubefed()
        };
        let bed = Federation::start(options).await?;
        collector::wait_watching(&bed).await?;
        let guard = Guarded::install(bed.host(), Options::default()).await?;
        guard.wait_condition("HoldReady", "True", LIMIT).await?;
        let script = bed
            .host()
            .access_as(kinds::KUBEFED_NAMESPACE, &member_account("host"))
            .await?
            .client()
            .await?;
        Ok(Self {
            bed,
            guard,
            script,
            turn: 0,
            operated: true,
        })
    }

    /// Deletes a Workspace and tells what followed; afterwards everything is as before.
    ///
    /// # Errors
    /// The API server failed, or the federation could not be brought back.
    pub async fn run(&mut self) -> Result<Run> {
        let spec = &self.bed.workspaces()[self.turn % self.bed.workspaces().len()];
        self.turn += 1;
        let name = spec.name.clone();
        let before = self.bed.snapshot().await?;
        let workspaces = kinds::all(&self.script, &kinds::workspace());
        let mut log = self.bed.audit().reader_from_now();
        wait_allowed(&workspaces, &name).await?;
        tokio::time::sleep(REST).await;
        workspaces
            .delete(&name, &DeleteParams::default())
            .await
            .attempt(|| format!("delete Workspace {name}"))?;
        let mut events = Vec::new();
        // A loss ends the wait as well as the collector's refusals do: each namespace has its attempt.
        let collected = wait::until("the collector's attempts", COLLECTOR_LIMIT, || {
            let read = log.read_new().map(|new| events.extend(new));
            let tried = events.iter().filter(|e| collects(e)).count();
            async move {
                read?;
                Ok(match tried >= NAMESPACES {
                    true => Look::Done(()),
                    false => Look::Pending(format!("{tried} attempts")),
                })
            }
        })
        .await;
        if let Err(error) = &collected {
            println!("{name}: {error}");
        }
        let lost = self.bed.snapshot().await?.lost_since(&before);
        if !lost.is_empty() {
            // A hold that came too late tells more than one that is not seen.
            tokio::time::sleep(REST).await;
        }
        events.extend(log.read_new()?);
        let run = judge(&events, &name, lost)?;
        if !run.lost.is_empty() || run.held_after.is_none_or(|after| after >= BAR) {
            println!("{name}: {run:?}{}", around(&events, &name));
        }
        self.reset(&name).await?;
        Ok(run)
    }

    /// A person brings the Workspace back, then releases the hold, then asks for it again.
    async fn reset(&self, name: &str) -> Result<()> {
        let client = self.bed.client();
        let workspaces = kinds::all(&client, &kinds::workspace());
        wait::until("the Workspace to be gone", LIMIT, || async {
            let found = workspaces.get_opt(name).await;
            Ok(match found.attempt(|| "read a Workspace")? {
                None => Look::Done(()),
                Some(_) => Look::Pending("it is there".to_owned()),
            })
        })
        .await?;
        workspace::create_as_kubefed(&client, name).await?;
        restore(&self.bed).await?;
        match self.operated {
            true => {
                guarded::set_spec(&client, &observing()).await?;
                wait_released(&client).await?;
                self.arm().await
            }
            false => self.release_by_hand().await,
        }
    }

    /// Ends the operator: from here on something else must hold.
    ///
    /// # Errors
    /// It does not end.
    pub async fn disarm(&self) -> Result<()> {
        let deployments: Api<Deployment> = Api::namespaced(self.bed.client(), guarded::NAMESPACE);
        let none = Patch::Merge(json!({"spec": {"replicas": 0}}));
        deployments
            .patch("federation-health", &PatchParams::default(), &none)
            .await
            .attempt(|| "scale the operator to zero")?;
        match self.guard.runner() {
            Some(runner) => runner.wait_running(0, LIMIT).await,
            None => Ok(()),
        }
    }

    async fn release_by_hand(&self) -> Result<()> {
        let api: Api<FederationHold> = Api::all(break_glass(&self.bed).await?);
        let none =
            Patch::Merge(json!({"status": {"hold": {"collection": false, "federation": false}}}));
        api.patch_status("default", &PatchParams::default(), &none)
            .await
            .attempt(|| "release the prototype's hold")?;
        Ok(())
    }

    /// Asks for holds again and waits until they are proven anew.
    async fn arm(&self) -> Result<()> {
        guarded::set_spec(&self.bed.client(), &holding()).await?;
        let proven = |h: &FederationHealth| {
            let current = h.status.as_ref().and_then(|s| s.observed_generation);
            current == h.metadata.generation
                && condition(h, "HoldReady").is_some_and(|(status, _)| status == "True")
        };
        self.guard.wait("a proven hold", LIMIT, proven).await?;
        Ok(())
    }

    /// Makes the status about this large, with what another operator's version could have left in a field that this
    /// one leaves alone; gives the object's size in bytes.
    ///
    /// # Errors
    /// The API server refused.
    pub async fn pad(&self, padding: Padding) -> Result<usize> {
        let client = break_glass(&self.bed).await?;
        let api: Api<FederationHealth> = Api::all(client);
        let status = json!({
            "apiVersion": "federationhealth.io/v1alpha1",
            "kind": "FederationHealth",
            "status": {"clusterGroups": groups(padding)},
        });
        let params = PatchParams::apply("filler").force();
        let stored = api
            .patch_status("default", &params, &Patch::Apply(&status))
            .await
            .attempt(|| "pad the status")?;
        let text = serde_json::to_vec(&stored).attempt(|| "measure the status")?;
        Ok(text.len())
    }
}

fn collects(event: &AuditEvent) -> bool {
    event.verb == "delete" && event.user == COLLECTOR && event.object.resource == "namespaces"
}

/// Whether this is a write that raised the collection hold.
pub fn raises(event: &AuditEvent) -> bool {
    event.verb == "patch"
        && event.object.resource == "federationholds"
        && event.object.subresource == "status"
        && event.took_effect()
        && hold_of(event).is_some_and(|hold| hold["collection"] == true)
}

/// `status.hold` in a write of the switch; that of the FederationHealth is its mirror, and comes when there is time.
pub fn hold_of(event: &AuditEvent) -> Option<&Value> {
    let switch = event.object.resource == "federationholds";
    event
        .request
        .as_ref()?
        .pointer("/status/hold")
        .filter(|_| switch)
}

/// What the API server did just before and after the deletion, to tell why a hold was late.
fn around(events: &[AuditEvent], name: &str) -> String {
    const BEFORE_MS: f64 = -30.0;
    const AFTER_MS: f64 = 60.0;
    let Some(deletion) = deletion(events, name) else {
        return String::new();
    };
    let since = |event: &AuditEvent| {
        let begun = milliseconds(deletion.reached, event.received);
        (begun, milliseconds(deletion.reached, event.reached))
    };
    let near = events.iter().map(|event| (since(event), event));
    let near = near.filter(|((begun, ended), _)| *ended > BEFORE_MS && *begun < AFTER_MS);
    near.fold(String::new(), |text, ((begun, ended), event)| {
        let who = event.user.rsplit(':').next().unwrap_or_default();
        let (verb, object) = (&event.verb, &event.object);
        format!(
            "{text}\n  {begun:6.1} to {ended:6.1} ms  {who} {verb} {} {} {} {:?}",
            object.resource, object.subresource, object.name, event.code
        )
    })
}

fn deletion<'a>(events: &'a [AuditEvent], name: &str) -> Option<&'a AuditEvent> {
    events.iter().find(|event| {
        event.verb == "delete"
            && event.object.resource == "workspaces"
            && event.object.name == name
            && !event.dry_run
    })
}

fn judge(events: &[AuditEvent], name: &str, lost: Vec<String>) -> Result<Run> {
    let Some(deletion) = deletion(events, name) else {
        return Err(Error::refused(
            "the audit log has no DELETE of the Workspace",
        ));
    };
    let hold = events.iter().find(|event| raises(event));
    let collector = events
        .iter()
        .filter(|e| collects(e))
        .map(|e| e.received)
        .min();
    Ok(Run {
        held_after: hold.map(|hold| milliseconds(deletion.reached, hold.reached)),
        patch_took: hold.map(|hold| milliseconds(hold.received, hold.reached)),
        collector_after: collector.map(|at| milliseconds(deletion.reached, at)),
        lost,
    })
}

/// Waits until nothing refuses the deletion: a binding that went dormant is still in force for up to a second. The script's
/// connection stands then, as that of a running KubeFed does.
async fn wait_allowed(workspaces: &Api<DynamicObject>, name: &str) -> Result<()> {
    let rehearsal = DeleteParams::default().dry_run();
    wait::until("the deletion to be allowed", LIMIT, || async {
        Ok(match workspaces.delete(name, &rehearsal).await {
            Ok(_) => Look::Done(()),
            Err(error) => Look::Pending(error.to_string()),
        })
    })
    .await
}

/// Waits until neither layer holds anything.
///
/// # Errors
/// A hold stands after a minute.
pub async fn wait_released(client: &Client) -> Result<()> {
    wait::until("no fast hold", LIMIT, || async {
        Ok(match guarded::switched(client).await? {
            (false, false) => Look::Done(()),
            held => Look::Pending(format!("collection and federation: {held:?}")),
        })
    })
    .await?;
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(client.clone());
    for name in [names::COLLECTION_DURABLE, names::FEDERATION_DURABLE] {
        wait::until(&format!("{name} to be dormant"), LIMIT, || async {
            let binding = bindings.get(name).await.attempt(|| "read a binding")?;
            let resources = binding.spec.and_then(|spec| spec.match_resources);
            let dormant = resources
                .and_then(|r| r.object_selector)
                .is_some_and(|selector| selector.match_labels.is_some());
            Ok(match dormant {
                true => Look::Done(()),
                false => Look::Pending("it is active".to_owned()),
            })
        })
        .await?;
    }
    Ok(())
}

/// A client that may write the status: an administrator who acts as a member of the break-glass group.
///
/// # Errors
/// The client cannot be built.
pub async fn break_glass(bed: &Federation) -> Result<Client> {
    let mut config = bed.host().access().config().await?;
    config.auth_info.impersonate = Some("admin".to_owned());
    config.auth_info.impersonate_groups = Some(vec![
        "system:masters".to_owned(),
        "federationhealth.io:break-glass".to_owned(),
    ]);
    connect::client(&config).attempt(|| "build a client of the break-glass group")
}

/// Repeats the deletion with a small status and with one of 128 KiB, by the operator and by the prototype beside it.
///
/// # Errors
/// A run lost a namespace or needed 10 ms or more, or the test bed failed.
pub async fn soak(runs: usize) -> Result<()> {
    let mut tripwire = Tripwire::start().await?;
    let mut good = true;
    for size in ["small", "128 KiB"] {
        if size != "small" {
            println!(
                "object padded to {} bytes",
                tripwire.pad(Padding::LARGEST).await?
            );
        }
        let mut seen = Vec::new();
        for _ in 0..runs {
            seen.push(tripwire.run().await?);
        }
        good &= print(&format!("operator, {size} status"), &seen);
    }
    tripwire.disarm().await?;
    tripwire.operated = false;
    let prototype = Prototype::start(break_glass(&tripwire.bed).await?).await?;
    let mut seen = Vec::new();
    for _ in 0..runs {
        seen.push(tripwire.run().await?);
    }
    print("prototype, 128 KiB status", &seen);
    drop(prototype);
    tripwire.bed.stop().await?;
    if good {
        return Ok(());
    }
    Err(Error::refused(
        "a hold took 10 ms or more, or a namespace was lost",
    ))
}

fn print(what: &str, runs: &[Run]) -> bool {
    let held = Spread::of(runs.iter().filter_map(|run| run.held_after));
    let whole = runs.iter().filter(|run| run.lost.is_empty()).count();
    println!(
        "{what}: everything survived in {whole} of {} runs",
        runs.len()
    );
    println!("  DELETE answered -> hold answered, ms (min / median / max): {held}");
    let took = Spread::of(runs.iter().filter_map(|run| run.patch_took));
    println!("  of which the API server's PATCH: {took}");
    let own = runs
        .iter()
        .filter_map(|run| Some(run.held_after? - run.patch_took?));
    println!(
        "  and everything before it, the watch included: {}",
        Spread::of(own)
    );
    let collector = Spread::of(runs.iter().filter_map(|run| run.collector_after));
    println!("  DELETE answered -> collector's first attempt: {collector}");
    whole == runs.len() && held.max().is_some_and(|max| max < BAR)
}
