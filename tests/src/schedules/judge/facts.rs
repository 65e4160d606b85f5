//! What is true in the simulated server at a moment, read from its objects alone: nothing of it is the operator's word.

use std::{collections::BTreeMap, time::Duration};

use federation_health_core::remedy::rung::Rung;
use federation_health_sim::Review;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use crate::{
    schedules::{MANAGER, people::NO_BLOCK},
    simulated::{ALIAS, PLANE, WORKSPACES},
};

/// What was true this long ago may still be acted on: a watch, a live read and a write lie between.
pub(super) const LAG_MS: i64 = 3_000;
/// How much less than the time that the owner set may pass, because a fact is noted at the next write only.
const NOTED_MS: i64 = 500;
/// The name under which KubeSphere itself has the host.
pub(super) const HOST_NAME: &str = "host";
/// Every name that the host may be registered under.
const NAMES: [&str; 2] = [HOST_NAME, ALIAS];
const REGISTRATION: (&str, &str) = ("core.kubefed.io", "kubefedclusters");
const TENANT: &str = "tenant.kubesphere.io";

/// Something that is true or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fact {
    /// A cluster is registered under this name.
    Registered(&'static str),
    /// This Workspace is wished for, and not under this name.
    Unselected(&'static str, &'static str),
    /// By what is placed and registered KubeFed deletes this Workspace.
    Endangered(&'static str),
    /// The same of any Workspace.
    Danger,
    /// Every Workspace that is in danger is out of KubeFed's care.
    Averted,
    /// A Workspace that is wished for is being deleted, and namespaces of it go with it.
    Falling,
    /// Both durable rules of the hold are in force.
    Held,
    /// They are, and the switch says so too: nothing is urgent.
    Stands,
    /// KubeFed wants no replica.
    Stopped,
    /// A Cluster object would register the leftover again.
    Joins,
    /// A template is placed on the leftover.
    Named,
    /// A Workspace is placed on the leftover alone.
    Only,
    Applies,
    Observes,
    Paused,
    /// The spec contradicts itself.
    Spoiled,
    /// A person asks acts back.
    Asked,
    /// A person asks for the experiment.
    Experiment,
    /// The action's switch: by itself, or with an approval.
    Automatic(Rung),
    Approval(Rung),
}

/// Since when something is true, and when it last was; in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    since: Option<i64>,
    last: Option<i64>,
}

/// Every fact as it was at each write so far.
#[derive(Debug, Default)]
pub(super) struct Facts {
    spans: BTreeMap<Fact, Span>,
    /// When a danger last ended that everybody must have seen.
    averted: Option<i64>,
    /// Milliseconds for which the owner wants a hold to outlive its cause.
    release_ms: i64,
}

impl Facts {
    /// Notes what is true just before this write.
    pub(super) fn note(&mut self, review: &Review<'_>, now: i64) {
        for (fact, is) in look(review, now) {
            let span = self.spans.entry(fact).or_default();
            if is {
                span.since.get_or_insert(now);
                span.last = Some(now);
            } else {
                span.since = None;
            }
        }
        if self.settled(Fact::Danger, now) {
            self.averted = Some(now);
        }
        let release = &health(review)["spec"]["hold"]["releaseAfterSeconds"];
        self.release_ms = release.as_i64().unwrap_or_default() * 1000;
    }

    /// For how many milliseconds it has been true without a break; None if it is not true.
    pub(super) fn lasts(&self, fact: Fact, now: i64) -> Option<i64> {
        Some(now - self.spans.get(&fact)?.since?)
    }

    /// It has been true for so long that everybody must have seen it.
    pub(super) fn settled(&self, fact: Fact, now: i64) -> bool {
        self.lasts(fact, now).is_some_and(|ms| ms > LAG_MS)
    }

    /// It is true, or was a moment ago.
    pub(super) fn lately(&self, fact: Fact, now: i64) -> bool {
        let last = self.spans.get(&fact).and_then(|span| span.last);
        last.is_some_and(|last| now - last <= LAG_MS)
    }

