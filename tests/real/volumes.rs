//! The data of namespaces that go outlives them, also where the operator comes late.

use std::time::Duration;

use federation_health_api::FederationHealth;
use federation_health_testbed::{
    apply,
    federation::{Federation, FederationOptions, HOST},
    join::JoinOptions,
    kinds,
    kubefed::KubefedVersion,
    kubesphere::KubesphereOptions,
    wait::{self, Look},
    workspace::{self, Placement, WorkspaceSpec},
};
use federation_health_tests::guarded::{Guarded, Options, observing};
use k8s_openapi::api::core::v1::{Namespace, PersistentVolume, PersistentVolumeClaim};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

/// A thawed KubeFed waits for its former self's lease; its first deletion comes 10 to 21 s after that.
const RAGE: Duration = Duration::from_mins(4);
/// Whose two namespaces are Terminating when the operator comes, and whose four are not.
const LOOPS: &str = "payments";
const STANDS: &str = "orders";
const SOON: Duration = Duration::from_mins(2);
/// A release, a minute's watch after the thaw, and the policies last.
const WHOLE: Duration = Duration::from_mins(4);

fn keeping() -> Value {
    let mut spec = observing();
    spec["hold"] = json!({"releaseAfterSeconds": 1});
    spec["remediation"] = json!({
        "mode": "Apply", "actions": {"retainVolumes": "Automatic", "freezeControllers": "Automatic"},
        // The second incident follows the first at once.
        "limits": {"cooldownSeconds": 0},
    });
    spec
}

/// A claim with a volume of its own. The finalizer stands for the pod that uses it: no kubelet runs here.
async fn provision(client: &Client, namespace: &str) {
    let volume = format!("data-{namespace}");
    let size = json!({"storage": "1Gi"});
    let objects = [
        json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume},
            "spec": {
                "capacity": size, "accessModes": ["ReadWriteOnce"], "storageClassName": "",
                "persistentVolumeReclaimPolicy": "Delete", "hostPath": {"path": "/none"},
                "claimRef": {"namespace": namespace, "name": "data"},
            },
        }),
        json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data", "namespace": namespace, "finalizers": ["example.org/in-use"]},
            "spec": {
                "volumeName": volume, "accessModes": ["ReadWriteOnce"], "storageClassName": "",
                "resources": {"requests": size},
            },
        }),
    ];
    for object in objects {
        apply::object(client, &object).await.unwrap();
    }
}

async fn volumes(client: &Client) -> Vec<(String, String, String)> {
    let all = Api::<PersistentVolume>::all(client.clone())
        .list(&ListParams::default())
        .await
        .unwrap();
    let told = all.items.into_iter().map(|v| {
        let spec = v.spec.unwrap_or_default();
        let phase = v.status.and_then(|s| s.phase).unwrap_or_default();
        let policy = spec.persistent_volume_reclaim_policy.unwrap_or_default();
        (v.metadata.name.unwrap_or_default(), policy, phase)
    });
    told.collect()
}

async fn until(
    what: &str,
    limit: Duration,
    client: &Client,
    good: impl Fn(&[(String, String, String)]) -> bool,
) {
    wait::until(what, limit, || async {
        let found = volumes(client).await;
        Ok(if good(&found) {
            Look::Done(())
        } else {
            Look::Pending(format!("{found:?}"))
        })
    })
    .await
    .unwrap();
}

async fn terminating(client: &Client, projects: &[String]) -> Vec<String> {
    let all = Api::<Namespace>::all(client.clone())
        .list(&ListParams::default())
        .await
        .unwrap();
    let going = all
        .items
        .into_iter()
        .filter(|n| n.metadata.deletion_timestamp.is_some());
    going
        .filter_map(|n| n.metadata.name)
        .filter(|name| projects.contains(name))
        .collect()
}

fn kept(health: &FederationHealth) -> usize {
    let actions = health.status.iter().flat_map(|s| &s.actions);
    actions
        .filter(|a| a.action == "RetainVolumes" && a.state == "Verified")
        .count()
}

fn frozen(health: &FederationHealth) -> bool {
    let mut actions = health.status.iter().flat_map(|s| &s.actions);
    actions.any(|a| a.action == "FreezeControllers" && a.state == "Verified")
}

/// An operator that is there: everything is kept before KubeFed deletes anything, and given back.
async fn in_time(bed: &Federation, client: &Client, options: Options, count: usize) {
    let guard = Guarded::install(bed.host(), options).await.unwrap();
    guard.wait_condition("Healthy", "True", SOON).await.unwrap();
    bed.join_alias("produce-trt", JoinOptions::default())
        .await
        .unwrap();
    guard
        .wait("every volume kept, seen", SOON, |h| kept(h) == count)
        .await
        .unwrap();
    bed.unregister("produce-trt").await.unwrap();
    until("the former policies", WHOLE, client, |v| {
        v.iter().all(|(_, policy, _)| policy == "Delete")
    })
    .await;
    assert!(bed.audit().deletions("namespaces").unwrap().is_empty());
}

