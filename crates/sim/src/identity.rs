//! What tells one cluster from another: certificates and tokens, in form only. Nothing here protects anything.

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::json;

/// The CA bundle of the server behind an endpoint, base64 as KubeFedClusters carry it. Two endpoints
/// have the same one only if they are the same text: a test that needs a shared CA sets it itself.
pub(crate) fn ca_bundle(endpoint: &str) -> String {
    let body = BASE64_STANDARD.encode(format!("certificate authority of {endpoint}"));
    let pem = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
    BASE64_STANDARD.encode(pem)
}

/// A ServiceAccount's token: a JWT in form, whose claims say which ServiceAccount, with a signature that signs nothing.
pub(crate) fn token(namespace: &str, account: &str, uid: &str, secret: &str) -> String {
    let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({
        "iss": "kubernetes/serviceaccount",
        "kubernetes.io/serviceaccount/namespace": namespace,
        "kubernetes.io/serviceaccount/secret.name": secret,
        "kubernetes.io/serviceaccount/service-account.name": account,
        "kubernetes.io/serviceaccount/service-account.uid": uid,
        "sub": format!("system:serviceaccount:{namespace}:{account}"),
    });
    let header = json!({"alg": "RS256", "kid": "simulated"});
    format!(
        "{}.{}.{}",
        part(header),
        part(claims),
        BASE64_URL_SAFE_NO_PAD.encode("simulated")
    )
}
