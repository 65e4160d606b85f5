//! Whatever order the watches speak in.

use std::collections::BTreeMap;

use federation_health_core::{
    effect::{CauseKind, Effect},
    facts::{Change, Feed, FeedState, Namespace, Workspace},
    words::ConditionType,
};
use proptest::prelude::*;

use crate::bed::{
    Bed, FW, Feeds, PLANE, RELEASE_AFTER_MS, both, cluster_key, desired, key, namespace,
    registration, text, workspace,
};

const WORKSPACES: [&str; 2] = ["orders", "payments"];
const NAMES: [&str; 3] = ["host", "produce-trt", "member"];

/// What happens in the world, one step of a story.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A name is registered for this server or a far one, or is removed.
    Register(usize, Option<bool>),
    /// A Workspace is placed on these names.
    Place(usize, u8),
    /// A Workspace begins to die, vanishes, or is created anew.
    Die(usize),
    Vanish(usize),
    Create(usize),
    /// A whole kind is listed again.
    Relist(usize),
    /// The last event of a Workspace is delivered twice.
    Repeat(usize),
    /// A feed fails or recovers.
    Fail(usize, bool),
    /// Live reads answer.
    Verify(usize),
    /// Milliseconds pass.
    Pass(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3_usize, proptest::option::of(any::<bool>())).prop_map(|(n, to)| Step::Register(n, to)),
        (0..2_usize, 0..8_u8).prop_map(|(n, mask)| Step::Place(n, mask)),
        (0..2_usize).prop_map(Step::Die),
        (0..2_usize).prop_map(Step::Vanish),
        (0..2_usize).prop_map(Step::Create),
        (0..3_usize).prop_map(Step::Relist),
        (0..2_usize).prop_map(Step::Repeat),
        (0..3_usize, any::<bool>()).prop_map(|(n, up)| Step::Fail(n, up)),
        (0..2_usize).prop_map(Step::Verify),
        (0..3000_u16).prop_map(Step::Pass),
    ]
}

/// The world as the API server has it, and a federation that hears of it.
struct World {
    bed: Bed,
    registered: [Option<bool>; 3],
    placed: [u8; 2],
    live: [Option<Workspace>; 2],
    uids: [Vec<u128>; 2],
    next: u128,
    failing: [bool; 3],
}

const FEEDS: [Feed; 3] = [Feed::Registrations, Feed::Workspaces, Feed::Namespaces];

impl World {
    fn new() -> Self {
        let mut world = Self {
            bed: Bed::new(Feeds::Synced, both()),
            registered: [Some(true), None, None],
            placed: [1, 1],
            live: [None, None],
            uids: [Vec::new(), Vec::new()],
            next: 1000,
            failing: [false; 3],
        };
        world.bed.host();
        for n in 0..2 {
            world.play(Step::Place(n, 1));
            world.play(Step::Create(n));
        }
        world
    }

    fn facts(&self, n: usize) -> Option<federation_health_core::facts::Registration> {
        let endpoint = if self.registered[n]? {
            "https://here:6443"
        } else {
            "https://far"
        };
        Some(registration(1 + n as u128, endpoint))
    }

    fn tell(&mut self, n: usize) {
        let facts = self.live[n];
        self.bed.workspace(WORKSPACES[n], facts);
    }

    fn play(&mut self, step: Step) {
        match step {
            Step::Register(n, to) => {
                self.registered[n] = to;
                let change = Change::Registration(key(PLANE, NAMES[n]), self.facts(n));
                self.bed.apply(change);
            }
            Step::Place(n, mask) => {
                self.placed[n] = mask;
                let names: Vec<&str> = (0..3)
                    .filter(|i| mask >> i & 1 == 1)
                    .map(|i| NAMES[i])
                    .collect();
                self.bed
                    .federated(WORKSPACES[n], Some(desired(10 + n as u128, &names)));
            }
            Step::Die(n) => {
                if let Some(live) = &mut self.live[n] {
                    live.deleting = true;
                }
                self.tell(n);
            }
            Step::Vanish(n) => {
                self.live[n] = None;
                self.tell(n);
            }
            Step::Create(n) => {
                if self.live[n].is_none_or(|w| w.deleting) {
                    self.next += 1;
                    self.live[n] = Some(workspace(self.next));
                    self.uids[n].push(self.next);
                    self.tell(n);
                }
            }
            Step::Repeat(n) => self.tell(n),
            Step::Relist(which) => self.relist(which),
            Step::Fail(n, up) => {
                self.failing[n] = !up;
                let state = if up {
                    FeedState::Synced
                } else {
                    FeedState::Failing
                };
                self.bed.feed(FEEDS[n].clone(), state);
            }
            Step::Verify(n) => {
                self.bed.still_wished(WORKSPACES[n]);
            }
            Step::Pass(ms) => {
                self.bed.pass(i64::from(ms));
            }
        }
    }

    fn relist(&mut self, which: usize) {
        let feed = FEEDS[which].clone();
        self.bed.federation.begin(&feed);
        match which {
            0 => {
                for n in (0..3).rev() {
                    if self.registered[n].is_some() {
                        let change = Change::Registration(key(PLANE, NAMES[n]), self.facts(n));
                        self.bed.apply(change);
                    }
                }
            }
            1 => {
                for n in (0..2).rev() {
                    if self.live[n].is_some() {
                        self.tell(n);
                    }
                }
            }
            _ => {}
        }
        self.failing[which] = false;
        self.bed.end(&feed);
    }

