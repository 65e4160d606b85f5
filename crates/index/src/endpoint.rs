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
    let (authority, path) = split_path(rest);
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

/// The endpoint that KubeFed's client makes its requests to, for comparing registrations and never for dialling: what
/// [`normalize`] refuses may lead to a cluster all the same, and then it is a second way to the one that is there.
///
/// client-go drops a query and a fragment (`rest.NewRESTClient`), sends what stands before an `@` as another credential to
/// the same server, and joins paths, decoded, by `path.Join`, which resolves `.` and `..`.
pub fn reached(api_endpoint: &str) -> Result<Endpoint, EndpointError> {
    if api_endpoint.is_empty() {
        return Err(EndpointError::Empty);
    }
    let asked = api_endpoint.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = split_path(strip_scheme(asked)?);
    let server = authority
        .rsplit_once('@')
        .map_or(authority, |(_, server)| server);
    let (host, port) = split_authority(server)?;
    let path = read_path(&joined(&decoded(path)?))?;
    // Not the text's own length: a thousand slashes or zeros lead nowhere else.
    if path.len() > MAX_LENGTH {
        return Err(EndpointError::TooLong);
    }
    Ok(Endpoint { host, port, path })
}

fn split_path(rest: &str) -> (&str, &str) {
    rest.find('/')
        .map_or((rest, ""), |slash| rest.split_at(slash))
}

/// Go's `url.Parse`: `%` and two hexadecimal digits are a byte, and nothing else may begin with `%`.
fn decoded(path: &str) -> Result<String, EndpointError> {
    let mut parts = path.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part
            .get(..2)
            .filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(byte.ok_or(EndpointError::Path)?);
        bytes.extend(part.bytes().skip(2));
    }
    String::from_utf8(bytes).map_err(|_| EndpointError::Path)
}

/// Go's `path.Join("/", path)`.
fn joined(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    segments.iter().flat_map(|segment| ["/", segment]).collect()
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
mod tests;
