//! The ServiceAccount that a token names, looked for on this server: a registration whose token was made here leads here,
//! also where it cannot be dialled.
//!
//! A token's claims are read as they stand, and their signature is not: whoever may write the Secret of a registration may
//! as well put a token of this server into it. Of the claims only the account's namespace and name are sent, to our own API
//! server, and nothing is kept but whether it lives.

#[cfg(test)]
mod tests;

use std::{collections::HashMap, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use federation_health_core::{id::Uid, identity::TokenAccount, text::is_name};
use kube::Client;
use secrecy::zeroize::Zeroizing;
use serde::Deserialize;

use super::{SecretVersion, Token};
use crate::call::{Call, CallError, METADATA};

/// One small object of our own API server; more is an outage.
const DEADLINE: Duration = Duration::from_secs(10);

/// The claims of a token that Kubernetes made: of a Secret's, flat, or of one that is bound to an object, nested.
#[derive(Deserialize)]
struct Claims {
    #[serde(rename = "kubernetes.io/serviceaccount/namespace", default)]
    namespace: String,
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.name", default)]
    name: String,
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.uid", default)]
    uid: String,
    #[serde(rename = "kubernetes.io", default)]
    bound: Option<Bound>,
}

#[derive(Deserialize)]
struct Bound {
    #[serde(default)]
    namespace: String,
    serviceaccount: Object,
}

#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    name: String,
    #[serde(default)]
    uid: String,
}

/// A ServiceAccount as a token names it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    namespace: String,
    name: String,
    uid: Uid,
}

/// None of a token that is no ServiceAccount's.
fn named(token: &Token) -> Option<Named> {
    let mut parts = token.expose().split('.');
    let (_header, claims) = (parts.next()?, parts.next()?);
    let claims = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?);
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    let (namespace, name, uid) = match claims.bound {
        Some(bound) => (
            bound.namespace,
            bound.serviceaccount.name,
            bound.serviceaccount.uid,
        ),
        None => (claims.namespace, claims.name, claims.uid),
    };
    let uid = Uid::parse(&uid)?;
    is_name(&name).then_some(Named {
        namespace,
        name,
        uid,
    })
}

/// Looks for the ServiceAccount of a token, one `get`; none if it names none in this namespace, where KubeFed has its
/// accounts in every cluster, or if we may not look.
///
/// # Errors
/// Our own API server did not answer: nothing was learned.
pub async fn token_account(
    client: &Client,
    namespace: &str,
    token: &Token,
) -> Result<Option<TokenAccount>, CallError> {
    #[derive(Deserialize)]
    struct Account {
        metadata: Object,
    }
    let Some(named) = named(token).filter(|named| named.namespace == namespace) else {
        return Ok(None);
    };
    let uri = format!(
        "/api/v1/namespaces/{namespace}/serviceaccounts/{}",
        named.name
    );
    let mut call = Call::get(client, uri, DEADLINE);
    call.accept = METADATA;
    match call.find::<Account>().await {
        Ok(found) => {
            let lives = found.is_some_and(|a| Uid::parse(&a.metadata.uid) == Some(named.uid));
            Ok(Some(match lives {
                true => TokenAccount::Lives,
                false => TokenAccount::Missing,
            }))
        }
        Err(error) if matches!(error.code(), Some(401 | 403)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Which state of each registration's Secret had its account looked for: the next one is looked for at once.
#[derive(Debug, Default)]
pub struct Looked(HashMap<Uid, SecretVersion>);

impl Looked {
    /// Takes note of the Secret of a registration; whether it is another one than before.
    pub fn anew(&mut self, registration: Uid, secret: &SecretVersion) -> bool {
        self.0.insert(registration, secret.clone()).as_ref() != Some(secret)
    }

    /// Nothing was learned, or there is no Secret any more; whether one was known.
    pub fn forget(&mut self, registration: Uid) -> bool {
        self.0.remove(&registration).is_some()
    }

    /// Forgets registrations that are gone; bounds the memory by the number of those that are.
    pub fn retain(&mut self, exists: impl Fn(Uid) -> bool) {
        self.0.retain(|registration, _| exists(*registration));
    }
}
