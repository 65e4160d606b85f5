//! One written form for the many ways to write an API server's address.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

/// Longer than any URL that KubeFed can dial; keeps hostile text short.
const MAX_LENGTH: usize = 2048;
/// RFC 1035 2.3.4.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;
const HTTPS_PORT: u16 = 443;

/// Where an API server is reached over https, in one form only: two endpoints are equal exactly when they lead to the
/// same place. Its text is `https://host:port` with the port always written, and the path if there is one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    host: Host,
    port: u16,
    path: String,
}

/// The host of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A DNS name in lower case, without the root's dot.
    Name(String),
    /// An address; IPv4-mapped IPv6 is written as IPv4.
    Address(IpAddr),
}

/// Why a text is no endpoint. Never repeats the text, which may hold credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Nothing there.
    #[error("the API endpoint is empty: write https://host:port")]
    Empty,
    /// Longer than any sensible address.
    #[error("the API endpoint is longer than {MAX_LENGTH} bytes: write https://host:port")]
    TooLong,
    /// Another scheme than https.
    #[error("the API endpoint has another scheme than https: a token must not travel in the clear")]
    Scheme,
    /// `user:password@` before the host.
    #[error("the API endpoint carries user information: remove what stands before the @")]
    UserInfo,
    /// A query or a fragment.
    #[error("the API endpoint has a query or a fragment: remove what follows the ? or #")]
    Query,
    /// A host that is neither a DNS name nor an address in its usual notation.
    #[error(
        "the API endpoint's host is neither a DNS name nor an IP address in its usual notation"
    )]
    Host,
    /// A port that is none.
    #[error("the API endpoint's port is not a number from 1 to 65535")]
    Port,
    /// A path that could be read in two ways.
    #[error(
        "the API endpoint's path has characters or segments that servers read differently: use letters, digits, - . _ ~ and /"
    )]
    Path,
}

impl Endpoint {
    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What stands before every request's path: empty, or `/` and more without a slash at the end.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}:{}{}", self.host, self.port, self.path)
    }
}

/// Reads `KubeFedCluster.spec.apiEndpoint` as KubeFed's client does, https where no scheme is given, and refuses what
/// two programs could understand differently.
///
/// A path is kept: behind one gateway (Rancher's `/k8s/clusters/…`) it is all that tells two clusters apart.
pub fn normalize(api_endpoint: &str) -> Result<Endpoint, EndpointError> {
    if api_endpoint.is_empty() {
        return Err(EndpointError::Empty);
    }
    if api_endpoint.len() > MAX_LENGTH {
        return Err(EndpointError::TooLong);
    }
    let rest = strip_scheme(api_endpoint)?;
    if rest.contains(['?', '#']) {
        return Err(EndpointError::Query);
    }
    let (authority, path) = rest
        .find('/')
        .map_or((rest, ""), |slash| rest.split_at(slash));
    if authority.contains('@') {
        return Err(EndpointError::UserInfo);
    }
    let (host, port) = split_authority(authority)?;
    Ok(Endpoint {
        host,
        port,
        path: read_path(path)?,
    })
}

fn strip_scheme(text: &str) -> Result<&str, EndpointError> {
    match text.split_once("://") {
        // A scheme has no slash: what does is an address whose path holds a URL, which the path's rules refuse.
        Some((scheme, rest)) if !scheme.contains('/') => {
            if scheme.eq_ignore_ascii_case("https") {
                Ok(rest)
            } else {
                Err(EndpointError::Scheme)
            }
        }
        _ => Ok(text),
    }
}

fn split_authority(authority: &str) -> Result<(Host, u16), EndpointError> {
    if let Some(bracketed) = authority.strip_prefix('[') {
        let (address, rest) = bracketed.split_once(']').ok_or(EndpointError::Host)?;
        let address: Ipv6Addr = address.parse().map_err(|_| EndpointError::Host)?;
        let port = match rest.strip_prefix(':') {
            Some(port) => read_port(port)?,
            None if rest.is_empty() => HTTPS_PORT,
            None => return Err(EndpointError::Host),
        };
        return Ok((Host::Address(address.to_canonical()), port));
    }
    // An IPv6 address without brackets has more than one colon, and then no port.
    if let Ok(address) = authority.parse::<Ipv6Addr>() {
        return Ok((Host::Address(address.to_canonical()), HTTPS_PORT));
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, read_port(port)?),
        None => (authority, HTTPS_PORT),
    };
    Ok((read_host(host)?, port))
}

/// An empty port is the scheme's default (RFC 3986 3.2.3).
fn read_port(text: &str) -> Result<u16, EndpointError> {
    if text.is_empty() {
        return Ok(HTTPS_PORT);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(EndpointError::Port);
    }
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(EndpointError::Port),
    }
}

fn read_host(text: &str) -> Result<Host, EndpointError> {
    let text = text.strip_suffix('.').unwrap_or(text);
    if let Ok(address) = text.parse() {
        return Ok(Host::Address(IpAddr::V4(address)));
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= MAX_LABEL
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    // Resolvers read `2130706433`, `0x7f.1` and `127.1` as addresses; the URL standard too. No DNS name ends in a number.
    let last = text.rsplit('.').next().unwrap_or_default();
    let number = last
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_digit())
        && (last.bytes().all(|byte| byte.is_ascii_digit())
            || last
                .get(..2)
                .is_some_and(|two| two.eq_ignore_ascii_case("0x")));
    if text.len() > MAX_NAME || number || !text.split('.').all(label) {
        return Err(EndpointError::Host);
    }
    Ok(Host::Name(text.to_ascii_lowercase()))
}

fn read_path(path: &str) -> Result<String, EndpointError> {
    let path = path.trim_end_matches('/');
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(plain);
    if path.is_empty() || path.split('/').skip(1).all(segment) {
        Ok(path.to_owned())
    } else {
        Err(EndpointError::Path)
    }
}

#[cfg(test)]
mod tests {
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
            "https", "://", "http", "a", "B.c", ".", ":", "443", "0", "/", "//", "..", "[", "]",
            "::", "ffff:", "10.0.0.1", "@", "?", "#", "%", "0x", "é", " ", "-", "_",
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
}
