//! One federation: facts in, effects and judgement out.
//!
//! This file has its state and its entrance. The work is in `tripwire` (Workspaces that die), `losses` (their namespaces),
//! `diagnosis` (named causes, risk), `holding` (switch and bindings of the hold) and `feeds` (how far the facts can be
//! believed).

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    churn::Thresholds,
    effect::{CauseKind, Effect},
    facts::{Change, Desired, Feed, ObjectKey},
    feeds::{FeedHealth, LAG_MS},
    fights::Fights,
    hold::{Hold, HoldPolicy},
    id::{Text, Uid},
    ledger::{Ledger, Restored},
    losses::{Excuse, Loss},
    objects::{FEDERATED_NAMESPACE, FEDERATED_WORKSPACE, Objects, SYSTEM_WORKSPACE, cluster_key},
    registry::{Danger, Registry},
    remedy::{Remedy, RemedyPolicy},
    table::Put,
    tenants::Tenants,
    time::Time,
    tripwire::{FORMER_MS, Former},
    view,
    witnesses::Witnesses,
};

/// What the owner asks for, validated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Generation of the spec.
    pub generation: i64,
    /// Namespace of the guarded federation.
    pub namespace: Text,
    /// Registrations are probed.
    pub probing: bool,
    /// Churn thresholds.
    pub churn: Thresholds,
    /// Holds.
    pub hold: HoldPolicy,
    /// Incidents shown.
    pub max_incidents: usize,
    /// New registrations are compared with those that are there.
    pub join_guard: bool,
    /// Remediation.
    pub remedy: RemedyPolicy,
}

/// What open findings put at risk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Risk {
    pub(crate) workspaces: BTreeSet<Text>,
    pub(crate) objects: BTreeSet<(Text, ObjectKey)>,
    pub(crate) namespaces: usize,
    /// By placement, for the findings.
    pub(crate) lines: Vec<RiskLine>,
}

/// Objects of one kind and placement that are in one danger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RiskLine {
    pub(crate) danger: Danger,
    pub(crate) kind: Text,
    pub(crate) count: usize,
    /// The first few, as messages name them.
    pub(crate) names: Vec<String>,
}

/// The desired objects of a Workspace, read live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveWish {
    /// The FederatedWorkspace; None if it does not exist.
    pub federated: Option<Desired>,
    /// The WorkspaceTemplate; None if it does not exist.
    pub template: Option<Desired>,
    /// The definition of FederatedWorkspaces, where it decides.
    pub kind: LiveKind,
}

impl LiveWish {
    /// The FederatedWorkspace goes, or went, while the template is there.
    pub fn is_bereft(&self) -> bool {
        self.template.is_some() && self.federated.as_ref().is_none_or(|d| d.deleting)
    }
}

/// What a live read found of the definition of FederatedWorkspaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LiveKind {
    /// It may not be read, or did not have to be.
    #[default]
    Unread,
    /// It stands.
    Stands,
    /// It is being deleted, or is gone.
    Goes,
}

