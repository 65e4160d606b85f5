//! `plan`: what remediation would do, to which objects, and what stands against it; also as commands for a person.

use std::fmt::Write as _;

use federation_health_api::{
    FederationHealth,
    v1alpha1::{FederationHealthStatus, PlanStatus, PlanStep, RemediationMode},
};
use federation_health_cluster::remedy::{patch, path};
use federation_health_core::{
    remedy::{plan::Order, rung::Rung},
    words::Reason,
};
use federation_health_index::remedy;
use federation_health_report::federation::Overview;
use serde_json::{Value, json};

use super::status::{condition, pretty, verdict, yaml};
use crate::{
    Error, Outcome, Shell,
    args::{Form, Global, PlanArgs},
    client::Cluster,
    operator,
    shell::Tone,
    table::{Cell, age, align, item, wrap},
};

/// Carries out `plan`.
pub async fn run(global: &Global, args: &PlanArgs, shell: &mut Shell) -> Result<Outcome, Error> {
    let cluster = Cluster::connect(global, shell).await?;
    let health = cluster.health(&global.object).await?;
    let status = health.status.clone().unwrap_or_default();
    let text = match (&status.plan, args.output.form) {
        (plan, Form::Json) => pretty(&document(&health, plan.as_ref()))?,
        (plan, Form::Yaml) => yaml(&document(&health, plan.as_ref()))?,
        (plan, Form::Name) => plan.iter().fold(String::new(), |t, p| t + &p.id + "\n"),
        (None, _) => idle(&health, &status, shell.width),
        (Some(plan), _) if args.commands => commands(&cluster, plan, shell.width).await?,
        (Some(plan), form) => {
            let wide = form == Form::Wide;
            draw(plan, wide, !args.output.no_headers, shell)
        }
    };
    shell.say(&text);
    Ok(match status.plan {
        Some(_) => Outcome::Findings,
        None => verdict(&Overview {
            operator: operator::seen(&cluster, &global.object).await,
            health,
            ..Overview::default()
        }),
    })
}

fn document(health: &FederationHealth, plan: Option<&PlanStatus>) -> Value {
    json!({
        "apiVersion": "federationhealth.io/v1alpha1",
        "kind": "Plan",
        "mode": health.spec.remediation.mode,
        "plan": plan,
    })
}

/// Why there is no plan.
fn idle(health: &FederationHealth, status: &FederationHealthStatus, width: usize) -> String {
    let name = health.metadata.name.as_deref().unwrap_or_default();
    if health.spec.remediation.mode == RemediationMode::Observe {
        let text = "Nothing is planned: spec.remediation.mode is Observe. To see what would be done, and do nothing:";
        return format!(
            "{}\n  kubectl patch federationhealth {name} --type=merge -p '{{\"spec\":{{\"remediation\":{{\"mode\":\"DryRun\"}}}}}}'\n",
            wrap(text, width, "")
        );
    }
    let mut out = wrap(
        "Nothing is planned: nothing is in danger that an act of remediation would save.",
        width,
        "",
    );
    if let Some(c) = condition(status, "RemediationAllowed").filter(|c| c.status != "True") {
        out.push_str(&wrap(&format!("{}: {}", c.reason, c.message), width, ""));
    }
    out
}

/// The plan for people.
pub(super) fn draw(plan: &PlanStatus, wide: bool, headers: bool, shell: &Shell) -> String {
    let since = plan.since.as_ref().map(|t| age(t.0, shell.now()));
    let blocked = plan.blocked_by.as_deref().unwrap_or("Nothing");
    let mut out = format!(
        "Plan {}, {} old. Against it: {blocked}.\n",
        plan.id,
        since.unwrap_or_default()
    );
    if let Some(message) = &plan.message {
        out.push_str(&wrap(message, shell.width, ""));
    }
    let mut rows = Vec::new();
    if headers {
        rows.push(
            ["ACTION", "TARGET", "CHANGE", "BLOCKED", "DRY-RUN"]
                .map(Cell::from)
                .to_vec(),
        );
    }
    rows.extend(plan.steps.iter().map(row));
    let _ = write!(out, "\n{}", align(&rows, shell.colours));
    if wide {
        for step in &plan.steps {
            out.push_str(&grounds(step, shell.width));
        }
    }
    out.push('\n');
    if !wide {
        out.push_str("Why, and the way back: kubectl federation-health plan -o wide\n");
    }
    out.push_str("By your own hand:      kubectl federation-health plan --commands\n");
    if waits(plan) {
        let _ = writeln!(
            out,
            "Approve it:            kubectl federation-health approve {}",
            plan.id
        );
    }
    out
}

