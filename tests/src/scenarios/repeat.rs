//! The incident's variants again and again: each on one federation, whose KubeFed stays up while the registration comes
//! and goes.

use std::time::Duration;

use federation_health_testbed::{
    ControlPlane, Federation, FederationOptions,
    error::{Error, Result},
    kubefed::KubefedVersion,
    pki::Authority,
};

use super::{
    added,
    always::{self, Activated},
    armed,
    bed::{Bed, How},
    braked,
    contents::{self, Contents},
    crashes::{self, Story},
    cured,
    disturbance::Disturbance,
    foreign, frozen, held, hindered, midway, never, planes, registered, remote, replicas, retained,
    shielded,
    stays::{self, Held},
    table::{Figures, Table},
    unheld, wire,
};
use crate::guarded::Options;

/// Every variant, and how often it is repeated if nothing else is said.
pub const VARIANTS: [(&str, usize); 24] = [
    ("registered", 20),
    ("held", 20),
    ("frozen", 5),
    ("shielded", 5),
    ("cured", 20),
    ("braked", 5),
    ("midway", 5),
    ("stays", 5),
    ("contents", 5),
    ("armed", 5),
    ("always", 5),
    ("never", 5),
    ("added", 5),
    ("planes", 5),
    ("rival", 5),
    ("remote", 5),
    ("foreign", 5),
    ("hindered", 5),
    ("unheld", 5),
    ("replicas", 5),
    ("retained", 5),
    ("killed-cured", 5),
    ("killed-frozen", 5),
    ("killed-shielded", 5),
];
const VERSIONS: [KubefedVersion; 2] = [KubefedVersion::V0_8_1, KubefedVersion::V0_10_0];

/// Repeats a variant and prints its table; an error if one run failed.
pub async fn soak(name: &str, runs: usize) -> Result<()> {
    match name {
        "registered" => registered_runs(runs).await,
        "held" => held_runs(runs).await,
        "frozen" => {
            let run = async |bed: &mut Bed, _| frozen::saved(bed).await;
            let (newest, old) = (runs - runs / 2, runs / 2);
            let start = async || acting(KubefedVersion::V0_10_0).await;
            repeat("no hold, KubeFed frozen", newest, start, run).await?;
            let what = "Kubernetes 1.24, KubeFed frozen";
            repeat(what, old, frozen::without_policies, run).await
        }
        "shielded" => {
            let run = async |bed: &mut Bed, _| shielded::saved(bed).await;
            let start = async || acting(KubefedVersion::V0_8_1).await;
            repeat("no hold, Workspaces shielded", runs, start, run).await
        }
        "cured" => cured_runs(runs).await,
        "stays" => stays_runs(runs).await,
        "contents" => contents_runs(runs).await,
        "armed" => {
            let start = async || acting(KubefedVersion::V0_8_1).await;
            let run = async |bed: &mut Bed, _| {
                let mut figures = armed::not_released(bed, "orders").await?;
                figures.extend(armed::disarmed(bed, "orders").await?);
                Ok(figures)
            };
            repeat("KubeSphere down", runs, start, run).await
        }
        "always" => always_runs(runs).await,
        "never" => {
            let run = async |bed: &mut Bed, _| {
                let figures = never::all_lost(bed, None).await?;
                bed.restore().await?;
                Ok(figures)
            };
            repeat("no hold", runs, start, run).await
        }
        "added" => {
            let run = async |bed: &mut Bed, _| added::to_a_raging_loop(bed, "payments").await;
            repeat("an existing namespace", runs, start, run).await
        }
        "planes" => {
            let run = async |bed: &mut Bed, _| planes::named(bed).await;
            let start = async || two_planes(start().await?).await;
            repeat("two control planes", runs, start, run).await
        }
        other => anew(other, runs).await,
    }
}