    /// LOOP by the definition, over everything that is registered.
    fn loops(&self) -> bool {
        let here: Vec<usize> = (0..3)
            .filter(|n| self.registered[*n] == Some(true))
            .collect();
        self.placed.iter().any(|mask| {
            let selected = here.iter().filter(|n| mask >> **n & 1 == 1).count();
            selected > 0 && selected < here.len()
        })
    }
}

impl Bed {
    fn end(&mut self, feed: &Feed) {
        let now = self.now;
        let effects = self.federation.end(feed, now);
        self.carry(effects);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_hold_stands_as_long_as_its_cause_and_every_story_comes_to_rest(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let mut world = World::new();
        for step in steps {
            let held = world.bed.holds();
            let before = world.bed.causes();
            world.play(step);
            if world.loops() {
                prop_assert_eq!(world.bed.holds(), (true, true), "a loop stands after {:?}", step);
            }
            let fell = held != (false, false) && world.bed.holds() == (false, false);
            prop_assert!(
                !fell || before == [CauseKind::UnexpectedDeletion],
                "nobody confirmed a release, and nothing was explained: {step:?}"
            );
        }
        for (n, up) in world.failing.iter().map(|f| !f).enumerate().collect::<Vec<_>>() {
            if !up {
                world.play(Step::Fail(n, true));
            }
        }
        // Only what lives is told again: the world has come to rest.
        for n in 0..2 {
            world.play(Step::Verify(n));
        }
        world.bed.left.clear();
        world.bed.pass(0);
        world.bed.pass(RELEASE_AFTER_MS);
        if world.bed.left.contains(&Effect::ConfirmRelease) {
            world.bed.confirm(&[], &[]);
        }
        world.bed.pass(100_000);
        world.bed.left.clear();
        let first = world.bed.assess();
        prop_assert_eq!(world.bed.tick(), Vec::<Effect>::new());
        prop_assert_eq!(&world.bed.assess(), &first);
        prop_assert_eq!(world.bed.observe(false), Vec::<Effect>::new());
        let looping = first.findings.iter().any(|(f, _)| {
            f.code == "FH004" && f.severity.as_str() == "Critical"
        });
        let doubled = world.registered.iter().filter(|r| **r == Some(true)).count() > 1;
        if doubled {
            prop_assert_eq!(looping, world.loops());
        }
        prop_assert_eq!(first.condition(ConditionType::ClustersUnique).map(|c| c.status.as_str()) == Some("False"),
            doubled || world.registered.iter().filter(|r| **r == Some(false)).count() > 1);
        let expected: usize = world.uids.iter().map(|uids| uids.len().saturating_sub(1)).sum();
        prop_assert_eq!(world.bed.federation.ledger().recreations(), expected as u64);
    }

    #[test]
    fn the_first_lists_may_come_in_any_order(order in Just((0..5_usize).collect::<Vec<_>>()).prop_shuffle()) {
        let mut bed = Bed::new(Feeds::Unread, both());
        let mut lists: BTreeMap<usize, fn(&mut Bed)> = BTreeMap::new();
        lists.insert(0, |bed| {
            bed.federation.begin(&Feed::Registrations);
            bed.register(PLANE, "host", registration(1, "https://here:6443"));
            bed.register(PLANE, "member", registration(5, "https://far"));
            bed.end(&Feed::Registrations);
        });
        lists.insert(1, |bed| {
            bed.federation.begin(&Feed::Workspaces);
            bed.workspace("orders", Some(workspace(30)));
            bed.end(&Feed::Workspaces);
        });
        lists.insert(2, |bed| {
            bed.federation.begin(&Feed::Namespaces);
            bed.apply(Change::KubeSystem(crate::bed::uid(crate::bed::HERE)));
            bed.namespace("orders-dev", Some(namespace(40, "orders", 30)));
            let dying = Namespace { deleting: true, ..namespace(41, "orders", 30) };
            bed.namespace("orders-old", Some(dying));
            bed.end(&Feed::Namespaces);
        });
        lists.insert(3, |bed| {
            let feed = Feed::Federated(text(FW));
            bed.federation.begin(&feed);
            bed.apply(Change::Federated(text(FW), cluster_key("orders"), Some(desired(20, &["host", "member"]))));
            bed.end(&feed);
        });
        lists.insert(4, |bed| {
            for feed in [Feed::Types, Feed::Configs, Feed::Clusters, Feed::Controllers, Feed::Templates] {
                bed.federation.begin(&feed);
                if feed == Feed::Templates {
                    bed.template("orders", Some(desired(10, &["host", "member"])));
                }
                if feed == Feed::Types {
                    bed.host();
                }
                bed.end(&feed);
            }
        });
        for n in order {
            lists[&n](&mut bed);
            bed.pass(3000);
            prop_assert_eq!(bed.holds(), (false, false), "after list {}", n);
            prop_assert!(bed.codes().is_empty(), "after list {}: {:?}", n, bed.codes());
        }
        prop_assert_eq!(&bed.left, &Vec::<Effect>::new());
        prop_assert_eq!(bed.truth(ConditionType::Healthy).as_str(), "Unknown", "the proof is still pending");
        prop_assert_eq!(bed.federation.ledger().lost_total(), 0);
    }
}
