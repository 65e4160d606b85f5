//! A right of the operator taken away: its requests are refused as Kubernetes refuses them.

use federation_health_cluster::rbac::{ROLES, Right};
use federation_health_sim::{Effect, Refusal, RequestFacts};

use crate::guarded::USER;

/// One verb on one resource of one rule.
#[derive(Clone, Copy, Debug)]
pub struct Lacking {
    right: &'static Right,
    /// As Kubernetes writes it.
    pub verb: &'static str,
    /// Plural, a subresource after a slash.
    pub resource: &'static str,
}

impl Lacking {
    /// Everything that the roles of a file grant, by itself.
    pub fn each(file: &str) -> impl Iterator<Item = Self> {
        let roles = ROLES.iter().filter(move |role| role.file == file);
        let rights = roles.flat_map(|role| role.rights);
        rights.flat_map(|right| {
            let resources = right.resources.iter();
            resources.flat_map(move |resource| {
                right.verbs.iter().map(move |verb| Self {
                    right,
                    verb: verb.as_str(),
                    resource,
                })
            })
        })
    }

    /// The objects that the right is limited to.
    pub fn names(&self) -> &'static [&'static str] {
        self.right.names
    }

    /// What becomes of a request: None if it does not need this right.
    pub fn refuses(&self, request: &RequestFacts) -> Option<Effect> {
        let needed = request.user == USER
            && request.verb == self.verb
            && plural(request) == self.resource
            && self
                .right
                .covers(self.verb, &request.group, self.resource, &request.name);
        needed.then(|| refused(request))
    }

    /// The words of a refusal that name the right.
    pub fn words(&self) -> String {
        words(self.verb, self.resource)
    }
}

/// How Kubernetes refuses a request without the right.
pub fn refused(request: &RequestFacts) -> Effect {
    let message = format!(
        "{} is forbidden: User {USER:?} {} in API group {:?}",
        request.resource,
        words(request.verb, &plural(request)),
        request.group
    );
    Effect::Refuse(Refusal::new(403, "Forbidden", message))
}

fn words(verb: &str, resource: &str) -> String {
    format!("cannot {verb} resource {resource:?}")
}

fn plural(request: &RequestFacts) -> String {
    match request.subresource.as_str() {
        "" => request.resource.clone(),
        sub => format!("{}/{sub}", request.resource),
    }
}
