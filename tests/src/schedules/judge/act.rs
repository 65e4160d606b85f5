//! A write of the operator to somebody else's object: which rung it is, and whether it is that and nothing more.

use std::collections::BTreeSet;

use federation_health_api::names::{JOURNAL, JOURNAL_KEY};
use federation_health_cluster::rbac::OPERATOR_NAMESPACE;
use federation_health_core::remedy::{experiment::CANARY, rung::Rung};
use federation_health_sim::Review;
use serde_json::Value;

use super::facts::{health, managed, placed, read};

/// What a write does.
#[derive(Debug)]
pub(super) struct Act<'a> {
    pub(super) rung: Rung,
    /// Up the ladder; else the way back.
    pub(super) forward: bool,
    /// UID of the object; empty for one that is made.
    pub(super) uid: &'a str,
    /// The rung's field before and after, as the journal writes it.
    pub(super) from: String,
    pub(super) to: String,
}

impl<'a> Act<'a> {
    /// # Errors
    /// It is no rung, or more than one.
    pub(super) fn of(review: &Review<'a>) -> Result<Self, &'static str> {
        let canary = review.resource == "workspaces" && review.name == CANARY;
        match (review.operation, review.object, review.old) {
            ("CREATE", Some(made), None) if is_canary(made) => {
                Ok(Self::whole(Rung::PlantCanary, true, made))
            }
            ("DELETE", None, Some(old)) if canary && is_canary(old) => {
                Ok(Self::whole(Rung::PlantCanary, false, old))
            }
            ("DELETE", None, Some(old)) if review.resource == "kubefedclusters" => {
                Ok(Self::whole(Rung::RemoveStaleCluster, true, old))
            }
            ("UPDATE", Some(new), Some(old)) => Self::change(review.resource, old, new),
            _ => Err("no action does that"),
        }
    }

    fn whole(rung: Rung, forward: bool, object: &'a Value) -> Self {
        let made = rung == Rung::PlantCanary;
        let uid = object["metadata"]["uid"].as_str();
        Self {
            rung,
            forward,
            uid: uid.unwrap_or_default(),
            from: String::new(),
            to: if made && forward { "planted" } else { "" }.to_owned(),
        }
    }

    fn change(resource: &str, old: &'a Value, new: &Value) -> Result<Self, &'static str> {
        let rungs = Rung::ALL.into_iter().filter(|rung| home(*rung) == resource);
        let mut changed = rungs.filter(|rung| field(*rung, old) != field(*rung, new));
        let (Some(rung), None) = (changed.next(), changed.next()) else {
            return Err("no field of a rung is changed, or several at once");
        };
        if bare(rung, old) != bare(rung, new) {
            return Err("more than the rung's field is changed");
        }
        let (from, to) = (field(rung, old), field(rung, new));
        let forward = match rung {
            Rung::RetainVolumes => to == "Retain",
            Rung::ArmOrphan => to == "true",
            Rung::ShieldWorkspaces => to == "false",
            Rung::FreezeControllers => to == "0",
            _ => true,
        };
        Ok(Self {
            rung,
            forward,
            uid: old["metadata"]["uid"].as_str().unwrap_or_default(),
            from,
            to,
        })
    }

    /// # Errors
    /// The journal did not say before that this would be done, in both of its places.
    pub(super) fn written_down(&self, review: &Review<'_>) -> Result<(), &'static str> {
        let journal = read(review, ("", "configmaps"), OPERATOR_NAMESPACE, JOURNAL);
        let kept = journal.and_then(|j| j["data"][JOURNAL_KEY].as_str());
        let kept: Value = kept
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let is_this = |record: &Value| self.is(record, review.name);
        let says = |actions: &Value| actions.as_array().is_some_and(|a| a.iter().any(is_this));
        if !says(&kept["actions"]) {
            return Err("the journal's ConfigMap does not say so");
        }
        if !says(&health(review)["status"]["actions"]) {
            return Err("status.actions does not say so");
        }
        Ok(())
    }

    fn is(&self, record: &Value, name: &str) -> bool {
        let (state, from, to) = if self.forward {
            ("Intended", "from", "to")
        } else {
            ("Undoing", "to", "from")
        };
        // Who makes an object knows no UID of it, and who deletes one keeps its manifest.
        let whole = matches!(self.rung, Rung::PlantCanary | Rung::RemoveStaleCluster);
        let made = self.rung == Rung::PlantCanary;
        record["action"] == self.rung.as_str()
            && record["name"] == name
            && record["state"] == state
            && (made || record["uid"] == self.uid)
            && (whole || self.same(&record[from], &self.from))
            && (whole || self.same(&record[to], &self.to))
    }

    /// Names in any order, owners in any spelling, everything else to the letter.
    fn same(&self, written: &Value, found: &str) -> bool {
        let written = written.as_str().unwrap_or_default();
        let set = |text: &str| -> BTreeSet<String> { text.split(',').map(str::to_owned).collect() };
        match self.rung {
            Rung::FixPlacement => set(written) == set(found),
            Rung::DisarmNamespaces => {
                let json = |text: &str| serde_json::from_str::<Value>(text).ok();
                json(written) == json(found)
            }
            _ => written == found,
        }
    }
}

fn is_canary(workspace: &Value) -> bool {
    let meta = &workspace["metadata"];
    meta["name"] == CANARY && meta["labels"]["federationhealth.io/canary"] == "workspace"
}

/// Resource that a rung changes a field of; empty for rungs that make or delete.
fn home(rung: Rung) -> &'static str {
    match rung {
        Rung::RetainVolumes => "persistentvolumes",
        Rung::ArmOrphan | Rung::ShieldWorkspaces => "workspaces",
        Rung::FreezeControllers => "deployments",
        Rung::DisarmNamespaces => "namespaces",
        Rung::FixPlacement => "workspacetemplates",
        Rung::PlantCanary | Rung::RemoveStaleCluster => "",
    }
}

/// The rungs that change a field of such an object.
pub(super) fn rungs_on(resource: &str) -> impl Iterator<Item = Rung> {
    let all = Rung::ALL.into_iter();
    all.filter(move |rung| home(*rung) == resource && !resource.is_empty())
}

/// Content of a rung's field.
pub(super) fn field(rung: Rung, object: &Value) -> String {
    let meta = &object["metadata"];
    match rung {
        Rung::RetainVolumes => {
            let policy = object["spec"]["persistentVolumeReclaimPolicy"].as_str();
            policy.unwrap_or_default().to_owned()
        }
        Rung::ArmOrphan => {
            let finalizers = meta["finalizers"].as_array();
            let armed = finalizers.is_some_and(|f| f.iter().any(|f| f == "orphan"));
            armed.to_string()
        }
        Rung::ShieldWorkspaces => managed(object).to_owned(),
        Rung::FreezeControllers => {
            let replicas = object["spec"]["replicas"].as_i64();
            replicas.unwrap_or(1).to_string()
        }
        Rung::DisarmNamespaces => match &meta["ownerReferences"] {
            Value::Null => "[]".to_owned(),
            owners => owners.to_string(),
        },
        Rung::FixPlacement => placed(object).collect::<Vec<_>>().join(","),
        Rung::PlantCanary | Rung::RemoveStaleCluster => String::new(),
    }
}

/// An object without a rung's field and without what the server itself keeps.
fn bare(rung: Rung, object: &Value) -> Value {
    let mut object = object.clone();
    let mut drop_at = |path: &[&str], key: &str| {
        let parent = path
            .iter()
            .try_fold(&mut object, |value, step| value.get_mut(*step));
        if let Some(parent) = parent.and_then(Value::as_object_mut) {
            parent.remove(key);
        }
    };
    for own in ["resourceVersion", "generation", "managedFields"] {
        drop_at(&["metadata"], own);
    }
    match rung {
        Rung::RetainVolumes => drop_at(&["spec"], "persistentVolumeReclaimPolicy"),
        Rung::ShieldWorkspaces => drop_at(&["metadata", "labels"], "kubefed.io/managed"),
        Rung::FreezeControllers => drop_at(&["spec"], "replicas"),
        Rung::DisarmNamespaces => drop_at(&["metadata"], "ownerReferences"),
        Rung::FixPlacement => drop_at(&["spec", "placement"], "clusters"),
        Rung::ArmOrphan => {
            let finalizers = object["metadata"]["finalizers"].as_array();
            let mut others: Vec<Value> = finalizers.cloned().unwrap_or_default();
            others.retain(|f| f != "orphan");
            object["metadata"]["finalizers"] = others.into();
        }
        Rung::PlantCanary | Rung::RemoveStaleCluster => {}
    }
    object
}