/// State of one federation.
#[derive(Debug, Default)]
pub struct Federation {
    pub(crate) policy: Policy,
    pub(crate) registry: Registry,
    pub(crate) objects: Objects,
    pub(crate) tenants: Tenants,
    pub(crate) ledger: Ledger,
    pub(crate) hold: Hold,
    pub(crate) feeds: BTreeMap<Feed, FeedHealth>,
    pub(crate) risk: Risk,
    /// What the risk rests on changed since it was worked out.
    pub(crate) risk_stale: bool,
    /// Named causes that stood at the last diagnosis.
    pub(crate) standing: BTreeSet<(CauseKind, Text)>,
    /// What the diagnosis rests on changed since.
    pub(crate) diagnosis_stale: bool,
    /// Registrations changed within a list that is not complete yet.
    pub(crate) regroup_due: bool,
    /// Namespaces whose owner does not exist, and since when.
    pub(crate) armed: BTreeMap<Text, Time>,
    /// Deleted namespaces of which it cannot be said yet whether that was wished.
    pub(crate) losses: Vec<Loss>,
    /// Workspaces whose last deletion was wished.
    pub(crate) excuses: BTreeMap<Text, Excuse>,
    /// Live reads that came back before the registrations were read.
    pub(crate) undecided: BTreeMap<Text, LiveWish>,
    /// Of Workspaces whose deletion live reads decide: UID of the template that it is judged by.
    pub(crate) suspects: BTreeMap<Text, Uid>,
    /// Workspaces that are in danger no more: the named cause that they were in, and when they last were.
    pub(crate) echoes: BTreeMap<Text, ((CauseKind, Text), Time)>,
    /// Templates that went lately while their Workspace seemed to live.
    pub(crate) former: BTreeMap<Text, Former>,
    /// What was in the namespaces at risk.
    pub(crate) count: Option<view::Count>,
    /// When each fault that can be seen was seen first, told or not yet.
    pub(crate) since: BTreeMap<(&'static str, String), Time>,
    /// The policies of the join guard, and their bindings, are installed; none while unread.
    pub(crate) join_policies: [Option<bool>; 2],
    pub(crate) remedy: Remedy,
    /// FederatedWorkspaces without a template.
    pub(crate) leftovers: BTreeSet<Text>,
    /// FederatedWorkspaces that are being deleted while their templates stand.
    pub(crate) bereft: BTreeSet<Text>,
    pub(crate) fights: Fights,
    /// Namespaces that left their Workspace during its incident: the Workspace, and when.
    pub(crate) unbound: BTreeMap<Text, (Text, Time)>,
    /// Workspaces that KubeFed says it removes, and other federated objects.
    pub(crate) witnesses: Witnesses<Text>,
    pub(crate) removed: Witnesses<(Text, ObjectKey)>,
    /// Deletions found by the lists beside the watches.
    pub(crate) lost_deletions: u64,
    /// Namespaces of control planes that remediation stopped.
    pub(crate) frozen: BTreeSet<Text>,
    /// Workspaces that remediation took out of KubeFed's care, or is about to.
    pub(crate) shielded: BTreeSet<Text>,
}

impl Federation {
    /// Takes one change at `now` and gives what must be done at once. Nothing here grows with the number of Workspaces,
    /// except a change of registrations, which costs one pass over the distinct placements.
    pub fn apply(&mut self, change: Change, now: Time) -> Vec<Effect> {
        self.readable_again(&change);
        match change {
            Change::Workspace(name, facts) => {
                let name = self.shared_name(&name);
                return self.workspace(&name, facts, now);
            }
            Change::Canary(name, Some(facts)) => {
                self.tenants.canaries.put(name, facts);
            }
            Change::Canary(name, None) => {
                self.tenants.canaries.remove(&name);
            }
            Change::Namespace(name, facts) => self.namespace(&name, facts, true, now),
            Change::NamespaceLeft(name) => self.namespace(&name, None, false, now),
            Change::Template(name, desired) => self.template(&name, desired, now),
            Change::Federated(kind, key, desired) => {
                return self.federated(&kind, key, desired, now);
            }
            Change::Witness(kind, key, reports) => self.witness(&kind, key, &reports, now),
            Change::Told(told) => self.told(told, now),
            Change::Malformed(feed, name) => self.malformed(&feed, &name),
            Change::Feed(feed, state) => return self.feed_state(&feed, state, now),
            Change::Definition(kind, terminating) => {
                return self.definition(kind, terminating, now);
            }
            structural => {
                let listed = matches!(structural, Change::Registration(..))
                    && self.listing(&Feed::Registrations);
                if self.structural(structural, now) {
                    if listed {
                        self.regroup_due = true;
                    } else {
                        return self.regroup(now);
                    }
                }
            }
        }
        Vec::new()
    }

    fn structural(&mut self, change: Change, now: Time) -> bool {
        let registry = &mut self.registry;
        match change {
            Change::Registration(key, Some(facts)) => registry.put(key, facts, now),
            Change::Registration(key, None) => registry.entries.remove(&key).is_some(),
            Change::Config(namespace, true) => registry.configs.put(namespace, ()) != Put::Same,
            Change::Config(namespace, false) => registry.configs.remove(&namespace).is_some(),
            Change::Type(namespace, name, kind) => registry.remember_kind(namespace, name, kind),
            Change::Cluster(name, Some(facts)) => registry.clusters.put(name, facts) != Put::Same,
            Change::Cluster(name, None) => registry.clusters.remove(&name).is_some(),
            Change::Controller(namespace, name, Some(facts)) => {
                registry.controllers.put((namespace, name), facts) != Put::Same
            }
            Change::Controller(namespace, name, None) => {
                registry.controllers.remove(&(namespace, name)).is_some()
            }
            Change::Home(name, home) => {
                registry.put_home(name, home);
                false
            }
            Change::LookedAt(plane, at) => {
                registry.look(plane, at);
                false
            }
            Change::Accounts(key, asked, accounts) => {
                registry.accounts(&key, &asked, accounts.into());
                false
            }
            Change::TokenAccount(key, asked, found) => registry.issued(&key, &asked, found),
            Change::KubeSystem(uid) => registry.kube_system.replace(uid) != Some(uid),
            Change::Probed(key, asked, probe) => registry.probed(&key, &asked, probe, now),
            _ => false,
        }
    }

    /// A Workspace's name as it is kept already: one too long to lie in the text itself is allocated once for tenants and
    /// federated objects.
    pub(crate) fn shared_name(&self, name: &Text) -> Text {
        self.tenants
            .known_name(name)
            .or_else(|| self.objects.known_name(name))
            .unwrap_or_else(|| name.clone())
    }

