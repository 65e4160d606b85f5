//! The operator as the chart installs it: its Deployment's arguments, its account, its rights, its object, in a namespace of
//! restricted pods, on a real federation that a real Prometheus watches.

use std::time::Duration;

use federation_health_testbed::{
    Federation, FederationOptions, apply,
    control_plane::ControlPlaneOptions,
    ports::free_port,
    runner::{BinaryOptions, DeploymentRunner, run_binary_as_deployment},
};
use federation_health_tests::{
    guarded::{self, NAMESPACE, condition, wait_health},
    helm::{Helm, RELEASE, chart},
    observed::Prometheus,
};
use k8s_openapi::{api::apps::v1::Deployment, jiff::Timestamp};
use kube::Api;
use serde_json::{Value, json};

/// For what takes a second or two, on a machine that also compiles.
pub const SOON: Duration = Duration::from_secs(60);
/// The leftover name under which the host is registered a second time.
pub const ALIAS: &str = "produce-trt";

/// Seconds from one instant to another.
pub fn after(start: Timestamp, at: Timestamp) -> f64 {
    at.duration_since(start).as_secs_f64()
}

/// A federation with the chart installed on it, the operator running, and Prometheus scraping both.
pub struct Installed {
    pub bed: Federation,
    pub helm: Helm,
    pub prometheus: Prometheus,
    /// Address of the operator's endpoints.
    pub operator: String,
    _runner: DeploymentRunner,
}

impl Installed {
    /// Installs with this spec of the first object, and waits until the conditions are True.
    pub async fn with(spec: Value, good: &[&str]) -> Self {
        let options = FederationOptions {
            control_plane: ControlPlaneOptions {
                audited_readers: vec![NAMESPACE.to_owned()],
                ..ControlPlaneOptions::default()
            },
            ..FederationOptions::default()
        };
        let bed = Federation::start(options).await.unwrap();
        let restricted = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        });
        apply::object(&bed.client(), &restricted).await.unwrap();
        let spec = format!("defaultInstance.spec={spec}");
        let helm = Helm::on(bed.host()).await.unwrap();
        let more = ["--set", "probe.enabled=true", "--set-json", &spec];
        helm.apply("install", &chart(), &more).await.unwrap();
        let operator = format!("127.0.0.1:{}", free_port().unwrap());
        let runner = run_deployment(&bed, &operator).await;
        let prometheus = Prometheus::start(&operator, bed.host()).await.unwrap();
        for type_ in good {
            let good = |h: &_| condition(h, type_).is_some_and(|(status, _)| status == "True");
            wait_health(&bed.client(), type_, SOON, good).await.unwrap();
        }
        // The first scrape comes seconds after the start, and a rise is one from something.
        let scraped = "count_over_time(federationhealth_build_info[1m]) >= 3";
        prometheus.wait_for(scraped, SOON).await.unwrap();
        Self {
            bed,
            helm,
            prometheus,
            operator,
            _runner: runner,
        }
    }
}

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
