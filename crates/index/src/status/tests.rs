use super::*;

#[test]
fn what_status_says_of_incidents_is_what_the_next_process_takes_up() {
    let incident = ledger::Incident {
        first: Time(1_700_000_000_000),
        last: Time(1_700_000_060_000),
        recreations: 9,
        parties: [Text::from("host"), Text::from("produce-trt")].into(),
        lost: 3,
        penalties_milli: [2500, 3600],
    };
    let mut before = Federation::default();
    let ledger = Restored {
        incidents: vec![(Text::from("orders"), incident.clone())],
        ..Restored::default()
    };
    before.restore(ledger, Since::new());
    let mut status = FederationHealthStatus {
        incidents: incidents(before.ledger(), 10),
        ..FederationHealthStatus::default()
    };
    let (after, _) = restored(&status);
    assert_eq!(after.incidents, [(Text::from("orders"), incident)]);

    status.incidents[0].penalties_milli = vec![-1];
    let (odd, _) = restored(&status);
    assert_eq!(odd.incidents[0].1.penalties_milli, [0, 0]);
}
