//! The ladder of remediation on real control planes, with the shipped account and roles; the audit log is the judge.

use federation_health_cluster::rbac::{
    ADDRESSES, FREEZE, HOLDER, JOURNAL, LEADER, OBSERVER, PLACE, PROBER, PROVER, REMOVE, RESTARTS,
    SHIELD,
};
use federation_health_testbed::{
    Federation, FederationOptions,
    kubefed::KubefedVersion,
    proxy::{Asked, Stop},
};
use federation_health_tests::{
    guarded::Options,
    scenarios::{
        bed::How,
        braked,
        crashes::{self, Story},
        cured::{self, BRIEFLY},
        foreign, hindered, midway, remote, replicas, retained, rights, shielded, wire,
    },
};

use super::print;

#[tokio::test(flavor = "multi_thread")]
async fn the_incident_is_cured_by_itself_and_nothing_is_lost() {
    let options = FederationOptions::with_kubefed(KubefedVersion::V0_10_0);
    let bed = wire::start(options, Options::default()).await.unwrap();
    print(
        "cured with KubeFed 0.10.0",
        cured::by_itself(&bed, How::Forwarded, BRIEFLY)
            .await
            .unwrap(),
    );
    let asked = bed.wire.as_ref().unwrap().asked();
    assert!(wire::fenced(&asked, 0).unwrap() > 0, "nothing was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rung_works_with_its_own_rights_and_every_brake_holds() {
    let bed = braked::start().await.unwrap();
    let removal =
        |asked: &Asked| asked.method == "DELETE" && asked.path.contains("/kubefedclusters/");
    let figures = crashes::death(&bed, Story::Cured, Stop::Unanswered, removal).await;
    let figures = figures.unwrap().expect("nobody died");
    print("cured with KubeFed 0.8.1, and a death in it", figures);
    print("shielded", shielded::saved(&bed).await.unwrap());
    print("braked", braked::all(&bed).await.unwrap());
    let ladder = [JOURNAL, LEADER, SHIELD, FREEZE, PLACE, REMOVE];
    let unused = rights::unused(&bed.federation, &ladder).unwrap();
    assert!(unused.is_empty(), "granted and never used: {unused:#?}");
    let watcher = [OBSERVER, ADDRESSES, RESTARTS, HOLDER, PROVER, PROBER];
    let mut idle = rights::idle(&bed.federation, &watcher).unwrap();
    // Read at an unexpected deletion, of which there was none here.
    idle.retain(|right| right != "federation-health-observer: get federatedworkspaces");
    assert!(idle.is_empty(), "rules that nothing needs: {idle:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn installed_in_the_middle_of_the_incident_it_loses_nothing_more() {
    let options = midway::options(KubefedVersion::V0_8_1);
    let federation = Federation::start(options).await.unwrap();
    print("midway", midway::installed(federation).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_between_plan_and_act_stops_it() {
    let bed = braked::start().await.unwrap();
    print("hindered", hindered::all(&bed).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_leader_hangs_the_other_replica_holds_and_finishes() {
    let options = FederationOptions::with_kubefed(KubefedVersion::V0_8_1);
    let bed = wire::start(options, Options::default()).await.unwrap();
    print("replicas", replicas::leader_hangs(&bed).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plane_of_another_host_is_found_by_the_experiment_and_ours_runs_again() {
    let (bed, elsewhere) = foreign::start().await.unwrap();
    print("foreign", foreign::found(bed, elsewhere).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_registered_twice_is_cured_with_a_freeze_and_an_approval() {
    let (bed, member) = remote::start(KubefedVersion::V0_10_0).await.unwrap();
    print("remote", remote::cured(bed, member).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn volumes_are_kept_in_time_and_by_an_operator_that_comes_while_namespaces_terminate() {
    print("retained", retained::kept().await.unwrap());
}
