//! The incident's variants, each scenario once; `make soak` repeats them.

use federation_health_testbed::{
    ControlPlane, FederationOptions, kubefed::KubefedVersion, pki::Authority,
};
use federation_health_tests::{
    guarded::Options,
    scenarios::{
        added,
        always::{self, Activated},
        armed,
        bed::{Bed, How, LATE},
        contents::{self, Contents},
        disturbance::Disturbance,
        frozen, held, never, planes,
        registered::{self, under},
        rights, shielded,
        stays::{self, Held},
        unheld,
    },
    typed::Terminal,
};

use super::print;

#[tokio::test(flavor = "multi_thread")]
async fn a_second_registration_is_named_held_and_released_only_when_that_loses_nothing() {
    let authority = Authority::generate("shared").unwrap();
    let options = FederationOptions {
        control_plane: under(&authority, "host"),
        ..FederationOptions::with_kubefed(KubefedVersion::V0_8_1)
    };
    let (bed, neighbour) = tokio::join!(
        Bed::start(options, Options::default()),
        ControlPlane::start(under(&authority, "neighbour")),
    );
    let (mut bed, neighbour) = (bed.unwrap(), neighbour.unwrap());
    print("held", held::saved(&bed, How::Forwarded).await.unwrap());
    print("suspected", registered::suspected(&bed).await.unwrap());
    registered::neighbour(&bed, &neighbour).await.unwrap();
    neighbour.stop().await.unwrap();
    print(
        "certain",
        registered::certain(&bed, How::AsItIs).await.unwrap(),
    );
    let repeated = rights::repeated_events(&bed.federation).unwrap();
    assert!(repeated > 0, "the second incident is told like the first");
    print(
        "armed",
        armed::not_released(&mut bed, "orders").await.unwrap(),
    );
    print(
        "disarmed",
        armed::disarmed(&mut bed, "orders").await.unwrap(),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_durable_hold_outlives_servers_operators_and_objects() {
    let options = FederationOptions::with_kubefed(KubefedVersion::V0_10_0);
    let bed = Bed::start(options, Options::default()).await.unwrap();
    bed.wait_proven().await.unwrap();
    print(
        "certain with KubeFed 0.10.0",
        registered::certain(&bed, How::Forwarded).await.unwrap(),
    );
    let stays = stays::held(&bed, Held::Collection, &Disturbance::ALL).await;
    print("stays", stays.unwrap());
    let always = always::without_operator(&bed, Activated::ByOperator).await;
    print("always", always.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_hold_a_frozen_kubefed_deletes_nothing_and_comes_back_as_it_was() {
    let bed = frozen::without_policies().await.unwrap();
    print("frozen", frozen::saved(&bed).await.unwrap());
    print("shielded", shielded::saved(&bed).await.unwrap());
    print("every rung, no hold", unheld::cured(&bed).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_holds_all_is_lost_and_named_and_with_them_the_contents_are_kept_too() {
    let options = contents::options(KubefedVersion::V0_8_1);
    let bed = Bed::start(options, Options::default()).await.unwrap();
    let contents = Contents::install(&bed).await.unwrap();
    print("contents", contents::kept(&contents).await.unwrap());
    let never = never::all_lost(&bed, Some(&contents)).await;
    print("never", never.unwrap());
    let added = added::to_a_raging_loop(&bed, "payments").await;
    print("added", added.unwrap());
    print("churning", contents::churning(&bed).await.unwrap());
    print("at once", never::at_once(&bed).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_control_plane_is_named_and_refused() {
    let options = FederationOptions::with_kubefed(KubefedVersion::V0_8_1);
    let mut bed = Bed::start(options, Options::default()).await.unwrap();
    let dir = std::env::temp_dir().join(format!("fedhealth-planes-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let kubeconfig = dir.join("kubeconfig");
    std::fs::write(&kubeconfig, bed.federation.host().access().kubeconfig()).unwrap();
    let terminal = Terminal::new(&kubeconfig).await.unwrap();
    let status = async |code: i32| {
        let answer = terminal.run("kubectl federation-health status", &dir).await;
        answer.unwrap().expect_code(code).unwrap().out
    };
    bed.guard
        .wait_condition("Healthy", "True", LATE)
        .await
        .unwrap();
    assert!(status(0).await.contains("Healthy"));
    let second = planes::second(KubefedVersion::V0_8_1);
    bed.federation.add_kubefed(second).await.unwrap();
    print("two planes", planes::named(&bed).await.unwrap());
    assert!(status(2).await.contains("FH009"));
    print(
        "the rival stopped",
        planes::rival_frozen(&bed).await.unwrap(),
    );
    std::fs::remove_dir_all(&dir).unwrap();
}
