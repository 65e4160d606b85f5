//! Which addresses a registration may make us dial.
//!
//! `apiEndpoint` is text that somebody else wrote. A name is resolved once, the address is judged, and exactly that
//! address is dialled: a second answer of the resolver never counts.

#[cfg(test)]
mod tests;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use federation_health_index::endpoint::{Endpoint, Host};

/// Addresses outside the link-local ranges under which clouds hand out credentials or settings to whoever asks:
/// Alibaba Cloud, Oracle Cloud (its second one), Azure's wire server; Amazon's over IPv6.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
/// A name with more addresses than this is no API server's; the rest is not looked at.
const MAX_ADDRESSES: usize = 32;

/// A CIDR block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// A text that is no CIDR block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no CIDR block: write an address without host bits, a slash and the prefix, such as 10.0.0.0/8 or fd00::/8"
)]
pub struct NetworkError {
    text: String,
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let error = || NetworkError {
            text: text.chars().take(64).collect(),
        };
        let (address, prefix) = text.split_once('/').ok_or_else(error)?;
        let address: IpAddr = address.parse().map_err(|_| error())?;
        let digits = prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix: u8 = prefix.parse().ok().filter(|_| digits).ok_or_else(error)?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let network = Self { address, prefix };
        // Host bits are nearly always a slip of the prefix: 10.1.2.3/8 would silently allow sixteen million addresses.
        if prefix > width || network.masked(address) != Some(bits(address)) {
            return Err(error());
        }
        Ok(network)
    }
}

impl Network {
    /// Whether `address` lies in the block. An IPv4-mapped address is an IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.masked(address.to_canonical()) == Some(bits(self.address))
    }

    fn masked(&self, address: IpAddr) -> Option<u128> {
        if address.is_ipv4() != self.address.is_ipv4() {
            return None;
        }
        let width = if address.is_ipv4() { 32 } else { 128 };
        let host = width - u32::from(self.prefix);
        Some(
            bits(address)
                .checked_shr(host)
                .unwrap_or(0)
                .checked_shl(host)
                .unwrap_or(0),
        )
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// Why an address, or a whole registration, is not dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The endpoint cannot be read.
    Malformed,
    /// The registration asks for a proxy (`proxyURL`).
    Proxy,
    /// The registration switches TLS checks off (`disabledTLSValidations`).
    TlsValidationDisabled,
    /// 127.0.0.0/8 or ::1.
    Loopback,
    /// 169.254.0.0/16 or fe80::/10; most clouds' metadata lies there.
    LinkLocal,
    /// A cloud's metadata service elsewhere.
    Metadata,
    /// 0.0.0.0/8 or ::, which systems read as this machine.
    Unspecified,
    /// 224.0.0.0/4 or ff00::/8.
    Multicast,
    /// 240.0.0.0/4, the broadcast address included.
    Reserved,
    /// Not in `spec.probe.allowedEndpoints`.
    NotAllowed,
}

impl Refusal {
    /// The reason in a few words, free of anybody else's text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "the API endpoint cannot be read",
            Self::Proxy => "the registration asks for a proxy",
            Self::TlsValidationDisabled => "the registration disables TLS validation",
            Self::Loopback => "a loopback address",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "a cloud's metadata address",
            Self::Unspecified => "an unspecified address",
            Self::Multicast => "a multicast address",
            Self::Reserved => "a reserved address",
            Self::NotAllowed => "an address outside spec.probe.allowedEndpoints",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why no address came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The resolver knows no address.
    #[error("resolve the host of the API endpoint")]
    Unresolvable,
    /// No address that the policy permits.
    #[error("dial the API endpoint: {0}")]
    Refused(Refusal),
}

/// What may be dialled: with an empty list everything but special addresses, else exactly what is listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointPolicy {
    allowed: Vec<Network>,
}

impl EndpointPolicy {
    /// Reads `spec.probe.allowedEndpoints`.
    pub fn parse<T: AsRef<str>>(allowed: &[T]) -> Result<Self, NetworkError> {
        let allowed = allowed
            .iter()
            .map(|text| text.as_ref().parse())
            .collect::<Result<_, _>>()?;
        Ok(Self { allowed })
    }

    /// Judges one address. An address that carries an IPv4 address inside (mapped, NAT64, 6to4) is judged by that one
    /// too, because a gateway would deliver it there.
    pub fn check(&self, address: IpAddr) -> Result<(), Refusal> {
        let address = address.to_canonical();
        if !self.allowed.is_empty() {
            let listed = self.allowed.iter().any(|network| network.contains(address));
            return if listed {
                Ok(())
            } else {
                Err(Refusal::NotAllowed)
            };
        }
        let refusal = match address {
            IpAddr::V4(v4) => special_v4(v4),
            IpAddr::V6(v6) => special_v6(v6).or_else(|| embedded(v6).and_then(special_v4)),
        };
        refusal.map_or(Ok(()), Err)
    }

    /// The address to dial: the first of the host's addresses that is permitted.
    ///
    /// The caller bounds the time; the operating system's resolver has no limit of its own that can be relied on.
    pub async fn resolve(&self, endpoint: &Endpoint) -> Result<SocketAddr, ResolveError> {
        match endpoint.host() {
            Host::Address(address) => self.choose([*address].into_iter(), endpoint.port()),
            Host::Name(name) => {
                // Search domains apply, as for KubeFed: `kubernetes.default.svc` is a name that it can reach.
                let found = tokio::net::lookup_host((name.as_str(), endpoint.port()))
                    .await
                    .map_err(|_| ResolveError::Unresolvable)?;
                self.choose(found.map(|socket| socket.ip()), endpoint.port())
            }
        }
    }

    fn choose(
        &self,
        addresses: impl Iterator<Item = IpAddr>,
        port: u16,
    ) -> Result<SocketAddr, ResolveError> {
        let mut outcome = ResolveError::Unresolvable;
        for address in addresses.take(MAX_ADDRESSES) {
            match self.check(address) {
                Ok(()) => return Ok(SocketAddr::new(address.to_canonical(), port)),
                Err(refusal) => outcome = ResolveError::Refused(refusal),
            }
        }
        Err(outcome)
    }
}

fn special_v4(address: Ipv4Addr) -> Option<Refusal> {
    let [first, ..] = address.octets();
    match first {
        0 => Some(Refusal::Unspecified),
        127 => Some(Refusal::Loopback),
        224..=239 => Some(Refusal::Multicast),
        240..=255 => Some(Refusal::Reserved),
        _ if address.is_link_local() => Some(Refusal::LinkLocal),
        _ if METADATA_V4.contains(&address) => Some(Refusal::Metadata),
        _ => None,
    }
}

fn special_v6(address: Ipv6Addr) -> Option<Refusal> {
    if address.is_unspecified() {
        Some(Refusal::Unspecified)
    } else if address.is_loopback() {
        Some(Refusal::Loopback)
    } else if address.is_unicast_link_local() {
        Some(Refusal::LinkLocal)
    } else if address.is_multicast() {
        Some(Refusal::Multicast)
    } else if address == METADATA_V6 {
        Some(Refusal::Metadata)
    } else {
        None
    }
}

/// The IPv4 address inside an IPv6 address: IPv4-compatible (RFC 4291), NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [0x2002, high, low, ..] => Some(join(high, low)),
        _ => None,
    }
}
