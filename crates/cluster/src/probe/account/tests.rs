//! Claims as Kubernetes writes them, and a scripted answer for one `get`.

use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering},
};

use http::{Request, Response, header};
use kube::client::Body;
use serde_json::{Value, json};

use super::*;

const PLANE: &str = "kube-federation-system";
const UID: &str = "0b8f2f2e-7f6d-4f9e-9b1a-1c2d3e4f5a6b";

fn token(claims: &Value) -> Token {
    let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let header = part(r#"{"alg":"RS256"}"#);
    Token::new(&format!(
        "{header}.{}.{}",
        part(&claims.to_string()),
        part("?")
    ))
    .unwrap()
}

/// Of a token Secret.
fn legacy(namespace: &str, name: &str, uid: &str) -> Value {
    json!({
        "iss": "kubernetes/serviceaccount",
        "kubernetes.io/serviceaccount/namespace": namespace,
        "kubernetes.io/serviceaccount/secret.name": "host-kubesphere-token-x",
        "kubernetes.io/serviceaccount/service-account.name": name,
        "kubernetes.io/serviceaccount/service-account.uid": uid,
        "sub": format!("system:serviceaccount:{namespace}:{name}"),
    })
}

/// Of a TokenRequest.
fn bound(namespace: &str, name: &str, uid: &str) -> Value {
    json!({
        "aud": ["https://kubernetes.default.svc"], "exp": 1_795_420_800, "iss": "https://kubernetes.default.svc",
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}},
        "sub": format!("system:serviceaccount:{namespace}:{name}"),
    })
}

#[test]
fn both_forms_of_a_token_name_their_account() {
    let expected = Named {
        namespace: PLANE.into(),
        name: "host-kubesphere".into(),
        uid: Uid::parse(UID).unwrap(),
    };
    for claims in [legacy, bound] {
        let claims = claims(PLANE, "host-kubesphere", UID);
        assert_eq!(named(&token(&claims)), Some(expected.clone()), "{claims}");
    }
}

#[test]
fn what_names_no_account_is_none() {
    for claims in [
        json!({"sub": "somebody"}),
        legacy(PLANE, "", UID),
        legacy(PLANE, "../secrets/host-secret", UID),
        legacy(PLANE, "host-kubesphere", ""),
        bound(PLANE, "host?x=1", UID),
        json!({"kubernetes.io": "host"}),
        json!([1, 2]),
    ] {
        assert_eq!(named(&token(&claims)), None, "{claims}");
    }
    for text in ["dGVzdA==", "a.b.c", "...", "a.e30"] {
        assert_eq!(named(&Token::new(text).unwrap()), None, "{text}");
    }
}

/// Looks for the account of these claims on a server that answers so; also how often it was asked.
async fn look(
    claims: &Value,
    code: u16,
    body: Value,
) -> (Result<Option<TokenAccount>, CallError>, usize) {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let service = tower::service_fn(move |request: Request<Body>| {
        ASKED.fetch_add(1, Ordering::SeqCst);
        let path = "/api/v1/namespaces/kube-federation-system/serviceaccounts/host-kubesphere";
        assert_eq!(request.uri(), path);
        assert_eq!(request.headers()[header::ACCEPT], METADATA);
        let answer = Response::builder()
            .status(code)
            .body(Body::from(body.to_string().into_bytes()));
        async move { answer.map_err(io::Error::other) }
    });
    let client = Client::new(service, "default");
    let before = ASKED.load(Ordering::SeqCst);
    let found = token_account(&client, PLANE, &token(claims)).await;
    (found, ASKED.load(Ordering::SeqCst) - before)
}

#[tokio::test]
async fn the_uid_decides_whether_the_account_lives_here() {
    let account = |uid: &str| json!({"metadata": {"name": "host-kubesphere", "uid": uid}});
    let claims = legacy(PLANE, "host-kubesphere", UID);
    let other = "ffffffff-7f6d-4f9e-9b1a-1c2d3e4f5a6b";
    for (code, body, expected) in [
        (200, account(UID), Some(TokenAccount::Lives)),
        // Deleted and made again: the token of the former one is good for nothing.
        (200, account(other), Some(TokenAccount::Missing)),
        (404, json!({}), Some(TokenAccount::Missing)),
        (403, json!({}), None),
    ] {
        let (found, asked) = look(&claims, code, body).await;
        assert_eq!((found.unwrap(), asked), (expected, 1), "{code}");
    }
    let (found, _) = look(&claims, 503, json!({})).await;
    assert!(found.is_err(), "an outage is no absence");
    // Nobody is asked for the account of another namespace: there is no right to, and KubeFed has none there.
    let foreign = legacy("kube-system", "host-kubesphere", UID);
    let (found, asked) = look(&foreign, 200, account(UID)).await;
    assert_eq!((found.unwrap(), asked), (None, 0));
}

#[test]
fn a_secret_is_looked_at_once_for_each_of_its_states() {
    let version = |n: &str| SecretVersion {
        uid: "s".into(),
        resource_version: n.into(),
    };
    let (one, other) = (Uid::from(1), Uid::from(2));
    let mut looked = Looked::default();
    assert!(looked.anew(one, &version("1")));
    assert!(!looked.anew(one, &version("1")));
    assert!(looked.anew(one, &version("2")));
    assert!(looked.anew(other, &version("2")));
    assert!(looked.forget(one) && !looked.forget(one));
    assert!(looked.anew(one, &version("2")), "nothing was learned");
    looked.retain(|uid| uid == one);
    assert!(looked.anew(other, &version("2")));
}
