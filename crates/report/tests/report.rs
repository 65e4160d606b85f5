//! What every form of the report must and must not say, from objects as an operator writes them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helpers fail as tests do"
)]

use std::collections::BTreeSet;

use federation_health_api::{
    FederationHealth, FederationHealthSpec,
    v1alpha1::{
        ActionStatus, BlastRadius, ClusterGroup, FederationHealthStatus, FindingStatus, HoldStatus,
    },
};
use federation_health_report::{
    Report,
    federation::{Overview, Plane, Registration},
    history::{History, Sort, Span},
    html, junit, markdown, picture,
};
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use serde_json::json;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn condition(type_: &str, status: &str) -> Condition {
    serde_json::from_value(json!({
        "type": type_, "status": status, "reason": "Told", "message": format!("{type_} | {status}"),
        "lastTransitionTime": at(0).to_string(),
    }))
    .unwrap()
}

fn action(action: &str, state: &str, time: i64, since: i64) -> ActionStatus {
    ActionStatus {
        id: 1,
        act: 1,
        plan: "p".to_owned(),
        action: action.to_owned(),
        kind: "Deployment".to_owned(),
        namespace: Some("kube-federation-system".to_owned()),
        name: "kubefed-controller-manager".to_owned(),
        uid: "u".to_owned(),
        from: "2".to_owned(),
        to: "0".to_owned(),
        time: Time(at(time)),
        undo_until: Time(at(3600)),
        state: state.to_owned(),
        since: Time(at(since)),
        message: None,
    }
}

fn registration(name: &str) -> Registration {
    Registration {
        name: name.to_owned(),
        ready: "True".to_owned(),
        endpoint: "https://127.0.0.1:6443".to_owned(),
        created: Some(at(0)),
        group: Some(0),
        ..Registration::default()
    }
}

/// A doubled registration in the middle of everything.
fn federation() -> Overview {
    let finding = FindingStatus {
        code: "FH004".to_owned(),
        severity: "Critical".to_owned(),
        subject: "host and produce-trt".to_owned(),
        message: "they are one cluster".to_owned(),
        since: Time(at(10)),
        evidence: Vec::new(),
        next: None,
    };
    let group: ClusterGroup = serde_json::from_value(
        json!({"certain": true, "host": true, "evidence": [], "members": []}),
    )
    .unwrap();
    let status = FederationHealthStatus {
        conditions: vec![condition("Healthy", "False"), condition("Ready", "True")],
        findings: vec![finding],
        hold: Some(HoldStatus {
            collection: true,
            since: Some(Time(at(11))),
            message: Some("because".to_owned()),
            ..HoldStatus::default()
        }),
        cluster_groups: vec![group],
        blast_radius: Some(BlastRadius {
            workspaces: 1,
            workspace_names: vec!["orders".to_owned()],
            ..BlastRadius::default()
        }),
        actions: vec![action("FreezeControllers", "Verified", 20, 21)],
        ..FederationHealthStatus::default()
    };
    let mut health = FederationHealth::new("default", FederationHealthSpec::default());
    health.status = Some(status);
    Overview {
        health,
        planes: vec![Plane {
            namespace: "kube-federation-system".to_owned(),
            replicas: Some((0, 0)),
            registrations: vec![registration("host"), registration("produce-trt")],
            ..Plane::default()
        }],
        ..Overview::default()
    }
}

#[test]
fn a_clock_before_or_behind_the_operators_breaks_no_picture() {
    for now in [-86_400, -1, 0, 15, 20, 21, 3600] {
        let report = Report::live(&federation(), at(now));
        assert!(html::write(&report).contains("FreezeControllers"));
        assert!(markdown::write(&report).contains("FreezeControllers"));
        for span in report.history.lanes().iter().flat_map(|l| &l.spans) {
            assert!(span.to.is_none_or(|to| span.from <= to), "{now}: {span:?}");
        }
    }
}

