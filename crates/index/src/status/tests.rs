use super::*;

const LATER: Time = Time(1_700_000_100_000);

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
    let (after, _) = restored(&status, LATER);
    assert_eq!(after.incidents, [(Text::from("orders"), incident)]);

    status.incidents[0].penalties_milli = vec![-1];
    let (odd, _) = restored(&status, LATER);
    assert_eq!(odd.incidents[0].1.penalties_milli, [0, 0]);
}

fn remembering(suspects: Vec<(Text, Suspect)>) -> Federation {
    let mut federation = Federation::default();
    let left = Restored {
        suspects,
        ..Restored::default()
    };
    federation.restore(left, Since::new());
    federation
}

fn named(name: &str, slow: u32) -> (Text, Suspect) {
    let suspect = Suspect {
        last: Time(1_700_000_060_000),
        penalties_milli: [slow / 2, slow],
    };
    (Text::from(name), suspect)
}

#[test]
fn suspects_that_no_incident_shows_are_told_and_taken_up() {
    let known = vec![named("orders", 1500), named("payments", 3600)];
    let federation = remembering(known.clone());
    let told = suspects(&federation, &[], LATER);
    assert_eq!(
        told,
        [
            "orders 2023-11-14T22:14:20Z 750 1500",
            "payments 2023-11-14T22:14:20Z 1800 3600"
        ]
    );
    let status = FederationHealthStatus {
        suspects: told,
        ..FederationHealthStatus::default()
    };
    assert_eq!(restored(&status, LATER).0.suspects, known);
    // A clock that was ahead would keep counts from decaying until then.
    let sooner = Time(1_700_000_000_000);
    let (early, _) = restored(&status, sooner);
    assert!(early.suspects.iter().all(|(_, s)| s.last == sooner));

    let incident = Incident {
        workspace: "payments".to_owned(),
        first_seen_time: wire_time(LATER),
        last_seen_time: wire_time(LATER),
        recreations: 3,
        parties: Vec::new(),
        namespaces_lost: 0,
        penalties_milli: vec![1800, 3600],
    };
    assert_eq!(suspects(&federation, &[incident], LATER).len(), 1);
}

#[test]
fn suspects_with_long_names_are_as_many_as_fit_and_the_heaviest() {
    let long = |n: u32| named(&format!("{n:03}{}", "n".repeat(250)), 1000 + n);
    let told = suspects(&remembering((0..256).map(long).collect()), &[], LATER);
    let bytes: usize = told.iter().map(|line| line.len() + 3).sum();
    assert!(bytes <= MAX_SUSPECTS_BYTES && bytes > MAX_SUSPECTS_BYTES - 300);
    assert!(told.iter().all(|line| line.len() <= 320));
    assert!(told[0].starts_with(&format!("{}", 256 - told.len())));
}

#[test]
fn a_line_that_nobody_wrote_is_no_suspect() {
    for line in [
        "",
        "orders",
        "orders yesterday 1 2",
        "orders 2023-11-14T22:14:20Z 750",
        "orders 2023-11-14T22:14:20Z -1 NaN",
    ] {
        assert_eq!(suspect(line), None, "{line}");
    }
    // A count that nobody could have reached is the most that one could.
    let status = FederationHealthStatus {
        suspects: vec!["orders 2023-11-14T22:14:20Z 4294967295 4294967295".to_owned()],
        ..FederationHealthStatus::default()
    };
    let left = restored(&status, LATER).0.suspects;
    let told = suspects(&remembering(left), &[], LATER);
    assert_eq!(told, ["orders 2023-11-14T22:14:20Z 16000 16000"]);
}
