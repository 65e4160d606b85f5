//! `hold` and `release`: a person's own request, and a person's word against every hold.

use federation_health_api::{
    FederationHealth, FederationHealthStatus, FederationHold,
    names::{HEALTHS, HOLDS},
    v1alpha1::{CollectionRule, FederationRule, Hold, HoldRequest, Permission},
};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use serde_json::{Value, json};

use crate::{
    Error, Outcome, Shell,
    args::{Global, HoldArgs, ReleaseArgs},
    client::Cluster,
    operator,
};

/// Carries out `hold`.
pub async fn hold(global: &Global, args: &HoldArgs, shell: &mut Shell) -> Result<Outcome, Error> {
    let cluster = Cluster::connect(global, shell).await?;
    let until = until(shell.now(), args.time)?;
    let released = released(&cluster, global, args).await?;
    let switch = format!("{HOLDS}/{}", global.object);
    let allow = switch_patch("Allowed");
    if released {
        // Tried first: what may not be done afterwards would leave a request that holds nothing.
        cluster.merge(&switch, &allow, true).await?;
    }
    let never = cluster
        .edit(&global.object, args.dry_run, |health| {
            request(&health.spec.hold, args, until)
        })
        .await?;
    // Last: it allows holds of every cause, and a request that failed must not have done that.
    if released {
        cluster.merge(&switch, &allow, args.dry_run).await?;
    }
    done(shell, &global.object, "hold requested", args.dry_run);
    let rules = match (never.0 && !args.enable, never.1 && !args.enable) {
        (true, _) => "KubeFed's deletions (spec.hold.collection is Never)",
        (_, true) => "the garbage collector's deletions (spec.hold.federation is Never)",
        _ => "KubeFed's and the garbage collector's deletions",
    };
    shell.say(&format!(
        "The operator holds {rules} until {until}.\nSee whether it stands: kubectl federation-health status\nEnd it before that: kubectl federation-health release --name {}",
        args.name
    ));
    match operator::seen(&cluster, &global.object).await.warning() {
        Some(warning) => {
            shell.say(&warning);
            Ok(Outcome::Findings)
        }
        None => Ok(Outcome::Healthy),
    }
}

/// The spec with the request in it, and which rules it says Never for.
fn request(spec: &Hold, args: &HoldArgs, until: Timestamp) -> Result<(Value, (bool, bool)), Error> {
    let never = (
        spec.collection == CollectionRule::Never,
        spec.federation == FederationRule::Never,
    );
    if never == (true, true) && !args.enable {
        return Err(Error::Refused(
            "spec.hold says Never for both rules, so a request would hold nothing: add --enable to allow both on diagnosis and on request".to_owned(),
        ));
    }
    let mut requests = spec.requests.clone();
    requests.retain(|r| r.name != args.name);
    requests.push(HoldRequest {
        name: args.name.clone(),
        reason: args.reason.clone(),
        until: Time(until),
    });
    let mut wish = json!({"requests": requests});
    if args.enable && never.0 {
        wish["collection"] = json!("OnDiagnosis");
    }
    if args.enable && never.1 {
        wish["federation"] = json!("OnDiagnosis");
    }
    Ok((json!({"hold": wish}), never))
}

/// Whether a person's release in the switch has to be taken back, which stands above every request.
async fn released(cluster: &Cluster, global: &Global, args: &HoldArgs) -> Result<bool, Error> {
    let path = format!("{HOLDS}/{}", global.object);
    let switch: Option<FederationHold> = cluster.find(&path).await?;
    let released = switch.is_some_and(|s| {
        s.spec.collection == Permission::Never || s.spec.federation == Permission::Never
    });
    if released && !args.enable {
        return Err(Error::Refused(format!(
            "FederationHold {} says Never: somebody released all holds with it. Add --enable to take that back",
            global.object
        )));
    }
    Ok(released)
}

fn switch_patch(permission: &str) -> Value {
    json!({"spec": {"collection": permission, "federation": permission}})
}

pub(super) fn until(now: Timestamp, seconds: i64) -> Result<Timestamp, Error> {
    Timestamp::from_second(now.as_second().saturating_add(seconds))
        .map_err(|e| Error::parse("reckon when the hold ends", e))
}

/// Carries out `release`.
pub async fn release(
    global: &Global,
    args: &ReleaseArgs,
    shell: &mut Shell,
) -> Result<Outcome, Error> {
    let cluster = Cluster::connect(global, shell).await?;
    if args.all {
        return release_all(&cluster, global, args, shell).await;
    }
    cluster
        .edit(&global.object, args.dry_run, |health| {
            let mut requests = health.spec.hold.requests.clone();
            requests.retain(|r| r.name != args.name);
            if requests.len() == health.spec.hold.requests.len() {
                return Err(Error::Refused(format!(
                    "there is no hold request {}: see kubectl federation-health status for what holds, and use --all to end every hold",
                    args.name
                )));
            }
            Ok((json!({"hold": {"requests": requests}}), ()))
        })
        .await?;
    done(
        shell,
        &global.object,
        "hold request taken back",
        args.dry_run,
    );
    shell.say(
        "Deletions stay held while another cause stands, or a release would lose a namespace.",
    );
    Ok(Outcome::Healthy)
}

/// A person's word in the switch itself, which works without the operator.
async fn release_all(
    cluster: &Cluster,
    global: &Global,
    args: &ReleaseArgs,
    shell: &mut Shell,
) -> Result<Outcome, Error> {
    let health: Option<FederationHealth> = cluster
        .find(&format!("{HEALTHS}/{}", global.object))
        .await?;
    let status = health.and_then(|h| h.status).unwrap_or_default();
    if let Some(why) = would_lose(&status).filter(|_| !args.force) {
        return Err(Error::Refused(format!(
            "a release now loses namespaces: {why} Put their owners right first, or add --force"
        )));
    }
    let path = format!("{HOLDS}/{}", global.object);
    cluster
        .merge(&path, &switch_patch("Never"), args.dry_run)
        .await?;
    let tried = if args.dry_run { " (dry run)" } else { "" };
    shell.say(&format!(
        "federationhold.federationhealth.io/{} released{tried}\nNothing is held again until you take this back:\n  kubectl patch federationhold {} --type=merge -p '{{\"spec\":{{\"collection\":\"Allowed\",\"federation\":\"Allowed\"}}}}'",
        global.object, global.object
    ));
    Ok(Outcome::Healthy)
}

/// What the operator says that a release would lose: namespaces whose owner does not exist, and once the cause is gone those of
/// a Workspace that is being deleted as well.
fn would_lose(status: &FederationHealthStatus) -> Option<String> {
    let armed = status.findings.iter().find(|f| f.code == "FH003");
    let armed = armed.map(|f| format!("{} {}", f.message, f.evidence.join("; ")));
    let conditions = &status.conditions;
    let blocked = conditions.iter().find(|c| c.reason == "ReleaseBlocked");
    armed.or_else(|| blocked.map(|c| c.message.clone()))
}

/// What kubectl prints after a change.
pub fn done(shell: &mut Shell, object: &str, verbed: &str, dry_run: bool) {
    let tried = if dry_run { " (dry run)" } else { "" };
    shell.say(&format!(
        "federationhealth.federationhealth.io/{object} {verbed}{tried}"
    ));
}
