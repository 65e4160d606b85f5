//! A real federation with the shipped operator on it: its own ServiceAccount, roles and policies.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use federation_health_api::{FederationHealth, FederationHold, names, v1alpha1::FindingStatus};
use federation_health_testbed::{
    apply,
    control_plane::ControlPlane,
    error::{Attempt as _, Error, Result},
    runner::{BinaryOptions, DeploymentRunner, run_binary_as_deployment},
    wait::{self, Look},
};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

/// Namespace of the operator in the shipped manifests.
pub const NAMESPACE: &str = "federation-health-system";
/// User name of the operator in audit logs.
pub const USER: &str = "system:serviceaccount:federation-health-system:federation-health";
/// Deployment and ServiceAccount of the operator.
pub const NAME: &str = "federation-health";
/// An operator that is not up after this is broken.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Root of the checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_owned)
        .unwrap_or_default()
}

/// The operator's binary: `FEDERATION_HEALTH_OPERATOR`, or the one built beside the running test.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("FEDERATION_HEALTH_OPERATOR") {
        return Ok(path.into());
    }
    built("federation-health-operator", "federation-health-operator")
}

/// A binary of a package, built beside the running program.
pub fn built(package: &str, binary: &str) -> Result<PathBuf> {
    let program = std::env::current_exe().attempt(|| "find the running program")?;
    let found = program
        .ancestors()
        .skip(1)
        .take(2)
        .map(|dir| dir.join(binary))
        .find(|p| p.exists());
    found.ok_or_else(|| {
        Error::refused(format!(
            "{binary} is not built: run `cargo build -p {package}` first"
        ))
    })
}

/// What is installed and how the operator is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Spec of the FederationHealth object; None installs no object.
    pub spec: Option<Value>,
    /// Apply config/policies.
    pub policies: bool,
    /// Start the operator.
    pub operator: bool,
    /// Names of manifests under config/rbac to leave out.
    pub without: Vec<&'static str>,
    /// Another server address for the operator, such as a forward's.
    pub server: Option<String>,
    /// What the operator logs, in tracing's filter syntax.
    pub log: String,
    /// Address of the admin endpoints; empty for none.
    pub listen: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            spec: Some(holding()),
            policies: true,
            operator: true,
            without: Vec::new(),
            server: None,
            log: "info,federation_health=debug".to_owned(),
            listen: String::new(),
        }
    }
}

/// Both holds on diagnosis, probing, and a release after one second.
pub fn holding() -> Value {
    json!({
        "probe": {"mode": "Probe", "allowedEndpoints": ["127.0.0.0/8"]},
        "hold": {"collection": "OnDiagnosis", "federation": "OnDiagnosis", "releaseAfterSeconds": 1},
    })
}

/// No hold, probing.
pub fn observing() -> Value {
    json!({"probe": {"mode": "Probe", "allowedEndpoints": ["127.0.0.0/8"]}})
}

/// The operator on a control plane.
pub struct Guarded {
    client: Client,
    runner: Option<DeploymentRunner>,
}

impl Guarded {
    /// Installs the shipped manifests and starts the operator.
    pub async fn install(plane: &ControlPlane, options: Options) -> Result<Self> {
        let client = plane.client();
        let config = root().join("config");
        apply::yaml(
            &client,
            &format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {NAMESPACE}\n"),
        )
        .await?;
        install_definitions(&client).await?;
        apply_all(&client, &config.join("rbac"), &options.without).await?;
        if options.policies {
            install_policies(&client).await?;
        }
        if let Some(spec) = &options.spec {
            set_spec(&client, spec).await?;
        }
        let runner = match options.operator {
            true => Some(start(plane, &options).await?),
            false => None,
        };
        Ok(Self { client, runner })
    }

    /// The object as it is now.
    pub async fn health(&self) -> Result<FederationHealth> {
        health(&self.client).await
    }

    /// The operator's runner.
    pub fn runner(&self) -> Option<&DeploymentRunner> {
        self.runner.as_ref()
    }

