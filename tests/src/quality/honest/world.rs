//! What the API server has, and how it comes before the decisions.

use std::collections::VecDeque;

use federation_health_core::{
    effect::Effect,
    facts::{
        Change, Desired, FederatedKind, Feed, Managed, ObjectKey, Readiness, Registration,
        Workspace,
    },
    federation::{Federation, LiveKind, LiveWish, Policy},
    hold::{CollectionPolicy, HoldPolicy},
    id::{RegistrationKey, Text, Uid},
    objects::FEDERATED_WORKSPACE,
    placement::Placement,
};

use super::{MINUTE, Month, WORKS, Work};

/// What the API server has under one name.
#[derive(Clone, Debug, Default)]
pub(super) struct Truth {
    template: Option<Desired>,
    federated: Option<Desired>,
    workspace: Option<Workspace>,
}

fn policy() -> Policy {
    Policy {
        namespace: Text::from("kube-federation-system"),
        hold: HoldPolicy {
            collection: CollectionPolicy::OnDiagnosis,
            federation: true,
            release_after_ms: MINUTE,
            ..HoldPolicy::default()
        },
        max_incidents: 10,
        ..Policy::default()
    }
}

fn feeds() -> [Feed; 3] {
    [
        Feed::Templates,
        Feed::Federated(Text::from(FEDERATED_WORKSPACE)),
        Feed::Workspaces,
    ]
}

impl Month {
    fn name(&self, n: u64) -> Text {
        let run = self.runs.get(&n).copied().unwrap_or_default();
        Text::from(format!("workspace-{n}-{run}"))
    }

    fn desired(&mut self) -> Desired {
        self.next_uid += 1;
        Desired {
            uid: Uid::from(self.next_uid),
            generation: 1,
            deleting: false,
            placement: Placement::names([Text::from("host")]),
        }
    }

    pub(super) fn create(&mut self, n: u64) {
        let name = self.name(n);
        if self.truth.get(&name).is_some_and(|t| t.workspace.is_some()) {
            return;
        }
        let (template, federated) = (self.desired(), self.desired());
        self.next_uid += 1;
        let workspace = Workspace {
            uid: Uid::from(self.next_uid),
            managed: Managed::Yes,
            ..Workspace::default()
        };
        let truth = Truth {
            template: Some(template),
            federated: Some(federated),
            workspace: Some(workspace),
        };
        let changes = Self::changes(&name, &truth);
        self.truth.insert(name, truth);
        self.deliver(changes.map(|change| vec![change]));
    }

    pub(super) fn delete(&mut self, n: u64) {
        let name = self.name(n);
        let Some(mut dying) = self.truth.get(&name).cloned() else {
            return;
        };
        let desired = [&mut dying.template, &mut dying.federated];
        for object in desired.into_iter().flatten() {
            object.deleting = true;
        }
        if let Some(workspace) = &mut dying.workspace {
            workspace.deleting = true;
        }
        let first = Self::changes(&name, &dying);
        let last = Self::changes(&name, &Truth::default());
        self.truth.remove(&name);
        if WORKS[(n % WORKS.len() as u64) as usize] == Work::FreshNames {
            *self.runs.entry(n).or_default() += 1;
        }
        let mut queues = [Vec::new(), Vec::new(), Vec::new()];
        for (queue, (a, b)) in queues.iter_mut().zip(first.into_iter().zip(last)) {
            queue.extend([a, b]);
        }
        self.deliver(queues);
    }

    pub(super) fn edit(&mut self, n: u64) {
        let name = self.name(n);
        let Some(truth) = self.truth.get_mut(&name) else {
            return;
        };
        for object in [&mut truth.template, &mut truth.federated]
            .into_iter()
            .flatten()
        {
            object.generation += 1;
        }
        let truth = truth.clone();
        let changes = Self::changes(&name, &truth);
        self.deliver(changes.map(|change| vec![change]));
    }