#[test]
fn a_span_that_ends_before_it_begins_is_drawn_as_a_moment() {
    let mut history = History::default();
    history.reach(at(0));
    history.reach(at(100));
    history.lane(Sort::Act, "x").spans.push(Span {
        from: at(90),
        to: Some(at(10)),
        label: "u".to_owned(),
        faint: false,
    });
    let lanes = picture::text::draw(&history, None, 80).unwrap();
    assert_eq!(lanes.lines().next().unwrap().matches('━').count(), 1);
    assert!(picture::timeline::draw(&history).unwrap().contains("(u)"));
}

#[test]
fn a_controller_has_a_lane_that_ends_where_it_was_frozen_and_goes_on_where_it_was_thawed() {
    let spans = |overview: &Overview| {
        let report = Report::live(overview, at(60));
        let lanes = report.history.lanes();
        let lane = lanes.iter().find(|l| l.sort == Sort::Controller).unwrap();
        let spans = lane.spans.iter().map(|s| (s.from, s.to));
        spans.collect::<Vec<_>>()
    };
    let mut overview = federation();
    assert_eq!(spans(&overview), [(at(0), Some(at(20)))]);
    let status = overview.health.status.as_mut().unwrap();
    status.actions = vec![action("FreezeControllers", "Undone", 20, 40)];
    overview.planes[0].replicas = Some((2, 2));
    assert_eq!(spans(&overview), [(at(0), Some(at(20))), (at(40), None)]);
}

#[test]
fn what_is_open_has_a_lane_from_its_first_sign() {
    let report = Report::live(&federation(), at(60));
    let lanes = report.history.lanes();
    let lane = lanes.iter().find(|l| l.sort == Sort::Finding).unwrap();
    assert_eq!((lane.name.as_str(), lane.spans[0].from), ("FH004", at(10)));
}

#[test]
fn nothing_is_held_is_said_only_where_it_is_known() {
    let mut report = Report::live(&federation(), at(60));
    let said = |report: &Report| {
        let page = html::write(report);
        let known = page.contains("Deletions are held: because");
        (known, page.contains("Nothing is held"))
    };
    assert_eq!(said(&report), (true, false));
    report.hold = None;
    assert_eq!(said(&report), (false, false));
    let never_judged = Overview::default();
    assert_eq!(Report::live(&never_judged, at(0)).hold, None);
}

#[test]
fn no_two_elements_of_a_page_share_an_id() {
    let page = html::write(&Report::live(&federation(), at(60)));
    let ids: Vec<&str> = page
        .split(" id=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    let once: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), once.len(), "{ids:?}");
    // Whatever is referred to is there.
    for used in page.split("url(#").skip(1) {
        assert!(once.contains(used.split(')').next().unwrap()));
    }
}

#[test]
fn json_has_the_lanes_and_who_is_registered_where() {
    let report = serde_json::to_value(Report::live(&federation(), at(60))).unwrap();
    let lanes = report["history"]["lanes"].as_array().unwrap();
    assert!(lanes.iter().any(|l| l["sort"] == "Hold"), "{lanes:?}");
    assert_eq!(report["membership"]["names"][1]["bond"], "Doubled");
}

#[test]
fn markdown_says_what_is_held_at_risk_and_checked() {
    let text = markdown::write(&Report::live(&federation(), at(60)));
    assert!(text.contains("Deletions are held: because"), "{text}");
    assert!(text.contains("## At risk\n\n- 1 Workspace: orders\n"));
    assert!(text.contains("| Ready | True | Told | Ready \\| True |"));
}

#[test]
fn what_was_never_judged_does_not_pass_a_pipeline() {
    let report = Report::live(&Overview::default(), at(0));
    let xml = junit::write(&report);
    assert!(
        xml.contains("tests=\"1\" failures=\"0\" errors=\"1\""),
        "{xml}"
    );
    let judged = junit::write(&Report::live(&federation(), at(60)));
    assert!(
        judged.contains("tests=\"2\" failures=\"1\" errors=\"0\""),
        "{judged}"
    );
}