    /// Waits until the object satisfies `good`.
    pub async fn wait(
        &self,
        what: &str,
        limit: Duration,
        good: impl Fn(&FederationHealth) -> bool,
    ) -> Result<FederationHealth> {
        wait_health(&self.client, what, limit, good).await
    }

    /// Waits for a condition's status.
    pub async fn wait_condition(
        &self,
        type_: &str,
        status: &str,
        limit: Duration,
    ) -> Result<FederationHealth> {
        let what = format!("condition {type_}={status}");
        self.wait(&what, limit, |h| {
            condition(h, type_).is_some_and(|(s, _)| s == status)
        })
        .await
    }

    /// Waits for the finding of this code; its subject, message and evidence in one line.
    pub async fn wait_finding(&self, code: &str, limit: Duration) -> Result<String> {
        let what = format!("finding {code}");
        let open = |h: &FederationHealth| finding(h, code).is_some();
        let health = self.wait(&what, limit, open).await?;
        let told = finding(&health, code)
            .map(|f| format!("{} {} {}", f.subject, f.message, f.evidence.join(" ")));
        Ok(told.unwrap_or_default())
    }

    /// Waits until the finding of this code is open no more.
    pub async fn wait_without(&self, code: &str, limit: Duration) -> Result<()> {
        let what = format!("the end of finding {code}");
        let ended = |h: &FederationHealth| finding(h, code).is_none();
        self.wait(&what, limit, ended).await.map(drop)
    }
}

/// The open finding of this code.
pub fn finding<'a>(health: &'a FederationHealth, code: &str) -> Option<&'a FindingStatus> {
    let findings = &health.status.as_ref()?.findings;
    findings.iter().find(|f| f.code == code)
}

/// Status and reason of a condition.
pub fn condition(health: &FederationHealth, type_: &str) -> Option<(String, String)> {
    let conditions = &health.status.as_ref()?.conditions;
    conditions
        .iter()
        .find(|c| c.type_ == type_)
        .map(|c| (c.status.clone(), c.reason.clone()))
}

/// The status is one of the spec as it is now.
pub fn is_current(health: &FederationHealth) -> bool {
    let of = health.status.as_ref().and_then(|s| s.observed_generation);
    of == health.metadata.generation
}

/// What the status says is held: collection, federation.
pub fn holds(health: &FederationHealth) -> (bool, bool) {
    let hold = health.status.as_ref().and_then(|s| s.hold.as_ref());
    hold.map_or((false, false), |h| (h.collection, h.federation))
}

/// What the switch says: collection, federation. The truth of the fast layer, of which a status is the copy.
pub async fn switched(client: &Client) -> Result<(bool, bool)> {
    let switch: Option<FederationHold> = Api::all(client.clone())
        .get_opt("default")
        .await
        .attempt(|| "get FederationHold default")?;
    let hold = switch.and_then(|s| s.status).and_then(|s| s.hold);
    Ok(hold.map_or((false, false), |h| (h.collection, h.federation)))
}

/// The object as it is now.
pub async fn health(client: &Client) -> Result<FederationHealth> {
    Api::all(client.clone())
        .get("default")
        .await
        .attempt(|| "get FederationHealth default")
}

/// Waits until the object satisfies `good`.
pub async fn wait_health(
    client: &Client,
    what: &str,
    limit: Duration,
    good: impl Fn(&FederationHealth) -> bool,
) -> Result<FederationHealth> {
    let api: Api<FederationHealth> = Api::all(client.clone());
    wait::until(what, limit, || async {
        match api.get_opt("default").await {
            Ok(Some(found)) if good(&found) => Ok(Look::Done(found)),
            Ok(found) => Ok(Look::Pending(found.map_or("none".to_owned(), |h| told(&h)))),
            Err(error) => Ok(Look::Pending(error.to_string())),
        }
    })
    .await
}

