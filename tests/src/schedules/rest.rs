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
