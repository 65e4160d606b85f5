//! What must be true when all has come to rest, and what really happened on the way.

use std::collections::BTreeSet;

use federation_health_core::remedy::experiment::CANARY;
use federation_health_sim::resources;
use serde_json::{Value, json};

use super::{MANAGER, Stage, plan::Plan};
use crate::simulated::{PLANE, WORKSPACES};

impl Stage {
    /// What is wrong.
    pub(super) fn at_rest(&self, plan: &Plan) -> Vec<String> {
        let sim = &self.world.sim;
        let mut wrong = self.judge.verdict(&sim.audit(), sim.audit_dropped() == 0);
        let admin = sim.admin();
        let canary = admin.get(&resources::WORKSPACES, "", CANARY);
        if canary.is_some() && !plan.lacks("delete", "workspaces") && !plan.shackled() {
            wrong.push("the canary stands".to_owned());
        }
        let mut operators = self.world.operator.iter().chain(&self.second);
        if self.world.operator.is_none() || operators.any(|o| !o.lives()) {
            wrong.push("an operator died".to_owned());
        }
        self.nothing_is_left(plan, &mut wrong);
        let lost = self.world.deletions("namespaces").len();
        let saves = plan.holds_all()
            || plan.able("freezeControllers", &["deployments"])
            || plan.able("shieldWorkspaces", &["workspaces"]);
        let held = plan.holds_throughout() && !self.nowhere;
        if lost > 0 && (held || (saves && plan.unhindered())) {
            wrong.push(format!("{lost} namespaces were lost"));
        }
        wrong
    }

    /// What is taken back by itself has been, unless somebody wished otherwise.
    fn nothing_is_left(&self, plan: &Plan, wrong: &mut Vec<String>) {
        let admin = self.world.sim.admin();
        let manager = admin.get(&resources::DEPLOYMENTS, PLANE, MANAGER);
        let runs = manager.is_some_and(|d| d["spec"]["replicas"] == 2);
        if !runs && plan.lets_be("deployments", MANAGER) {
            wrong.push("KubeFed does not run as before".to_owned());
        }
        for (workspace, _) in WORKSPACES {
            let Some(live) = admin.get(&resources::WORKSPACES, "", workspace) else {
                continue;
            };
            let label = &live["metadata"]["labels"]["kubefed.io/managed"];
            let finalizers = live["metadata"]["finalizers"].as_array();
            let armed = finalizers.is_some_and(|f| f.iter().any(|f| f == "orphan"));
            if (label != "true" || armed) && plan.lets_be("workspaces", workspace) {
                wrong.push(format!(
                    "Workspace {workspace} has label {label}, orphan: {armed}"
                ));
            }
        }
        for (namespace, volume) in &self.volumes {
            let lives = admin.get(&resources::NAMESPACES, "", namespace);
            let lives = lives.is_some_and(|n| n["metadata"]["deletionTimestamp"].is_null());
            let policy = admin.get(&resources::PERSISTENT_VOLUMES, "", volume);
            let policy = policy.map(|v| v["spec"]["persistentVolumeReclaimPolicy"].clone());
            let back = gives_back(plan, volume);
            if lives && back && policy.is_some() && policy != Some(json!("Delete")) {
                wrong.push(format!("volume {volume} has policy {policy:?}"));
            }
            let kept = plan.able("retainVolumes", &["persistentvolumes"]) && plan.unhindered();
            if !lives && kept && policy.is_none() {
                wrong.push(format!("volume {volume} is gone"));
            }
        }
    }

    /// What happened, a word for each: deeds that had an effect, acts, and brakes that stood.
    pub(super) fn told(&self, plan: &Plan) -> BTreeSet<String> {
        let deed = |text: String| {
            let word = text.split(['(', ' ']).next().unwrap_or_default();
            format!("deed {word}")
        };
        let mut told: BTreeSet<String> = plan
            .deeds
            .iter()
            .map(|(_, done)| deed(format!("{done:?}")))
            .collect();
        told.extend(self.counted.keys().cloned());
        told.extend(self.judge.counts().into_keys());
        let mode: &Value = &plan.spec["remediation"]["mode"];
        told.insert(format!("mode {}", mode.as_str().unwrap_or_default()));
        let words = [
            ("two replicas", plan.two),
            ("a right is lacking", plan.lacking.is_some()),
            ("both holds allowed", plan.holds_all()),
            ("held throughout", plan.holds_throughout() && !self.nowhere),
            ("edited between plan and act", self.faults.edited()),
            (
                "namespaces lost",
                !self.world.deletions("namespaces").is_empty(),
            ),
        ];
        let words = words.into_iter().filter(|(_, is)| *is);
        told.extend(words.map(|(word, _)| word.to_owned()));
        let running = self.world.operator.iter().chain(&self.second);
        let metrics = self.gone.iter().chain(running.map(|o| &o.metrics));
        for metrics in metrics {
            let text = metrics.text().unwrap_or_default();
            told.extend(String::from_utf8_lossy(&text).lines().filter_map(counted));
        }
        told
    }
}

