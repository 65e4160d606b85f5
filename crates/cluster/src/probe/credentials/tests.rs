//! A scripted answer for one `get`.

use std::io;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Method, Request, Response};
use kube::client::Body;

use super::*;

/// Reads the Secret `member` from a server that answers with `status` and `body`.
async fn read(status: u16, body: String) -> Result<Credentials, CredentialsError> {
    let service = tower::service_fn(move |request: Request<Body>| {
        assert_eq!(request.method(), Method::GET);
        assert_eq!(
            request.uri().path(),
            "/api/v1/namespaces/kube-federation-system/secrets/member"
        );
        let answer = Response::builder()
            .status(status)
            .body(Body::from(body.clone().into_bytes()))
            .unwrap();
        async move { Ok::<_, io::Error>(answer) }
    });
    let client = Client::new(service, "default");
    credentials(&client, "kube-federation-system", "member").await
}

async fn read_token(token: &str) -> Result<Credentials, CredentialsError> {
    let token = STANDARD.encode(token);
    read(
        200,
        format!(
            r#"{{"metadata":{{"uid":"u","resourceVersion":"5"}},"data":{{"token":"{token}"}}}}"#
        ),
    )
    .await
}

#[tokio::test]
async fn reads_the_token_and_the_version_of_its_secret() {
    let read = read_token("abc.def\n").await.unwrap();
    assert_eq!(read.token.expose(), "abc.def");
    assert_eq!(
        read.secret,
        SecretVersion {
            uid: "u".into(),
            resource_version: "5".into()
        }
    );
    assert!(!format!("{read:?}").contains("abc"));
}

#[tokio::test]
async fn tells_apart_why_there_is_none() {
    let status = |code: u16, reason: &str| {
        let body =
            format!(r#"{{"kind":"Status","status":"Failure","reason":"{reason}","code":{code}}}"#);
        read(code, body)
    };
    assert_eq!(
        status(404, "NotFound").await.unwrap_err().as_str(),
        "SecretNotFound"
    );
    assert_eq!(
        status(403, "Forbidden").await.unwrap_err().as_str(),
        "SecretForbidden"
    );
    assert_eq!(
        status(500, "InternalError").await.unwrap_err().as_str(),
        "SecretUnreadable"
    );
    assert_eq!(
        read(200, r#"{"metadata":{}}"#.into())
            .await
            .unwrap_err()
            .as_str(),
        "SecretWithoutToken"
    );
    for bad in ["", "a\r\nHost: evil", "a b"] {
        assert_eq!(
            read_token(bad).await.unwrap_err().as_str(),
            "SecretWithoutToken",
            "{bad:?}"
        );
    }
}

#[tokio::test]
async fn a_registration_without_a_secrets_name_asks_nobody() {
    let service = tower::service_fn(|_: Request<Body>| async {
        Err::<Response<Body>, _>(io::Error::other("asked"))
    });
    let client = Client::new(service, "default");
    let long = "a".repeat(254);
    for name in [
        "",
        ".",
        "..",
        "../configmaps/x",
        "a/b",
        "a?watch=1",
        "a#b",
        "a%2fb",
        "A",
        "-a",
        "a.",
        &long,
    ] {
        let outcome = credentials(&client, "ns", name).await;
        assert!(matches!(outcome, Err(CredentialsError::NotFound)), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_not_waited_for() {
    let service = tower::service_fn(|_: Request<Body>| {
        std::future::pending::<Result<Response<Body>, io::Error>>()
    });
    let outcome = credentials(&Client::new(service, "default"), "ns", "member").await;
    assert!(matches!(outcome, Err(CredentialsError::Timeout)));
}
