//! `approve`: a person's leave for one plan, by its id, for a while.

use federation_health_api::{
    FederationHealth,
    names::{APPROVE_ANNOTATION, HEALTHS},
    v1alpha1::{PlanStatus, RemediationMode},
};
use federation_health_core::remedy::Allowed;
use federation_health_core::remedy::rung::Rung;
use federation_health_index::remedy;
use serde_json::json;

use super::{
    hold::{done, until},
    plan::draw,
};
use crate::{
    Error, Outcome, Shell,
    args::{ApproveArgs, Global},
    client::Cluster,
};

/// Carries out `approve`.
pub async fn run(global: &Global, args: &ApproveArgs, shell: &mut Shell) -> Result<Outcome, Error> {
    let cluster = Cluster::connect(global, shell).await?;
    let health = cluster.health(&global.object).await?;
    let plan = health.status.as_ref().and_then(|s| s.plan.as_ref());
    let plan = plan.ok_or_else(|| {
        Error::Refused(
            "there is no plan to approve: kubectl federation-health plan says why".to_owned(),
        )
    })?;
    let Some(id) = &args.id else {
        // What is approved was looked at: the id is how a person says so.
        shell.say(&draw(plan, true, true, shell));
        return Ok(Outcome::Findings);
    };
    if *id != plan.id {
        return Err(Error::Refused(format!(
            "{id} is not the plan: that is {} now. Look at it before you approve it: kubectl federation-health plan -o wide",
            plan.id
        )));
    }
    let (covered, others) = sorted(&health, plan);
    if covered.is_empty() {
        return Err(Error::Refused(format!(
            "no step of plan {id} waits for an approval ({}): spec.remediation.actions says for each action whether it is Never, Approval or Automatic",
            others.join(", ")
        )));
    }
    let until = until(shell.now(), args.time)?;
    let patch = json!({"metadata": {"annotations": {APPROVE_ANNOTATION: format!("{id}@{until}")}}});
    let path = format!("{HEALTHS}/{}", global.object);
    cluster.merge(&path, &patch, args.dry_run).await?;
    done(shell, &global.object, "plan approved", args.dry_run);
    shell.say(&format!(
        "Until {until}, of plan {id} alone: {}.",
        covered.join(", ")
    ));
    if !others.is_empty() {
        shell.say(&format!("Not covered: {}.", others.join(", ")));
    }
    if health.spec.remediation.mode == RemediationMode::DryRun {
        shell.say("spec.remediation.mode is DryRun: nothing is done before it is Apply.");
    }
    shell.say("See what becomes of it: kubectl federation-health undo");
    Ok(Outcome::Healthy)
}

/// The plan's actions: those that an approval starts, and the others with their switch.
fn sorted(health: &FederationHealth, plan: &PlanStatus) -> (Vec<String>, Vec<String>) {
    let policy = remedy::policy(health);
    let (mut covered, mut others) = (Vec::new(), Vec::new());
    for same in plan.steps.chunk_by(|a, b| a.action == b.action) {
        let action = &same[0].action;
        let word = match Rung::parse(action).map(|rung| policy.allowed(rung)) {
            Some(Allowed::Approval) => {
                covered.push(format!(
                    "{action} on {}",
                    names(same.iter().map(|s| &s.name))
                ));
                continue;
            }
            Some(Allowed::Automatic) => "is Automatic",
            Some(Allowed::Never) => "is Never",
            None => "is unknown to this plugin",
        };
        others.push(format!("{action} {word}"));
    }
    (covered, others)
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(String::as_str).collect::<Vec<_>>().join(" and ")
}