    fn federated(
        &mut self,
        kind: &Text,
        mut key: ObjectKey,
        desired: Option<Desired>,
        now: Time,
    ) -> Vec<Effect> {
        if &**kind == FEDERATED_WORKSPACE {
            key = cluster_key(&self.shared_name(&key.name));
        }
        let was = self.objects.danger_of(kind, &key);
        let decides = &**kind == FEDERATED_NAMESPACE;
        let contents = decides && self.objects.any_danger();
        if !self.objects.apply(kind, &key, desired, &self.registry, now) {
            return Vec::new();
        }
        if &**kind == FEDERATED_WORKSPACE {
            self.file_wish(&key.name);
        } else if self.objects.get(kind, &key).is_none() {
            self.removed.forget(&(kind.clone(), key.clone()));
        }
        let danger = self.objects.danger_of(kind, &key);
        if &**kind == FEDERATED_WORKSPACE
            && danger.is_none()
            && let Some(cause) = was.and_then(|was| self.named_cause(was))
        {
            self.leave_echo(&key.name, cause, now);
        }
        if was.is_some() || danger.is_some() {
            self.risk_stale = true;
            self.diagnosis_stale = true;
        }
        // A FederatedNamespace decides for everything in it.
        if contents || (decides && self.objects.any_danger()) {
            self.risk_stale = true;
            self.diagnosis_stale = true;
            return self.diagnose(now);
        }
        let cause = danger.filter(|danger| self.endangers(danger, kind, &key));
        if let Some((cause, subject)) = cause.and_then(|danger| self.named_cause(danger))
            && self.hold.raise(cause, subject, None, now)
        {
            return self.hold.plan(now);
        }
        if self.kind_goes() && self.diagnosis_stale {
            return self.diagnose(now);
        }
        Vec::new()
    }

    fn template(&mut self, name: &Text, desired: Option<Desired>, now: Time) {
        let name = &self.shared_name(name);
        let row = desired.map(|desired| self.objects.row(desired));
        if let Some(old) = self.tenants.put_template(name, row) {
            let lives = self
                .tenants
                .template(name)
                .is_some_and(|row| row.uid == old.uid);
            if !lives {
                self.template_went(name, old.uid, now);
            }
            self.objects.release(&old.placement);
        }
        self.file_wish(name);
    }

    /// Takes the owner's wishes.
    pub fn set_policy(&mut self, policy: Policy, now: Time) -> Vec<Effect> {
        self.hold.set_policy(policy.hold.clone(), now);
        self.remedy.set_policy(policy.remedy.clone());
        self.policy = policy;
        self.cover();
        self.diagnose(now)
    }

    /// Time passed.
    pub fn tick(&mut self, now: Time) -> Vec<Effect> {
        let mut effects = self.diagnose(now);
        self.excuses.retain(|_, excuse| excuse.until > now);
        self.former
            .retain(|_, former| now.since_ms(former.at) < FORMER_MS);
        self.echoes.retain(|_, (_, at)| now.since_ms(*at) < LAG_MS);
        if !self.losses.is_empty() {
            self.settle_losses(now);
        }
        self.risk_stale |= self.hold.overdue(now);
        let sure = self.sure(now);
        effects.extend(self.hold.tick(sure, now));
        effects
    }

    /// Takes up what an earlier process left in status: the ledger, and since when findings are open.
    pub fn restore(&mut self, ledger: Restored, since: BTreeMap<(&'static str, String), Time>) {
        self.ledger.restore(ledger);
        self.since = since;
    }

    /// Registrations, real clusters and control planes.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Incidents and losses.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The hold.
    pub fn hold(&self) -> &Hold {
        &self.hold
    }

    /// Whether a FederatedWorkspace and its template fit together: one without the other is a leftover, one that goes
    /// without the other is told.
    fn file_wish(&mut self, name: &Text) {
        let name = &self.shared_name(name);
        let in_bulk = self.goes_in_bulk();
        let federated = self.objects.workspace(name).map(|row| row.deleting);
        let template = self.tenants.template(name).map(|row| row.deleting);
        let leftover =
            federated == Some(false) && template.is_none() && &**name != SYSTEM_WORKSPACE;
        let bereft = federated == Some(true) && template == Some(false);
        set(&mut self.leftovers, name, leftover);
        set(&mut self.bereft, name, bereft);
        self.follow_kind(name, in_bulk);
        if federated.is_none() {
            self.witnesses.forget(name);
        }
    }

    /// Control planes in these namespaces were stopped by remediation: that they stand still is expected.
    pub fn set_frozen(&mut self, namespaces: BTreeSet<Text>) {
        self.frozen = namespaces;
    }

    /// A kind is no longer federated: its objects are no longer simulated.
    pub fn forget_kind(&mut self, kind: &Text, now: Time) -> Vec<Effect> {
        let keys = self.objects.keys(kind);
        let mut effects: Vec<Effect> = keys
            .into_iter()
            .flat_map(|key| self.apply(Change::Federated(kind.clone(), key, None), now))
            .collect();
        self.drop_feed(&Feed::Federated(kind.clone()));
        effects.extend(self.diagnose(now));
        effects
    }
}

fn set(names: &mut BTreeSet<Text>, name: &Text, is: bool) {
    if is {
        names.insert(name.clone());
    } else {
        names.remove(name);
    }
}
