//! What the journal has room for.

use super::*;
use crate::remedy::{
    journal::{MAX_BYTES, MAX_VALUE, bytes},
    plan::Wish,
};

fn volume(n: u128) -> (Rung, Target, Value, Value) {
    let target = Target {
        kind: Kind::PersistentVolume,
        namespace: Text::from("orders-db"),
        name: Text::from(format!("pvc-{}", Uid::from(n))),
        uid: Uid::from(n),
    };
    let (from, to) = (Value::new("Delete"), Value::new("Retain"));
    (Rung::RetainVolumes, target, from, to)
}

fn of((rung, target, from, to): (Rung, Target, Value, Value)) -> Step {
    Step {
        rung,
        target,
        from,
        to,
        ..step(0, "", "", "")
    }
}

#[test]
fn acts_in_force_never_outgrow_the_journal_and_leave_room_for_a_freeze() {
    let mut remedy = Remedy::default();
    let mut begun = 0;
    loop {
        let more = (begun..begun + 256).map(|n| of(volume(n)));
        let mut steps: Vec<Step> = more.collect();
        remedy.make_room(&mut steps);
        let fit = steps.iter().filter(|s| s.brake.is_none()).count();
        let next = (begun..begun + fit as u128).map(volume);
        for id in remedy.journal.intend(&Text::from("plan"), next, NOW) {
            remedy.journal.set(id, State::Verified, "", NOW);
        }
        begun += fit as u128;
        if fit < 256 {
            let brake = steps.last().unwrap().brake.as_ref().unwrap();
            assert_eq!(brake.reason(), Reason::JournalFull);
            break;
        }
    }
    assert!(begun > 800, "{begun}");
    let (_, one, from, to) = volume(0);
    assert!(begun as usize * bytes(&one, &from, &to) < MAX_BYTES);
    let mut freeze = [Step {
        rung: Rung::FreezeControllers,
        ..step(0, "0", "", "")
    }];
    remedy.make_room(&mut freeze);
    assert_eq!(freeze[0].brake, None);
    assert_eq!(remedy.journal.standing().count(), begun as usize);
}

#[test]
fn what_neither_place_could_keep_whole_is_not_begun() {
    let remedy = Remedy::default();
    let wish = |to: Value| Wish {
        rung: Rung::FixPlacement,
        target: target("orders", 1),
        to,
        why: String::new(),
        evidence: Vec::new(),
        against: None,
    };
    for (from, to, refused) in [
        (MAX_VALUE, 10, false),
        (MAX_VALUE + 1, 10, true),
        (10, MAX_VALUE + 1, true),
    ] {
        let of = |length| Value::new(&"n".repeat(length));
        let seen = Seen {
            value: of(from),
            ..seen()
        };
        let brake = remedy.against(&wish(of(to)), &seen, NOW);
        let reason = brake.map(|b| b.reason());
        assert_eq!(reason, refused.then_some(Reason::TooLong), "{from} {to}");
    }
}

#[test]
fn a_place_that_was_restored_adds_what_nobody_knows_and_under_other_numbers() {
    let records = |name: &str| {
        let mut journal = Journal::default();
        let id = intended(&mut journal, &[name], NOW)[0];
        journal.set(id, State::Verified, "", NOW);
        journal.records().to_vec()
    };
    let mut remedy = Remedy::default();
    let found = Loaded {
        kept: Some(Place {
            records: [records("a"), records("b")].concat(),
            restored: true,
        }),
        shown: Place {
            records: records("a"),
            restored: false,
        },
        ..Loaded::default()
    };
    remedy.loaded(Ok(found), None, NOW.plus_ms(1));
    let journal = remedy.journal().records();
    let told: Vec<_> = journal
        .iter()
        .map(|r| (&*r.target.name, r.state, r.id))
        .collect();
    assert_eq!(told, [("a", State::Verified, 1), ("b", State::Expired, 3)]);
}

#[test]
fn a_journal_whose_configmap_is_gone_or_a_copy_is_what_this_process_knows() {
    let mut remedy = Remedy::default();
    let id = intended(&mut remedy.journal, &["a"], NOW)[0];
    remedy.journal.set(id, State::Verified, "", NOW);
    remedy.journal.written();
    remedy.loaded(Ok(Loaded::default()), None, NOW.plus_ms(1));
    assert_eq!(remedy.journal.standing().count(), 1);
    assert!(remedy.journal.dirty(), "it is made anew");
    let copy = Place {
        records: remedy.journal.records().to_vec(),
        restored: true,
    };
    let found = Loaded {
        kept: Some(copy),
        ..Loaded::default()
    };
    remedy.loaded(Ok(found), None, NOW.plus_ms(1));
    assert_eq!(remedy.journal.standing().count(), 1, "nor is a copy more");
    assert_eq!(remedy.journal.records().len(), 1);
}
