//! What an API server needs to switch the hold in a FederationHealth object, by the object's size and the patch's form.

use federation_health_api::FederationHealth;
use federation_health_testbed::{
    audit::AuditEvent,
    error::{Attempt as _, Result},
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, ValidationDirective},
};
use serde_json::{Value, json};

use super::{
    figures::{Spread, milliseconds},
    tripwire::{Tripwire, break_glass},
};

/// Forms of one and the same change.
#[derive(Clone, Copy, Debug)]
enum Form {
    Merge,
    MergeUnvalidated,
    Json,
    Apply,
}

/// Patches the status so many times in each form, and prints how long the answers took.
///
/// # Errors
/// The API server refused.
pub async fn soak(times: usize) -> Result<()> {
    let tripwire = Tripwire::start().await?;
    tripwire.disarm().await?;
    let client = break_glass(&tripwire.bed).await?;
    patch(&client, Form::Merge, false).await?;
    for bytes in [None, Some(0), Some(128 << 10)] {
        let size = match bytes {
            Some(bytes) => tripwire.pad(bytes).await?,
            None => 0,
        };
        for form in [Form::Merge, Form::MergeUnvalidated, Form::Json, Form::Apply] {
            let before = server_cpu(&tripwire).await;
            let mut log = tripwire.bed.audit().reader_from_now();
            for turn in 0..times {
                patch(&client, form, turn % 2 == 0).await?;
            }
            // The server's own time: what a client makes of the answer is its own business.
            let took = log.read_new()?.into_iter().filter(switches);
            let took = took.map(|event| milliseconds(event.received, event.reached));
            let spread = Spread::of(took);
            let cpu = (server_cpu(&tripwire).await - before) / times as f64;
            println!("{form:?} of {size} bytes: {spread} ms, {cpu:.1} ms of CPU each");
        }
    }
    tripwire.bed.stop().await
}

/// CPU time of the API server so far, in milliseconds: what a patch costs on a machine that does nothing else.
async fn server_cpu(tripwire: &Tripwire) -> f64 {
    /// The kernel's unit in /proc is a hundredth of a second on every Linux that runs Kubernetes.
    const MS_PER_TICK: f64 = 10.0;
    let ids = tripwire.bed.process_ids().await;
    let stats = ids
        .into_iter()
        .filter_map(|id| std::fs::read_to_string(format!("/proc/{id}/stat")).ok())
        .filter(|stat| stat.contains("(kube-apiserver)"));
    let ticks = stats.map(|stat| {
        // After the name: state is field 3, user and system time are fields 14 and 15.
        let fields: Vec<&str> = stat
            .rsplit(") ")
            .next()
            .unwrap_or_default()
            .split(' ')
            .collect();
        let field = |n: usize| {
            fields
                .get(n - 3)
                .and_then(|f| f.parse::<f64>().ok())
                .unwrap_or_default()
        };
        field(14) + field(15)
    });
    ticks.sum::<f64>() * MS_PER_TICK
}

fn switches(event: &AuditEvent) -> bool {
    event.verb == "patch" && event.object.resource == "federationhealths" && event.took_effect()
}

async fn patch(client: &Client, form: Form, on: bool) -> Result<()> {
    let api: Api<FederationHealth> = Api::all(client.clone());
    let hold = json!({"collection": on, "federation": false, "proof": false});
    let mut params = PatchParams::default();
    let body: Patch<Value> = match form {
        Form::Merge => Patch::Merge(json!({"status": {"hold": hold}})),
        Form::MergeUnvalidated => {
            params.field_validation = Some(ValidationDirective::Ignore);
            Patch::Merge(json!({"status": {"hold": hold}}))
        }
        Form::Json => Patch::Json(
            serde_json::from_value(
                json!([{"op": "replace", "path": "/status/hold/collection", "value": on}]),
            )
            .attempt(|| "describe a JSON patch")?,
        ),
        Form::Apply => {
            params = PatchParams::apply("bench").force();
            Patch::Apply(json!({
                "apiVersion": "federationhealth.io/v1alpha1",
                "kind": "FederationHealth",
                "status": {"hold": hold},
            }))
        }
    };
    api.patch_status("default", &params, &body)
        .await
        .map(drop)
        .attempt(|| format!("patch the status by {form:?}"))
}