/// Variants of remediation that need a federation for each run: what was done a short while ago is not done again by itself.
async fn anew(name: &str, runs: usize) -> Result<()> {
    match name {
        "braked" => {
            let run = async |bed: Bed| ended(braked::all(&bed).await?, bed).await;
            afresh("what must not be done", runs, async |_| {
                run(braked::start().await?).await
            })
            .await
        }
        "midway" => {
            let run = async |number: usize| {
                let options = midway::options(VERSIONS[number % 2]);
                midway::installed(Federation::start(options).await?).await
            };
            afresh("installed midway", runs, run).await
        }
        "rival" => {
            let run = async |_| {
                let bed = two_planes(acting(KubefedVersion::V0_8_1).await?).await?;
                ended(planes::rival_frozen(&bed).await?, bed).await
            };
            afresh("the rival plane stopped", runs, run).await
        }
        "foreign" => {
            let run = async |_| {
                let (bed, elsewhere) = foreign::start().await?;
                foreign::found(bed, elsewhere).await
            };
            afresh("a plane of another host", runs, run).await
        }
        "remote" => {
            let run = async |number: usize| {
                let (bed, member) = remote::start(VERSIONS[number % 2]).await?;
                remote::cured(bed, member).await
            };
            afresh("a member registered twice", runs, run).await
        }
        "hindered" => {
            let run = async |bed: Bed| ended(hindered::all(&bed).await?, bed).await;
            afresh("between plan and act", runs, async |_| {
                run(braked::start().await?).await
            })
            .await
        }
        "unheld" => {
            let run = async |bed: Bed| ended(unheld::cured(&bed).await?, bed).await;
            let start = frozen::without_policies;
            afresh("Kubernetes 1.24, every rung", runs, async |_| {
                run(start().await?).await
            })
            .await
        }
        "replicas" => {
            let run = async |bed: Bed| ended(replicas::leader_hangs(&bed).await?, bed).await;
            afresh("the leader hangs", runs, async |_| {
                run(acting(KubefedVersion::V0_8_1).await?).await
            })
            .await
        }
        "retained" => afresh("volumes kept", runs, async |_| retained::kept().await).await,
        "killed-cured" => killed(Story::Cured, runs).await,
        "killed-frozen" => killed(Story::Frozen, runs).await,
        "killed-shielded" => killed(Story::Shielded, runs).await,
        other => Err(Error::refused(format!("no variant is called {other}"))),
    }
}

/// Runs on one federation until a run fails; that one keeps its files, and the next run gets a federation of its own.
async fn repeat(
    what: &str,
    runs: usize,
    start: impl AsyncFn() -> Result<Bed>,
    run: impl AsyncFn(&mut Bed, usize) -> Result<Figures>,
) -> Result<()> {
    let (mut table, mut failures) = (Table::default(), 0);
    let mut bed = start().await?;
    for number in 0..runs {
        match run(&mut bed, number).await {
            Ok(figures) => table.add(figures),
            Err(error) => {
                failures += 1;
                println!("{what}, run {number}: {error:?}");
                bed.federation.host().keep_files();
                if number + 1 < runs {
                    bed = start().await?;
                }
            }
        }
    }
    report(what, runs, failures, &table)
}

/// Runs that each need a federation of their own.
async fn afresh(
    what: &str,
    runs: usize,
    run: impl AsyncFn(usize) -> Result<Figures>,
) -> Result<()> {
    let (mut table, mut failures) = (Table::default(), 0);
    for number in 0..runs {
        match run(number).await {
            Ok(figures) => table.add(figures),
            Err(error) => {
                failures += 1;
                println!("{what}, run {number}: {error:?}");
            }
        }
    }
    report(what, runs, failures, &table)
}

fn report(what: &str, runs: usize, failures: usize, table: &Table) -> Result<()> {
    println!("{what}: {} of {runs} runs", runs - failures);
    print!("{table}");
    match failures {
        0 => Ok(()),
        _ => Err(Error::refused(format!("{failures} of {runs} runs failed"))),
    }
}

/// The figures of a run whose federation ends with it.
async fn ended(figures: Figures, bed: Bed) -> Result<Figures> {
    bed.federation.stop().await?;
    Ok(figures)
}

async fn start() -> Result<Bed> {
    with(KubefedVersion::V0_8_1).await
}

async fn with(version: KubefedVersion) -> Result<Bed> {
    let bed = Bed::start(FederationOptions::with_kubefed(version), Options::default()).await?;
    bed.wait_proven().await?;
    Ok(bed)
}

/// As [`with`], and what the operator sends is written down beside the audit log.
pub(super) async fn acting(version: KubefedVersion) -> Result<Bed> {
    let options = FederationOptions::with_kubefed(version);
    let bed = wire::start(options, Options::default()).await?;
    bed.wait_proven().await?;
    Ok(bed)
}

