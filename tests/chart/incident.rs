//! The incident, with the operator as the chart installs it: its Deployment's arguments, its account, its rights, its
//! object, in a namespace of restricted pods, scraped by a real Prometheus with the shipped rules.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use federation_health_cluster::rbac::{self, Holder, Reach};
use federation_health_testbed::{
    Federation, FederationOptions, apply,
    control_plane::ControlPlaneOptions,
    join::JoinOptions,
    ports::free_port,
    runner::{BinaryOptions, DeploymentRunner, run_binary_as_deployment},
    workspace::Snapshot,
};
use federation_health_tests::{
    guarded::{self, NAMESPACE, USER, condition, holding, holds, wait_health},
    helm::{Helm, RELEASE, chart},
    observed::{self, Prometheus},
};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use serde_json::json;

/// For what takes a second or two, on a machine that also compiles.
const SOON: Duration = Duration::from_secs(60);
/// Longer than KubeFed needs for its first deletion (10 to 21 s after the join).
const RAGE: Duration = Duration::from_secs(30);
/// Series of one replica, and more for each registration, whatever the number of Workspaces.
const SERIES: usize = 200;
const SERIES_EACH: usize = 20;
const ALIAS: &str = "produce-trt";
const DOUBLED: &str = "FederationHealthDoubledRegistration";

/// Runs what the Deployment says; only the address of the endpoints is ours, since there is no pod to have one.
async fn run_deployment(bed: &Federation, listen: &str) -> DeploymentRunner {
    let api: Api<Deployment> = Api::namespaced(bed.client(), NAMESPACE);
    let pod = api
        .get(RELEASE)
        .await
        .unwrap()
        .spec
        .unwrap()
        .template
        .spec
        .unwrap();
    let container = &pod.containers[0];
    assert_eq!(
        container.command, None,
        "the image's entry point is the operator"
    );
    let options = BinaryOptions {
        namespace: NAMESPACE.to_owned(),
        deployment: RELEASE.to_owned(),
        service_account: pod.service_account_name.unwrap(),
        program: guarded::binary().unwrap(),
        args: container.args.clone().unwrap(),
        env: vec![("FEDERATION_HEALTH_LISTEN".to_owned(), listen.to_owned())],
        max_processes: 1,
    };
    let runner = run_binary_as_deployment(bed.host(), options).await.unwrap();
    runner.wait_running(1, SOON).await.unwrap();
    runner
}

fn uids(snapshot: &Snapshot) -> Vec<(String, String)> {
    let workspaces = snapshot.workspaces.iter();
    workspaces
        .map(|(name, w)| (name.clone(), w.uid.clone()))
        .collect()
}