    /// By what was true a moment ago, of each object for itself, KubeFed deletes this Workspace: watches of two kinds are not
    /// ordered, so a registration may seem to stand beside the placement that came after it.
    pub(super) fn may_endanger(&self, workspace: &'static str, now: i64) -> bool {
        let deletes = |name| {
            let unselected = Fact::Unselected(workspace, name);
            self.lately(Fact::Registered(name), now) && self.lately(unselected, now)
        };
        self.lately(Fact::Endangered(workspace), now) || NAMES.into_iter().any(deletes)
    }

    /// A danger stands, or has been over for less than the owner wants things to stay as they are.
    pub(super) fn unsafe_yet(&self, now: i64) -> bool {
        let over = self.averted;
        over.is_some_and(|over| now - over < self.release_ms - NOTED_MS)
    }
}

fn look(review: &Review<'_>, now: i64) -> Vec<(Fact, bool)> {
    let registered = |name: &str| read(review, REGISTRATION, PLANE, name).is_some();
    let names: Vec<&str> = NAMES.into_iter().filter(|name| registered(name)).collect();
    let (mut danger, mut averted, mut named, mut only) = (false, true, false, false);
    let mut falling = false;
    let mut facts = Vec::with_capacity(48);
    facts.extend(NAMES.map(|name| (Fact::Registered(name), registered(name))));
    for (workspace, namespaces) in WORKSPACES {
        let endangered = endangered(review, workspace, &names);
        facts.push((Fact::Endangered(workspace), endangered));
        danger |= endangered;
        let live = read(review, (TENANT, "workspaces"), "", workspace);
        averted &= !endangered || live.is_some_and(|w| managed(w) != "true");
        let template = read(review, (TENANT, "workspacetemplates"), "", workspace);
        named |= template.is_some_and(|t| placed(t).any(|name| name == ALIAS));
        let federated = federated(review, workspace);
        let wished = federated.is_some_and(|f| placed(f).any(registered));
        falling |= wished && live.is_some_and(|w| takes_along(review, w, namespaces));
        let unselected = |name| federated.is_some_and(|f| placed(f).all(|placed| placed != name));
        facts.extend(NAMES.map(|name| (Fact::Unselected(workspace, name), unselected(name))));
        only |= federated.is_some_and(|f| !placed(f).any(|name| name != ALIAS && registered(name)));
    }
    let manager = read(review, ("apps", "deployments"), PLANE, MANAGER);
    let cluster = read(review, ("cluster.kubesphere.io", "clusters"), "", ALIAS);
    let held = held(review);
    facts.extend([
        (Fact::Danger, danger),
        (Fact::Averted, averted),
        (Fact::Named, named),
        (Fact::Only, only),
        (Fact::Falling, falling),
        (Fact::Held, held),
        (Fact::Stands, held && switched(review)),
        (
            Fact::Stopped,
            manager.is_some_and(|m| m["spec"]["replicas"] == 0),
        ),
        (
            Fact::Joins,
            cluster.is_some_and(|c| c["spec"]["joinFederation"] == true),
        ),
    ]);
    facts.extend(wishes(health(review), now));
    facts
}

/// What the owner and other people ask for.
fn wishes(health: &Value, now: i64) -> Vec<(Fact, bool)> {
    let remediation = &health["spec"]["remediation"];
    let annotations = &health["metadata"]["annotations"];
    let mode = |word: &str| remediation["mode"] == word;
    let pauses = remediation["pauseRequests"].as_array();
    let experiment = annotations["federationhealth.io/experiment"].as_str();
    let mut wishes = vec![
        (Fact::Applies, mode("Apply")),
        (Fact::Observes, mode("Observe")),
        (Fact::Paused, pauses.is_some_and(|p| !p.is_empty())),
        (
            Fact::Spoiled,
            health["spec"]["probe"]["allowedEndpoints"][0] == NO_BLOCK,
        ),
        (
            Fact::Asked,
            annotations["federationhealth.io/undo"].is_string(),
        ),
        (
            Fact::Experiment,
            experiment.and_then(millis).is_some_and(|until| until > now),
        ),
    ];
    for rung in Rung::ALL {
        let switch = &remediation["actions"][rung.switch()];
        wishes.push((Fact::Automatic(rung), *switch == "Automatic"));
        wishes.push((Fact::Approval(rung), *switch == "Approval"));
    }
    wishes
}