    /// One change for each of [`feeds`].
    fn changes(name: &Text, truth: &Truth) -> [Change; 3] {
        let kind = Text::from(FEDERATED_WORKSPACE);
        let key = ObjectKey {
            namespace: Text::default(),
            name: name.clone(),
        };
        [
            Change::Template(name.clone(), truth.template.clone()),
            Change::Federated(kind, key, truth.federated.clone()),
            Change::Workspace(name.clone(), truth.workspace),
        ]
    }

    /// Each kind in its own order, any order between kinds.
    fn deliver(&mut self, queues: [Vec<Change>; 3]) {
        if self.blind {
            return;
        }
        let mut queues: Vec<VecDeque<Change>> = queues.into_iter().map(Into::into).collect();
        while !queues.is_empty() {
            let at = self.random.below(queues.len() as u64) as usize;
            match queues[at].pop_front() {
                Some(change) => {
                    let effects = self.federation.apply(change, self.now);
                    self.carry_out(effects);
                }
                None => {
                    queues.swap_remove(at);
                }
            }
        }
    }

    pub(super) fn relist(&mut self) {
        let mut order: Vec<usize> = vec![0, 1, 2];
        while !order.is_empty() {
            let at = order.swap_remove(self.random.below(order.len() as u64) as usize);
            let feed = &feeds()[at];
            self.federation.begin(feed);
            let all: Vec<Change> = self
                .truth
                .iter()
                .map(|(name, truth)| Self::changes(name, truth)[at].clone())
                .collect();
            for change in all {
                let effects = self.federation.apply(change, self.now);
                self.carry_out(effects);
            }
            let effects = self.federation.end(feed, self.now);
            self.carry_out(effects);
        }
    }

    /// A process that begins: it reads everything.
    pub(super) fn start(&mut self) {
        self.federation = Federation::default();
        let effects = self.federation.set_policy(policy(), self.now);
        self.carry_out(effects);
        let plane = Text::from("kube-federation-system");
        let kind = FederatedKind {
            kind: Text::from(FEDERATED_WORKSPACE),
            target: Text::from("Workspace"),
            namespaced: false,
        };
        let key = RegistrationKey {
            namespace: plane.clone(),
            name: Text::from("host"),
        };
        let host = Registration {
            uid: Uid::from(1),
            endpoint: Some(Text::from("https://host:6443")),
            ready: Readiness::True,
            host_label: true,
            ..Registration::default()
        };
        for change in [
            Change::KubeSystem(Uid::from(2)),
            Change::Type(plane, Text::from("workspaces"), Some(kind)),
            Change::Registration(key, Some(host)),
        ] {
            let effects = self.federation.apply(change, self.now);
            self.carry_out(effects);
        }
        for feed in [
            Feed::Registrations,
            Feed::Types,
            Feed::Configs,
            Feed::Clusters,
            Feed::Namespaces,
            Feed::Controllers,
            Feed::Definitions,
        ] {
            let effects = self.federation.end(&feed, self.now);
            self.carry_out(effects);
        }
        self.relist();
    }

    /// The executor: switches are written, live reads find what the API server has.
    pub(super) fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            let more = match effect {
                Effect::Raise(image) | Effect::Lower(image) => {
                    self.version += 1;
                    let version = Some(self.version);
                    self.federation.hold_written(&image, version, self.now)
                }
                Effect::Durable(rule, active) => {
                    self.federation
                        .observe_binding(rule, Some(active), self.now)
                }
                Effect::Verify(name, _) => {
                    let truth = self.truth.get(&name).cloned().unwrap_or_default();
                    let wish = LiveWish {
                        federated: truth.federated,
                        template: truth.template,
                        kind: LiveKind::Stands,
                    };
                    self.federation.verified(&name, Some(wish), self.now)
                }
                Effect::ConfirmRelease => {
                    let live = self.truth.iter();
                    let live = live.filter_map(|(name, t)| Some((name.clone(), t.workspace?)));
                    let live = live.collect();
                    self.federation
                        .confirm_release(Some((&[], &live)), self.now)
                }
            };
            self.carry_out(more);
        }
    }
}
