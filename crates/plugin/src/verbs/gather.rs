//! `gather`: a bundle that can be passed on. Of every object only the fields that are read are kept, so that what nobody
//! thought of is not in it: no Secret, no annotation, no template, no credential of a connection.

use federation_health_api::names::{HEALTHS, HOLDS};
use std::{fs, path::Path};

use serde_json::{Map, Value, json};

use crate::{
    Error, Outcome, Shell,
    args::{GatherArgs, Global},
    client::Cluster,
    kinds::{Kind, enabled},
};

/// KubeFed's events that name a cluster and quote nobody; other events may quote anything.
const TELLING: [&str; 3] = ["CreateInCluster", "DeleteInCluster", "UpdateInCluster"];
/// Metadata that is kept.
const METADATA: [&str; 10] = [
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "labels",
    "finalizers",
    "ownerReferences",
];

/// A kind, where it is served, and which of its objects matter.
type Collection = (Kind, String, Option<(&'static str, String)>);

/// Carries out `gather`.
pub async fn run(global: &Global, args: &GatherArgs, shell: &mut Shell) -> Result<Outcome, Error> {
    let cluster = Cluster::connect(global, shell).await?;
    let folder = &args.to;
    if folder.exists() {
        return Err(Error::Refused(format!(
            "{} is there already: name a folder that is not, so that two bundles do not mix",
            folder.display()
        )));
    }
    fs::create_dir_all(folder).map_err(|e| Error::file(format!("make {}", folder.display()), e))?;
    let mut notes = vec![format!(
        "gathered {} by kubectl federation-health gather",
        shell.now()
    )];
    let mut kinds: Vec<Collection> = Kind::fixed()
        .into_iter()
        .map(|kind| {
            let (path, select) = kind.path();
            (kind, path, select)
        })
        .collect();
    let types = cluster
        .list(&Kind::Type.path().0, None)
        .await
        .unwrap_or_default();
    kinds.extend(
        enabled(&types)
            .into_iter()
            .map(|(kind, path)| (kind, path, None)),
    );
    for (kind, path, select) in kinds {
        let name = file_name(&path);
        shell.progress(&format!("listing {name} ..."));
        match cluster
            .list(&path, select.as_ref().map(|(k, v)| (*k, v.as_str())))
            .await
        {
            Ok(objects) => {
                let (version, word) = wire(&kind, &path);
                let kept: Vec<Value> = objects
                    .iter()
                    .map(|o| redact(&kind, &version, &word, o))
                    .collect();
                let count = write(folder, &name, &kept)?;
                notes.push(format!("{name}: {count}"));
            }
            Err(error) => notes.push(format!("{name}: {}", error.report())),
        }
    }
    ours(&cluster, folder, &mut notes).await?;
    let text = notes.join("\n") + "\n";
    fs::write(folder.join("GATHERED.txt"), &text)
        .map_err(|e| Error::file("write GATHERED.txt", e))?;
    shell.say(&format!(
        "{text}{} written: look through it before you pass it on.\nJudge it: kubectl federation-health analyze {}",
        folder.display(),
        folder.display()
    ));
    Ok(Outcome::Healthy)
}

/// Our own objects whole, since they hold nothing but judgement; the policies' names; KubeFed's telling events.
async fn ours(cluster: &Cluster, folder: &Path, notes: &mut Vec<String>) -> Result<(), Error> {
    let admission = "/apis/admissionregistration.k8s.io/v1";
    for (path, whole) in [
        (HEALTHS.to_owned(), true),
        (HOLDS.to_owned(), true),
        (format!("{admission}/validatingadmissionpolicies"), false),
        (
            format!("{admission}/validatingadmissionpolicybindings"),
            false,
        ),
        ("/api/v1/namespaces/default/events".to_owned(), false),
    ] {
        let name = file_name(&path);
        let listed = match cluster.list(&path, None).await {
            Ok(listed) => listed,
            Err(error) => {
                notes.push(format!("{name}: {}", error.report()));
                continue;
            }
        };
        let kept: Vec<Value> = listed
            .into_iter()
            .filter_map(|object| match (whole, name.as_str()) {
                (true, "federationholds") => Some(own(object, "FederationHold")),
                (true, _) => Some(own(object, "FederationHealth")),
                (false, "events") => event(&object),
                (false, _) => ours_named(&object),
            })
            .collect();
        let count = write(folder, &name, &kept)?;
        notes.push(format!("{name}: {count}"));
    }
    Ok(())
}

fn own(mut object: Value, kind: &str) -> Value {
    object["metadata"] = metadata(&object);
    object["apiVersion"] = json!("federationhealth.io/v1alpha1");
    object["kind"] = json!(kind);
    object
}

fn ours_named(object: &Value) -> Option<Value> {
    let name = object["metadata"]["name"].as_str()?;
    let spec = json!({"matchResources": object["spec"]["matchResources"], "paramRef": object["spec"]["paramRef"]});
    name.starts_with("federation-health-")
        .then(|| json!({"metadata": metadata(object), "spec": spec}))
}

fn event(object: &Value) -> Option<Value> {
    let telling = object["reason"]
        .as_str()
        .is_some_and(|r| TELLING.contains(&r));
    telling.then(|| {
        json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": metadata(object),
            "reason": object["reason"],
            "message": object["message"],
            "count": object["count"],
            "firstTimestamp": object["firstTimestamp"],
            "lastTimestamp": object["lastTimestamp"],
        })
    })
}

fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

/// Version and kind of a collection's objects, which the items of a list leave out.
fn wire(kind: &Kind, path: &str) -> (String, String) {
    let version = path
        .strip_prefix("/apis/")
        .and_then(|p| p.rsplit_once('/'))
        .map_or_else(|| "v1".to_owned(), |(version, _)| version.to_owned());
    let word = match kind {
        Kind::Registration => "KubeFedCluster",
        Kind::Config => "KubeFedConfig",
        Kind::Type => "FederatedTypeConfig",
        Kind::Cluster => "Cluster",
        Kind::Template => "WorkspaceTemplate",
        Kind::Workspace => "Workspace",
        Kind::Namespace => "Namespace",
        Kind::Controller => "Deployment",
        Kind::Definition => "CustomResourceDefinition",
        Kind::Federated(kind) => kind,
    };
    (version, word.to_owned())
}

fn metadata(object: &Value) -> Value {
    pick(&object["metadata"], &METADATA)
}

fn pick(from: &Value, fields: &[&str]) -> Value {
    let kept = fields
        .iter()
        .filter_map(|f| Some(((*f).to_owned(), from.get(*f)?.clone())));
    Value::Object(kept.collect::<Map<_, _>>())
}

/// What is kept of an object.
fn redact(kind: &Kind, version: &str, word: &str, object: &Value) -> Value {
    let (spec, status) = (&object["spec"], &object["status"]);
    let conditions = || {
        let all = status["conditions"].as_array().cloned().unwrap_or_default();
        let kept = all.iter().map(|c| {
            pick(
                c,
                &["type", "status", "lastTransitionTime", "lastProbeTime"],
            )
        });
        json!({"conditions": kept.collect::<Vec<_>>()})
    };
    let (spec, status) = match kind {
        // A CA bundle is public, and the strongest evidence that a bundle can hold.
        Kind::Registration => (
            pick(
                spec,
                &[
                    "apiEndpoint",
                    "caBundle",
                    "secretRef",
                    "disabledTLSValidations",
                    "proxyURL",
                ],
            ),
            conditions(),
        ),
        Kind::Type => (
            pick(spec, &["federatedType", "targetType", "propagation"]),
            json!({}),
        ),
        Kind::Cluster => (
            json!({
                "joinFederation": spec["joinFederation"],
                "connection": pick(&spec["connection"], &["kubernetesAPIEndpoint"]),
            }),
            json!({"uid": status["uid"], "conditions": conditions()["conditions"]}),
        ),
        Kind::Controller => (
            pick(spec, &["replicas"]),
            pick(status, &["availableReplicas"]),
        ),
        Kind::Template => (pick(spec, &["placement"]), json!({})),
        Kind::Federated(_) => (pick(spec, &["placement"]), pick(status, &["clusters"])),
        Kind::Config | Kind::Definition | Kind::Workspace | Kind::Namespace => {
            (json!({}), json!({}))
        }
    };
    json!({"apiVersion": version, "kind": word, "metadata": metadata(object), "spec": spec, "status": status})
}

/// Writes a list; gives how many objects it has.
fn write(folder: &Path, name: &str, items: &[Value]) -> Result<usize, Error> {
    let count = items.len();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    let path = folder.join(format!("{name}.json"));
    let text = super::status::pretty(&list)?;
    fs::write(&path, text).map_err(|e| Error::file(format!("write {}", path.display()), e))?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_credential_leaves_the_cluster() {
        let cluster = json!({
            "metadata": {"name": "host", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hunter2"}},
            "spec": {"joinFederation": true, "connection": {"kubeconfig": "hunter2", "token": "hunter2", "kubernetesAPIEndpoint": "https://a"}},
            "status": {"uid": "u", "message": "hunter2"},
        });
        let kept = redact(
            &Kind::Cluster,
            "cluster.kubesphere.io/v1alpha1",
            "Cluster",
            &cluster,
        );
        assert!(!kept.to_string().contains("hunter2"), "{kept}");
        assert_eq!(
            kept["spec"]["connection"]["kubernetesAPIEndpoint"],
            "https://a"
        );
        let federated = json!({
            "metadata": {"name": "orders"},
            "spec": {"placement": {"clusters": [{"name": "host"}]}, "template": {"data": "hunter2"}, "overrides": ["hunter2"]},
            "status": {"clusters": [{"name": "host"}], "conditions": [{"message": "hunter2"}]},
        });
        let kind = Kind::Federated("FederatedWorkspace".into());
        let kept = redact(
            &kind,
            "types.kubefed.io/v1beta1",
            "FederatedWorkspace",
            &federated,
        );
        assert!(!kept.to_string().contains("hunter2"), "{kept}");
        assert_eq!(kept["spec"]["placement"]["clusters"][0]["name"], "host");
    }
}
