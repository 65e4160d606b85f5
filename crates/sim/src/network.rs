//! Which API server answers behind which endpoint.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::server::Server;

/// The endpoints of one simulation. Nothing is dialled: an endpoint is only a name of a server.
#[derive(Clone, Default)]
pub struct Network(Arc<Mutex<BTreeMap<String, Link>>>);

#[derive(Clone)]
struct Link {
    server: Server,
    up: bool,
}

impl Network {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Link>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn attach(&self, endpoint: &str, server: &Server) {
        let link = Link {
            server: server.clone(),
            up: true,
        };
        self.lock().insert(normal(endpoint), link);
    }

    /// Makes an endpoint reachable or unreachable; its server goes on running.
    pub fn set_up(&self, endpoint: &str, up: bool) {
        if let Some(link) = self.lock().get_mut(&normal(endpoint)) {
            link.up = up;
        }
    }

    pub(crate) fn reach(&self, endpoint: &str) -> Option<Server> {
        let links = self.lock();
        links
            .get(&normal(endpoint))
            .filter(|link| link.up)
            .map(|link| link.server.clone())
    }
}

fn normal(endpoint: &str) -> String {
    endpoint.trim_end_matches('/').to_ascii_lowercase()
}
