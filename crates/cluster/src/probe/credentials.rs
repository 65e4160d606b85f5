//! A registration's token, from the Secret that it names.

#[cfg(test)]
mod tests;

use std::time::Duration;

use federation_health_core::text::is_name;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;

use super::{ProbeError, Token};
use crate::call::{Call, CallError};

/// The key KubeFed reads.
const TOKEN_KEY: &str = "token";
/// One small object of our own API server; more is an outage.
const DEADLINE: Duration = Duration::from_secs(10);

/// Which state of which Secret a token comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretVersion {
    /// UID of the Secret.
    pub uid: String,
    /// Its version.
    pub resource_version: String,
}

/// A token and where it comes from.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The token.
    pub token: Token,
    /// Its Secret.
    pub secret: SecretVersion,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// No such Secret, or the registration names none.
    #[error("read the registration's Secret: it does not exist")]
    NotFound,
    /// We may not read it.
    #[error("read the registration's Secret: the right to get it is lacking")]
    Forbidden,
    /// The Secret has no usable `token`.
    #[error("read the registration's Secret: it holds no token")]
    NoToken,
    /// The API server of the host did not answer in time.
    #[error("read the registration's Secret in time")]
    Timeout,
    /// The API server of the host failed.
    #[error("read the registration's Secret")]
    Failed(#[source] CallError),
}

impl CredentialsError {
    /// The class for reasons and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NotFound => "SecretNotFound",
            Self::Forbidden => "SecretForbidden",
            Self::NoToken => "SecretWithoutToken",
            Self::Timeout => "SecretTimeout",
            Self::Failed(_) => "SecretUnreadable",
        }
    }
}

impl From<ProbeError> for CredentialsError {
    /// The only thing that can be wrong with a token itself.
    fn from(_: ProbeError) -> Self {
        Self::NoToken
    }
}

/// Reads the token of a registration from the Secret `name` in the KubeFed `namespace`, one `get` and no list.
pub async fn credentials(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Credentials, CredentialsError> {
    // Whoever may write a registration chooses the name: with a slash or a question mark it is another request.
    if !is_name(name) {
        return Err(CredentialsError::NotFound);
    }
    // Not by kube's own calls: they log the whole body of an answer that they cannot decode.
    let uri = format!("/api/v1/namespaces/{namespace}/secrets/{name}");
    let secret: Secret = Call::get(client, uri, DEADLINE)
        .read()
        .await
        .map_err(|error| match (&error, error.code()) {
            (CallError::Timeout, _) => CredentialsError::Timeout,
            (_, Some(404)) => CredentialsError::NotFound,
            (_, Some(401 | 403)) => CredentialsError::Forbidden,
            _ => CredentialsError::Failed(error),
        })?;
    let data = secret.data.unwrap_or_default();
    let bytes = data.get(TOKEN_KEY).ok_or(CredentialsError::NoToken)?;
    let text = std::str::from_utf8(&bytes.0).map_err(|_| CredentialsError::NoToken)?;
    let version = SecretVersion {
        uid: secret.metadata.uid.unwrap_or_default(),
        resource_version: secret.metadata.resource_version.unwrap_or_default(),
    };
    Ok(Credentials {
        token: Token::new(text)?,
        secret: version,
    })
}
