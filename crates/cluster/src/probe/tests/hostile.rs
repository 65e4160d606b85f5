//! Servers that mean us no good.

use tokio::time::Instant;

use super::{
    SECOND, lease, local, probe_with,
    server::{Authority, Reply, Server, json, namespace},
    target,
};
use crate::probe::{ProbeError, TlsDialer};

#[tokio::test]
async fn a_server_that_stalls_after_tls_times_out() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{";
    for reply in [
        Reply::silence(),
        Reply::hanging("HTTP/1.1 200"),
        Reply::hanging(head),
    ] {
        let started = Instant::now();
        let (outcome, _server) = probe_with(move |_| reply.clone()).await;
        assert_eq!(outcome, Err(ProbeError::Timeout));
        assert!(started.elapsed() < 2 * SECOND, "{:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_huge_body_is_cut() {
    let spaces = " ".repeat((1 << 20) + 1);
    let known = Reply::closing(format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{spaces}",
        spaces.len()
    ));
    let chunked = Reply::hanging(format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{spaces}\r\n",
        spaces.len()
    ));
    for reply in [known, chunked] {
        assert_eq!(
            probe_with(move |_| reply.clone()).await.0,
            Err(ProbeError::BodyTooLarge)
        );
    }
    let headers = Reply::hanging(format!("HTTP/1.1 200 OK\r\nx: {}\r\n", "a".repeat(100_000)));
    assert_eq!(
        probe_with(move |_| headers.clone()).await.0,
        Err(ProbeError::NotKubernetes)
    );
}

#[tokio::test]
async fn what_is_no_namespace_is_not_kubernetes() {
    let namespace = |kind: &str, name: &str, uid: &str| {
        format!(r#"{{"kind":"{kind}","metadata":{{"name":"{name}","uid":"{uid}"}}}}"#)
    };
    for body in [
        "<html>".to_owned(),
        "{}".to_owned(),
        namespace("Status", "kube-system", "u"),
        namespace("Namespace", "default", "u"),
        namespace("Namespace", "kube-system", ""),
        namespace("Namespace", "kube-system", &"a".repeat(65)),
        namespace("Namespace", "kube-system", r"<script>\u001b[31m"),
    ] {
        let reply = json(200, &body);
        assert_eq!(
            probe_with(move |_| reply.clone()).await.0,
            Err(ProbeError::NotKubernetes),
            "{body}"
        );
    }
    let garbage = Reply::closing("220 smtp ready\r\n\r\n");
    assert_eq!(
        probe_with(move |_| garbage.clone()).await.0,
        Err(ProbeError::NotKubernetes)
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let authority = Authority::new();
    let elsewhere = Server::start(&authority.server("127.0.0.1"), |_| namespace()).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!(
            "HTTP/1.1 {status} Moved\r\nlocation: {}/api/v1/namespaces/kube-system\r\ncontent-length: 0\r\n\r\n",
            elsewhere.endpoint()
        );
        let reply = Reply::closing(location);
        let server = Server::start(&authority.server("127.0.0.1"), move |_| reply.clone()).await;
        let outcome = TlsDialer::default()
            .probe(&target(&server.endpoint(), &authority), &local(), SECOND)
            .await;
        assert_eq!(outcome, Err(ProbeError::NotKubernetes), "{status}");
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn leases_with_foreign_text_are_left_out() {
    let (outcome, _server) = probe_with(|path| {
        if !path.contains("/leases") {
            return namespace();
        }
        let mut leases = vec![
            lease("ok", "h", "1"),
            lease("Bad Name", "h", "1"),
            lease("", "h", "1"),
            lease("b", r"new\nline", "1"),
            lease("c", "h", "-1"),
            lease("d", "h", ""),
            lease("e", &"h".repeat(254), "1"),
        ];
        leases.extend((0..40).map(|n| lease(&format!("z{n}"), "h", "1")));
        json(200, &format!(r#"{{"items":[{}]}}"#, leases.join(",")))
    })
    .await;
    let leases = outcome.unwrap().leases;
    assert_eq!(leases.len(), 20, "a server that ignores the limit");
    assert!(
        leases
            .iter()
            .all(|lease| lease.name == "ok" || lease.name.starts_with('z'))
    );
}
