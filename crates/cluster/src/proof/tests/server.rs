//! An API server that knows what the proof asks for, and the ways in which each answer can be wrong.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

use federation_health_core::assess::Proof;
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use kube::{Client, client::Body};
use serde_json::{Value, json};

use super::super::{Clients, Install, Layer, Part, Prover, Shipped, Wanted, canary};

/// State and faults.
pub(super) struct State {
    pub(super) policies: BTreeMap<String, Value>,
    pub(super) bindings: BTreeMap<String, Value>,
    /// Metadata of ConfigMaps.
    pub(super) maps: BTreeMap<String, Value>,
    pub(super) proof: bool,
    /// Resources of the admission group; None answers 404.
    pub(super) served: Option<Vec<&'static str>>,
    pub(super) fast_open: bool,
    pub(super) durable_open: bool,
    /// So many deletions pass before a layer refuses.
    pub(super) late: u32,
    /// The words of whoever refuses the durable canaries.
    pub(super) refusal: Option<&'static str>,
    /// Requests with this in their path lack the right.
    pub(super) forbidden: Option<&'static str>,
    /// For each write of the flag in turn whether its answer is lost.
    pub(super) lost_writes: Vec<bool>,
    pub(super) addresses: Vec<&'static str>,
    /// An address where no policy is in force.
    pub(super) bad_address: Option<&'static str>,
    pub(super) unbuildable: Option<&'static str>,
    /// Prefix of the ConfigMaps that the collector takes at the second look.
    pub(super) collects: Option<&'static str>,
    pub(super) version: &'static str,
    /// Holder of the server's Lease.
    pub(super) start: &'static str,
    looks: u32,
    asked: Vec<String>,
}

type Shared = Arc<Mutex<State>>;

/// The server and a prover for it.
pub(super) struct Fake {
    state: Shared,
    prover: Prover,
}

impl State {
    pub(super) fn forget(&mut self, name: &str) {
        self.policies.remove(name);
        self.bindings.remove(name);
    }

    /// Makes a binding active.
    pub(super) fn switch(&mut self, name: &str) {
        let binding = self.bindings.get_mut(name).unwrap();
        binding["spec"]["matchResources"]["objectSelector"] = json!({});
        binding["metadata"]["resourceVersion"] = json!("77");
    }
}

impl Fake {
    /// All as shipped, and a collector.
    pub(super) fn new(install: &Install) -> Self {
        let shipped = Shipped::for_install(install).unwrap();
        let object = |name: &str, spec: &Value| {
            let uid = format!("uid-of-{name}");
            json!({"metadata": {"name": name, "uid": uid, "resourceVersion": "5"}, "spec": spec})
        };
        let (mut policies, mut bindings) = (BTreeMap::new(), BTreeMap::new());
        for (part, (policy, binding)) in &shipped.specs {
            let name = part.name();
            policies.insert(name.to_owned(), object(name, policy));
            bindings.insert(name.to_owned(), object(name, binding));
        }
        let canary = |part: Part| (canary::name(part), json!({"labels": canary::labels(part)}));
        let state = Arc::new(Mutex::new(State {
            policies,
            bindings,
            maps: Part::ALL.into_iter().map(canary).collect(),
            proof: false,
            served: Some(vec![
                "validatingadmissionpolicies",
                "validatingadmissionpolicybindings",
            ]),
            fast_open: false,
            durable_open: false,
            late: 0,
            refusal: None,
            forbidden: None,
            lost_writes: Vec::new(),
            addresses: Vec::new(),
            bad_address: None,
            unbuildable: None,
            collects: Some("canary-collector-control"),
            version: "v1.37.2",
            start: "apiserver-a_1",
            looks: 0,
            asked: Vec::new(),
        }));
        let others = state.clone();
        let clients: Clients = Box::new(move |address| {
            let address = address.to_string();
            let unbuildable = others.lock().unwrap().unbuildable;
            (unbuildable != Some(address.as_str())).then(|| client(&others, address))
        });
        let prover = Prover::new(client(&state, String::new()), install.clone(), clients).unwrap();
        Self { state, prover }
    }

    pub(super) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }

    pub(super) async fn prove(&self, wanted: &Wanted) -> Proof {
        self.with(|s| {
            s.asked.clear();
            s.looks = 0;
        });
        self.prover.prove(wanted).await
    }

    pub(super) async fn fingerprint(&self, wanted: &Wanted) -> Option<u64> {
        self.prover.fingerprint(wanted).await
    }

    /// The requests of the last proof, in short.
    pub(super) fn asked(&self) -> Vec<String> {
        self.with(|s| s.asked.clone())
    }

    /// The flag is off and the collector's canaries are gone.
    pub(super) fn clean(&self) -> bool {
        self.with(|s| {
            !s.proof
                && !s
                    .maps
                    .keys()
                    .any(|name| name.starts_with("canary-collector"))
        })
    }
}

fn client(state: &Shared, address: String) -> Client {
    let state = state.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (state, address) = (state.clone(), address.clone());
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            let uri = parts.uri.to_string();
            let answer = state
                .lock()
                .unwrap()
                .answer(&parts.method, &uri, &body, &address);
            let Some((code, body)) = answer else {
                return Err(io::Error::from(io::ErrorKind::ConnectionReset));
            };
            let body = Body::from(body.to_string().into_bytes());
            Ok(Response::builder().status(code).body(body).unwrap())
        }
    });
    Client::new(service, "default")
}

