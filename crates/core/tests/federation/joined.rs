//! The join guard's list, and when it can be relied on.

use federation_health_core::{
    assess::Truth,
    facts::Registration,
    federation::Policy,
    joined::{JoinList, JoinPart, Joined, LIST_BUDGET},
    time::Time,
    words::{ConditionType, Reason},
};

use crate::bed::{Bed, Feeds, PLANE, both, registration, text};

fn guarding() -> Policy {
    Policy {
        join_guard: true,
        ..both()
    }
}

fn born(n: u128, endpoint: &str, seconds: i64) -> Registration {
    Registration {
        created: Some(Time(seconds * 1000)),
        authority: Some(text(&format!("authority of {endpoint}"))),
        ..registration(n, endpoint)
    }
}

fn list(bed: &Bed) -> JoinList {
    match bed.federation.joined() {
        Joined::Read(list) => list,
        other => panic!("no list: {other:?}"),
    }
}

#[test]
fn an_endpoint_belongs_to_the_oldest_of_its_registrations_whichever_plane_has_it() {
    let mut bed = Bed::new(Feeds::Synced, guarding());
    bed.register(PLANE, "younger", born(1, "https://a:443", 20));
    bed.register("old-federation", "older", born(2, "https://a:443", 10));
    bed.register(PLANE, "east", born(3, "https://gw:443/k8s/c-1", 30));
    let list = list(&bed);
    let endpoints: Vec<(&str, &str)> = list.endpoints.iter().map(|(k, v)| (&**k, &**v)).collect();
    assert_eq!(
        endpoints,
        [
            ("a:443", "old-federation/older"),
            ("gw:443/k8s/c-1", "east")
        ]
    );
    assert_eq!(
        list.authorities[&text("authority of https://a:443")],
        "old-federation/older"
    );
}

#[test]
fn an_ipv6_address_is_listed_spelled_out_as_the_policies_compare_it() {
    let mut bed = Bed::new(Feeds::Synced, guarding());
    bed.register(PLANE, "six", born(1, "https://[2001:db8::a0:1]:6443/x", 10));
    bed.register(PLANE, "gate", born(2, "https://gate:443", 20));
    let listed = list(&bed).endpoints;
    let keys: Vec<&str> = listed.keys().map(|key| &**key).collect();
    assert_eq!(keys, ["[2001:db8:0:0:0:0:a0:1]:6443/x", "gate:443"]);
}

#[test]
fn there_is_no_list_while_it_is_off_and_none_before_all_registrations_were_read() {
    let mut off = Bed::new(Feeds::Synced, both());
    assert_eq!(off.federation.joined(), Joined::Off);
    assert_eq!(off.assess().condition(ConditionType::JoinGuardReady), None);
    let mut unread = Bed::new(Feeds::Unread, guarding());
    unread.register(PLANE, "host", born(1, "https://a:443", 1));
    assert_eq!(unread.federation.joined(), Joined::Unread);
}

#[test]
fn a_thousand_clusters_fit_and_what_does_not_is_told() {
    let mut bed = Bed::new(Feeds::Synced, guarding());
    for part in [JoinPart::Policies, JoinPart::Bindings] {
        bed.federation.observe_join_policies(part, Some(true));
    }
    for n in 0..1000_u128 {
        let endpoint = format!("https://10.0.{}.{}:6443", n / 250, n % 250);
        let shared = Registration {
            authority: Some(text("one company, one authority")),
            ..born(n + 1, &endpoint, 1)
        };
        bed.register(PLANE, &format!("cluster-{n}"), shared);
    }
    let full = list(&bed);
    assert_eq!((full.endpoints.len(), full.left_out), (1000, 0));
    let told = |bed: &mut Bed| {
        let judged = bed.assess();
        let condition = judged.condition(ConditionType::JoinGuardReady).unwrap();
        (condition.status, condition.reason)
    };
    assert_eq!(told(&mut bed), (Truth::True, Reason::AsExpected));

    let long = format!("https://{}:6443", "a.".repeat(LIST_BUDGET / 2));
    bed.register(PLANE, "long", born(2000, &long, 2));
    assert_eq!(told(&mut bed), (Truth::False, Reason::ListFull));
}

#[test]
fn a_guard_without_its_policies_is_told() {
    let mut bed = Bed::new(Feeds::Synced, guarding());
    let mut told = |policies, bindings| {
        let parts = [
            (JoinPart::Policies, policies),
            (JoinPart::Bindings, bindings),
        ];
        for (part, installed) in parts {
            bed.federation.observe_join_policies(part, installed);
        }
        let judged = bed.assess();
        judged
            .condition(ConditionType::JoinGuardReady)
            .unwrap()
            .status
    };
    assert_eq!(told(None, None), Truth::Unknown);
    assert_eq!(told(Some(true), None), Truth::Unknown);
    assert_eq!(told(Some(true), Some(false)), Truth::False);
    assert_eq!(told(Some(false), Some(true)), Truth::False);
    assert_eq!(told(Some(true), Some(true)), Truth::True);
}
