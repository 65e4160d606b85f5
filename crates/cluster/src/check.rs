//! What this program needs of a server, a line for each need: for the operator's `check` and for the plugin's. It reads
//! and asks, and writes nothing. What could not be looked at is Unknown, never good.

mod policies;

use std::time::Duration;

use federation_health_api::{
    FederationHealth,
    names::{HEALTHS, HOLDS},
};
use federation_health_core::assess::Proof;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::Client;
use serde::Deserialize;
use serde_json::json;

pub use policies::{Compared, join_guard, policies};

use crate::{
    call::{Call, CallError, resources},
    proof,
    rbac::{Right, Role},
};

const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
/// A person or a Job waits; an API server that needs longer for one object is in trouble.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);
/// Questions asked at once: below the share of requests that an API server leaves to one account among many.
const AT_ONCE: usize = 8;
/// Refused rights named in one line; their role grants the others as well.
const NAMED: usize = 3;

const HOST: &str = "install KubeFed and KubeSphere, or ask elsewhere";
const DEFINITIONS: &str =
    "kubectl apply --server-side -k config/crd, or crds.enabled=true of the chart";

/// Kinds: name, where they are served, what to do where they are not. None: a federation can do without.
const KINDS: [(&str, &str, Option<&str>); 5] = [
    (
        "KubeFedClusters",
        "/apis/core.kubefed.io/v1beta1/kubefedclusters",
        Some(HOST),
    ),
    (
        "Workspaces",
        "/apis/tenant.kubesphere.io/v1alpha1/workspaces",
        Some(HOST),
    ),
    (
        "WorkspaceTemplates",
        "/apis/tenant.kubesphere.io/v1alpha2/workspacetemplates",
        None,
    ),
    ("FederationHealths", HEALTHS, Some(DEFINITIONS)),
    ("FederationHolds", HOLDS, Some(DEFINITIONS)),
];

/// How a look ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// As it has to be.
    Good,
    /// Not there, and needed.
    Missing,
    /// There, and not as it has to be.
    Wrong,
    /// Not there, and not needed for what is asked for.
    Absent,
    /// It could not be looked at.
    Unknown,
}

impl Mark {
    /// The word that is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "OK",
            Self::Missing => "Missing",
            Self::Wrong => "Wrong",
            Self::Absent => "Absent",
            Self::Unknown => "Unknown",
        }
    }

    /// Nothing has to be done.
    pub fn passes(self) -> bool {
        matches!(self, Self::Good | Self::Absent)
    }
}

/// One need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What was looked at.
    pub what: String,
    /// How it is.
    pub mark: Mark,
    /// What was found or, where that is not good, what to do.
    pub note: String,
}

impl Line {
    /// A line.
    pub fn new(what: impl Into<String>, mark: Mark, note: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            mark,
            note: note.into(),
        }
    }

    fn unknown(what: impl Into<String>, error: &CallError) -> Self {
        Self::new(what, Mark::Unknown, format!("could not be read: {error}"))
    }
}

/// Nothing has to be done.
pub fn passes(lines: &[Line]) -> bool {
    lines.iter().all(|line| line.mark.passes())
}

/// The server's version, and whether it can hold.
///
/// # Errors
/// It does not answer: nothing else will be answered either.
pub async fn server(client: &Client) -> Result<Line, CallError> {
    let what = "Kubernetes";
    let version = proof::version(client, DEADLINE).await?;
    Ok(match proof::supported(client).await {
        Ok(()) => Line::new(what, Mark::Good, version),
        Err(Proof::Unsupported) => {
            let note = format!(
                "{version}: holds need 1.30 or later (ValidatingAdmissionPolicy v1); everything else works"
            );
            Line::new(what, Mark::Absent, note)
        }
        Err(other) => Line::new(what, Mark::Unknown, format!("{version}: {}", why(other))),
    })
}

/// The kinds that are watched, and our own.
pub async fn kinds(client: &Client) -> Vec<Line> {
    let mut lines = Vec::new();
    for (what, path, advice) in KINDS {
        let Some((version, plural)) = path.rsplit_once('/') else {
            continue;
        };
        lines.push(match (resources(client, version, DEADLINE).await, advice) {
            (Ok(served), _) if served.iter().any(|name| name == plural) => {
                Line::new(what, Mark::Good, "")
            }
            (Ok(_), Some(advice)) => Line::new(what, Mark::Missing, advice),
            (Ok(_), None) => Line::new(what, Mark::Absent, "a federation without KubeSphere"),
            (Err(error), _) => Line::unknown(what, &error),
        });
    }
    lines
}