fn refused(code: u16, message: &str) -> (u16, Value) {
    (
        code,
        json!({"kind": "Status", "message": message, "code": code}),
    )
}

impl State {
    /// Code and body; None breaks the connection.
    fn answer(
        &mut self,
        method: &Method,
        uri: &str,
        body: &Value,
        address: &str,
    ) -> Option<(u16, Value)> {
        let path = uri.split('?').next().unwrap();
        let name = path.rsplit('/').next().unwrap();
        let short = match path {
            _ if uri.contains("dryRun=All") => format!("dry-run {name}"),
            _ if path.ends_with("/status") => format!("proof={}", body["status"]["proof"]),
            _ if path.ends_with("endpointslices") => "GET /slices".to_owned(),
            _ if path.ends_with("/configmaps") => {
                format!("POST {}", body["metadata"]["name"].as_str().unwrap())
            }
            _ if path.contains("/configmaps/") => format!("{method} {name}"),
            _ if path.contains("policies/") => format!("GET policy {name}"),
            _ if path.contains("bindings/") => format!("GET binding {name}"),
            _ => format!("{method} {path}"),
        };
        self.asked.push(short);
        if self.forbidden.is_some_and(|part| path.contains(part)) {
            return Some(refused(403, "User \"federation-health\" cannot do this"));
        }
        let found = |object: Option<&Value>| match object {
            Some(object) => (200, object.clone()),
            None => refused(404, "not found"),
        };
        Some(match (method, path) {
            (_, "/apis/admissionregistration.k8s.io/v1") => match &self.served {
                None => refused(404, "404 page not found"),
                Some(names) => {
                    let resources: Vec<Value> =
                        names.iter().map(|name| json!({"name": name})).collect();
                    (200, json!({"resources": resources}))
                }
            },
            (_, "/version") => (200, json!({"gitVersion": self.version})),
            (_, path) if path.contains("policies/") => found(self.policies.get(name)),
            (_, path) if path.contains("bindings/") => found(self.bindings.get(name)),
            (_, path) if path.ends_with("leases") => {
                let lease = json!({"spec": {"holderIdentity": self.start}});
                (200, json!({"items": [lease, {}]}))
            }
            (_, path) if path.ends_with("endpointslices") => (200, self.slices()),
            (_, path) if path.ends_with("/status") => return self.switch_proof(body),
            (&Method::POST, _) => self.create(body),
            (&Method::DELETE, _) if uri.contains("dryRun=All") => self.dry_run(name, address),
            (&Method::DELETE, _) => found(self.maps.remove(name).as_ref()),
            _ => self.look(name),
        })
    }

    fn slices(&self) -> Value {
        if self.addresses.is_empty() {
            return json!({"items": []});
        }
        let endpoint =
            |address: &&str| json!({"addresses": [address], "conditions": {"ready": true}});
        let mut endpoints: Vec<Value> = self.addresses.iter().map(endpoint).collect();
        endpoints.push(json!({"addresses": ["10.0.0.9"], "conditions": {"ready": false}}));
        let ports = json!([{"name": "metrics", "port": 9}, {"name": "https", "port": 6443}]);
        // Slices overlap while one replaces the other; a slice may be empty.
        let slice = json!({"endpoints": endpoints, "ports": ports});
        json!({"items": [slice, slice, {"endpoints": null, "ports": null}]})
    }

    fn switch_proof(&mut self, body: &Value) -> Option<(u16, Value)> {
        self.proof = body["status"]["proof"].as_bool().unwrap();
        let lost = !self.lost_writes.is_empty() && self.lost_writes.remove(0);
        (!lost).then(|| (200, json!({})))
    }

    fn create(&mut self, body: &Value) -> (u16, Value) {
        let name = body["metadata"]["name"].as_str().unwrap().to_owned();
        if self.maps.contains_key(&name) {
            return refused(409, "already exists");
        }
        self.maps.insert(name, body["metadata"].clone());
        (201, json!({}))
    }

    fn look(&mut self, name: &str) -> (u16, Value) {
        if let Some(prefix) = self.collects.filter(|prefix| name.starts_with(prefix)) {
            self.looks += 1;
            if self.looks > 1 {
                self.maps.retain(|name, _| !name.starts_with(prefix));
            }
        }
        match self.maps.get(name) {
            Some(metadata) => (200, json!({"metadata": metadata})),
            None => refused(404, "not found"),
        }
    }

    fn dry_run(&mut self, name: &str, address: &str) -> (u16, Value) {
        let labels = &self.maps[name]["labels"];
        let part = Part::ALL
            .into_iter()
            .find(|part| labels["federationhealth.io/canary"] == part.canary())
            .unwrap();
        let mut open = match part.layer {
            Layer::Fast => self.fast_open || !self.proof,
            Layer::Durable => self.durable_open,
        };
        if !open && self.late > 0 {
            self.late -= 1;
            open = true;
        }
        if open || (self.bad_address == Some(address) && !address.is_empty()) {
            return (200, json!({}));
        }
        let own = format!(
            "configmaps \"{name}\" is forbidden: ValidatingAdmissionPolicy '{0}' with binding '{0}' denied request: \
             federation-health proves that its hold works",
            part.name()
        );
        match self.refusal.filter(|_| part.layer == Layer::Durable) {
            Some(words) => refused(403, words),
            None => refused(403, &own),
        }
    }
}
