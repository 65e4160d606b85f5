//! The connection, by kubectl's rules, and the few requests that the verbs make.
use std::fmt::Write as _;

use federation_health_api::{FederationHealth, names::HEALTHS};
use http::{
    Method, Request,
    header::{ACCEPT, CONTENT_TYPE},
};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Error, Shell, args::Global};

/// Objects of one page of a list, as kubectl asks for.
const PAGE: usize = 500;
/// Pages of one list: a server that always has one more is broken. 100,000 Workspaces are 200 pages.
const PAGES: usize = 4096;
/// How often a change is tried that others' writes of the same object keep from being made: each needs one in the few
/// milliseconds between read and write, so five of them are no storm but a server in trouble.
const ATTEMPTS: usize = 5;
/// Field manager of every write of this program.
const MANAGER: &str = "kubectl-federation-health";
/// By this the server draws the table itself, as kubectl asks it to.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

/// A connection to the host cluster.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    server: String,
    authority: Option<String>,
}

impl Cluster {
    /// Connects as kubectl would with these flags.
    pub async fn connect(global: &Global, shell: &Shell) -> Result<Self, Error> {
        let (mut config, authority) = configured(global, shell).await?;
        if let Some(user) = &global.impersonate {
            config.auth_info.impersonate = Some(user.clone());
        }
        if !global.impersonate_groups.is_empty() {
            config.auth_info.impersonate_groups = Some(global.impersonate_groups.clone());
        }
        let timeout = (global.request_timeout > 0)
            .then(|| std::time::Duration::from_secs(global.request_timeout));
        config.connect_timeout = timeout;
        config.read_timeout = timeout;
        // A person who waits wants the error, not its repetition.
        config.default_retry = false;
        let server = config.cluster_url.to_string();
        let client = Client::try_from(config).map_err(Error::Connect)?;
        Ok(Self {
            client,
            server,
            authority,
        })
    }

    /// A server that is reached already.
    pub fn of(client: Client) -> Self {
        Self {
            client,
            server: String::new(),
            authority: None,
        }
    }

    /// The API server's URL, and the base64 of its CA bundle where the kubeconfig has it.
    pub fn server(&self) -> (String, Option<String>) {
        (self.server.clone(), self.authority.clone())
    }

    async fn send<T: DeserializeOwned>(
        &self,
        attempt: &str,
        request: http::Result<Request<Vec<u8>>>,
    ) -> Result<T, Error> {
        let request = request.map_err(|e| Error::parse(attempt, e))?;
        let failed = |source| Error::Request {
            attempt: attempt.to_owned(),
            source,
        };
        self.client.request(request).await.map_err(failed)
    }

