//! `/livez`, `/readyz`, `/metrics` and `/statusz` over plain HTTP, and the page at `/` where it is switched on.

use std::{convert::Infallible, fmt::Write as _, net::SocketAddr, sync::Arc, time::Duration};

use federation_health_core::facts::FeedState;
use federation_health_report::html;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore};

use crate::{engine::Engine, metrics::Metrics, page::Page};

/// Connections at one time: a scraper, two probes and a person.
const CONNECTIONS: usize = 32;
/// A client that does not send its request in this time is cut off.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// What the endpoints tell.
pub struct Admin {
    /// Decisions.
    pub engine: Arc<Engine>,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// The page, where it is switched on.
    pub page: Option<Page>,
}

impl Admin {
    /// Serves until the listener fails.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn serve(self: Arc<Self>, address: SocketAddr) -> std::io::Result<()> {
        let listener = TcpListener::bind(address).await?;
        tracing::info!(address = %listener.local_addr()?, "serving /livez /readyz /metrics /statusz");
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let (stream, _) = listener.accept().await?;
            let Ok(slot) = slots.clone().acquire_owned().await else {
                return Ok(());
            };
            let admin = self.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let admin = admin.clone();
                    async move { Ok::<_, Infallible>(admin.answer(&request)) }
                });
                let server = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADER_TIMEOUT)
                    .serve_connection(TokioIo::new(stream), service);
                if let Err(error) = server.await {
                    tracing::debug!(%error, "an admin connection ended");
                }
                drop(slot);
            });
        }
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let verbose = request.uri().query().is_some_and(|q| {
            q.split('&')
                .any(|p| p == "verbose" || p.starts_with("verbose="))
        });
        match request.uri().path() {
            // Never asks the API server: a restart of ours does not repair it.
            "/livez" | "/healthz" => text(StatusCode::OK, "ok\n".to_owned()),
            "/readyz" => self.ready(verbose),
            "/" if let Some(page) = &self.page => shown(page.html()),
            "/statusz" => text(StatusCode::OK, self.status()),
            "/metrics" => match self.metrics.text() {
                Ok(body) => reply(StatusCode::OK, "text/plain; version=0.0.4", body.into()),
                Err(error) => text(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    format!("metrics cannot be written: {error}\n"),
                ),
            },
            _ => text(
                StatusCode::NOT_FOUND,
                "try /livez, /readyz?verbose, /metrics or /statusz\n".to_owned(),
            ),
        }
    }

    fn ready(&self, verbose: bool) -> Response<Full<Bytes>> {
        let feeds = self.engine.federation().feed_states();
        let pending = |state: &FeedState| *state == FeedState::Pending;
        let ready = !feeds.is_empty() && !feeds.iter().any(|(_, state)| pending(state));
        let mut body = String::new();
        if verbose || !ready {
            for (feed, state) in &feeds {
                let mark = if pending(state) { '-' } else { '+' };
                // Writing to a String cannot fail.
                let _ = writeln!(body, "[{mark}]watch-{feed} {state:?}");
            }
        }
        body.push_str(if ready { "ok\n" } else { "not ready\n" });
        text(
            if ready {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            },
            body,
        )
    }

    fn status(&self) -> String {
        let proof = self.engine.proof();
        let federation = self.engine.federation();
        let hold = federation.hold().written();
        format!(
            "federation-health {}\nhold: collection={} federation={} {}\nproof: {proof:?}\nrecreations: {}\nnamespaces lost: {}\n",
            env!("CARGO_PKG_VERSION"),
            hold.collection,
            hold.federation,
            hold.message,
            federation.ledger().recreations(),
            federation.ledger().lost_total(),
        )
    }
}

/// The page, which no other page may frame and no cache may keep.
fn shown(page: Bytes) -> Response<Full<Bytes>> {
    let mut response = reply(StatusCode::OK, "text/html; charset=utf-8", page);
    let headers = response.headers_mut();
    let policy = format!(
        "{}; frame-ancestors 'none'",
        html::content_security_policy()
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    reply(status, "text/plain; charset=utf-8", body.into())
}

fn reply(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
