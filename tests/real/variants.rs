//! The incident's variants, each scenario once; `make soak` repeats them.

use federation_health_testbed::{
    ControlPlane, FederationOptions, kubefed::KubefedVersion, pki::Authority,
};
use federation_health_tests::{
    guarded::Options,
    scenarios::{
        armed,
        bed::{Bed, How},
        held,
        registered::{self, under},
        table::{Figures, Table},
    },
};

fn print(what: &str, figures: Figures) {
    let mut table = Table::default();
    table.add(figures);
    println!("{what}\n{table}");
}

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
    print(
        "armed",
        armed::not_released(&mut bed, "orders").await.unwrap(),
    );
}
