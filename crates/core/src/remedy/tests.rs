//! Journal, plan, order and brakes by themselves; the ladder as a whole is told in `tests/simulated/remedy.rs`.

mod fleet;
mod room;

use proptest::prelude::*;

use super::{
    brake::{Brake, TABLE},
    journal::{Journal, MAX_RECORDS, NOT_FOUND_DONE, Record, State, UNDO_WITHIN_MS},
    plan::{Order, Plan, Seen, Step, Tie},
    rung::{Kind, Rung, Target, Value},
    *,
};
use crate::words::Reason;

const NOW: Time = Time(1_000_000_000);

fn target(name: &str, uid: u128) -> Target {
    Target {
        kind: Kind::Workspace,
        namespace: Text::default(),
        name: Text::from(name),
        uid: Uid::from(uid),
    }
}

fn intended(journal: &mut Journal, names: &[&str], now: Time) -> Vec<u64> {
    let steps = names.iter().map(|name| {
        (
            Rung::ShieldWorkspaces,
            target(name, 1),
            Value::new("true"),
            Value::new("false"),
        )
    });
    journal.intend(&Text::from("plan"), steps, now)
}

#[test]
fn a_rung_is_one_act_whatever_the_number_of_its_objects() {
    let mut journal = Journal::default();
    intended(&mut journal, &["a", "b", "c"], NOW);
    intended(&mut journal, &["d"], NOW.plus_ms(1));
    assert_eq!(journal.acts_since(NOW.plus_ms(-1)), (2, Some(NOW)));
    assert_eq!(journal.acts_since(NOW), (1, Some(NOW.plus_ms(1))));
}

#[test]
fn what_did_not_happen_uses_up_nothing_and_its_newest_tries_say_it_all() {
    let mut journal = Journal::default();
    let kept = intended(&mut journal, &["a"], NOW)[0];
    for i in 1..5 {
        let id = intended(&mut journal, &["b"], NOW.plus_ms(i))[0];
        journal.set(id, State::Failed, "no", NOW.plus_ms(i));
    }
    let found: Vec<(u64, Time)> = journal.records().iter().map(|r| (r.id, r.at)).collect();
    assert_eq!(
        found,
        [(kept, NOW), (4, NOW.plus_ms(3)), (5, NOW.plus_ms(4))]
    );
    assert_eq!(journal.acts_since(NOW.plus_ms(-1)).0, 1);
}

#[test]
fn what_nobody_knows_to_have_happened_uses_up_the_budget_try_by_try() {
    let mut journal = Journal::default();
    for i in 0..3 {
        let ids = intended(&mut journal, &["a"], NOW);
        if i == 0 {
            journal.note(&ids, experiment::UNFORESEEN);
        }
        journal.set(ids[0], State::Failed, NOT_FOUND_DONE, NOW);
    }
    assert_eq!(journal.acts_since(NOW.plus_ms(-1)).0, 3);
}

#[test]
fn of_two_places_the_newer_word_counts_and_what_is_in_one_alone_is_kept() {
    let mut a = Journal::default();
    let ids = intended(&mut a, &["x", "y"], NOW);
    let older = a.records().to_vec();
    a.set(ids[0], State::Done, "", NOW.plus_ms(10));
    let newer = vec![a.records()[0].clone()];
    for (first, second) in [(older.clone(), newer.clone()), (newer, older)] {
        let merged = Journal::merged(first, second);
        let states: Vec<State> = merged.records().iter().map(|r| r.state).collect();
        assert_eq!(states, [State::Done, State::Intended]);
    }
}

fn place(records: Vec<Record>) -> Place {
    let restored = false;
    Place { records, restored }
}

