//! Kubeconfigs of the test bed: one server, one user, everything inline.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use crate::error::{Attempt, Result};
use crate::pki::Identity;

/// How a user proves who it is.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A client certificate.
    Certificate(Identity),
    /// A ServiceAccount's token.
    Token(String),
}

/// Where a server is and how a user reaches it.
#[derive(Clone, Debug)]
pub struct Access {
    /// `https://127.0.0.1:port`.
    pub server: String,
    /// The authority's certificate, PEM.
    pub ca: String,
    /// The user.
    pub credentials: Credentials,
}

impl Access {
    /// The kubeconfig's text: JSON, which every reader of kubeconfigs takes as YAML.
    pub fn kubeconfig(&self) -> String {
        let user = match &self.credentials {
            Credentials::Token(token) => json!({ "token": token }),
            Credentials::Certificate(identity) => json!({
                "client-certificate-data": BASE64.encode(&identity.certificate),
                "client-key-data": BASE64.encode(&identity.key),
            }),
        };
        let document: Value = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "testbed", "cluster": {
                "server": self.server,
                "certificate-authority-data": BASE64.encode(&self.ca),
            }}],
            "users": [{ "name": "testbed", "user": user }],
            "contexts": [{ "name": "testbed", "context": {
                "cluster": "testbed", "user": "testbed",
            }}],
            "current-context": "testbed",
        });
        format!("{document:#}\n")
    }

    /// The configuration for a kube client, to be changed before [`Client::try_from`].
    pub async fn config(&self) -> Result<Config> {
        let kubeconfig = Kubeconfig::from_yaml(&self.kubeconfig())
            .attempt(|| format!("read the kubeconfig for {}", self.server))?;
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .attempt(|| format!("configure a client for {}", self.server))?;
        // A proxy named in the developer's environment must not see traffic for loopback.
        config.proxy_url = None;
        Ok(config)
    }

    /// A client with kube's defaults.
    pub async fn client(&self) -> Result<Client> {
        Client::try_from(self.config().await?)
            .attempt(|| format!("build a client for {}", self.server))
    }
}
