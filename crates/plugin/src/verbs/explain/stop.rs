//! What stops the loss now, before anything is understood. Where it happens decides: this server's policies refuse nothing on
//! another cluster, whose objects KubeFed deletes with a token of that cluster.

use federation_health_api::{
    FederationHealth,
    v1alpha1::{
        ClusterGroup, CollectionRule, FederationHealthStatus, FederationRule, FindingStatus,
    },
};
use federation_health_core::remedy::rung::Rung;
use federation_health_index::remedy::records;
use federation_health_report::federation::{Operator, Overview};

use super::{commands, mentions};
use crate::table::wrap;

/// The first thing to type, if one of these findings is Critical and what would stop it does not stand yet.
pub(super) fn now(overview: &Overview, open: &[&FindingStatus], width: usize) -> String {
    let health = &overview.health;
    let empty = FederationHealthStatus::default();
    let status = health.status.as_ref().unwrap_or(&empty);
    let mut critical = open.iter().filter(|f| f.severity == "Critical");
    let there = |f: &&FindingStatus| elsewhere(f, &status.cluster_groups);
    let (here, away) = (!critical.clone().all(there), critical.any(there));
    let held = status
        .hold
        .as_ref()
        .is_some_and(|h| h.collection || h.federation);
    let dead = matches!(overview.operator, Operator::Stopped(_));
    let mut out = String::new();
    if here && !held && !dead {
        out.push_str(&wrap(
            "Nothing is held. Against further loss, first:",
            width,
            "",
        ));
        commands(&mut out, &[&hold(health)]);
        out.push('\n');
    }
    let unheld = here && !held && dead;
    if (away || unheld) && !frozen(status) {
        let why = if unheld {
            "Nothing is held, and nobody is there to carry a hold out."
        } else {
            "It happens on another cluster, which a hold of this server does not reach."
        };
        let text = format!("{why} Against further loss, first let KubeFed stand still:");
        out.push_str(&wrap(&text, width, ""));
        let federation = &health.spec.federation;
        let stop = format!(
            "kubectl scale deployment -n {} {} --replicas=0",
            federation.namespace, federation.controller_deployment
        );
        commands(&mut out, &[&stop]);
        out.push('\n');
    }
    out
}

/// With what the verb would otherwise ask for.
fn hold(health: &FederationHealth) -> String {
    let spec = &health.spec.hold;
    let never =
        spec.collection == CollectionRule::Never && spec.federation == FederationRule::Never;
    let enable = if never { " --enable" } else { "" };
    format!("kubectl federation-health hold --for 2h --reason 'what I look into'{enable}")
}

/// It is about names of a cluster that is not this server.
fn elsewhere(finding: &FindingStatus, groups: &[ClusterGroup]) -> bool {
    let names =
        |text: &str, group: &ClusterGroup| group.members.iter().any(|m| mentions(text, &m.name));
    let about = |group: &&ClusterGroup| {
        names(&finding.subject, group) || finding.evidence.iter().any(|line| names(line, group))
    };
    let mut about = groups.iter().filter(about).peekable();
    about.peek().is_some() && about.all(|group| !group.host)
}

/// Remediation lets KubeFed stand still.
fn frozen(status: &FederationHealthStatus) -> bool {
    let records = records(&status.actions);
    records
        .iter()
        .any(|r| r.rung == Rung::FreezeControllers && r.stands())
}