/// Without an operator the host is registered a second time; one Workspace's placement names both, which keeps it out of the
/// loop. The namespaces of the other one are Terminating then, and no others. KubeSphere is down meanwhile: it would bind
/// them to the recreated Workspace, and the collector come too late to some.
async fn two_of_six(bed: &mut Federation, client: &Client, projects: &[String]) {
    let both = Placement::clusters([HOST, "produce-trt"]);
    workspace::set_placement(client, STANDS, &both)
        .await
        .unwrap();
    let federated = kinds::all(client, &kinds::federated_workspace());
    wait::until("KubeSphere to place it on both", SOON, || async {
        let placed = federated.get(STANDS).await.unwrap().data["spec"]["placement"].clone();
        Ok(if placed == both.to_json() {
            Look::Done(())
        } else {
            Look::Pending(placed.to_string())
        })
    })
    .await
    .unwrap();
    bed.stop_kubesphere();
    let released = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    kinds::all(client, &kinds::workspace())
        .patch(LOOPS, &PatchParams::default(), &released)
        .await
        .unwrap();
    bed.join_alias("produce-trt", JoinOptions::default())
        .await
        .unwrap();
    wait::until("two namespaces Terminating", RAGE, || async {
        let going = terminating(client, projects).await;
        Ok(if going.len() == 2 {
            Look::Done(())
        } else {
            Look::Pending(format!("{going:?}"))
        })
    })
    .await
    .unwrap();
    let going = terminating(client, projects).await;
    assert!(
        going.iter().all(|name| name.starts_with(LOOPS)),
        "{going:?}"
    );
    bed.start_kubesphere(KubesphereOptions::default())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn volumes_are_kept_in_time_and_by_an_operator_that_comes_while_namespaces_terminate() {
    let workspaces = [(LOOPS, 2), (STANDS, 4)].map(|(name, n)| WorkspaceSpec::on_host(name, n));
    let options = FederationOptions {
        workspaces: workspaces.to_vec(),
        ..FederationOptions::with_kubefed(KubefedVersion::V0_8_1)
    };
    let mut bed = Federation::start(options).await.unwrap();
    let client = bed.client();
    let options = |operator| Options {
        spec: Some(keeping()),
        operator,
        ..Options::default()
    };
    let specs = bed.workspaces().iter();
    let projects: Vec<String> = specs.flat_map(|spec| spec.namespaces.clone()).collect();
    for project in &projects {
        provision(&client, project).await;
    }
    let count = projects.len();
    until("all volumes bound", SOON, &client, |v| {
        v.len() == count && v.iter().all(|(_, _, phase)| phase == "Bound")
    })
    .await;
    in_time(&bed, &client, options(true), count).await;
    two_of_six(&mut bed, &client, &projects).await;

    let guard = Guarded::install(bed.host(), options(true)).await.unwrap();
    guard
        .wait("two volumes kept, seen", SOON, |h| kept(h) == 2)
        .await
        .unwrap();
    // The others come into danger too.
    workspace::set_placement(&client, STANDS, &Placement::clusters([HOST]))
        .await
        .unwrap();
    guard
        .wait("every volume kept, seen", SOON, |h| kept(h) == count)
        .await
        .unwrap();
    until("every policy", SOON, &client, |v| {
        v.iter().all(|(_, policy, _)| policy == "Retain")
    })
    .await;
    guard
        .wait("KubeFed frozen: nothing more begins to go", SOON, frozen)
        .await
        .unwrap();
    // The pods end, and with them the claims.
    let lost = terminating(&client, &projects).await;
    println!("{} of {count} namespaces were Terminating", lost.len());
    let freed = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    for project in &lost {
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), project);
        let params = PatchParams::default();
        claims.patch("data", &params, &freed).await.unwrap();
    }
    let is_lost = |name: &str| lost.iter().any(|project| name == format!("data-{project}"));
    until(
        "the volumes of lost claims to be released",
        SOON,
        &client,
        |v| {
            let of_lost = v.iter().filter(|(name, ..)| is_lost(name));
            of_lost.filter(|(_, _, phase)| phase == "Released").count() == lost.len()
        },
    )
    .await;
    bed.unregister("produce-trt").await.unwrap();
    // The collector may have come to a namespace only now.
    let late = terminating(&client, &projects).await;
    let is_kept = |name: &str| is_lost(name) || late.iter().any(|p| name == format!("data-{p}"));
    until("the former policies", WHOLE, &client, |v| {
        v.iter().all(|(name, policy, _)| {
            let wanted = if is_kept(name) { "Retain" } else { "Delete" };
            policy == wanted
        })
    })
    .await;
    assert_eq!(volumes(&client).await.len(), count);
    assert!(
        bed.audit()
            .deletions("persistentvolumes")
            .unwrap()
            .is_empty()
    );
    let stray = bed.audit().matching(|e| {
        e.user == federation_health_tests::guarded::USER
            && e.object.resource == "persistentvolumes"
            && e.verb == "patch"
            && !e.request.as_ref().is_some_and(|r| {
                r["metadata"]["uid"].is_string() && r["metadata"]["resourceVersion"].is_string()
            })
    });
    assert!(stray.unwrap().is_empty(), "a write without preconditions");
}
