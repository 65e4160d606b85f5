//! The read-only page at `/`: what the object says beside what is registered. Off by default, since it lists tenants to
//! whoever reaches the port.

use std::sync::{Arc, Mutex, PoisonError};

use federation_health_core::{id::RegistrationKey, registry::Entry, time::Time};
use federation_health_index::time::wire_time;
use federation_health_report::{
    Report,
    federation::{Overview, Plane, Registration, group_of},
    html,
};
use hyper::body::Bytes;

use crate::{
    engine::Engine,
    known::{self, Known},
};

/// It is made at most this often, however many ask.
const LIFE_MS: i64 = 1000;

/// The page.
pub struct Page {
    engine: Arc<Engine>,
    known: Arc<Mutex<Known>>,
    made: Mutex<Option<(Time, Bytes)>>,
}

impl Page {
    /// Of what these know.
    pub fn new(engine: Arc<Engine>, known: Arc<Mutex<Known>>) -> Self {
        Self {
            engine,
            known,
            made: Mutex::default(),
        }
    }

    /// The page, at most a second old.
    pub fn html(&self) -> Bytes {
        let now = self.engine.clock.now();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, page)) = made.as_ref()
            && now.since_ms(*at) < LIFE_MS
        {
            return page.clone();
        }
        let page = Bytes::from(html::write(&Report::live(
            &self.overview(),
            wire_time(now).0,
        )));
        *made = Some((now, page.clone()));
        page
    }

    fn overview(&self) -> Overview {
        let object = known::lock(&self.known).object.clone();
        let mut overview = Overview {
            health: object.as_deref().cloned().unwrap_or_default(),
            ..Overview::default()
        };
        if object.is_none() {
            overview
                .gaps
                .push("there is no FederationHealth object".to_owned());
        }
        let federation = self.engine.federation();
        let registry = federation.registry();
        let planes = registry.planes().into_iter();
        overview.planes = planes
            .map(|namespace| Plane {
                replicas: registry.replicas(&namespace),
                namespace: namespace.to_string(),
                ..Plane::default()
            })
            .collect();
        let keys = registry.real().iter().flat_map(|real| &real.members);
        for (key, entry) in keys.filter_map(|key| Some((key, registry.entry(key)?))) {
            let registration = registration(&overview, key, entry);
            let mut planes = overview.planes.iter_mut();
            if let Some(plane) = planes.find(|p| *p.namespace == *key.namespace) {
                plane.registrations.push(registration);
            }
        }
        drop(federation);
        overview.sort();
        overview
    }
}

fn registration(overview: &Overview, key: &RegistrationKey, entry: &Entry) -> Registration {
    let facts = &entry.facts;
    let status = overview.health.status.as_ref();
    let groups = status.map_or(&[][..], |s| &s.cluster_groups);
    Registration {
        name: key.name.to_string(),
        ready: facts.ready.as_str().to_owned(),
        endpoint: facts.endpoint.as_deref().unwrap_or_default().to_owned(),
        host: facts.host_label,
        created: facts.created.map(|at| wire_time(at).0),
        group: group_of(groups, &key.namespace, &key.name),
    }
}
