use federation_health_api::names::CANARY_WORKSPACE;
use federation_health_core::{
    remedy::{
        experiment::CANARY,
        journal::{UNDO_WITHIN_MS, bytes},
    },
    time::Time,
};

use super::*;

const NOW: Time = Time(1_790_000_000_000);

#[test]
fn what_is_planted_is_what_is_recognised() {
    assert_eq!(CANARY, CANARY_WORKSPACE);
}

fn written(id: u64, rung: Rung, from: &str) -> Record {
    Record {
        id,
        act: id,
        plan: Text::from("0123456789abcdef0123"),
        rung,
        target: Target {
            kind: rung.kind(),
            namespace: Text::from("n".repeat(63)),
            name: Text::from("n".repeat(253)),
            uid: Uid::from(7),
        },
        from: Value::new(from),
        to: Value::none(),
        at: NOW,
        until: NOW.plus_ms(UNDO_WITHIN_MS),
        state: State::Verified,
        since: NOW,
        note: String::new(),
    }
}

#[test]
fn no_line_is_longer_than_the_room_that_is_kept_for_it() {
    for (rung, state) in Rung::ALL.into_iter().zip(State::ALL.into_iter().cycle()) {
        let record = Record {
            state,
            note: "n".repeat(1000),
            ..written(9_999_999_999, rung, &"\"".repeat(1000))
        };
        let room = bytes(&record.target, &record.from, &record.to);
        let line = json!(action(&record)).to_string();
        assert!(line.len() <= room, "{} of {room}: {line}", line.len());
    }
}

#[test]
fn status_shows_a_freeze_before_all_else_and_nothing_in_part() {
    let long = "n".repeat(MAX_VALUE);
    let mut records = vec![written(1, Rung::FreezeControllers, "3")];
    records.extend((2..40).map(|id| written(id, Rung::RetainVolumes, "Delete")));
    let ids =
        |records: &[Record]| -> Vec<i64> { shown(records, &[]).iter().map(|a| a.id).collect() };
    let found = ids(&records);
    assert_eq!((found.len(), found[0], found[1]), (MAX_ACTIONS, 1, 17));
    records.extend((40..50).map(|id| written(id, Rung::FixPlacement, &long)));
    records.push(written(50, Rung::FixPlacement, &format!("{long}n")));
    let found = ids(&records);
    assert_eq!(found[0], 1);
    assert!(!found.contains(&50), "longer than the schema takes");
    let long = found.iter().filter(|id| **id >= 40).count();
    assert_eq!(long, MAX_SHOWN / MAX_VALUE - 1, "{found:?}");
}

#[test]
fn a_line_that_makes_no_sense_is_written_again_as_it_was_found() {
    let known = json!(action(&written(1, Rung::FreezeControllers, "3")));
    let mut newer = known.clone();
    newer["state"] = json!("Parked");
    newer["more"] = json!(1);
    let strange = json!({"id": "x"});
    let lines = vec![known.clone(), newer.clone(), strange.clone()];
    let (records, unread) = read(lines.clone());
    assert_eq!(records.len(), 1);
    assert_eq!(unread, [newer, strange]);
    assert_eq!(Pages::new(None, &records, &unread).actions, lines);
    assert_eq!(shown(&records, &unread).len(), 2, "what the schema takes");
    let words = named(&unread[0]);
    assert!(
        words.starts_with("FreezeControllers of Deployment n"),
        "{words}"
    );
    assert!(words.ends_with("in state Parked"), "{words}");
}
