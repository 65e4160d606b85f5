//! The server as HTTP: a tower service that `kube::Client` and a socket both speak to.

use std::{
    convert::Infallible,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures::stream;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Body, Bytes, Frame};
use serde_json::Value;

use crate::{
    call::{Call, Caller, PatchKind, Query, Target, Verb},
    discovery,
    faults::Effect,
    json,
    refusal::Refusal,
    reply::Form,
    server::Server,
};

/// Largest body of a request, as kube-apiserver bounds it.
const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// Body of every answer.
pub type SimBody = UnsyncBoxBody<Bytes, io::Error>;

/// The API server, seen by one caller.
#[derive(Clone)]
pub struct SimService {
    server: Server,
    caller: Caller,
}

impl SimService {
    pub(crate) fn new(server: Server, caller: Caller) -> Self {
        Self { server, caller }
    }
}

impl<B> tower_service::Service<Request<B>> for SimService
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    type Response = Response<SimBody>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, io::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            match Limited::new(body, BODY_LIMIT).collect().await {
                Ok(body) => service.answer(&head, &body.to_bytes()).await,
                Err(e) => {
                    let message = format!(
                        "the request's body was not read: {e} (limit is {BODY_LIMIT} bytes)"
                    );
                    Ok(refused(&Refusal::new(
                        413,
                        "RequestEntityTooLarge",
                        message,
                    )))
                }
            }
        })
    }
}

impl SimService {
    async fn answer(
        &self,
        head: &http::request::Parts,
        body: &[u8],
    ) -> Result<Response<SimBody>, io::Error> {
        let accept = text(head, header::ACCEPT);
        let path = head.uri.path();
        if let Some(page) = self.page(path, accept, &head.method) {
            return Ok(page);
        }
        let call = match self.parse(head, body) {
            Ok(call) => call,
            Err(refusal) => return Ok(refused(&refusal)),
        };
        let effect = self.server.fault(&call);
        match &effect {
            Some(Effect::Delay(time)) => tokio::time::sleep(*time).await,
            Some(Effect::Refuse(refusal)) => {
                return Ok(refused(&self.server.refuse(&call, refusal.clone())));
            }
            Some(Effect::Break) => return Err(broken()),
            _ => {}
        }
        let form = Form::parse(accept, call.query.get("includeObject"));
        let answer = if call.verb == Verb::Watch {
            self.stream(&call, form)
        } else {
            self.once(&call, form)
        };
        match effect {
            Some(Effect::DelayAnswer(time)) => tokio::time::sleep(time).await,
            Some(Effect::BreakAnswer) => return Err(broken()),
            _ => {}
        }
        Ok(answer.unwrap_or_else(|refusal| refused(&refusal)))
    }

    fn once(&self, call: &Call, form: Form) -> Result<Response<SimBody>, Refusal> {
        let reply = self.server.execute(call)?;
        let body = reply.encode(form, self.server.clock().now());
        Ok(respond(reply.code(), "application/json", body))
    }

    fn stream(&self, call: &Call, form: Form) -> Result<Response<SimBody>, Refusal> {
        let watch = self.server.watch(call, form)?;
        let frames = stream::unfold(watch, |mut watch| async move {
            let piece = watch.next().await?;
            Some((piece.map(Frame::data), watch))
        });
        let mut response = Response::new(BodyExt::boxed_unsync(StreamBody::new(frames)));
        set_type(&mut response, "application/json");
        Ok(response)
    }

    /// Answers what is no resource: probes, metrics and discovery.
    fn page(&self, path: &str, accept: &str, method: &Method) -> Option<Response<SimBody>> {
        if *method != Method::GET {
            return None;
        }
        if matches!(path, "/healthz" | "/livez" | "/readyz") {
            return Some(respond(200, "text/plain", b"ok".to_vec()));
        }
        let state = self.server.lock();
        if path == "/metrics" {
            const NAME: &str = "apiserver_validating_admission_policy_check_total";
            let line = |((policy, binding), count): (&(String, String), &u64)| {
                format!(
                    "{NAME}{{enforcement_action=\"deny\",policy=\"{policy}\",policy_binding=\"{binding}\"}} {count}\n"
                )
            };
            let text: String = state.denials.iter().map(line).collect();
            return Some(respond(200, "text/plain; version=0.0.4", text.into_bytes()));
        }
        let aggregated = discovery::wants_aggregated(accept)
            && matches!(path.trim_end_matches('/'), "/api" | "/apis");
        let reply = discovery::answer(&state, path, aggregated)?;
        let kind = if aggregated {
            discovery::AGGREGATED
        } else {
            "application/json"
        };
        Some(respond(
            200,
            kind,
            reply.encode(Form::Whole, state.clock.now()),
        ))
    }

