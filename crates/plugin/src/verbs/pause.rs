//! `pause` and `resume`: named reasons for remediation to do nothing.

use federation_health_api::{names::HEALTHS, v1alpha1::PauseRequest};
use serde_json::{Value, json};

use super::hold::{done, list_patch};
use crate::{
    Error, Outcome, Shell,
    args::{Global, PauseArgs, ResumeArgs},
    client::Cluster,
};

/// Carries out `pause`.
pub async fn pause(global: &Global, args: &PauseArgs, shell: &mut Shell) -> Result<Outcome, Error> {
    let cluster = Cluster::connect(global, shell).await?;
    let health = cluster.health(&global.object).await?;
    let mut requests = health.spec.remediation.pause_requests;
    requests.retain(|r| r.name != args.name);
    requests.push(PauseRequest {
        name: args.name.clone(),
        reason: args.reason.clone(),
    });
    write(&cluster, global, &health.metadata, &requests, args.dry_run).await?;
    done(shell, &global.object, "paused", args.dry_run);
    shell.say("Holds are not paused: they come and end as before.");
    Ok(Outcome::Healthy)
}

/// Carries out `resume`.
pub async fn resume(
    global: &Global,
    args: &ResumeArgs,
    shell: &mut Shell,
) -> Result<Outcome, Error> {
    let cluster = Cluster::connect(global, shell).await?;
    let health = cluster.health(&global.object).await?;
    let mut requests = health.spec.remediation.pause_requests;
    let before = requests.len();
    requests.retain(|r| r.name != args.name);
    if requests.len() == before {
        let names: Vec<&str> = requests.iter().map(|r| r.name.as_str()).collect();
        return Err(Error::Refused(format!(
            "there is no pause request {}: those there are: {}",
            args.name,
            if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            }
        )));
    }
    write(&cluster, global, &health.metadata, &requests, args.dry_run).await?;
    done(shell, &global.object, "resumed", args.dry_run);
    for rest in &requests {
        shell.say(&format!("still paused by {}: {}", rest.name, rest.reason));
    }
    Ok(Outcome::Healthy)
}

async fn write(
    cluster: &Cluster,
    global: &Global,
    meta: &kube::core::ObjectMeta,
    requests: &[PauseRequest],
    dry_run: bool,
) -> Result<Value, Error> {
    let patch = list_patch(meta, &json!({"remediation": {"pauseRequests": requests}}));
    let path = format!("{HEALTHS}/{}", global.object);
    cluster.merge(&path, &patch, dry_run).await
}
