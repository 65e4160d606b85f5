//! `helm test`: the operator's own `check`, in the pod that the chart makes for it.

use std::process::Output;

use federation_health_api::names::{COLLECTION_FAST, FEDERATION_FAST};
use federation_health_testbed::runner::run_pod_once;
use federation_health_tests::{
    guarded::{self, NAMESPACE},
    helm::RELEASE,
};
use k8s_openapi::{
    api::{
        admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
        rbac::v1::ClusterRoleBinding,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;

use crate::installed::{Installed, SOON};

const FENCE_SCALE: &str = "federation-health-fence-scale";
const HOLDS: &str = "federationholds.federationhealth.io";

/// Runs `helm test`, with the pod's program on this machine.
async fn helm_test(installed: &Installed) -> (Result<String, String>, Output) {
    let pod = format!("{RELEASE}-check");
    let program = guarded::binary().unwrap();
    let args = ["test", RELEASE, "--namespace", NAMESPACE, "--timeout", "3m"];
    let (told, ran) = tokio::join!(
        installed.helm.run(&args),
        run_pod_once(installed.bed.host(), NAMESPACE, &pod, &program, 2 * SOON)
    );
    (told.map_err(|e| e.to_string()), ran.unwrap())
}

/// Everything that this release needs is there.
pub async fn helm_test_passes(installed: &Installed) {
    let (told, ran) = helm_test(installed).await;
    let text = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    let told = told.unwrap();
    assert!(told.contains("Phase:          Succeeded"), "{told}");
    for line in [
        "OK      FederationHealth default: judged\n",
        "OK      HoldReady: Proven on ",
        "OK      federation-health-collection-durable\n",
        "OK      federation-health-guard-status\n",
        "OK      federation-health-guard-operator\n",
        "OK      federation-health-fence-volumes\n",
        "OK      federation-health-join-deny\n",
        "OK      rights federation-health-observer: ",
        "OK      rights federation-health-prober: ",
        "Absent  rights federation-health-freeze: not granted, and nothing that the spec asks for needs it\n",
    ] {
        assert!(text.contains(line), "no line \"{line}\" in:\n{text}");
    }
}

/// Takes parts of the installation away: the metrics show it, and `check` names each with what to do.
pub async fn says_what_is_gone(installed: &Installed) {
    let client = installed.bed.client();
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(client.clone());
    let gone = DeleteParams::default();
    bindings.delete(COLLECTION_FAST, &gone).await.unwrap();
    let roles: Api<ClusterRoleBinding> = Api::all(client.clone());
    roles
        .delete("federation-health-holder", &gone)
        .await
        .unwrap();
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
    let narrowed = json!({"spec": {"matchConditions": [{"name": "never", "expression": "false"}]}});
    let narrow = Patch::Merge(narrowed);
    policies
        .patch(FEDERATION_FAST, &PatchParams::default(), &narrow)
        .await
        .unwrap();
    let audited = Patch::Merge(json!({"spec": {"validationActions": ["Audit"]}}));
    bindings
        .patch(FENCE_SCALE, &PatchParams::default(), &audited)
        .await
        .unwrap();
    let shown = |expression| installed.prometheus.wait_for(expression, SOON);
    shown("federationhealth_policies_missing == 1")
        .await
        .unwrap();

    let (told, ran) = helm_test(installed).await;
    assert!(told.is_err(), "helm took a failed test for a passed one");
    assert_eq!(ran.status.code(), Some(1));
    let text = String::from_utf8_lossy(&ran.stdout);
    for line in [
        "Missing federation-health-collection-fast: no binding: kubectl apply --server-side -k config/policies",
        "Wrong   federation-health-federation-fast: not as shipped: ValidatingAdmissionPolicy federation-health-federation-fast (spec.matchConditions",
        "Missing rights federation-health-holder: may not patch validatingadmissionpolicybindings.admissionregistration.k8s.io federation-health-collection-durable",
        "Wrong   HoldReady: PolicyMissing",
        "Wrong   federation-health-fence-scale: not as shipped: ValidatingAdmissionPolicyBinding federation-health-fence-scale (spec.validationActions",
    ] {
        assert!(text.contains(line), "no line \"{line}\" in:\n{text}");
    }

    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    definitions.delete(HOLDS, &gone).await.unwrap();
    shown("federationhealth_kind_served{kind=\"FederationHolds\"} == 0")
        .await
        .unwrap();
}
