//! Servers that mean us no good.

use std::time::Duration;

use federation_health_api::foreign::KubeFedClusterSpec;
use tokio::time::Instant;

use super::{
    SECOND, lease, local, probe_with,
    server::{Authority, Reply, Server, crumbs, json, namespace},
    target,
};
use crate::{
    endpoint::EndpointPolicy,
    probe::{ProbeError, Site, Target, TlsDialer, Token},
};

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
async fn an_answer_in_crumbs_is_read_as_a_whole() {
    let body = r#"{"kind":"Namespace","metadata":{"name":"kube-system","uid":"u"},"items":[]}"#;
    let (outcome, _server) = probe_with(|_| crumbs(body)).await;
    assert_eq!(outcome.unwrap().kube_system_uid, "u");
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

/// Sixty-four kilobytes of white space, which is valid anywhere in JSON.
static BLANKS: &str = {
    static BYTES: [u8; 1 << 16] = [b' '; 1 << 16];
    match std::str::from_utf8(&BYTES) {
        Ok(text) => text,
        Err(_) => "",
    }
};

#[tokio::test]
async fn an_endless_body_finds_room_for_a_few_megabytes_alone() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n{";
    let reply = Reply::endless(head, BLANKS, Duration::ZERO);
    let (outcome, server) = probe_with(move |_| reply.clone()).await;
    assert_eq!(outcome, Err(ProbeError::BodyTooLarge));
    // What the server could send is what we and both kernels hold: our own limit is 1 MiB, their buffers some megabytes.
    assert!(server.sent() < 16 << 20, "{} bytes", server.sent());
}

#[tokio::test]
async fn a_body_that_drips_is_given_up_in_time() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n{";
    for reply in [
        Reply::endless(head, " ", Duration::from_millis(20)),
        Reply::endless("HTTP/1.1 200 OK\r\nx: ", "a", Duration::from_millis(20)),
    ] {
        let (outcome, server) = probe_with(move |_| reply.clone()).await;
        assert_eq!(outcome, Err(ProbeError::Timeout));
        assert!(server.sent() > 1, "it kept the connection alive");
    }
}

/// Ways to write an address that must not be dialled, around the port of a server that listens on this machine.
fn tricks(port: u16) -> Vec<String> {
    let hosts = [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "127.255.255.254",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.1.",
        "00127.0.0.1",
        "0.0.0.0",
        "0",
        "localhost",
        "LOCALHOST",
        "LocalHost.",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::FFFF:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1%25lo]",
        "[fe80::1]",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "168.63.129.16",
        "224.0.0.1",
        "255.255.255.255",
        "%31%32%37.0.0.1",
        "127。0。0。1",
        "１２７.0.0.1",
        "127.0.0.1%00.example",
        "10.0.0.1@127.0.0.1",
        "127.0.0.1\\@10.0.0.1",
        "10.0.0.1#@127.0.0.1",
        " 127.0.0.1",
        "127.0.0.1\t",
        "127.0.0.1\r\nHost: 10.0.0.1",
    ];
    let mut tricks: Vec<String> = hosts
        .iter()
        .map(|host| format!("https://{host}:{port}"))
        .collect();
    tricks.extend([
        format!("http://127.0.0.1:{port}"),
        format!("unix:///127.0.0.1:{port}"),
        format!("//127.0.0.1:{port}"),
        format!("https:127.0.0.1:{port}"),
        format!("https://https://127.0.0.1:{port}"),
        format!("https://127.0.0.1:{port}/../.."),
        format!("127.0.0.1:{port}"),
    ]);
    tricks
}

#[tokio::test]
async fn no_trick_with_an_endpoint_makes_a_connection() {
    let authority = Authority::new();
    let server = Server::start(&authority.server("127.0.0.1"), |_| namespace()).await;
    let tricks = tricks(server.address.port());
    assert!(tricks.len() >= 40);
    for endpoint in tricks {
        let spec = KubeFedClusterSpec {
            api_endpoint: endpoint.clone(),
            ca_bundle: authority.bundle(),
            ..Default::default()
        };
        let refused = match Site::of(&spec) {
            Err(refused) => Err(refused),
            Ok(site) => {
                let token = Token::new("canary-token").unwrap();
                let target = Target { site, token };
                TlsDialer::default()
                    .probe(&target, &EndpointPolicy::default(), SECOND)
                    .await
            }
        };
        assert!(
            matches!(refused, Err(ProbeError::EndpointRefused(_))),
            "{endpoint:?}: {refused:?}"
        );
    }
    assert_eq!(server.connections(), 0);
}
