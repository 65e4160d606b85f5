//! Spellings of endpoints.

use super::*;

fn text(endpoint: &str) -> String {
    normalize(endpoint)
        .unwrap_or_else(|error| panic!("{endpoint}: {error}"))
        .to_string()
}

#[test]
fn many_spellings_have_one_form() {
    for same in [
        "https://api.example.com",
        "https://api.example.com:443",
        "https://API.Example.COM.:443//",
        "HTTPS://api.example.com:/",
        "api.example.com",
        "api.example.com.",
        "api.example.com:0443/",
    ] {
        assert_eq!(text(same), "https://api.example.com:443", "{same}");
    }
    for same in [
        "10.0.0.1:6443",
        "https://10.0.0.1:6443/",
        "https://[::ffff:10.0.0.1]:6443",
        "[::FFFF:a00:1]:6443",
    ] {
        assert_eq!(text(same), "https://10.0.0.1:6443", "{same}");
    }
    for same in [
        "https://[2001:DB8:0:0:0:0:0:1]",
        "2001:db8::1",
        "[2001:0db8::0001]:443",
    ] {
        assert_eq!(text(same), "https://[2001:db8::1]:443", "{same}");
    }
}

#[test]
fn clusters_behind_one_gateway_differ_by_path() {
    assert_eq!(
        text("https://gw/k8s/clusters/c-1/"),
        "https://gw:443/k8s/clusters/c-1"
    );
    assert_ne!(
        normalize("https://gw/k8s/clusters/c-1"),
        normalize("https://gw/k8s/clusters/c-2")
    );
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    let long_label = format!("https://{}.example", "a".repeat(64));
    let long_name = format!("https://{}", "a.".repeat(127) + "aa");
    let long = format!("https://h/{}", "a".repeat(2048));
    for (bad, error) in [
        ("", EndpointError::Empty),
        (long.as_str(), EndpointError::TooLong),
        ("http://10.0.0.1", EndpointError::Scheme),
        ("unix:///var/run/x", EndpointError::Scheme),
        ("://10.0.0.1", EndpointError::Scheme),
        ("https://user:secret@10.0.0.1", EndpointError::UserInfo),
        ("10.0.0.1@evil.example", EndpointError::UserInfo),
        ("https://10.0.0.1?x=1", EndpointError::Query),
        ("https://10.0.0.1#x", EndpointError::Query),
        ("https://", EndpointError::Host),
        ("https:///path", EndpointError::Host),
        (" 10.0.0.1", EndpointError::Host),
        ("https://10.0.0.1\r\nHost: x", EndpointError::Port),
        ("https://a\r\nx", EndpointError::Host),
        ("https://10.0.0.1\\@x", EndpointError::UserInfo),
        ("https://2130706433", EndpointError::Host),
        ("https://0x7f000001", EndpointError::Host),
        ("https://0x7f.1", EndpointError::Host),
        ("https://127.1", EndpointError::Host),
        ("https://0177.0.0.1", EndpointError::Host),
        ("https://a.0X7f", EndpointError::Host),
        ("https://１２７.0.0.1", EndpointError::Host),
        ("https://%31", EndpointError::Host),
        ("https://a..b", EndpointError::Host),
        ("https://[fe80::1%25eth0]", EndpointError::Host),
        ("https://[::1", EndpointError::Host),
        ("https://[::1]x", EndpointError::Host),
        ("https://[127.0.0.1]", EndpointError::Host),
        (long_label.as_str(), EndpointError::Host),
        (long_name.as_str(), EndpointError::Host),
        ("h:0", EndpointError::Port),
        ("h:65536", EndpointError::Port),
        ("h:+1", EndpointError::Port),
        ("h:1:2", EndpointError::Port),
        ("h/../a", EndpointError::Path),
        ("h/a//b", EndpointError::Path),
        ("h/%2e", EndpointError::Path),
        ("h/x://y", EndpointError::Path),
    ] {
        assert_eq!(normalize(bad), Err(error), "{bad}");
    }
}

#[test]
fn names_that_only_look_like_numbers_are_names() {
    for name in ["a1", "0xyz.example", "1a", "10.0.0.1.nip.io", "a_b.c-d"] {
        assert_eq!(text(name), format!("https://{name}:443"));
    }
}