async fn two_planes(mut bed: Bed) -> Result<Bed> {
    let second = planes::second(KubefedVersion::V0_8_1);
    bed.federation.add_kubefed(second).await?;
    Ok(bed)
}

/// Sweeps over every write of a story.
async fn killed(story: Story, runs: usize) -> Result<()> {
    let what = format!("{story:?}, killed around each write");
    afresh(&what, runs, async |_| crashes::sweep(story).await).await
}

/// Half of the runs through another address; a suspicion and a neighbour once for each release.
async fn registered_runs(runs: usize) -> Result<()> {
    for version in VERSIONS {
        for (how, count) in [(How::AsItIs, runs - runs / 2), (How::Forwarded, runs / 2)] {
            let what = format!("KubeFed {version:?}, registered {how:?}");
            let run = async |bed: &mut Bed, _| registered::certain(bed, how).await;
            repeat(&what, count, async || with(version).await, run).await?;
        }
        let authority = Authority::generate("shared")?;
        let options = FederationOptions {
            control_plane: registered::under(&authority, "host"),
            ..FederationOptions::with_kubefed(version)
        };
        let neighbour = ControlPlane::start(registered::under(&authority, "neighbour")).await?;
        let run = async |bed: &mut Bed, _| {
            registered::neighbour(bed, &neighbour).await?;
            registered::suspected(bed).await
        };
        let start = async || Bed::start(options.clone(), Options::default()).await;
        let what = format!("KubeFed {version:?}, Offline, and a neighbour of the same authority");
        repeat(&what, runs.div_ceil(4), start, run).await?;
        neighbour.stop().await?;
    }
    Ok(())
}

async fn held_runs(runs: usize) -> Result<()> {
    for (version, count) in VERSIONS.into_iter().zip([runs - runs / 2, runs / 2]) {
        let what = format!("KubeFed {version:?}, both holds");
        let run = async |bed: &mut Bed, number| {
            let how = [How::AsItIs, How::Forwarded][number % 2];
            held::saved(bed, how).await
        };
        repeat(&what, count, async || with(version).await, run).await?;
    }
    Ok(())
}

/// What was removed once under a name is not removed again, so each run begins anew. The last one is listened to for ten
/// minutes.
/// What was removed once under a name is not removed again, so each run begins anew. The last one is listened to for ten
/// minutes.
async fn cured_runs(runs: usize) -> Result<()> {
    for (version, count) in VERSIONS.into_iter().zip([runs - runs / 2, runs / 2]) {
        let what = format!("KubeFed {version:?}, every rung by itself");
        let run = async |number: usize| {
            let bed = acting(version).await?;
            let how = [How::AsItIs, How::Forwarded][number % 2];
            let quiet = match number + 1 == count {
                true => Duration::from_mins(10),
                false => cured::BRIEFLY,
            };
            let figures = cured::by_itself(&bed, how, quiet).await?;
            bed.federation.stop().await?;
            Ok(figures)
        };
        afresh(&what, count, run).await?;
    }
    Ok(())
}

async fn stays_runs(runs: usize) -> Result<()> {
    for held in [Held::Collection, Held::Both] {
        let what = format!("held {held:?}, {:?}", Disturbance::ALL);
        let run = async |bed: &mut Bed, _| stays::held(bed, held, &Disturbance::ALL).await;
        let start = async || with(KubefedVersion::V0_10_0).await;
        repeat(&what, runs, start, run).await?;
    }
    Ok(())
}

async fn contents_runs(runs: usize) -> Result<()> {
    let start = async || {
        let bed = Bed::start(
            contents::options(KubefedVersion::V0_8_1),
            Options::default(),
        )
        .await?;
        bed.wait_proven().await?;
        Ok(bed)
    };
    let run = async |bed: &mut Bed, _| {
        let contents = Contents::install(bed).await?;
        let mut figures = contents::kept(&contents).await?;
        figures.extend(never::all_lost(bed, Some(&contents)).await?);
        bed.restore().await?;
        Ok(figures)
    };
    repeat("claims, volumes and Deployments", runs, start, run).await
}

async fn always_runs(runs: usize) -> Result<()> {
    for activated in [Activated::ByOperator, Activated::ByHand] {
        let what = format!("no operator, the binding activated {activated:?}");
        let run = async |bed: &mut Bed, _| always::without_operator(bed, activated).await;
        repeat(&what, runs, start, run).await?;
    }
    Ok(())
}