/// The object: whether an operator judges it, and whether its holds are proven. With the object, if it could be read.
pub async fn object(client: &Client, name: &str) -> (Vec<Line>, Option<FederationHealth>) {
    let what = format!("FederationHealth {name}");
    let call = Call::get(client, format!("{HEALTHS}/{name}"), DEADLINE);
    let health: FederationHealth = match call.find().await {
        Ok(Some(health)) => health,
        Ok(None) => {
            let note = "the operator makes it: does it run, and with --create-default?";
            return (vec![Line::new(what, Mark::Missing, note)], None);
        }
        Err(error) => return (vec![Line::unknown(what, &error)], None),
    };
    let condition = |type_: &str| {
        let conditions = health.status.iter().flat_map(|s| &s.conditions);
        conditions.into_iter().find(|c| c.type_ == type_)
    };
    let mut lines = vec![match condition("Ready") {
        Some(c) if c.status == "True" => Line::new(what, Mark::Good, "judged"),
        Some(c) => Line::new(what, Mark::Wrong, format!("{}: {}", c.reason, c.message)),
        None => Line::new(what, Mark::Missing, "never judged: does the operator run?"),
    }];
    lines.extend(condition("HoldReady").map(|c| {
        let mark = match c.status.as_str() {
            "True" => Mark::Good,
            "False" => Mark::Wrong,
            _ => Mark::Unknown,
        };
        // The message of what is good says it all: a reason before it would say it twice.
        let note = match mark {
            Mark::Good => c.message.clone(),
            _ => format!("{}: {}", c.reason, c.message),
        };
        Line::new("HoldReady", mark, note)
    }));
    (lines, Some(health))
}

/// Why something could not be read.
fn why(proof: Proof) -> String {
    match proof {
        Proof::Forbidden(what) => format!("you may not {what}"),
        Proof::Failed(what) => what,
        other => format!("{other:?}"),
    }
}

/// One request, as an access review asks for it; empty where a request has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// get, list, ...
    pub verb: &'a str,
    /// API group.
    pub group: &'a str,
    /// Plural, a subresource after a slash.
    pub resource: &'a str,
    /// Name of the object.
    pub name: &'a str,
    /// Namespace.
    pub namespace: &'a str,
}

impl Asked<'_> {
    /// Whether who asks may do it.
    ///
    /// # Errors
    /// The question was not answered.
    pub async fn allowed(&self, client: &Client) -> Result<bool, CallError> {
        #[derive(Deserialize)]
        struct Review {
            status: Verdict,
        }
        #[derive(Deserialize)]
        struct Verdict {
            allowed: bool,
        }
        let (resource, subresource) = self.resource.split_once('/').unwrap_or((self.resource, ""));
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "verb": self.verb, "group": self.group, "resource": resource, "subresource": subresource,
                "name": self.name, "namespace": self.namespace,
            }},
        });
        let body = serde_json::to_vec(&review).map_err(CallError::Json)?;
        let call = Call::post(client, REVIEWS.to_owned(), body, DEADLINE);
        Ok(call.read::<Review>().await?.status.allowed)
    }

    fn words(&self) -> String {
        let mut words = format!("{} {}", self.verb, self.resource);
        for (mark, part) in [(".", self.group), (" ", self.name)] {
            if !part.is_empty() {
                words.push_str(mark);
                words.push_str(part);
            }
        }
        words
    }
}

/// Every request that a right allows.
fn requests<'a>(right: &'a Right, namespace: &'a str) -> impl Iterator<Item = Asked<'a>> {
    let names = match right.names {
        [] => &[""],
        names => names,
    };
    let asked = move |(verb, resource, name)| Asked {
        verb,
        group: right.group,
        resource,
        name,
        namespace,
    };
    let verbs = right.verbs.iter().map(|verb| verb.as_str());
    verbs
        .flat_map(|verb| right.resources.iter().map(move |r| (verb, *r)))
        .flat_map(|(verb, resource)| names.iter().map(move |name| (verb, resource, *name)))
        .map(asked)
}

/// Whether who asks has every right of a role in this namespace (empty: the whole cluster).
pub async fn role(client: &Client, role: &Role, namespace: &str, needed: bool) -> Line {
    let what = format!("rights {}", role.name);
    let all: Vec<Asked<'_>> = role
        .rights
        .iter()
        .flat_map(|right| requests(right, namespace))
        .collect();
    let answers = stream::iter(all.iter().map(|asked| async move {
        let allowed = asked.allowed(client).await?;
        Ok::<_, CallError>((!allowed).then(|| asked.words()))
    }));
    let refused: Vec<String> = match answers.buffered(AT_ONCE).try_collect::<Vec<_>>().await {
        Ok(answers) => answers.into_iter().flatten().collect(),
        Err(error) => return Line::unknown(what, &error),
    };
    if refused.is_empty() {
        return Line::new(what, Mark::Good, format!("{} requests allowed", all.len()));
    }
    if !needed {
        let note = "not granted, and nothing that the spec asks for needs it";
        return Line::new(what, Mark::Absent, note);
    }
    let more = match refused.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named = refused[..refused.len().min(NAMED)].join(", ");
    let value = match role.file {
        "holder" | "prover" => "policies.enabled",
        "prober" => "probe.enabled",
        "remediator" => "remediation.enabled",
        _ => "rbac.create",
    };
    let actions = role.rungs.iter().map(|rung| {
        let switch = rung.switch();
        format!("=true and remediation.actions.{switch}")
    });
    let value = actions.fold(value.to_owned(), |value, action| value + &action);
    let note = format!(
        "may not {named}{more}: kubectl apply -f config/rbac/{}.yaml, or {value}=true of the chart",
        role.file
    );
    Line::new(what, Mark::Missing, note)
}
