//! What an answer of a registered cluster is worth: it speaks of what was asked.

use federation_health_core::{
    effect::CauseKind,
    facts::{Change, Probe},
    id::Text,
};

use crate::{
    bed::{Bed, HERE, PLANE, key, registration, text, uid},
    identity::probing,
};

#[test]
fn an_answer_from_behind_the_former_door_says_nothing_of_the_new_one() {
    let mut bed = Bed::quiet_with(probing());
    bed.probe("host", 1, HERE);
    bed.register(PLANE, "east", registration(2, "https://east:6443"));
    bed.probe("east", 2, 0xea);
    assert_eq!(bed.codes(), [] as [&str; 0]);
    let former = bed.asked("east", 2);
    // Its door changes to another one of this server's while a probe is on its way through the former.
    bed.register(PLANE, "east", registration(2, "https://other-door"));
    let answer = Probe::Answered {
        uid: uid(0xea),
        leases: Box::default(),
    };
    bed.apply(Change::Probed(key(PLANE, "east"), former.clone(), answer));
    let accounts = Box::new([text("east-kubesphere"), text("gone-kubesphere")]);
    bed.apply(Change::Accounts(key(PLANE, "east"), former, accounts));
    let entry = bed
        .federation
        .registry()
        .entry(&key(PLANE, "east"))
        .unwrap();
    assert_eq!((&entry.identity, &*entry.accounts), (&None, &[] as &[Text]));
    assert_eq!(bed.codes(), ["FH023"]);
    bed.probe("east", 2, HERE);
    assert_eq!(bed.causes(), [CauseKind::DoubledRegistration]);
}
