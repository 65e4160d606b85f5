//! What an API server needs to switch the hold in a FederationHealth object, by the object's size and the patch's form.

use federation_health_testbed::{
    audit::AuditEvent,
    error::{Attempt as _, Result},
};
use http::{Request, header};
use kube::Client;
use serde_json::json;

use super::{
    figures::{Spread, milliseconds},
    padding::Padding,
    tripwire::{Tripwire, break_glass},
};

/// Forms of one and the same change.
#[derive(Clone, Copy, Debug)]
enum Form {
    Merge,
    /// With the whole object as answer.
    MergeWhole,
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
    let big = 128 << 10;
    for (what, padding) in [
        ("an empty status", None),
        (
            "long texts",
            Some(Padding {
                bytes: big,
                members: 0,
            }),
        ),
        (
            "many small fields",
            Some(Padding {
                bytes: 0,
                members: 8,
            }),
        ),
        (
            "both",
            Some(Padding {
                bytes: big,
                members: 8,
            }),
        ),
    ] {
        let size = match padding {
            Some(padding) => tripwire.pad(padding).await?,
            None => 0,
        };
        println!("{what}, {size} bytes:");
        for form in [Form::Merge, Form::MergeWhole, Form::Json, Form::Apply] {
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
            println!("  {form:?}: {spread} ms, {cpu:.1} ms of CPU each");
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
    /// What the operator asks for, so that the server does not encode and send the whole object for its version.
    const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    const STATUS: &str = "/apis/federationhealth.io/v1alpha1/federationhealths/default/status";
    let hold = json!({"collection": on, "federation": false});
    let merge = json!({"status": {"hold": hold}});
    let (query, kind, accept, body) = match form {
        Form::Merge => ("", "merge-patch+json", METADATA, merge),
        Form::MergeWhole => ("", "merge-patch+json", "application/json", merge),
        Form::Json => {
            let path = "/status/hold/collection";
            let change = json!([{"op": "replace", "path": path, "value": on}]);
            ("", "json-patch+json", METADATA, change)
        }
        Form::Apply => {
            let object = json!({
                "apiVersion": "federationhealth.io/v1alpha1",
                "kind": "FederationHealth",
                "status": {"hold": hold},
            });
            let query = "?fieldManager=bench&force=true";
            (query, "apply-patch+yaml", METADATA, object)
        }
    };
    let attempt = || format!("patch the status by {form:?}");
    let request = Request::patch(format!("{STATUS}{query}"))
        .header(header::CONTENT_TYPE, format!("application/{kind}"))
        .header(header::ACCEPT, accept)
        .body(body.to_string().into_bytes())
        .attempt(attempt)?;
    client
        .request_text(request)
        .await
        .map(drop)
        .attempt(attempt)
}