/// A volume is given back only to a claim that is known to stay.
fn gives_back(plan: &Plan, volume: &str) -> bool {
    let known = ["persistentvolumeclaims", "namespaces"];
    let known = known.iter().all(|claim| !plan.lacks("get", claim));
    known && plan.lets_be("persistentvolumes", volume)
}

/// A line of the metrics that says that something of remediation happened.
fn counted(line: &str) -> Option<String> {
    let (series, value) = line.rsplit_once(' ')?;
    let refusal = series.strip_prefix("federationhealth_remediation_refusals_total{brake=\"");
    let brake = refusal.and_then(|rest| rest.strip_suffix("\"}"));
    let word = if let Some(brake) = brake {
        format!("brake {brake}")
    } else {
        let write = series.strip_prefix("federationhealth_remediation_writes_total{")?;
        format!("write {}", write.trim_end_matches('}').replace('"', ""))
    };
    (value != "0").then_some(word)
}

#[cfg(test)]
mod tests {
    use federation_health_core::remedy::rung::Rung;

    use super::*;
    use crate::{random::Random, schedules::plan::Deed};

    /// A federation at rest on which everything is allowed, after something was done to it.
    async fn after(harm: impl FnOnce(&mut Stage)) -> Vec<String> {
        let mut actions = json!({});
        for rung in Rung::ALL {
            actions[rung.switch()] = json!("Automatic");
        }
        let plan = Plan {
            spec: json!({
                "probe": {"mode": "Probe", "allowedEndpoints": ["127.0.0.0/8"]},
                "hold": {"collection": "OnDiagnosis", "federation": "OnDiagnosis", "releaseAfterSeconds": 5},
                "remediation": {"mode": "Apply", "actions": actions, "limits": {"maxActionsPerHour": 60}},
            }),
            deeds: vec![(0, Deed::Cure)],
            lacking: None,
            two: false,
        };
        let mut stage = Stage::build(&plan, Random::new(1)).await.unwrap();
        harm(&mut stage);
        stage.at_rest(&plan)
    }

    fn merge(stage: &Stage, kind: &federation_health_sim::Resource, name: &str, patch: Value) {
        stage
            .world
            .sim
            .admin()
            .merge(kind, "", name, patch)
            .unwrap();
    }

    /// The judge of the end bites.
    #[tokio::test(start_paused = true)]
    async fn what_is_left_at_rest_is_found() {
        assert_eq!(after(|_| ()).await, Vec::<String>::new());
        let scaled = after(|stage| {
            let admin = stage.world.sim.admin();
            admin
                .scale(&resources::DEPLOYMENTS, PLANE, MANAGER, 1)
                .unwrap();
        });
        assert_eq!(scaled.await, ["KubeFed does not run as before"]);
        let shielded = after(|stage| {
            let label = json!({"metadata": {"labels": {"kubefed.io/managed": "false"}}});
            merge(stage, &resources::WORKSPACES, "orders", label);
        });
        let told = "Workspace orders has label \"false\", orphan: false";
        assert_eq!(shielded.await, [told]);
        let armed = after(|stage| {
            let finalizers = json!({"metadata": {"finalizers": ["orphan"]}});
            merge(stage, &resources::WORKSPACES, "orders", finalizers);
        });
        let told = "Workspace orders has label \"true\", orphan: true";
        assert_eq!(armed.await, [told]);
        let kept = after(|stage| {
            let retain = json!({"spec": {"persistentVolumeReclaimPolicy": "Retain"}});
            let volume = stage.volumes[0].1.clone();
            merge(stage, &resources::PERSISTENT_VOLUMES, &volume, retain);
        });
        let kept = kept.await;
        assert!(
            kept.len() == 1 && kept[0].contains("has policy"),
            "{kept:?}"
        );
        let lost = after(|stage| {
            let admin = stage.world.sim.admin();
            admin
                .delete(&resources::NAMESPACES, "", "orders-db", Value::Null)
                .unwrap();
        });
        assert_eq!(lost.await, ["1 namespaces were lost"]);
        let dead = after(|stage| stage.world.operator = None);
        assert_eq!(dead.await, ["an operator died"]);
        let planted = after(|stage| {
            let canary = json!({
                "apiVersion": "tenant.kubesphere.io/v1alpha1", "kind": "Workspace", "spec": {},
                "metadata": {"name": CANARY},
            });
            let admin = stage.world.sim.admin();
            admin.create(&resources::WORKSPACES, canary).unwrap();
        });
        assert_eq!(planted.await, ["the canary stands"]);
    }
}
