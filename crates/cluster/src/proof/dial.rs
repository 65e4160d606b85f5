//! A client for one address of the API server.

use std::net::SocketAddr;

use http::uri::Scheme;
use kube::Config;

use super::Clients;
use crate::connect;

/// In the certificate of every API server. Only compared with it: the connection goes to an address.
const SERVER_NAME: &str = "kubernetes.default.svc";

/// Clients that are configured like the program's own, but go to the address that is asked for.
///
/// TLS expects the name that the configuration expects: its own `tls_server_name`, else the host of its URL, else, where that
/// is an IP address, the name that every API server has. There is no client for a configuration without TLS, as the token
/// would be readable.
pub fn dial_with(config: Config) -> Clients {
    Box::new(move |address| connect::client(&at(&config, address)?).ok())
}

fn at(config: &Config, address: SocketAddr) -> Option<Config> {
    if config.cluster_url.scheme() != Some(&Scheme::HTTPS) {
        return None;
    }
    let mut config = config.clone();
    let name = config
        .tls_server_name
        .take()
        .or_else(|| host_name(config.cluster_url.host()?));
    config.tls_server_name = Some(name.unwrap_or_else(|| SERVER_NAME.to_owned()));
    config.cluster_url = format!("https://{address}").parse().ok()?;
    // A proxy would choose the server itself.
    config.proxy_url = None;
    Some(config)
}

fn host_name(host: &str) -> Option<String> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<std::net::IpAddr>()
        .is_err()
        .then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there(url: &str, name: Option<&str>) -> Option<(String, Option<String>)> {
        let mut config = Config::new(url.parse().unwrap());
        config.tls_server_name = name.map(str::to_owned);
        let there = at(&config, "10.0.0.7:6443".parse().unwrap())?;
        Some((there.cluster_url.to_string(), there.tls_server_name))
    }

    #[test]
    fn the_address_is_dialled_and_the_name_of_the_certificate_is_kept() {
        let url = "https://10.0.0.7:6443/".to_owned();
        let named = |name: &str| Some((url.clone(), Some(name.to_owned())));
        assert_eq!(
            there("https://api.example.com:443", None),
            named("api.example.com")
        );
        assert_eq!(there("https://10.96.0.1", None), named(SERVER_NAME));
        assert_eq!(there("https://[fd00::1]:443", None), named(SERVER_NAME));
        assert_eq!(there("https://10.96.0.1", Some("other")), named("other"));
        assert_eq!(
            there("http://127.0.0.1:8001", None),
            None,
            "no token without TLS"
        );
    }
}
