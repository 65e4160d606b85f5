//! Whether the operator runs. What a dead one wrote stays in the object's status for ever, and holds nothing new.

use federation_health_api::names::OPERATOR_LABELS;
use federation_health_cluster::rbac::OPERATOR_NAMESPACE;
use federation_health_report::federation::{Operator, Stopped};
use serde_json::Value;

use crate::{Error, client::Cluster};

/// Looks for the operator's Deployment by its labels: in every namespace, or where that is refused in the one of the manifests.
pub async fn look(cluster: &Cluster, object: &str) -> Result<Operator, Error> {
    let select = Some(("labelSelector", OPERATOR_LABELS));
    let listed = match cluster.list("/apis/apps/v1/deployments", select).await {
        Err(error) if error.status() == Some(403) => {
            let path = format!("/apis/apps/v1/namespaces/{OPERATOR_NAMESPACE}/deployments");
            let there = cluster.list(&path, select).await?;
            // That there is none in one namespace says nothing of the others.
            if there.is_empty() {
                return Err(error);
            }
            there
        }
        listed => listed?,
    };
    Ok(judge(&listed, object))
}

/// The same for whom it is not worth an error: whoever may not see Deployments has to do without.
pub async fn seen(cluster: &Cluster, object: &str) -> Operator {
    look(cluster, object).await.unwrap_or_default()
}

fn judge(deployments: &[Value], object: &str) -> Operator {
    let own = deployments.iter().filter(|d| serves(d, object));
    let mut stopped = Stopped {
        ready: "<none>".to_owned(),
        why: format!(
            "no Deployment with {OPERATOR_LABELS} serves {object}: kubectl apply --server-side -k config/default, or the chart"
        ),
    };
    for deployment in own {
        let available = deployment["status"]["availableReplicas"].as_i64();
        let available = available.unwrap_or_default();
        if available > 0 {
            return Operator::Runs;
        }
        let wished = deployment["spec"]["replicas"].as_i64().unwrap_or(1);
        let text = |field: &str| deployment["metadata"][field].as_str().unwrap_or_default();
        let (namespace, name) = (text("namespace"), text("name"));
        stopped = Stopped {
            ready: format!("{available}/{wished}"),
            why: format!(
                "no replica is available: kubectl -n {namespace} describe deployment {name}"
            ),
        };
    }
    Operator::Stopped(stopped)
}

/// Each operator serves one object; one that names none serves whichever is asked for.
fn serves(deployment: &Value, object: &str) -> bool {
    let containers = deployment["spec"]["template"]["spec"]["containers"].as_array();
    let arguments = containers
        .into_iter()
        .flatten()
        .filter_map(|c| c["args"].as_array())
        .flatten();
    let named: Vec<&str> = arguments
        .filter_map(|a| a.as_str()?.strip_prefix("--object="))
        .collect();
    named.is_empty() || named.contains(&object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(object: &str, available: i64) -> Value {
        json!({
            "metadata": {"namespace": "guards", "name": "fh"},
            "spec": {"replicas": 2, "template": {"spec": {"containers": [{"args": [format!("--object={object}")]}]}}},
            "status": {"availableReplicas": available},
        })
    }

    #[test]
    fn an_operator_of_another_object_guards_nothing_here() {
        let others = [deployment("other", 1)];
        assert!(matches!(judge(&others, "default"), Operator::Stopped(_)));
        let both = [deployment("other", 1), deployment("default", 1)];
        assert_eq!(judge(&both, "default"), Operator::Runs);
    }

    #[test]
    fn one_without_an_available_replica_says_where_to_look() {
        let Operator::Stopped(stopped) = judge(&[deployment("default", 0)], "default") else {
            panic!("it runs");
        };
        assert_eq!(stopped.ready, "0/2");
        assert!(
            stopped
                .why
                .ends_with("kubectl -n guards describe deployment fh"),
            "{}",
            stopped.why
        );
    }

    /// What is looked for is what is installed.
    #[test]
    fn the_manifests_and_the_chart_bear_the_labels() {
        let base = include_str!("../../../config/manager/deployment.yaml");
        let all = include_str!("../../../config/default/kustomization.yaml");
        let chart = include_str!("../../../charts/federation-health/templates/deployment.yaml");
        let helpers = include_str!("../../../charts/federation-health/templates/_helpers.tpl");
        for label in OPERATOR_LABELS.split(',') {
            let line = label.replace('=', ": ");
            assert!(base.contains(&line) || all.contains(&line), "{line}");
            assert!(chart.contains(&line) || helpers.contains(&line), "{line}");
        }
    }
}