#[test]
fn a_journal_that_came_with_a_restore_is_told_and_not_acted_on() {
    let here = Some(Uid::from(7));
    let mut journal = Journal::default();
    let ids = intended(&mut journal, &["x", "y"], NOW);
    journal.set(ids[0], State::Verified, "", NOW);
    let records = journal.records().to_vec();
    for (cluster, now) in [
        (Some(Uid::from(8)), NOW.plus_ms(1)),
        (here, NOW.plus_ms(UNDO_WITHIN_MS + 1)),
    ] {
        let mut remedy = Remedy::default();
        let found = Loaded {
            kept: Some(place(records.clone())),
            cluster,
            ..Loaded::default()
        };
        remedy.loaded(Ok(found), here, now);
        let states: Vec<State> = remedy.journal().records().iter().map(|r| r.state).collect();
        assert_eq!(states, [State::Expired, State::Expired]);
    }
    let mut remedy = Remedy::default();
    let found = Loaded {
        kept: Some(place(records)),
        cluster: here,
        ..Loaded::default()
    };
    remedy.loaded(Ok(found), here, NOW.plus_ms(1));
    assert!(remedy.journal().standing().next().is_some());
}

#[test]
fn the_journal_stays_small_and_forgets_nothing_that_is_in_force() {
    let mut journal = Journal::default();
    let standing = intended(&mut journal, &["kept"], NOW)[0];
    journal.set(standing, State::Verified, "", NOW);
    for i in 0..2 * MAX_RECORDS as i64 {
        let id = intended(&mut journal, &["x"], NOW.plus_ms(i))[0];
        journal.set(id, State::Failed, "", NOW);
    }
    assert!(journal.records().len() <= MAX_RECORDS);
    assert!(journal.get(standing).is_some());
}

fn step(generation: i64, to: &str, why: &str, version: &str) -> Step {
    Step {
        rung: Rung::ShieldWorkspaces,
        target: target("orders", 1),
        version: Text::from(version),
        generation,
        from: Value::new("true"),
        to: Value::new(to),
        why: why.to_owned(),
        evidence: Vec::new(),
        brake: None,
        tried: None,
    }
}

#[test]
fn a_plans_id_is_what_is_done_to_what_and_not_how_it_is_told() {
    let id = |step: Step| Plan::new(vec![step], NOW).id;
    let known = id(step(1, "false", "because", "5"));
    assert_eq!(known, id(step(1, "false", "in other words", "6")));
    assert_ne!(
        known,
        id(step(2, "false", "because", "5")),
        "an edited object is another plan"
    );
    assert_ne!(known, id(step(1, "", "because", "5")));
    let mut other = step(1, "false", "because", "5");
    other.target.uid = Uid::from(2);
    assert_ne!(
        known,
        id(other),
        "another object of the name is another plan"
    );
}

fn order() -> Order {
    Order {
        record: Some(1),
        rung: Rung::ShieldWorkspaces,
        target: target("orders", 1),
        generation: Some(3),
        from: Value::new("true"),
        to: Value::new("false"),
        dry_run: false,
    }
}

fn seen() -> Seen {
    Seen {
        uid: Uid::from(1),
        generation: 3,
        value: Value::new("true"),
        ..Seen::default()
    }
}

#[test]
fn an_order_is_carried_out_on_exactly_what_it_was_made_for() {
    assert_eq!(order().check(Some(&seen())), Ok(()));
    let differing: [(Option<Seen>, &str); 6] = [
        (None, "TargetGone"),
        (
            Some(Seen {
                uid: Uid::from(2),
                ..seen()
            }),
            "TargetChanged",
        ),
        (
            Some(Seen {
                generation: 4,
                ..seen()
            }),
            "TargetChanged",
        ),
        (
            Some(Seen {
                deleting: true,
                ..seen()
            }),
            "TargetChanged",
        ),
        (
            Some(Seen {
                value: Value::none(),
                ..seen()
            }),
            "TargetChanged",
        ),
        (
            Some(Seen {
                opted_out: true,
                ..seen()
            }),
            "OptedOut",
        ),
    ];
    for (found, word) in differing {
        let brake = order().check(found.as_ref()).unwrap_err();
        assert_eq!(brake.reason().as_str(), word, "{found:?}");
    }
}

