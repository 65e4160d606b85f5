//! The kinds the server serves: those built in, and those that a CustomResourceDefinition adds.

use serde_json::{Value, json};

use crate::{json, jsonpath::JsonPath};

/// One resource of the API, in all its versions.
#[expect(
    clippy::struct_field_names,
    reason = "the API's own names: kind, listKind"
)]
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    pub(crate) group: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    /// Preferred version first.
    pub(crate) versions: Vec<Version>,
    pub(crate) custom: bool,
    /// Whether `metadata.generation` is kept, as for Deployments and custom resources.
    pub(crate) generation: bool,
    pub(crate) verbs: &'static [&'static str],
}

/// One served version of a kind.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) name: String,
    pub(crate) status: bool,
    pub(crate) scale: bool,
    pub(crate) columns: Vec<Column>,
    /// `openAPIV3Schema` of a custom resource, read for its list types only.
    pub(crate) schema: Value,
}

/// A column of `kubectl get`.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) description: String,
    /// 0 is always shown, more only in wide output.
    pub(crate) priority: i64,
    pub(crate) path: JsonPath,
}

impl Kind {
    pub(crate) fn version(&self, name: &str) -> Option<&Version> {
        self.versions.iter().find(|v| v.name == name)
    }

    /// Version that stored objects carry.
    pub(crate) fn storage(&self) -> &str {
        self.versions.first().map_or("v1", |v| v.name.as_str())
    }

    /// `group/version`, or the bare version in the core group.
    pub(crate) fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() {
            version.to_owned()
        } else {
            format!("{}/{version}", self.group)
        }
    }

    /// Kind in messages about invalid objects: `Kind` or `Kind.group`.
    pub(crate) fn qualified_kind(&self) -> String {
        if self.group.is_empty() {
            self.kind.clone()
        } else {
            format!("{}.{}", self.kind, self.group)
        }
    }

    /// Name in messages: `plural` or `plural.group`.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }
}

const ALL_VERBS: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];

/// The same in the order in which the discovery of custom resources lists them.
const CUSTOM_VERBS: &[&str] = &[
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "create",
    "update",
    "watch",
];

/// Namespaces cannot be deleted by the list.
const NAMESPACE_VERBS: &[&str] = &[
    "create", "delete", "get", "list", "patch", "update", "watch",
];

/// What a built-in kind has beside its names.
#[derive(Clone, Copy, PartialEq)]
enum Extra {
    Plain,
    Status,
    StatusScale,
}

struct BuiltIn {
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    short: &'static str,
    namespaced: bool,
    extra: Extra,
    columns: &'static [(&'static str, &'static str)],
}

const fn row(
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    short: &'static str,
    namespaced: bool,
    extra: Extra,
    columns: &'static [(&'static str, &'static str)],
) -> BuiltIn {
    BuiltIn {
        group,
        kind,
        plural,
        short,
        namespaced,
        extra,
        columns,
    }
}

const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";

