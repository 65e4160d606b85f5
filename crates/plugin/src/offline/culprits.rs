//! Who deletes.

use std::collections::{BTreeMap, BTreeSet};

use federation_health_core::{facts::Deed, id::Text};
use federation_health_index::facts;

use super::{
    analysis::{Culprit, registered, registrations, text},
    audit,
    input::Material,
};
use crate::kinds::Kind;

/// Who deletes: by KubeFed's own words in status and events, and by the users of an audit log.
pub fn find(material: &Material) -> Vec<Culprit> {
    let mut evidence: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut deletions: BTreeMap<&str, usize> = BTreeMap::new();
    let known = registered(material);
    for deed in material
        .deeds
        .iter()
        .filter(|d| d.verb == "delete" && d.resource == "workspaces")
    {
        if let Some(alias) = audit::alias(&deed.user, &known) {
            *deletions.entry(alias).or_default() += 1;
        }
    }
    for (alias, n) in deletions {
        let line = format!("The audit log has {n} deletions of Workspaces by its ServiceAccount.");
        evidence.entry(alias.to_owned()).or_default().push(line);
    }
    for (cluster, n) in told(material) {
        let line = format!("KubeFed's events tell of {n} deletions of Workspaces in it.");
        evidence.entry(cluster).or_default().push(line);
    }
    for (cluster, n) in waiting(material) {
        let line = format!(
            "FederatedWorkspaces waited {n} times for removal from it, which their placement leaves out."
        );
        evidence.entry(cluster).or_default().push(line);
    }
    let mut list: Vec<Culprit> = evidence
        .into_iter()
        .map(|(name, evidence)| culprit(material, name, evidence))
        .collect();
    list.sort_by_key(|c| std::cmp::Reverse(c.evidence.len()));
    list
}

fn culprit(material: &Material, name: String, mut evidence: Vec<String>) -> Culprit {
    let own = registrations(material).find(|r| r["metadata"]["name"] == name.as_str());
    let endpoint = own.map_or("", |r| text(&r["spec"]["apiEndpoint"]));
    let others: BTreeSet<&str> = registrations(material)
        .filter(|r| !endpoint.is_empty() && text(&r["spec"]["apiEndpoint"]) == endpoint)
        .map(|r| text(&r["metadata"]["name"]))
        .filter(|other| *other != name)
        .collect();
    if !others.is_empty() {
        let list: Vec<&str> = others.iter().copied().collect();
        evidence.push(format!(
            "It has the endpoint of {}: {endpoint}.",
            list.join(", ")
        ));
    }
    let registered = material.events.iter().find(|e| {
        e.type_ == "ADDED"
            && Kind::of(&e.object) == Some(Kind::Registration)
            && e.object["metadata"]["name"] == name.as_str()
    });
    Culprit {
        namespace: own.map(|r| text(&r["metadata"]["namespace"]).to_owned()),
        registered: registered.map(|e| e.at),
        same: others.into_iter().map(str::to_owned).collect(),
        registration: name,
        evidence,
    }
}

/// KubeFed's events: `Deleting Workspace "orders" in cluster "produce-trt"`, by the count that each had at last.
fn told(material: &Material) -> BTreeMap<String, u64> {
    let mut last: BTreeMap<&str, (Text, u64)> = BTreeMap::new();
    let recorded = material.events.iter().map(|e| &e.object);
    for event in recorded
        .chain(&material.objects)
        .filter(|o| o["kind"] == "Event")
    {
        let view = serde::Deserialize::deserialize(event).ok();
        let told = view.and_then(|view| facts::told(&view, false));
        if let Some(told) = told.filter(|told| told.deed == Deed::Deletes) {
            last.insert(text(&event["metadata"]["uid"]), (told.cluster, told.count));
        }
    }
    let mut sums = BTreeMap::new();
    for (cluster, count) in last.into_values() {
        *sums.entry(cluster.to_string()).or_default() += count;
    }
    sums
}

/// How often a FederatedWorkspace waited for removal from a cluster that its placement leaves out.
fn waiting(material: &Material) -> BTreeMap<String, usize> {
    let mut sums: BTreeMap<String, usize> = BTreeMap::new();
    let recorded = material.events.iter().map(|e| &e.object);
    for object in recorded
        .chain(&material.objects)
        .filter(|o| o["kind"] == "FederatedWorkspace")
    {
        let Ok(view) = serde::Deserialize::deserialize(object) else {
            continue;
        };
        for party in facts::waiting(&view) {
            *sums.entry(party.to_string()).or_default() += 1;
        }
    }
    sums
}