/// Some step waits for a person.
pub(super) fn waits(plan: &PlanStatus) -> bool {
    let reason = Reason::NotApproved.as_str();
    plan.steps
        .iter()
        .any(|s| s.blocked_by.as_deref() == Some(reason))
}

fn row(step: &PlanStep) -> Vec<Cell> {
    let tried = match step.dry_run.as_deref() {
        None => Cell::default(),
        Some("Accepted") => Cell::toned("Accepted", Tone::Good),
        Some(_) => Cell::toned("Refused", Tone::Bad),
    };
    vec![
        step.action.clone().into(),
        target(step).into(),
        step.change.clone().into(),
        step.blocked_by.clone().unwrap_or_default().into(),
        tried,
    ]
}

fn target(step: &PlanStep) -> String {
    match &step.namespace {
        Some(namespace) => format!("{}/{namespace}/{}", step.kind, step.name),
        None => format!("{}/{}", step.kind, step.name),
    }
}

fn grounds(step: &PlanStep, width: usize) -> String {
    let mut out = format!("\n{} {}\n", step.action, target(step));
    out.push_str(&wrap(&format!("Why: {}.", step.why), width, "  "));
    for line in &step.evidence {
        out.push_str(&item(line, width));
    }
    out.push_str(&wrap(
        &format!("Seen to work when {}.", step.verification),
        width,
        "  ",
    ));
    out.push_str(&wrap(&format!("The way back: {}.", step.undo), width, "  "));
    if let Some(refusal) = step.dry_run.as_deref().filter(|d| *d != "Accepted") {
        out.push_str(&wrap(
            &format!("The dry run was refused: {refusal}"),
            width,
            "  ",
        ));
    }
    out
}

/// The same writes for a person's hand. Each names the object that was read just now: if it is another by then, it fails.
async fn commands(cluster: &Cluster, plan: &PlanStatus, width: usize) -> Result<String, Error> {
    let mut out = format!("# Plan {}\n", plan.id);
    for step in &plan.steps {
        let _ = write!(out, "\n# {} {}\n", step.action, target(step));
        if let Some(reason) = &step.blocked_by {
            let _ = writeln!(out, "# The operator would not do it now: {reason}");
        }
        let Some(order) = remedy::order(step) else {
            let text = "no command: this plugin is older than the operator, or the value is too long for the plan";
            out.push_str(&wrap(text, width, "# "));
            continue;
        };
        if order.rung == Rung::PlantCanary {
            out.push_str("# the operator makes it, watches it and takes it away\n");
            continue;
        }
        let object: Option<Value> = cluster.find(&path(&order.target)).await?;
        match object.filter(|o| o["metadata"]["uid"] == step.uid.as_str()) {
            Some(object) => out.push_str(&command(&order, &object)?),
            None => out.push_str("# the object of the plan is gone\n"),
        }
    }
    Ok(out)
}

pub(super) fn command(order: &Order, object: &Value) -> Result<String, Error> {
    let path = path(&order.target);
    if order.rung == Rung::RemoveStaleCluster {
        // KubeFed writes its status every ten seconds: a resourceVersion would be stale before it is pasted.
        let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": order.target.uid.to_string()}});
        return Ok(format!(
            "echo {} | kubectl delete --raw {path} -f -\n",
            quoted(&options.to_string())
        ));
    }
    let patch =
        patch(order, object).map_err(|e| Error::parse(format!("make the patch of {path}"), e))?;
    let namespace = match &*order.target.namespace {
        "" => String::new(),
        namespace => format!(" -n {namespace}"),
    };
    let scale = if order.rung == Rung::FreezeControllers {
        " --subresource=scale"
    } else {
        ""
    };
    Ok(format!(
        "kubectl patch {} {}{namespace}{scale} --type=merge -p {}\n",
        resource(&path),
        order.target.name,
        quoted(&patch.to_string())
    ))
}

/// `plural.group` of a path `/apis/GROUP/VERSION[/namespaces/NAMESPACE]/PLURAL/NAME`, or `plural` of the core group.
fn resource(path: &str) -> String {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let plural = parts.iter().rev().nth(1).copied().unwrap_or_default();
    match parts.as_slice() {
        ["apis", group, ..] => format!("{plural}.{group}"),
        _ => plural.to_owned(),
    }
}

/// Quoted for a POSIX shell: a value may be another program's text.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_somebody_else_stays_one_word_of_the_shell() {
        assert_eq!(quoted("a'; rm b; '"), r"'a'\''; rm b; '\'''");
    }

    #[test]
    fn kubectl_is_told_the_resource_with_its_group() {
        let scaled = "/apis/apps/v1/namespaces/kube-federation-system/deployments/manager";
        assert_eq!(resource(scaled), "deployments.apps");
        assert_eq!(
            resource("/api/v1/persistentvolumes/pv-1"),
            "persistentvolumes"
        );
    }
}