#[rustfmt::skip]
const BUILT_INS: &[BuiltIn] = &[
    row("", "Namespace", "namespaces", "ns", false, Extra::Status, &[("Status", ".status.phase")]),
    row("", "ConfigMap", "configmaps", "cm", true, Extra::Plain, &[]),
    row("", "Secret", "secrets", "", true, Extra::Plain, &[("Type", ".type")]),
    row("", "ServiceAccount", "serviceaccounts", "sa", true, Extra::Plain, &[]),
    row("", "Service", "services", "svc", true, Extra::Status, &[("Cluster-IP", ".spec.clusterIP")]),
    row("", "Endpoints", "endpoints", "ep", true, Extra::Plain, &[]),
    row("", "Pod", "pods", "po", true, Extra::Status, &[("Status", ".status.phase")]),
    row("", "Node", "nodes", "no", false, Extra::Status, &[]),
    row("", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc", true, Extra::Status,
        &[("Status", ".status.phase"), ("Volume", ".spec.volumeName")]),
    row("", "PersistentVolume", "persistentvolumes", "pv", false, Extra::Status,
        &[("Reclaim Policy", ".spec.persistentVolumeReclaimPolicy"), ("Status", ".status.phase"),
          ("Claim", ".spec.claimRef.name")]),
    row("", "Event", "events", "ev", true, Extra::Plain,
        &[("Type", ".type"), ("Reason", ".reason"), ("Object", ".involvedObject.name"), ("Message", ".message")]),
    row("events.k8s.io", "Event", "events", "ev", true, Extra::Plain,
        &[("Type", ".type"), ("Reason", ".reason"), ("Object", ".regarding.name"), ("Message", ".note")]),
    row("apps", "Deployment", "deployments", "deploy", true, Extra::StatusScale,
        &[("Ready", ".status.readyReplicas"), ("Desired", ".spec.replicas")]),
    row("apps", "StatefulSet", "statefulsets", "sts", true, Extra::StatusScale, &[("Desired", ".spec.replicas")]),
    row("apps", "ReplicaSet", "replicasets", "rs", true, Extra::StatusScale, &[("Desired", ".spec.replicas")]),
    row("apps", "DaemonSet", "daemonsets", "ds", true, Extra::Status, &[]),
    row("batch", "CronJob", "cronjobs", "cj", true, Extra::Status, &[]),
    row("batch", "Job", "jobs", "", true, Extra::Status, &[]),
    row("coordination.k8s.io", "Lease", "leases", "", true, Extra::Plain, &[("Holder", ".spec.holderIdentity")]),
    row("discovery.k8s.io", "EndpointSlice", "endpointslices", "", true, Extra::Plain,
        &[("AddressType", ".addressType"), ("Endpoints", ".endpoints[*].addresses[*]")]),
    row(ADMISSION, "ValidatingAdmissionPolicy", "validatingadmissionpolicies", "", false, Extra::Status,
        &[("ParamKind", ".spec.paramKind.kind")]),
    row(ADMISSION, "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", "", false, Extra::Plain,
        &[("PolicyName", ".spec.policyName"), ("ParamRef", ".spec.paramRef.name")]),
    row(ADMISSION, "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", "", false, Extra::Plain, &[]),
    row(RBAC, "ClusterRole", "clusterroles", "", false, Extra::Plain, &[]),
    row(RBAC, "ClusterRoleBinding", "clusterrolebindings", "", false, Extra::Plain, &[("Role", ".roleRef.name")]),
    row(RBAC, "Role", "roles", "", true, Extra::Plain, &[]),
    row(RBAC, "RoleBinding", "rolebindings", "", true, Extra::Plain, &[("Role", ".roleRef.name")]),
    row("policy", "PodDisruptionBudget", "poddisruptionbudgets", "pdb", true, Extra::Status, &[]),
    row("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions", "crd", false, Extra::Status,
        &[("Created At", ".metadata.creationTimestamp")]),
];

/// Every kind that needs no definition.
pub(crate) fn built_in() -> Vec<Kind> {
    let mut kinds: Vec<Kind> = BUILT_INS.iter().map(expand).collect();
    // A review is answered and never stored.
    let mut review = expand(&row(
        "authorization.k8s.io",
        "SelfSubjectAccessReview",
        "selfsubjectaccessreviews",
        "",
        false,
        Extra::Plain,
        &[],
    ));
    review.verbs = &["create"];
    kinds.push(review);
    kinds
}

fn expand(row: &BuiltIn) -> Kind {
    let mut columns: Vec<Column> = row
        .columns
        .iter()
        .map(|(name, path)| Column {
            name: (*name).to_owned(),
            kind: "string".to_owned(),
            description: String::new(),
            priority: 0,
            path: JsonPath::parse(path),
        })
        .collect();
    if row.kind != "CustomResourceDefinition" {
        columns.push(age());
    }
    Kind {
        group: row.group.to_owned(),
        kind: row.kind.to_owned(),
        list_kind: format!("{}List", row.kind),
        plural: row.plural.to_owned(),
        singular: row.kind.to_lowercase(),
        short_names: (!row.short.is_empty())
            .then(|| row.short.to_owned())
            .into_iter()
            .collect(),
        categories: Vec::new(),
        namespaced: row.namespaced,
        versions: vec![Version {
            name: "v1".to_owned(),
            status: row.extra != Extra::Plain,
            scale: row.extra == Extra::StatusScale,
            columns,
            schema: Value::Null,
        }],
        custom: false,
        generation: matches!(
            row.group,
            "apps" | "batch" | "policy" | ADMISSION | "apiextensions.k8s.io"
        ),
        verbs: if row.kind == "Namespace" {
            NAMESPACE_VERBS
        } else {
            ALL_VERBS
        },
    }
}

