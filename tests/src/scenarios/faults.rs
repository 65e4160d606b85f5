//! What is missing, forbidden, unreadable or broken is named in its own condition, and everything else goes on.

use std::time::{Duration, Instant};

use federation_health_api::FederationHealth;
use federation_health_testbed::{
    ControlPlane, ControlPlaneOptions, apply,
    error::{Attempt as _, Error, Result},
    join::{self, JoinOptions},
    kinds,
    kubefed::{self, KubefedVersion},
    kubesphere::Kubesphere,
    ports::free_port,
    wait::{self, Look},
};
use k8s_openapi::{
    api::{
        admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
        apps::v1::Deployment,
        rbac::v1::ClusterRole,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;

use super::{
    admin,
    bed::{LATE, SOON},
};
use crate::guarded::{self, Guarded, NAMESPACE, Options, condition, holding, holds, root};

/// Kubernetes' usual grace is thirty seconds; ours promises to need under ten.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// The only layer that a test alters.
const POLICY: &str = "federation-health-federation-fast";
/// Its manifest.
const POLICY_FILE: &str = "config/policies/federation-fast.yaml";

/// A control plane without KubeFed and KubeSphere, the operator on it without the right to read Secrets.
pub struct Faults {
    /// The control plane.
    pub plane: ControlPlane,
    /// The operator on it.
    pub guard: Guarded,
    /// Address of its admin endpoints.
    pub address: String,
}

impl Faults {
    /// Starts both; `supported`: the server has ValidatingAdmissionPolicies.
    ///
    /// # Errors
    /// Something did not start.
    pub async fn start(supported: bool) -> Result<Self> {
        let group = "admissionregistration.k8s.io/v1/validatingadmissionpolic";
        let mut options = ControlPlaneOptions::default();
        if !supported {
            options.controller_manager = false;
            options.api_server_args = vec![
                format!("--runtime-config={group}ies=false,{group}ybindings=false"),
                "--disable-admission-plugins=ValidatingAdmissionPolicy".to_owned(),
            ];
        }
        let plane = ControlPlane::start(options).await?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let mut spec = holding();
        // A registration that cannot be read is asked again soon.
        spec["probe"]["periodSeconds"] = json!(5);
        spec["probe"]["timeoutSeconds"] = json!(2);
        let options = Options {
            spec: Some(spec),
            policies: supported,
            without: vec!["prober.yaml", "remediator.yaml"],
            listen: address.clone(),
            ..Options::default()
        };
        let guard = Guarded::install(&plane, options).await?;
        Ok(Self {
            plane,
            guard,
            address,
        })
    }

    /// Waits until these conditions have these statuses and reasons at one moment.
    ///
    /// # Errors
    /// They never have.
    pub async fn expect(&self, wanted: &[(&str, &str, &str)]) -> Result<FederationHealth> {
        let all = |health: &FederationHealth| {
            wanted.iter().all(|(type_, status, reason)| {
                condition(health, type_)
                    .is_some_and(|(s, r)| s == *status && (reason.is_empty() || r == *reason))
            })
        };
        self.guard.wait(&format!("{wanted:?}"), LATE, all).await
    }

    /// The message of a condition.
    ///
    /// # Errors
    /// The object cannot be read.
    pub async fn message(&self, type_: &str) -> Result<String> {
        let health = self.guard.health().await?;
        let conditions = health.status.map(|s| s.conditions).unwrap_or_default();
        let found = conditions.into_iter().find(|c| c.type_ == type_);
        Ok(found.map(|c| c.message).unwrap_or_default())
    }

    fn client(&self) -> Client {
        self.plane.client()
    }

    /// Installs KubeFed's CRDs.
    ///
    /// # Errors
    /// The API server refused.
    pub async fn install_kubefed(&self) -> Result<()> {
        kubefed::install_definitions(self.client(), KubefedVersion::V0_8_1).await
    }

    /// Installs KubeSphere's CRDs.
    ///
    /// # Errors
    /// The API server refused.
    pub async fn install_kubesphere(&self) -> Result<()> {
        Kubesphere::install_definitions(&self.client()).await
    }

    /// Deletes a CRD and waits until it is gone.
    ///
    /// # Errors
    /// It stays.
    pub async fn remove_definition(&self, name: &str) -> Result<()> {
        let api: Api<CustomResourceDefinition> = Api::all(self.client());
        api.delete(name, &DeleteParams::default())
            .await
            .attempt(|| format!("delete CRD {name}"))?;
        wait::until(&format!("CRD {name} to be gone"), SOON, || async {
            let found = api.get_opt(name).await.attempt(|| "read a CRD")?;
            Ok(match found {
                None => Look::Done(()),
                Some(_) => Look::Pending("it is there".to_owned()),
            })
        })
        .await
    }

    /// Makes a FederatedWorkspace whose selector has this operator. The CRD takes any.
    ///
    /// # Errors
    /// The API server refused.
    pub async fn select(&self, operator: &str) -> Result<()> {
        let object = json!({
            "apiVersion": "types.kubefed.io/v1beta1", "kind": "FederatedWorkspace",
            "metadata": {"name": "malformed"},
            "spec": {
                "template": {},
                "placement": {"clusterSelector": {"matchExpressions": [{"key": "region", "operator": operator}]}},
            },
        });
        apply::object(&self.client(), &object).await.map(drop)
    }

    /// Registers this server as `host`.
    ///
    /// # Errors
    /// The API server refused.
    pub async fn register(&self) -> Result<()> {
        let options = JoinOptions {
            cluster_object: false,
            ..JoinOptions::host()
        };
        join::join(&self.client(), &self.plane, "host", &options)
            .await
            .map(drop)
    }

    /// Gives the right to read Secrets.
    ///
    /// # Errors
    /// The API server refused.
    pub async fn grant_secrets(&self) -> Result<()> {
        apply::file(&self.client(), &root().join("config/rbac/prober.yaml")).await
    }

    /// Takes the right to read KubeFed's kinds away, or gives it back, and starts the operator afresh: a watch that
    /// stands is not asked for its rights again.
    ///
    /// # Errors
    /// The role cannot be written or the operator does not start.
    pub async fn grant_kubefed(&self, granted: bool) -> Result<()> {
        if granted {
            apply::file(&self.client(), &root().join("config/rbac/observer.yaml")).await?;
        } else {
            let api: Api<ClusterRole> = Api::all(self.client());
            let name = "federation-health-observer";
            let mut role = api.get(name).await.attempt(|| "read the observer's role")?;
            let rules = role.rules.get_or_insert_default();
            let own = "core.kubefed.io".to_owned();
            rules.retain(|rule| !rule.api_groups.iter().flatten().any(|group| *group == own));
            api.replace(name, &kube::api::PostParams::default(), &role)
                .await
                .attempt(|| "take a right from the observer's role")?;
        }
        let runner = self.guard.runner();
        let runner = runner.ok_or_else(|| Error::refused("no operator runs"))?;
        runner.kill(0).await?;
        runner.wait_running(0, SOON).await?;
        runner.wait_running(1, SOON).await
    }

    /// Deletes a policy.
    ///
    /// # Errors
    /// The API server refused.
    pub async fn remove_policy(&self) -> Result<()> {
        let api: Api<ValidatingAdmissionPolicy> = Api::all(self.client());
        let gone = api.delete(POLICY, &DeleteParams::default()).await;
        gone.map(drop).attempt(|| format!("delete policy {POLICY}"))
    }

    /// Deletes a policy's binding.
    ///
    /// # Errors
    /// The API server refused.
    pub async fn unbind_policy(&self) -> Result<()> {
        let api: Api<ValidatingAdmissionPolicyBinding> = Api::all(self.client());
        let gone = api.delete(POLICY, &DeleteParams::default()).await;
        gone.map(drop)
            .attempt(|| format!("delete binding {POLICY}"))
    }

    /// Alters a policy.
    ///
    /// # Errors
    /// The API server refused.
    pub async fn alter_policy(&self) -> Result<()> {
        let api: Api<ValidatingAdmissionPolicy> = Api::all(self.client());
        let patch = Patch::Merge(json!({"spec": {"failurePolicy": "Fail"}}));
        let altered = api.patch(POLICY, &PatchParams::default(), &patch).await;
        altered
            .map(drop)
            .attempt(|| format!("alter policy {POLICY}"))
    }

    /// Applies the policy as shipped.
    ///
    /// # Errors
    /// The API server refused.
    pub async fn restore_policy(&self) -> Result<()> {
        apply::file(&self.client(), &root().join(POLICY_FILE)).await
    }

    /// Metrics that the alert rules name and the operator does not export, while a hold that a person asked for stands.
    ///
    /// # Errors
    /// The endpoints do not answer, or the hold does not come or go.
    pub async fn missing_metrics(&self) -> Result<Vec<String>> {
        let mut spec = holding();
        spec["hold"]["requests"] = json!([{
            "name": "maintenance", "reason": "KubeFed is reinstalled", "until": "2100-01-01T00:00:00Z",
        }]);
        guarded::set_spec(&self.client(), &spec).await?;
        self.guard
            .wait("the requested hold", SOON, |h| holds(h).0)
            .await?;
        let (code, text) = admin::get(&self.address, "/metrics").await?;
        guarded::set_spec(&self.client(), &holding()).await?;
        self.guard
            .wait("its end", SOON, |h| holds(h) == (false, false))
            .await?;
        if code != 200 {
            return Err(Error::refused(format!("/metrics answers {code}")));
        }
        let rules = root().join("config/prometheus/rules.yaml");
        let rules = std::fs::read_to_string(rules).attempt(|| "read the alert rules")?;
        let mut missing: Vec<String> = rules
            .split(|c: char| !(c.is_ascii_lowercase() || c == '_'))
            .filter(|word| word.starts_with("federationhealth_"))
            // They begin with the first act or refusal, and their alerts know that.
            .filter(|word| !word.starts_with("federationhealth_remediation_"))
            .filter(|name| !text.lines().any(|line| line.starts_with(*name)))
            .map(str::to_owned)
            .collect();
        missing.dedup();
        Ok(missing)
    }

    /// Stops the operator as a kubelet would, and tells how long it took.
    ///
    /// # Errors
    /// It needed more than ten seconds.
    pub async fn stop(&self) -> Result<Duration> {
        let api: Api<Deployment> = Api::namespaced(self.client(), NAMESPACE);
        let none = Patch::Merge(json!({"spec": {"replicas": 0}}));
        let begun = Instant::now();
        api.patch("federation-health", &PatchParams::default(), &none)
            .await
            .attempt(|| "scale the operator to zero")?;
        let runner = self.guard.runner();
        let runner = runner.ok_or_else(|| Error::refused("no operator runs"))?;
        runner.wait_running(0, STOP_LIMIT).await?;
        Ok(begun.elapsed())
    }

    /// Makes the namespace of KubeFed, in which the prober's role is.
    ///
    /// # Errors
    /// The API server refused.
    pub async fn make_namespace(&self) -> Result<()> {
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": kinds::KUBEFED_NAMESPACE},
        });
        apply::object(&self.client(), &namespace).await.map(drop)
    }
}
