//! The dialer against real TLS servers on this machine.

mod hostile;
mod server;

use std::time::Duration;

use federation_health_api::foreign::KubeFedClusterSpec;
use tokio::time::Instant;

use self::server::{Authority, Reply, Server, json, namespace};
use super::*;

const SECOND: Duration = Duration::from_secs(1);
const TOKEN: &str = "canary-token";

fn local() -> EndpointPolicy {
    EndpointPolicy::parse(&["127.0.0.0/8"]).unwrap()
}

fn target(endpoint: &str, authority: &Authority) -> Target {
    let spec = KubeFedClusterSpec {
        api_endpoint: endpoint.into(),
        ca_bundle: authority.bundle(),
        ..Default::default()
    };
    Target {
        site: Site::of(&spec).unwrap(),
        token: Token::new(TOKEN).unwrap(),
    }
}

/// Probes a server whose answers `reply` gives by path.
async fn probe_with(
    reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
) -> (Result<Probed, ProbeError>, Server) {
    let authority = Authority::new();
    let server = Server::start(&authority.server("127.0.0.1"), reply).await;
    let outcome = TlsDialer::default()
        .probe(&target(&server.endpoint(), &authority), &local(), SECOND)
        .await;
    (outcome, server)
}

fn lease(name: &str, holder: &str, version: &str) -> String {
    format!(
        r#"{{"metadata":{{"name":"{name}","resourceVersion":"{version}"}},"spec":{{"holderIdentity":"{holder}","renewTime":"2026-11-23T08:00:00.000001Z"}}}}"#
    )
}