#[test]
fn who_began_to_keep_an_object_since_it_was_planned_is_respected_and_stops_no_way_back() {
    let told = |rung, generation| {
        let order = Order {
            rung,
            generation,
            ..order()
        };
        let kept = Seen {
            keeper: Some(Text::from("Flux")),
            ..seen()
        };
        order.check(Some(&kept)).map_err(|brake| brake.reason())
    };
    let kept = Err(Reason::KeptByAnother);
    assert_eq!(told(Rung::FreezeControllers, Some(3)), kept);
    assert_eq!(told(Rung::FixPlacement, Some(3)), kept);
    assert_eq!(told(Rung::RemoveStaleCluster, Some(3)), kept);
    assert_eq!(told(Rung::ShieldWorkspaces, Some(3)), Ok(()), "a label");
    assert_eq!(told(Rung::FreezeControllers, None), Ok(()), "a thaw");
}

#[test]
fn what_a_target_hangs_on_decides_where_a_write_could_take_it_along() {
    let of = |rung, from: &str, to: &str| Order {
        rung,
        from: Value::new(from),
        to: Value::new(to),
        generation: None,
        ..order()
    };
    let keep = of(Rung::RetainVolumes, "Delete", "Retain");
    let give_back = of(Rung::RetainVolumes, "Retain", "Delete");
    let disarm = of(Rung::DisarmNamespaces, "[{}]", "[]");
    let right = |order: &Order, tie| {
        let value = order.from.clone();
        order
            .check(Some(&Seen {
                value,
                tie,
                ..seen()
            }))
            .is_ok()
    };
    let ties = [Tie::Unread, Tie::Alive, Tie::Dying, Tie::Gone];
    assert_eq!(
        ties.map(|tie| right(&keep, tie)),
        [true; 4],
        "keeping never waits"
    );
    assert_eq!(
        ties.map(|tie| right(&give_back, tie)),
        [false, true, false, false]
    );
    assert_eq!(
        ties.map(|tie| right(&disarm, tie)),
        [false, false, false, true]
    );
}

#[test]
fn every_brake_has_a_line_in_the_table_and_every_line_a_reason() {
    let words: Vec<&str> = Reason::ALL.iter().map(|r| r.as_str()).collect();
    for (word, meaning, end) in TABLE {
        assert!(words.contains(&word), "{word}");
        assert!(!meaning.is_empty() && !end.is_empty());
    }
    let first = Reason::ALL
        .iter()
        .position(|r| *r == Reason::Observing)
        .unwrap();
    let last = Reason::ALL
        .iter()
        .position(|r| *r == Reason::JournalFull)
        .unwrap();
    for reason in &Reason::ALL[first..=last] {
        let told = TABLE.iter().any(|(word, ..)| *word == reason.as_str());
        assert!(told, "{}", reason.as_str());
    }
}

fn any_record() -> impl Strategy<Value = Record> {
    let state = (0..State::ALL.len()).prop_map(|i| State::ALL[i]);
    (1_u64..4, state, 0_i64..5).prop_map(|(id, state, since)| Record {
        id,
        act: id,
        plan: Text::from("plan"),
        rung: Rung::ShieldWorkspaces,
        target: target("orders", 1),
        from: Value::new("true"),
        to: Value::new("false"),
        at: Time(0),
        until: Time(UNDO_WITHIN_MS),
        state,
        since: Time(since),
        note: String::new(),
    })
}

proptest! {
    /// Either place may be lost or restored: what is merged never depends on which place said it.
    #[test]
    fn merging_is_the_same_from_both_sides(a in prop::collection::btree_map(1_u64..4, any_record(), 0..4), b in prop::collection::btree_map(1_u64..4, any_record(), 0..4)) {
        let list = |map: &BTreeMap<u64, Record>| -> Vec<Record> {
            map.iter().map(|(id, r)| Record { id: *id,
                act: *id, ..r.clone() }).collect()
        };
        let (a, b) = (list(&a), list(&b));
        let one = Journal::merged(a.clone(), b.clone());
        let other = Journal::merged(b, a);
        prop_assert_eq!(one.records(), other.records());
    }
}
