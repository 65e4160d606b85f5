//! `pause` and `resume`: named reasons for remediation to do nothing.

use federation_health_api::v1alpha1::PauseRequest;
use serde_json::json;

use super::hold::done;
use crate::{
    Error, Outcome, Shell,
    args::{Global, PauseArgs, ResumeArgs},
    client::Cluster,
};

/// Carries out `pause`.
pub async fn pause(global: &Global, args: &PauseArgs, shell: &mut Shell) -> Result<Outcome, Error> {
    let cluster = Cluster::connect(global, shell).await?;
    cluster
        .edit(&global.object, args.dry_run, |health| {
            let mut requests = health.spec.remediation.pause_requests.clone();
            requests.retain(|r| r.name != args.name);
            requests.push(PauseRequest {
                name: args.name.clone(),
                reason: args.reason.clone(),
            });
            Ok((json!({"remediation": {"pauseRequests": requests}}), ()))
        })
        .await?;
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
    let left = cluster
        .edit(&global.object, args.dry_run, |health| {
            let mut requests = health.spec.remediation.pause_requests.clone();
            let before = requests.len();
            requests.retain(|r| r.name != args.name);
            if requests.len() == before {
                return Err(none(&args.name, &requests));
            }
            let spec = json!({"remediation": {"pauseRequests": requests}});
            Ok((spec, requests))
        })
        .await?;
    done(shell, &global.object, "resumed", args.dry_run);
    for rest in &left {
        shell.say(&format!("still paused by {}: {}", rest.name, rest.reason));
    }
    Ok(Outcome::Healthy)
}

fn none(name: &str, requests: &[PauseRequest]) -> Error {
    let names: Vec<&str> = requests.iter().map(|r| r.name.as_str()).collect();
    Error::Refused(format!(
        "there is no pause request {name}: those there are: {}",
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    ))
}