/// What a test that waits in vain says of the object, what remediation did and what stops it first: logs show the beginning of a
/// line.
fn told(health: &FederationHealth) -> String {
    let Some(status) = &health.status else {
        return "no status".to_owned();
    };
    let mut conditions: Vec<_> = status.conditions.iter().collect();
    conditions.sort_by_key(|c| !c.type_.starts_with("Remediat"));
    let conditions = conditions
        .iter()
        .map(|c| format!("{}={} {}: {}", c.type_, c.status, c.reason, c.message));
    let acts = status
        .actions
        .iter()
        .map(|act| format!("{} {} {}", act.action, act.name, act.state));
    acts.chain(conditions).collect::<Vec<_>>().join("; ")
}

/// Sets the whole spec, creating the object if need be.
pub async fn set_spec(client: &Client, spec: &Value) -> Result<()> {
    let object = json!({
        "apiVersion": "federationhealth.io/v1alpha1",
        "kind": "FederationHealth",
        "metadata": {"name": "default"},
        "spec": spec,
    });
    apply::object(client, &object).await.map(drop)
}

/// Applies config/crd.
pub async fn install_definitions(client: &Client) -> Result<()> {
    apply_all(client, &root().join("config/crd"), &[]).await
}

/// Applies config/policies: the bindings of the durable layer are dormant then.
pub async fn install_policies(client: &Client) -> Result<()> {
    apply_all(client, &root().join("config/policies"), &[]).await
}

async fn apply_all(client: &Client, dir: &Path, without: &[&str]) -> Result<()> {
    let entries = std::fs::read_dir(dir).attempt(|| format!("read {}", dir.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
    files.sort();
    for file in files {
        let name = file
            .file_name()
            .and_then(|n| n.to_str())
            .unwrap_or_default()
            .to_owned();
        if file.extension().is_some_and(|e| e == "yaml")
            && name != "kustomization.yaml"
            && !without.contains(&name.as_str())
        {
            apply::file(client, &file).await?;
        }
    }
    Ok(())
}

async fn start(plane: &ControlPlane, options: &Options) -> Result<DeploymentRunner> {
    deployment(&plane.client()).await?;
    let mut env = vec![(
        "FEDERATION_HEALTH_LISTEN".to_owned(),
        options.listen.clone(),
    )];
    if let Some(server) = options.server.as_deref() {
        let path = through(plane, server).await?;
        env.push(("KUBECONFIG".to_owned(), path.display().to_string()));
    }
    let options = BinaryOptions {
        namespace: NAMESPACE.to_owned(),
        deployment: NAME.to_owned(),
        service_account: NAME.to_owned(),
        program: binary()?,
        args: vec![format!("--log={}", options.log)],
        env,
        max_processes: 2,
    };
    let runner = run_binary_as_deployment(plane, options).await?;
    runner.wait_running(1, START_LIMIT).await?;
    Ok(runner)
}

/// The operator's kubeconfig with another server address.
async fn through(plane: &ControlPlane, server: &str) -> Result<PathBuf> {
    let mut access = plane.access_as(NAMESPACE, NAME).await?;
    server.clone_into(&mut access.server);
    let path = plane.dir().join("operator-through-forward.kubeconfig");
    std::fs::write(&path, access.kubeconfig()).attempt(|| "write the operator's kubeconfig")?;
    Ok(path)
}

async fn deployment(client: &Client) -> Result<()> {
    // As in the shipped manifest: by these the plugin finds it.
    let labels = names::OPERATOR_LABELS.split(',');
    let labels: BTreeMap<&str, &str> = labels.filter_map(|label| label.split_once('=')).collect();
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app.kubernetes.io/name": NAME}},
            "template": {
                "metadata": {"labels": {"app.kubernetes.io/name": NAME}},
                "spec": {"serviceAccountName": NAME, "containers": [{"name": "operator", "image": "federation-health:dev"}]},
            },
        },
    });
    apply::object(client, &object).await.map(drop)
}

/// A client with the operator's own rights, for what only it may do.
pub async fn operator_client(plane: &ControlPlane) -> Result<Client> {
    let access = plane.access_as(NAMESPACE, NAME).await?;
    let config: Config = access.config().await?;
    Client::try_from(config).attempt(|| "build a client with the operator's rights")
}
