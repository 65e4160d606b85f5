//! `demo`: the incident in a few seconds, told from the audit log and the object; and a federation to try every verb on.

mod narrate;
mod stage;

use std::time::Duration;

use federation_health_api::FederationHealth;
use federation_health_sim::Clock;

use stage::Uids;
pub use stage::{ALIAS, Guard, Scenario, Stage};

use crate::{
    Error, Outcome, Shell,
    args::{DemoArgs, Global},
};

/// The federation stands this long before anything happens.
const CALM: Duration = Duration::from_secs(7);
/// KubeFed's first deletion comes 10 to 21 s after a second registration; then it rages for a while.
const RAGE: Duration = Duration::from_secs(40);
/// A hold ends one second after its cause is gone in the demonstration; KubeFed notices at its next health check. After a
/// thaw it is watched for a minute before the rest is put back.
const END: Duration = Duration::from_secs(90);
/// A served federation gives its visitor this long to look at it while it is well.
const VISIT: Duration = Duration::from_secs(20);

/// Carries out `demo`.
pub async fn run(global: &Global, args: &DemoArgs, shell: &mut Shell) -> Result<Outcome, Error> {
    if args.serve {
        return serve(args, shell).await;
    }
    shell.say(narrate::INTRODUCTION);
    if let Some(more) = narrate::beside(args.scenario) {
        shell.say(more);
    }
    let parts = match guard(args) {
        Guard::None => vec![Guard::None, args.scenario.rescue()],
        chosen => vec![chosen],
    };
    for guard in parts {
        let (scenario, object) = (args.scenario, global.object.clone());
        // Virtual time needs a runtime of its own, and this one is in the middle of something.
        let (colours, width) = (shell.colours, shell.width);
        let played = std::thread::spawn(move || play(scenario, guard, &object, colours, width));
        let text = played
            .join()
            .map_err(|_| Error::Refused("the demonstration ended in the middle".to_owned()))??;
        shell.say(&text);
    }
    Ok(Outcome::Healthy)
}

fn guard(args: &DemoArgs) -> Guard {
    match (args.hold, args.ask, args.apply) {
        (_, _, true) => Guard::Apply,
        (_, true, _) => Guard::Ask,
        (true, ..) => Guard::Hold,
        _ => Guard::None,
    }
}

fn play(
    scenario: Scenario,
    guard: Guard,
    object: &str,
    colours: bool,
    width: usize,
) -> Result<String, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .map_err(|e| Error::file("start the simulation", e))?;
    runtime.block_on(async {
        let mut stage = Stage::build(scenario, guard, Clock::simulated())?;
        stage.start()?;
        stage.wait(CALM, |_| false).await;
        let before = stage.uids();
        let start = stage.sim.clock().now();
        stage.strike()?;
        let mut told = narrate::Narrator::new(start, guard);
        told.strike(scenario);
        let verdict = |h: &FederationHealth| !healthy(h);
        if scenario != Scenario::Healthy && stage.wait(RAGE, verdict).await {
            told.verdict(stage.sim.clock().now(), stage.health().as_ref());
        }
        let end = tokio::time::Instant::now() + RAGE;
        let held = stage.health().is_some_and(|h| holding(&h));
        if held && stage.wait(RAGE, |h| !holding(h)).await {
            told.released(stage.sim.clock().now());
        }
        tokio::time::sleep_until(end).await;
        told.deeds(&stage);
        let seen = narrate::look(&stage, object, colours, width).await?;
        told.show(&seen);
        if guard != Guard::None && scenario != Scenario::Healthy {
            let held = stage.health().is_some_and(|h| holding(&h));
            if let Some(what) = stage.cure()? {
                told.cure(stage.sim.clock().now(), &what);
            }
            if held && stage.wait(END, |h| !holding(h)).await {
                told.released(stage.sim.clock().now());
            }
            stage.wait(END, |h| settled(h) && healthy(h)).await;
        }
        told.acts(stage.health().as_ref());
        if scenario != Scenario::Healthy {
            let kept = kept(&before, &stage.uids());
            told.survivors(stage.sim.clock().now(), &kept);
            if guard != Guard::None {
                told.show(&narrate::table(&stage, "once the cause is gone").await?);
                if !kept.whole() {
                    return Err(Error::Refused(format!(
                        "the demonstration did not end well: of the Workspaces and namespaces (kept, of) {:?} are left",
                        kept.0
                    )));
                }
            }
        }
        Ok(told.text(width))
    })
}

/// What is left of one kind, and of how many.
struct Kept([(usize, usize); 2]);

/// Those that are still what they were, by their UIDs.
fn kept(before: &Uids, now: &Uids) -> Kept {
    Kept(["Workspace", "Namespace"].map(|kind| {
        let all = before.iter().filter(|(((k, _), _), _)| *k == kind);
        let same = all.clone().filter(|(key, uid)| now.get(*key) == Some(uid));
        (same.count(), all.count())
    }))
}

impl Kept {
    fn whole(&self) -> bool {
        self.0.iter().all(|(same, all)| same == all)
    }
}

/// Nothing that is taken back by itself is in force any more.
fn settled(health: &FederationHealth) -> bool {
    let actions = health.status.iter().flat_map(|s| &s.actions);
    let records = federation_health_index::remedy::records(&actions.cloned().collect::<Vec<_>>());
    records
        .iter()
        .all(|r| !(r.unsettled() || r.stands() && r.rung.released()))
}

fn healthy(health: &FederationHealth) -> bool {
    let status = health.status.iter().flat_map(|s| &s.conditions);
    status
        .into_iter()
        .all(|c| c.type_ != "Healthy" || c.status == "True")
}

fn holding(health: &FederationHealth) -> bool {
    let hold = health.status.as_ref().and_then(|s| s.hold.as_ref());
    hold.is_some_and(|h| h.collection || h.federation)
}

/// Leaves a federation up in real time, behind a loopback socket.
async fn serve(args: &DemoArgs, shell: &mut Shell) -> Result<Outcome, Error> {
    let mut stage = Stage::build(args.scenario, guard(args), Clock::wall())?;
    stage.start()?;
    let address = ([127, 0, 0, 1], args.port).into();
    let listening = stage
        .sim
        .serve(address)
        .await
        .map_err(|e| Error::file(format!("listen on {address}"), e))?;
    let file = std::env::temp_dir().join(format!(
        "federation-health-demo-{}.kubeconfig",
        std::process::id()
    ));
    std::fs::write(&file, listening.kubeconfig())
        .map_err(|e| Error::file(format!("write {}", file.display()), e))?;
    shell.say(&format!(
        "A federation listens on {}. In another terminal:\n\n  export KUBECONFIG={}\n  kubectl get federationhealth\n  kubectl federation-health status -w\n\nIn {} seconds {}. End with Ctrl-C.",
        listening.address(),
        file.display(),
        VISIT.as_secs(),
        narrate::announced(args.scenario)
    ));
    let mut struck = false;
    loop {
        tokio::select! {
            () = tokio::time::sleep(VISIT), if !struck => {
                struck = true;
                stage.strike()?;
                shell.say(&format!("Now {}.", narrate::announced(args.scenario)));
            }
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    // It names a server that is gone.
    let _ = std::fs::remove_file(&file);
    Ok(Outcome::Healthy)
}