    /// Reads one object or document.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.send(&format!("get {path}"), Request::get(path).body(Vec::new()))
            .await
    }

    /// A collection as kubectl prints it, the server's own columns.
    pub async fn table(&self, path: &str) -> Result<String, Error> {
        let attempt = format!("get the table of {path}");
        let request = Request::get(path).header(ACCEPT, TABLE).body(Vec::new());
        let table = self.send(&attempt, request).await?;
        crate::table::served(&table)
            .ok_or_else(|| Error::Refused(format!("{attempt}: the server sent something else")))
    }

    /// Reads one object; None if there is none, or no such kind.
    pub async fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Error> {
        match self.get(path).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lists a collection page by page.
    pub async fn list(
        &self,
        path: &str,
        select: Option<(&str, &str)>,
    ) -> Result<Vec<Value>, Error> {
        let attempt = format!("list {path}");
        let (mut items, mut next) = (Vec::new(), String::new());
        for _ in 0..PAGES {
            let mut query = format!("{path}?limit={PAGE}");
            for (key, value) in select.into_iter().chain([("continue", &*next)]) {
                if !value.is_empty() {
                    let _ = write!(query, "&{key}={}", escape(value));
                }
            }
            let mut page: Value = self
                .send(&attempt, Request::get(&query).body(Vec::new()))
                .await?;
            if let Value::Array(list) = page["items"].take() {
                items.extend(list);
            }
            match page["metadata"]["continue"].take() {
                Value::String(token) if !token.is_empty() => next = token,
                _ => return Ok(items),
            }
        }
        Err(Error::Refused(format!(
            "{attempt}: the server has one more page after {PAGES}"
        )))
    }

    /// Creates an object, or asks a review.
    pub async fn create(&self, path: &str, object: &Value) -> Result<Value, Error> {
        let request = Request::post(path)
            .header(CONTENT_TYPE, "application/json")
            .body(object.to_string().into_bytes());
        self.send(&format!("create in {path}"), request).await
    }

    /// Changes an object by a merge patch.
    pub async fn merge(&self, path: &str, patch: &Value, dry_run: bool) -> Result<Value, Error> {
        let dry = if dry_run { "&dryRun=All" } else { "" };
        let request = Request::builder()
            .method(Method::PATCH)
            .uri(format!("{path}?fieldManager={MANAGER}{dry}"))
            .header(CONTENT_TYPE, "application/merge-patch+json")
            .body(patch.to_string().into_bytes());
        self.send(&format!("patch {path}"), request).await
    }

    /// The FederationHealth object, as it is on the wire.
    pub async fn health_value(&self, name: &str) -> Result<Value, Error> {
        let path = format!("{HEALTHS}/{name}");
        self.find(&path).await?.ok_or_else(|| {
            Error::Refused(format!(
                "there is no FederationHealth {name}: does the operator run (kubectl federation-health check)? Without it, kubectl federation-health preflight judges the federation as it is now"
            ))
        })
    }

    /// The FederationHealth object.
    pub async fn health(&self, name: &str) -> Result<FederationHealth, Error> {
        read_health(&self.health_value(name).await?)
    }

    /// Changes the spec of the FederationHealth object by what `change` makes of it, and gives what that found. In a storm
    /// the operator writes the same object's status several times a second: the change is made anew of what is there then.
    pub async fn edit<T>(
        &self,
        name: &str,
        dry_run: bool,
        mut change: impl FnMut(&FederationHealth) -> Result<(Value, T), Error>,
    ) -> Result<T, Error> {
        let path = format!("{HEALTHS}/{name}");
        let mut attempt = 1;
        loop {
            let health = self.health(name).await?;
            let (spec, found) = change(&health)?;
            // A merge patch replaces lists whole, so it must meet the object that was read.
            let version = &health.metadata.resource_version;
            let patch = json!({"metadata": {"resourceVersion": version}, "spec": spec});
            match self.merge(&path, &patch, dry_run).await {
                Err(error) if error.status() == Some(409) && attempt < ATTEMPTS => attempt += 1,
                answer => return answer.map(|_| found),
            }
        }
    }

    /// The client, for watches.
    pub fn client(&self) -> &Client {
        &self.client
    }
}

/// What the kubeconfig says; in a pod, where nobody named one and there is none, the pod's own ServiceAccount, as kubectl does.
async fn configured(global: &Global, shell: &Shell) -> Result<(Config, Option<String>), Error> {
    let file = global.kubeconfig.as_ref().or(shell.kubeconfig.as_ref());
    let read = match file {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    let named = std::env::var_os("KUBECONFIG").is_some_and(|value| !value.is_empty());
    let named = named || file.is_some() || global.context.is_some();
    let kubeconfig = match read {
        Ok(kubeconfig) => kubeconfig,
        Err(error) if !named && absent(&error) => {
            // Outside a pod the kubeconfig is what is missing.
            let config = Config::incluster().map_err(|_| Error::Kubeconfig(error))?;
            return Ok((config, None));
        }
        Err(error) => return Err(Error::Kubeconfig(error)),
    };
    let authority = authority(&kubeconfig, global.context.as_deref());
    let options = KubeConfigOptions {
        context: global.context.clone(),
        ..KubeConfigOptions::default()
    };
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    Ok((config.map_err(Error::Kubeconfig)?, authority))
}

/// There is no kubeconfig: one that cannot be read is another thing.
fn absent(error: &KubeconfigError) -> bool {
    match error {
        KubeconfigError::FindPath => true,
        KubeconfigError::ReadConfig(source, _) => source.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

/// The CA bundle of a context, as KubeFedClusters carry it too.
fn authority(kubeconfig: &Kubeconfig, context: Option<&str>) -> Option<String> {
    let name = context.or(kubeconfig.current_context.as_deref())?;
    let context = kubeconfig.contexts.iter().find(|c| c.name == name)?;
    let cluster = &context.context.as_ref()?.cluster;
    let found = kubeconfig.clusters.iter().find(|c| c.name == *cluster)?;
    found.cluster.as_ref()?.certificate_authority_data.clone()
}

/// Reads a FederationHealth object.
pub fn read_health(value: &Value) -> Result<FederationHealth, Error> {
    serde::Deserialize::deserialize(value)
        .map_err(|e: serde_json::Error| Error::parse("read the FederationHealth object", e))
}

fn escape(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(b).to_string()
            }
            _ => format!("%{b:02X}"),
        })
        .collect()
}