#[test]
fn the_written_form_is_read_as_itself() {
    for one in ["10.0.0.1", "[::1]:8443/a", "Api.Example", "gw:1/k8s/c"] {
        let first = normalize(one).unwrap();
        assert_eq!(normalize(&first.to_string()), Ok(first));
    }
}

#[test]
fn any_text_is_refused_or_reads_back_as_itself() {
    let pieces = [
        "https", "://", "http", "a", "B.c", ".", ":", "443", "0", "/", "//", "..", "[", "]", "::",
        "ffff:", "10.0.0.1", "@", "?", "#", "%", "0x", "é", " ", "-", "_",
    ];
    // A linear congruential generator (Knuth's constants): the same cases in every run.
    let mut state = 1_u64;
    let mut draw = |bound: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    let mut accepted = 0;
    for _ in 0..200_000 {
        let text: String = (0..=draw(6)).map(|_| pieces[draw(pieces.len())]).collect();
        let Ok(endpoint) = normalize(&text) else {
            continue;
        };
        accepted += 1;
        assert_eq!(normalize(&endpoint.to_string()), Ok(endpoint), "{text}");
    }
    assert!(accepted > 1000, "only {accepted} texts were endpoints");
}

#[test]
fn what_the_client_leaves_out_tells_no_two_registrations_apart() {
    for same in [
        "https://10.0.0.1:6443?x",
        "https://10.0.0.1:6443#x",
        "10.0.0.1:6443?a=://b#c",
        "https://10.0.0.1:6443/?x=/y",
        "https://x@10.0.0.1:6443",
        "https://user:secret@10.0.0.1:6443/",
        "https://a@b@10.0.0.1:6443",
        "https://10.0.0.1:6443/.",
        "https://10.0.0.1:6443/a/../",
        "https://10.0.0.1:6443//%2e/./",
        "https://10.0.0.1:6443/a%2F..",
        "https://10.0.0.1:6443/../..",
    ] {
        assert!(normalize(same).is_err(), "{same} would be dialled");
        let reached = reached(same).map(|endpoint| endpoint.to_string());
        assert_eq!(reached.as_deref(), Ok("https://10.0.0.1:6443"), "{same}");
    }
    let long = format!(
        "https://10.0.0.1:{}6443{}",
        "0".repeat(3000),
        "/".repeat(3000)
    );
    assert_eq!(reached(&long).unwrap().to_string(), "https://10.0.0.1:6443");
    for (path, clean) in [
        ("/k8s//clusters/c-1?x", "/k8s/clusters/c-1"),
        ("/k8s/./clusters/c%2D1", "/k8s/clusters/c-1"),
        ("/../k8s/x/../clusters/c-1/#", "/k8s/clusters/c-1"),
    ] {
        let endpoint = reached(&format!("https://gw{path}")).unwrap();
        assert_eq!(endpoint.path(), clean, "{path}");
    }
}

#[test]
fn what_the_client_cannot_reach_is_not_compared() {
    for (bad, error) in [
        ("", EndpointError::Empty),
        ("http://10.0.0.1", EndpointError::Scheme),
        ("https://10.0.0.1@", EndpointError::Host),
        ("https://?10.0.0.1", EndpointError::Host),
        ("https://#10.0.0.1", EndpointError::Host),
        (
            format!("h{}", "/a".repeat(1025)).as_str(),
            EndpointError::TooLong,
        ),
        ("https://h/%zz", EndpointError::Path),
        ("https://h/%2", EndpointError::Path),
        ("https://h/%00", EndpointError::Path),
        ("https://h/a b", EndpointError::Path),
        ("https://１２７.0.0.1", EndpointError::Host),
    ] {
        assert_eq!(reached(bad), Err(error), "{bad}");
    }
}

#[test]
fn what_may_be_dialled_is_reached_where_it_is_dialled() {
    for one in [
        "10.0.0.1",
        "HTTPS://[::1]:8443/a/",
        "Api.Example.",
        "gw:1/k8s/c",
    ] {
        assert_eq!(normalize(one), reached(one), "{one}");
    }
}
