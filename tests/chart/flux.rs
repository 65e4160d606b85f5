//! Flux's health expressions of a FederationHealth, evaluated by the CEL that Flux and the API server share.

use std::{fs, time::Duration};

use federation_health_testbed::{
    ControlPlane, ControlPlaneOptions, apply,
    wait::{self, Look},
};
use federation_health_tests::guarded::{install_definitions, root, set_spec};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams},
};
use serde_json::{Value, json};

/// An API server compiles a new policy within a second or two.
const SOON: Duration = Duration::from_secs(30);
const EXPRESSIONS: [&str; 3] = ["inProgress", "failed", "current"];

fn read(path: &str) -> Value {
    serde_saphyr::from_str(&fs::read_to_string(root().join(path)).unwrap()).unwrap()
}

/// A policy that refuses every status and says what each expression makes of it. The two macros give the object's fields
/// the names that they have in Flux.
async fn evaluator(client: &Client, checks: &Value) {
    let told: Vec<String> = EXPRESSIONS
        .iter()
        .map(|name| {
            let expression = checks[name].as_str().unwrap();
            format!(
                "'{name}=' + string([object.status].exists(status, [object.metadata].exists(metadata, {expression})))"
            )
        })
        .collect();
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "evaluator"},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [{
                "apiGroups": ["federationhealth.io"], "apiVersions": ["*"], "operations": ["UPDATE"],
                "resources": ["federationhealths/status"],
            }]},
            "validations": [{"expression": "false", "messageExpression": told.join(" + ' ' + ")}],
        },
    });
    apply::object(client, &policy).await.unwrap();
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "evaluator"},
        "spec": {"policyName": "evaluator", "validationActions": ["Deny"]},
    });
    apply::object(client, &binding).await.unwrap();
}

/// The names of the expressions that are true of a status.
async fn verdicts(client: &Client, status: &Value) -> Vec<&'static str> {
    let kind = GroupVersionKind::gvk("federationhealth.io", "v1alpha1", "FederationHealth");
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::from_gvk(&kind));
    let patch = json!({"status": status});
    let told = wait::until("the policy's answer", SOON, || async {
        let params = PatchParams::default().dry_run();
        let answer = api
            .patch_status("default", &params, &Patch::Merge(&patch))
            .await;
        Ok(match answer {
            Err(error) if error.to_string().contains("inProgress=") => {
                Look::Done(error.to_string())
            }
            other => Look::Pending(format!("{other:?}")),
        })
    });
    let told = told.await.unwrap();
    let is_true = |name: &&&str| told.contains(&format!("{name}=true"));
    EXPRESSIONS.iter().filter(is_true).copied().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn flux_and_argo_cd_have_one_opinion_of_each_fixture() {
    let flux = read("config/flux/kustomization.yaml");
    let checks = &flux["spec"]["healthCheckExprs"][0];
    assert_eq!(checks["apiVersion"], "federationhealth.io/v1alpha1");
    assert_eq!(checks["kind"], "FederationHealth");
    let plane = ControlPlane::start(ControlPlaneOptions::default())
        .await
        .unwrap();
    let client = plane.client();
    install_definitions(&client).await.unwrap();
    // The second generation, which the fixtures are of.
    for incidents in [10, 20] {
        let spec = json!({"history": {"maxIncidents": incidents}});
        set_spec(&client, &spec).await.unwrap();
    }
    evaluator(&client, checks).await;
    let tests = read("config/argocd/health_test.yaml");
    for test in tests["tests"].as_array().unwrap() {
        let input = test["inputPath"].as_str().unwrap();
        let mut status = read(&format!("config/argocd/{input}"))["status"].take();
        // An object without a status is one that Flux waits for, whatever the expressions say.
        let Some(conditions) = status["conditions"].as_array_mut() else {
            continue;
        };
        for condition in conditions {
            condition["lastTransitionTime"] = json!("2026-11-23T06:24:00Z");
        }
        let wanted = match test["healthStatus"]["status"].as_str().unwrap() {
            "Healthy" => "current",
            "Degraded" => "failed",
            // Flux has no word for Unknown; what cannot be judged is not well.
            _ => "inProgress",
        };
        assert_eq!(verdicts(&client, &status).await, [wanted], "{input}");
    }
    plane.stop().await.unwrap();
}
