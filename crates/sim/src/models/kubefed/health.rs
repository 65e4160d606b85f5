//! Health checks of registered clusters, and the moment at which a new one is looked into.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Plane, Work, sync};
use crate::{agent::resources::KUBEFED_CLUSTERS, json, models::queue::Queue};

/// Health checks that must fail before a cluster counts as offline: `failureThreshold`.
const FAILURES: u32 = 3;

/// What a plane remembers of a registered cluster.
#[derive(Default)]
pub(super) struct Registration {
    ready_checks: u32,
    failed_checks: u32,
}

impl Plane {
    pub(super) fn check_health(&mut self, queue: &mut Queue<Work>) {
        queue.add(Work::Health, self.options.health_period);
        let clusters = self.clusters();
        let known: BTreeSet<String> = clusters
            .iter()
            .map(|c| json::meta(c, "name").to_owned())
            .collect();
        self.registrations.retain(|name, _| known.contains(name));
        self.joined.retain(|name| known.contains(name));
        for cluster in clusters {
            self.check_cluster(&cluster, queue);
        }
    }

    fn check_cluster(&mut self, cluster: &Value, queue: &mut Queue<Work>) {
        let name = json::meta(cluster, "name").to_owned();
        let reachable = self.member(cluster).is_some();
        let registration = self.registrations.entry(name.clone()).or_default();
        if reachable {
            registration.failed_checks = 0;
            registration.ready_checks += 1;
        } else {
            registration.failed_checks += 1;
            registration.ready_checks = 0;
        }
        if !reachable && registration.failed_checks < FAILURES && sync::is_ready(cluster) {
            return;
        }
        let second = registration.ready_checks == 2;
        self.report(cluster, reachable);
        if !reachable {
            self.joined.remove(&name);
        } else if second && self.joined.insert(name) {
            self.watch_member(cluster);
            queue.add(Work::Everything, self.options.first_sync);
        }
    }

    fn report(&self, cluster: &Value, reachable: bool) {
        let now = self.host.clock().stamp();
        let (kind, reason, message) = if reachable {
            ("Ready", "ClusterReady", "/healthz responded with ok")
        } else {
            ("Offline", "ClusterNotReachable", "cluster is not reachable")
        };
        let since = json::items(cluster, &["status", "conditions"])
            .iter()
            .find(|c| json::text(c, &["type"]) == kind)
            .map(|c| json::text(c, &["lastTransitionTime"]).to_owned());
        let status = json!({"conditions": [{
            "type": kind, "status": "True", "reason": reason, "message": message,
            "lastProbeTime": now, "lastTransitionTime": since.unwrap_or_else(|| now.clone()),
        }]});
        // A registration that was deleted meanwhile needs no report.
        let _ = self.agent.set_status(
            &KUBEFED_CLUSTERS,
            &self.options.namespace,
            json::meta(cluster, "name"),
            status,
        );
    }
}
