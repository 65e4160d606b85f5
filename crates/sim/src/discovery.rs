//! Discovery: which groups, versions and resources there are, in both forms clients ask for.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    kinds::{Kind, Version},
    reply::Reply,
    state::{Served, State},
};

/// Kubernetes version the server claims: the one the recordings were made on.
const MINOR: &str = "37";
const GIT_VERSION: &str = "v1.37.2";

/// Whether a client wants all of discovery in one document.
pub(crate) fn wants_aggregated(accept: &str) -> bool {
    accept
        .split(',')
        .any(|part| part.contains("g=apidiscovery.k8s.io") && part.contains("v=v2;"))
}

/// Content type of the aggregated form.
pub(crate) const AGGREGATED: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Answers the paths that name no resource; `None` when the path is none of them.
pub(crate) fn answer(state: &State, path: &str, aggregated: bool) -> Option<Reply> {
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    let body = match *parts.as_slice() {
        ["version"] => version(),
        ["api"] if aggregated => aggregate(state, true),
        ["apis"] if aggregated => aggregate(state, false),
        ["api"] => json!({"kind": "APIVersions", "versions": ["v1"]}),
        ["apis"] => json!({
            "kind": "APIGroupList", "apiVersion": "v1",
            "groups": groups(state).iter().map(|(name, kinds)| group(name, kinds)).collect::<Vec<_>>(),
        }),
        ["api", version] => resources(state, "", version)?,
        ["apis", name] => {
            let kinds = groups(state).remove(name)?;
            let mut body = group(name, &kinds);
            body["kind"] = json!("APIGroup");
            body["apiVersion"] = json!("v1");
            body
        }
        ["apis", name, version] => resources(state, name, version)?,
        _ => return None,
    };
    Some(Reply::raw(200, body))
}

fn version() -> Value {
    json!({
        "major": "1", "minor": MINOR, "gitVersion": GIT_VERSION, "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z", "goVersion": "", "compiler": "", "platform": "linux/amd64",
    })
}

fn groups(state: &State) -> BTreeMap<String, Vec<Served>> {
    let mut groups: BTreeMap<String, Vec<Served>> = BTreeMap::new();
    for served in state.kinds() {
        if !served.kind.group.is_empty() {
            groups
                .entry(served.kind.group.clone())
                .or_default()
                .push(served);
        }
    }
    groups
}

/// Versions of a group, each once, preferred first.
fn versions(kinds: &[Served]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for version in kinds.iter().flat_map(|s| &s.kind.versions) {
        if !names.contains(&version.name) {
            names.push(version.name.clone());
        }
    }
    names
}

fn group(name: &str, kinds: &[Served]) -> Value {
    let entries: Vec<Value> = versions(kinds)
        .iter()
        .map(|v| json!({"groupVersion": format!("{name}/{v}"), "version": v}))
        .collect();
    json!({"name": name, "versions": entries, "preferredVersion": entries.first()})
}

fn resources(state: &State, group: &str, version: &str) -> Option<Value> {
    let mut list = Vec::new();
    for served in state.kinds() {
        let kind = &served.kind;
        if kind.group != group {
            continue;
        }
        let Some(found) = kind.version(version) else {
            continue;
        };
        let mut entry = json!({
            "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced,
            "kind": kind.kind, "verbs": kind.verbs,
        });
        name_further(kind, &mut entry);
        list.push(entry);
        list.extend(subresources(kind, found).into_iter().map(|(name, sub_kind, verbs)| {
            let mut entry = json!({
                "name": format!("{}/{name}", kind.plural), "singularName": "", "namespaced": kind.namespaced,
                "kind": sub_kind, "verbs": verbs,
            });
            if sub_kind == "Scale" {
                entry["group"] = json!("autoscaling");
                entry["version"] = json!("v1");
            }
            entry
        }));
    }
    if list.is_empty() {
        return None;
    }
    let group_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    Some(json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": list,
    }))
}

/// Further names of a kind, of which no empty list is shown.
fn name_further(kind: &Kind, entry: &mut Value) {
    for (field, names) in [
        ("shortNames", &kind.short_names),
        ("categories", &kind.categories),
    ] {
        if !names.is_empty() {
            entry[field] = json!(names);
        }
    }
}

fn subresources<'a>(
    kind: &'a Kind,
    version: &Version,
) -> Vec<(&'static str, &'a str, &'static [&'static str])> {
    const VERBS: &[&str] = &["get", "patch", "update"];
    let mut found = Vec::new();
    if kind.plural == "namespaces" {
        let only: &'static [&'static str] = &["update"];
        found.push(("finalize", kind.kind.as_str(), only));
    }
    if version.status {
        found.push(("status", kind.kind.as_str(), VERBS));
    }
    if version.scale {
        found.push(("scale", "Scale", VERBS));
    }
    found
}

fn aggregate(state: &State, core: bool) -> Value {
    let mut all = groups(state);
    if core {
        let kinds = state
            .kinds()
            .into_iter()
            .filter(|s| s.kind.group.is_empty())
            .collect();
        all = BTreeMap::from([(String::new(), kinds)]);
    }
    let items: Vec<Value> = all
        .iter()
        .map(|(name, kinds)| {
            let versions: Vec<Value> = versions(kinds)
                .iter()
                .map(|v| json!({"version": v, "freshness": "Current", "resources": entries(kinds, v)}))
                .collect();
            json!({"metadata": {"name": name}, "versions": versions})
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items,
    })
}

fn entries(kinds: &[Served], version: &str) -> Vec<Value> {
    let api = |kind: &Kind, name: &str| {
        // Built-in kinds leave out what the document says already.
        let (group, version) = if kind.custom {
            (kind.group.as_str(), version)
        } else {
            ("", "")
        };
        json!({"group": group, "version": version, "kind": name})
    };
    kinds
        .iter()
        .filter_map(|s| s.kind.version(version).map(|v| (&s.kind, v)))
        .map(|(kind, found)| {
            let subs: Vec<Value> = subresources(kind, found)
                .into_iter()
                .map(|(name, sub_kind, verbs)| {
                    let response = if sub_kind == "Scale" {
                        json!({"group": "autoscaling", "version": "v1", "kind": "Scale"})
                    } else {
                        api(kind, sub_kind)
                    };
                    json!({"subresource": name, "responseKind": response, "verbs": verbs})
                })
                .collect();
            let mut entry = json!({
                "resource": kind.plural, "responseKind": api(kind, &kind.kind),
                "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
                "singularResource": kind.singular, "verbs": kind.verbs,
            });
            name_further(kind, &mut entry);
            if !subs.is_empty() {
                entry["subresources"] = json!(subs);
            }
            entry
        })
        .collect()
}