/// LOOP or LOST: a name that is registered and not selected deletes what another creates, or nothing is selected at all.
fn endangered(review: &Review<'_>, workspace: &str, registered: &[&str]) -> bool {
    federated(review, workspace).is_some_and(|federated| {
        let selects = |name: &str| placed(federated).any(|placed| placed == name);
        let selected = registered.iter().filter(|name| selects(name)).count();
        selected != registered.len() || registered.is_empty()
    })
}

fn federated<'a>(review: &'a Review<'_>, workspace: &str) -> Option<&'a Value> {
    let kind = ("types.kubefed.io", "federatedworkspaces");
    read(review, kind, "", workspace).filter(|f| f["metadata"]["deletionTimestamp"].is_null())
}

/// The Workspace is being deleted, and one of its namespaces, which is not, has no other owner.
fn takes_along(review: &Review<'_>, workspace: &Value, namespaces: [&str; 3]) -> bool {
    let owned = |namespace: &&str| {
        read(review, ("", "namespaces"), "", namespace).is_some_and(|n| {
            let owner = &n["metadata"]["ownerReferences"][0]["uid"];
            *owner == workspace["metadata"]["uid"] && n["metadata"]["deletionTimestamp"].is_null()
        })
    };
    workspace["metadata"]["deletionTimestamp"].is_string() && namespaces.iter().any(owned)
}

/// Both durable rules are in force.
fn held(review: &Review<'_>) -> bool {
    ["collection", "federation"].iter().all(|rule| {
        let name = format!("federation-health-{rule}-durable");
        let kind = (
            "admissionregistration.k8s.io",
            "validatingadmissionpolicybindings",
        );
        read(review, kind, "", &name).is_some_and(in_force)
    })
}

/// A binding selects more than the canary.
pub(super) fn in_force(binding: &Value) -> bool {
    !binding["spec"]["matchResources"]["objectSelector"]["matchLabels"].is_object()
}

/// The switch says that both rules hold, and nobody has overruled it.
fn switched(review: &Review<'_>) -> bool {
    let switch = switch(review);
    ["collection", "federation"]
        .iter()
        .all(|rule| switch["status"]["hold"][rule] == true && switch["spec"][rule] != "Never")
}

/// The FederationHold; null if there is none.
pub(super) fn switch<'a>(review: &'a Review<'_>) -> &'a Value {
    let kind = ("federationhealth.io", "federationholds");
    read(review, kind, "", "default").unwrap_or(&Value::Null)
}

/// The FederationHealth; null if there is none.
pub(super) fn health<'a>(review: &'a Review<'_>) -> &'a Value {
    let kind = ("federationhealth.io", "federationhealths");
    read(review, kind, "", "default").unwrap_or(&Value::Null)
}

pub(super) fn read<'a>(
    review: &'a Review<'_>,
    kind: (&str, &str),
    namespace: &str,
    name: &str,
) -> Option<&'a Value> {
    review.read(kind.0, kind.1, namespace, name)
}

/// Value of KubeFed's label; empty without it.
pub(super) fn managed(object: &Value) -> &str {
    let label = object["metadata"]["labels"]["kubefed.io/managed"].as_str();
    label.unwrap_or_default()
}

/// The names that a template or a federated object is placed on.
pub(super) fn placed(object: &Value) -> impl Iterator<Item = &str> {
    let names = object["spec"]["placement"]["clusters"].as_array();
    names
        .into_iter()
        .flatten()
        .filter_map(|cluster| cluster["name"].as_str())
}

/// A time of the wire in milliseconds.
pub(super) fn millis(text: &str) -> Option<i64> {
    let time: Timestamp = text.trim().parse().ok()?;
    Some(time.as_millisecond())
}

/// Milliseconds of a duration.
pub(super) const fn ms(time: Duration) -> i64 {
    time.as_millis() as i64
}