async fn install(bed: &Federation) {
    let restricted = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    });
    apply::object(&bed.client(), &restricted).await.unwrap();
    let spec = format!("defaultInstance.spec={}", holding());
    let helm = Helm::on(bed.host()).await.unwrap();
    let more = ["--set", "probe.enabled=true", "--set-json", &spec];
    helm.apply("install", &chart(), &more).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_incident_is_held_and_paged_by_what_the_chart_installs() {
    let bed = Federation::start(FederationOptions {
        control_plane: ControlPlaneOptions {
            audited_readers: vec![NAMESPACE.to_owned()],
            ..ControlPlaneOptions::default()
        },
        ..FederationOptions::default()
    })
    .await
    .unwrap();
    install(&bed).await;
    let operator = format!("127.0.0.1:{}", free_port().unwrap());
    let _runner = run_deployment(&bed, &operator).await;
    let prometheus = Prometheus::start(&operator, bed.host()).await.unwrap();
    let client = bed.client();
    for type_ in ["ClustersUnique", "HoldReady"] {
        let good = |h: &_| condition(h, type_).is_some_and(|(status, _)| status == "True");
        wait_health(&client, type_, SOON, good).await.unwrap();
    }
    let before = bed.snapshot().await.unwrap();
    let joined = Instant::now();
    bed.join_alias(ALIAS, JoinOptions::default()).await.unwrap();
    prometheus.wait_alert(DOUBLED, true, SOON).await.unwrap();
    // kube-state-metrics would export the same condition at its next scrape of 30 s, 15 s later on average.
    println!(
        "{DOUBLED} fires {:.1} s after the registration",
        joined.elapsed().as_secs_f32()
    );

    // An installer that waits for Ready is not held up by the verdict.
    let ready = [
        "wait",
        "--for=condition=Ready",
        "federationhealth/default",
        "--timeout=10s",
    ];
    let waited = bed.host().kubectl(&ready).await.unwrap();
    assert!(
        waited.status.success(),
        "{}",
        String::from_utf8_lossy(&waited.stderr)
    );

    tokio::time::sleep(RAGE).await;
    assert!(
        !bed.audit()
            .refused_deletions("workspaces")
            .unwrap()
            .is_empty(),
        "KubeFed never tried"
    );
    held_is_counted(&prometheus).await;
    // The writes that hold went through the priority level of their own.
    let own =
        "apiserver_flowcontrol_dispatched_requests_total{flow_schema=\"federation-health\"} > 0";
    assert!(
        !prometheus.query(own).await.unwrap().is_empty(),
        "the FlowSchema matches nothing"
    );
    let series = observed::lint(&operator).await.unwrap();
    println!("{series} series with two registrations");
    assert!(series <= SERIES + 2 * SERIES_EACH, "{series}");
    bed.unregister(ALIAS).await.unwrap();
    wait_health(&client, "the hold to end", SOON, |h| {
        holds(h) == (false, false)
    })
    .await
    .unwrap();
    prometheus.wait_alert(DOUBLED, false, SOON).await.unwrap();
    let after = bed.snapshot().await.unwrap();
    assert_eq!(after.lost_since(&before), Vec::<String>::new());
    assert_eq!(uids(&before), uids(&after), "a Workspace has another UID");
    rights(&bed);
    bed.stop().await.unwrap();
}

/// What the alert on a hold without operator rests on: the API server counts each refusal by policy.
async fn held_is_counted(prometheus: &Prometheus) {
    let refused = "sum by (policy) (apiserver_validating_admission_policy_check_total{\
        policy=~\"federation-health-(collection|federation)-(fast|durable)\", enforcement_action=\"deny\"})";
    let found = prometheus.query(refused).await.unwrap();
    let policies: BTreeSet<_> = found
        .iter()
        .filter_map(|s| s["metric"]["policy"].as_str())
        .collect();
    assert!(
        policies.contains("federation-health-federation-fast"),
        "{found:?}"
    );
}

/// The audit log against the list of rights: nothing needed was refused; prints what one run did not use.
fn rights(bed: &Federation) {
    let asked = bed
        .audit()
        .matching(|e| e.user == USER && !e.object.resource.is_empty())
        .unwrap();
    let by_authorization = |m: &Option<String>| m.as_ref().is_some_and(|m| m.contains("cannot"));
    let refused: Vec<_> = asked
        .iter()
        .filter(|e| e.refused() && by_authorization(&e.message))
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
    let mut unused: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for role in rbac::ROLES.iter().filter(|r| r.holder == Holder::Operator) {
        for right in role.rights {
            for (verb, resource) in right
                .verbs
                .iter()
                .flat_map(|v| right.resources.iter().map(move |r| (v, r)))
            {
                let used = asked.iter().any(|e| {
                    let plural = match e.object.subresource.as_str() {
                        "" => e.object.resource.clone(),
                        sub => format!("{}/{sub}", e.object.resource),
                    };
                    let here = match role.reach {
                        Reach::Cluster => true,
                        Reach::Namespace(namespace) => e.object.namespace == namespace,
                    };
                    here && plural == *resource
                        && right.covers(&e.verb, &e.object.api_group, &plural, &e.object.name)
                        && e.verb == verb.as_str()
                });
                if !used {
                    unused.entry(verb.as_str()).or_default().push(resource);
                }
            }
        }
    }
    for (verb, resources) in unused {
        println!("{verb} was not used on {}", resources.join(", "));
    }
}
