//! The program's own connections to the API server it runs beside.

use hyper_util::{
    client::legacy::{Client as Transport, connect::HttpConnector},
    rt::TokioExecutor,
};
use kube::{
    Client, Config,
    client::{Body, ConfigExt as _},
};
use tower::{BoxError, ServiceBuilder};

/// A client whose requests leave at once.
///
/// [`Client::try_from`] leaves Nagle's algorithm on: a small segment then waits until the one before it is acknowledged, and
/// a server that has nothing to say yet acknowledges after 40 ms. That is what a hold may take on a connection that is not
/// warm (measured: 43 ms on loopback; the collector comes after 6 to 42). What [`Client::try_from`] adds beside are timeouts
/// of whole connections and retries, which every call of this crate has in its own, narrower form.
///
/// # Errors
/// The configuration cannot be used: a certificate or token that cannot be read, say.
pub fn client(config: &Config) -> Result<Client, kube::Error> {
    if config.proxy_url.is_some() {
        return Client::try_from(config.clone());
    }
    let https = config.rustls_https_connector_with_connector(at_once(config))?;
    let transport = Transport::builder(TokioExecutor::new()).build::<_, Body>(https);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(transport);
    Ok(Client::new(service, config.default_namespace.clone()))
}

fn at_once(config: &Config) -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(config.connect_timeout);
    connector
}

#[cfg(test)]
mod tests {
    use http::Uri;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn no_small_segment_waits_for_an_acknowledgement() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server: Uri = format!("https://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let config = Config::new(server.clone());
        let stream = at_once(&config).oneshot(server).await.unwrap();
        assert!(stream.inner().nodelay().unwrap());
    }
}