#[tokio::test]
async fn reads_the_uid_and_the_leases_with_the_registrations_token() {
    let (outcome, server) = probe_with(|path| {
        if path.contains("/leases") {
            let leases = [
                lease("apiserver-x", "a_1", "7"),
                lease("kube-scheduler", "s_1", "9"),
                lease("kube-controller-manager", "m_1", "8"),
                r#"{"metadata":{"name":"idle","resourceVersion":"3"},"spec":{}}"#.into(),
            ];
            json(
                200,
                &format!(r#"{{"kind":"LeaseList","items":[{}]}}"#, leases.join(",")),
            )
        } else {
            namespace()
        }
    })
    .await;
    let probed = outcome.unwrap();
    assert_eq!(
        probed.kube_system_uid,
        "0b8f2f2e-7f6d-4f9e-9b1a-1c2d3e4f5a6b"
    );
    let names: Vec<&str> = probed
        .leases
        .iter()
        .map(|lease| lease.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "kube-controller-manager",
            "kube-scheduler",
            "apiserver-x",
            "idle"
        ]
    );
    let expected = LeaseRead {
        name: "kube-controller-manager".into(),
        holder: "m_1".into(),
        resource_version: 8,
        renew_time_us: 1_795_420_800_000_001,
    };
    assert_eq!(probed.leases[0], expected);
    assert_eq!(
        (
            probed.leases[3].holder.as_str(),
            probed.leases[3].renew_time_us
        ),
        ("", 0)
    );
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert!(
        requests[0].starts_with("GET /api/v1/namespaces/kube-system HTTP/1.1\r\n"),
        "{}",
        requests[0]
    );
    assert!(
        requests[1].starts_with(
            "GET /apis/coordination.k8s.io/v1/namespaces/kube-system/leases?limit=20 "
        )
    );
    for request in &requests {
        assert!(request.contains(&format!("authorization: Bearer {TOKEN}\r\n")));
        assert!(request.contains(&format!("host: {}\r\n", server.address)));
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_path_stands_before_every_request() {
    let authority = Authority::new();
    let server = Server::start(&authority.server("localhost"), |_| namespace()).await;
    let endpoint = format!(
        "https://localhost:{}/k8s/clusters/c-1/",
        server.address.port()
    );
    TlsDialer::default()
        .probe(&target(&endpoint, &authority), &local(), SECOND)
        .await
        .unwrap();
    assert!(
        server.requests()[0].starts_with("GET /k8s/clusters/c-1/api/v1/namespaces/kube-system ")
    );
}

#[tokio::test]
async fn an_untrusted_server_gets_no_token() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let mut nobody = ours.clone();
    nobody.certificates.clear();
    let cases = [
        ("another authority", theirs.server("127.0.0.1"), &ours),
        ("another name", ours.server("10.0.0.1"), &ours),
        ("expired", ours.expired("127.0.0.1"), &ours),
        (
            "no bundle: the system's store",
            ours.server("127.0.0.1"),
            &nobody,
        ),
    ];
    for (case, identity, trusted) in cases {
        let server = Server::start(&identity, |_| namespace()).await;
        let outcome = TlsDialer::default()
            .probe(&target(&server.endpoint(), trusted), &local(), SECOND)
            .await;
        assert_eq!(outcome, Err(ProbeError::TlsUntrusted), "{case}");
        assert_eq!(server.connections(), 1, "{case}");
        assert!(server.requests().is_empty(), "{case}");
    }
}

#[tokio::test]
async fn trust_is_kept_apart_by_bundle() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let server = Server::start(&ours.server("127.0.0.1"), |_| namespace()).await;
    let dialer = TlsDialer::default();
    // A session that was resumed under another bundle would skip the verification.
    assert!(
        dialer
            .probe(&target(&server.endpoint(), &ours), &local(), SECOND)
            .await
            .is_ok()
    );
    let outcome = dialer
        .probe(&target(&server.endpoint(), &theirs), &local(), SECOND)
        .await;
    assert_eq!(outcome, Err(ProbeError::TlsUntrusted));
    let mut both = theirs;
    both.certificates.extend(ours.certificates);
    assert!(
        dialer
            .probe(&target(&server.endpoint(), &both), &local(), SECOND)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_refused_address_is_not_dialled() {
    let authority = Authority::new();
    let server = Server::start(&authority.server("localhost"), |_| namespace()).await;
    let port = server.address.port();
    for host in ["127.0.0.1", "localhost", "LocalHost.", "[::ffff:127.0.0.1]"] {
        let target = target(&format!("https://{host}:{port}"), &authority);
        let outcome = TlsDialer::default()
            .probe(&target, &EndpointPolicy::default(), SECOND)
            .await;
        assert_eq!(
            outcome,
            Err(ProbeError::EndpointRefused(Refusal::Loopback)),
            "{host}"
        );
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn what_never_becomes_a_connection_is_unreachable() {
    let authority = Authority::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("https://{}", listener.local_addr().unwrap());
    let started = Instant::now();
    let wait = Duration::from_millis(200);
    let outcome = TlsDialer::default()
        .probe(&target(&silent, &authority), &local(), wait)
        .await;
    assert_eq!(outcome, Err(ProbeError::Unreachable));
    assert!(started.elapsed() < SECOND, "{:?}", started.elapsed());
    drop(listener);
    let outcome = TlsDialer::default()
        .probe(&target(&silent, &authority), &local(), SECOND)
        .await;
    assert_eq!(outcome, Err(ProbeError::Unreachable), "a closed port");
    let plain = Server::plain(|_| namespace()).await;
    let outcome = TlsDialer::default()
        .probe(&target(&plain.endpoint(), &authority), &local(), SECOND)
        .await;
    assert_eq!(outcome, Err(ProbeError::Unreachable), "http on the port");
}

#[tokio::test]
async fn refusals_and_failures_have_their_class() {
    for (status, error) in [
        (401, ProbeError::Unauthorized),
        (403, ProbeError::Forbidden),
        (404, ProbeError::NotKubernetes),
        (429, ProbeError::Unavailable),
        (500, ProbeError::Unavailable),
        (503, ProbeError::Unavailable),
    ] {
        let (outcome, server) = probe_with(move |_| json(status, "{}")).await;
        assert_eq!(outcome, Err(error), "{status}");
        assert_eq!(server.requests().len(), 1, "not tried again");
    }
    let closed = Reply::closing("");
    assert_eq!(
        probe_with(move |_| closed.clone()).await.0,
        Err(ProbeError::Unavailable)
    );
}

#[tokio::test]
async fn without_leases_the_uid_still_counts() {
    for (reply, error) in [
        (json(403, "{}"), ProbeError::Forbidden),
        (json(200, "[]"), ProbeError::NotKubernetes),
        (Reply::silence(), ProbeError::Timeout),
    ] {
        let (outcome, _server) = probe_with(move |path| {
            if path.contains("/leases") {
                reply.clone()
            } else {
                namespace()
            }
        })
        .await;
        let probed = outcome.unwrap();
        assert_eq!(
            probed.kube_system_uid,
            "0b8f2f2e-7f6d-4f9e-9b1a-1c2d3e4f5a6b"
        );
        assert_eq!(
            (probed.leases, probed.leases_error),
            (Vec::new(), Some(error))
        );
    }
}

#[tokio::test]
async fn the_dialer_can_be_replaced() {
    let authority = Authority::new();
    let server = Server::start(&authority.server("127.0.0.1"), |_| namespace()).await;
    let dialer: Box<dyn Dial> = Box::new(TlsDialer::default());
    let request = DialRequest {
        target: target(&server.endpoint(), &authority),
        policy: Arc::new(local()),
        timeout: SECOND,
        accounts: false,
    };
    assert!(!format!("{request:?}").contains(TOKEN));
    assert!(dialer.dial(request).await.is_ok());
}

#[test]
fn registrations_with_another_transport_are_refused() {
    let authority = Authority::new();
    let good = KubeFedClusterSpec {
        api_endpoint: "https://10.0.0.1:6443".into(),
        ca_bundle: authority.bundle(),
        ..Default::default()
    };
    let site = Site::of(&good).unwrap();
    assert_eq!(
        (site.endpoint.to_string().as_str(), site.ca.len()),
        ("https://10.0.0.1:6443", 1)
    );
    let refused = |change: fn(&mut KubeFedClusterSpec)| {
        let mut spec = good.clone();
        change(&mut spec);
        Site::of(&spec).unwrap_err()
    };
    let error = refused(|spec| spec.proxy_url = "http://10.0.0.9:3128".into());
    assert_eq!(error, ProbeError::EndpointRefused(Refusal::Proxy));
    let error = refused(|spec| spec.disabled_tls_validations = vec!["ValidityPeriod".into()]);
    assert_eq!(
        error,
        ProbeError::EndpointRefused(Refusal::TlsValidationDisabled)
    );
    let error = refused(|spec| spec.api_endpoint = "http://10.0.0.1".into());
    assert_eq!(error, ProbeError::EndpointRefused(Refusal::Malformed));
    assert_eq!(
        refused(|spec| spec.ca_bundle = "AAAA".into()),
        ProbeError::TlsUntrusted
    );
}

#[test]
fn a_token_that_could_break_a_header_is_none() {
    for bad in ["", " \n", "a b", "a\r\nHost: x", "ä", &"a".repeat(20_000)] {
        assert!(Token::new(bad).is_err(), "{bad}");
    }
    assert_eq!(Token::new(" abc.def\n").unwrap().expose(), "abc.def");
}