    fn parse(&self, head: &http::request::Parts, body: &[u8]) -> Result<Call, Refusal> {
        let target = Target::parse(head.uri.path()).ok_or_else(Refusal::page_not_found)?;
        let query = Query::parse(head.uri.query().unwrap_or_default());
        let content = text(head, header::CONTENT_TYPE);
        let named = !target.name.is_empty();
        let verb = match (&head.method, named) {
            (&Method::GET, _) if query.flag("watch") => Verb::Watch,
            (&Method::GET, true) => Verb::Get,
            (&Method::GET, false) => Verb::List,
            (&Method::POST, false) => Verb::Create,
            (&Method::PUT, true) => Verb::Update,
            (&Method::PATCH, true) => Verb::Patch(patch_kind(content)?),
            (&Method::DELETE, true) => Verb::Delete,
            (&Method::DELETE, false) => Verb::DeleteCollection,
            _ => return Err(Refusal::method_not_allowed()),
        };
        let body = read_body(verb, content, body)?;
        let user = match head
            .headers
            .get("impersonate-user")
            .and_then(|v| v.to_str().ok())
        {
            Some(user) => user.into(),
            None => self.caller.user.clone(),
        };
        let agent = match text(head, header::USER_AGENT).split('/').next() {
            Some(agent) if !agent.is_empty() => agent.into(),
            _ => self.caller.agent.clone(),
        };
        Ok(Call {
            caller: Caller { user, agent },
            verb,
            target,
            query,
            body,
        })
    }
}

fn read_body(verb: Verb, content: &str, body: &[u8]) -> Result<Value, Refusal> {
    const ACCEPTED: &str = "application/json, application/yaml";
    if body.is_empty() || matches!(verb, Verb::Get | Verb::List | Verb::Watch) {
        return Ok(Value::Null);
    }
    let yaml = content.contains("yaml");
    if !yaml && !content.is_empty() && !content.contains("json") {
        return Err(Refusal::media_type(ACCEPTED));
    }
    // Apply patches are sent as JSON too: it is a part of YAML.
    match serde_json::from_slice(body) {
        Ok(value) => Ok(value),
        Err(error) if !yaml => Err(Refusal::bad_request(format!(
            "the body is not valid JSON: {error}"
        ))),
        Err(_) => std::str::from_utf8(body)
            .map_err(|e| e.to_string())
            .and_then(|text| serde_saphyr::from_str(text).map_err(|e| e.to_string()))
            .map_err(|e| Refusal::bad_request(format!("the body is not valid YAML: {e}"))),
    }
}

fn patch_kind(content: &str) -> Result<PatchKind, Refusal> {
    match content.split(';').next().unwrap_or_default().trim() {
        "application/merge-patch+json" => Ok(PatchKind::Merge),
        "application/json-patch+json" => Ok(PatchKind::Json),
        "application/apply-patch+yaml" => Ok(PatchKind::Apply),
        "application/strategic-merge-patch+json" => Ok(PatchKind::Strategic),
        _ => Err(Refusal::media_type(
            "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
        )),
    }
}

fn text(head: &http::request::Parts, name: header::HeaderName) -> &str {
    head.headers
        .get(name)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
}

fn broken() -> io::Error {
    io::Error::new(
        io::ErrorKind::ConnectionReset,
        "the simulation broke the connection",
    )
}

fn refused(refusal: &Refusal) -> Response<SimBody> {
    // What no handler knows is answered by the HTTP server itself, which speaks no JSON.
    if *refusal == Refusal::page_not_found() {
        return respond(
            404,
            "text/plain; charset=utf-8",
            b"404 page not found\n".to_vec(),
        );
    }
    respond(
        refusal.code,
        "application/json",
        json::bytes(&refusal.to_status()),
    )
}

fn respond(code: u16, kind: &'static str, body: Vec<u8>) -> Response<SimBody> {
    let body = Full::new(Bytes::from(body)).map_err(|never: Infallible| match never {});
    let mut response = Response::new(BodyExt::boxed_unsync(body));
    *response.status_mut() =
        http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    set_type(&mut response, kind);
    response
}

fn set_type(response: &mut Response<SimBody>, kind: &'static str) {
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
}