fn age() -> Column {
    Column {
        name: "Age".to_owned(),
        kind: "date".to_owned(),
        description: "Time since the object was created.".to_owned(),
        priority: 0,
        path: JsonPath::parse(".metadata.creationTimestamp"),
    }
}

/// The kind that a CustomResourceDefinition defines, or what is wrong with the definition.
pub(crate) fn from_definition(crd: &Value) -> Result<Kind, String> {
    let spec = &crd["spec"];
    let required = |path: &[&str]| match json::text(spec, path) {
        "" => Err(format!("spec.{}: Required value", path.join("."))),
        text => Ok(text.to_owned()),
    };
    let group = required(&["group"])?;
    let plural = required(&["names", "plural"])?;
    let kind = required(&["names", "kind"])?;
    let name = json::meta(crd, "name");
    if name != format!("{plural}.{group}") {
        return Err(format!(
            "metadata.name: Invalid value: {name:?}: must be spec.names.plural+\".\"+spec.group"
        ));
    }
    let mut versions: Vec<(bool, Version)> = json::items(spec, &["versions"])
        .iter()
        .filter(|v| v["served"].as_bool().unwrap_or(false))
        .map(|v| (v["storage"].as_bool().unwrap_or(false), version(v)))
        .collect();
    // Stored objects carry the first version of the list.
    versions.sort_by_key(|(storage, _)| !storage);
    if !versions.first().is_some_and(|(storage, _)| *storage) {
        return Err(
            "spec.versions: Invalid value: must have exactly one served storage version".to_owned(),
        );
    }
    let words = |path: &[&str]| -> Vec<String> {
        json::items(spec, path)
            .iter()
            .filter_map(|v| v.as_str().map(str::to_owned))
            .collect()
    };
    let or = |text: &str, default: String| {
        if text.is_empty() {
            default
        } else {
            text.to_owned()
        }
    };
    Ok(Kind {
        list_kind: or(
            json::text(spec, &["names", "listKind"]),
            format!("{kind}List"),
        ),
        singular: or(
            json::text(spec, &["names", "singular"]),
            kind.to_lowercase(),
        ),
        short_names: words(&["names", "shortNames"]),
        categories: words(&["names", "categories"]),
        namespaced: json::text(spec, &["scope"]) == "Namespaced",
        versions: versions.into_iter().map(|(_, v)| v).collect(),
        custom: true,
        generation: true,
        verbs: CUSTOM_VERBS,
        group,
        kind,
        plural,
    })
}

fn version(value: &Value) -> Version {
    let columns = json::items(value, &["additionalPrinterColumns"]);
    Version {
        name: json::text(value, &["name"]).to_owned(),
        status: json::at(value, &["subresources", "status"]).is_some(),
        scale: json::at(value, &["subresources", "scale"]).is_some(),
        columns: if columns.is_empty() {
            vec![age()]
        } else {
            columns.iter().map(column).collect()
        },
        schema: json::at(value, &["schema", "openAPIV3Schema"])
            .cloned()
            .unwrap_or(Value::Null),
    }
}

fn column(value: &Value) -> Column {
    Column {
        name: json::text(value, &["name"]).to_owned(),
        kind: json::text(value, &["type"]).to_owned(),
        description: json::text(value, &["description"]).to_owned(),
        priority: value["priority"].as_i64().unwrap_or(0),
        path: JsonPath::parse(json::text(value, &["jsonPath"])),
    }
}

/// The status with which a definition is accepted at once.
pub(crate) fn accepted(crd: &Value, kind: &Kind, stamp: &str) -> Value {
    let condition = |name: &str, reason: &str| json!({"type": name, "status": "True", "reason": reason, "message": "", "lastTransitionTime": stamp});
    let mut names = crd["spec"]["names"].clone();
    json::set(
        &mut names,
        &["singular"],
        Value::from(kind.singular.clone()),
    );
    json::set(
        &mut names,
        &["listKind"],
        Value::from(kind.list_kind.clone()),
    );
    json!({
        "conditions": [
            condition("NamesAccepted", "NoConflicts"),
            condition("Established", "InitialNamesAccepted"),
        ],
        "acceptedNames": names,
        "storedVersions": [kind.storage()],
    })
}
