//! Plays the incident twice on real control planes with the real KubeFed, without and with the hold, and tells what happened.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use federation_health_testbed::{Error, error::Attempt as _};
use federation_health_tests::{
    guarded::{holding, observing},
    story::{self, INTRODUCTION, RealStage, Scene, WITH, WITHOUT},
};

fn main() -> ExitCode {
    match play() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when even this cannot be written.
            let _ = writeln!(io::stderr(), "the demo failed: {error:?}");
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .attempt(|| "write the story")
}

fn play() -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .attempt(|| "start the runtime")?;
    runtime.block_on(async {
        say(INTRODUCTION)?;
        say(
            "Real etcd, kube-apiserver, kube-controller-manager and KubeFed 0.8.1 run for this\n\
             on loopback. Starting them takes half a minute, each part a minute or two.\n",
        )?;
        say("starting a control plane ...\n")?;
        let stage = RealStage::build(observing()).await?;
        say(WITHOUT)?;
        let scene = story::without_hold(&stage).await;
        stage.stop().await?;
        tell(&scene?)?;
        say("starting another one ...\n")?;
        let stage = RealStage::build(holding()).await?;
        say(WITH)?;
        let scene = story::with_hold(&stage).await;
        stage.stop().await?;
        tell(&scene?)
    })
}

fn tell(scene: &Scene) -> Result<(), Error> {
    say(&scene.text)?;
    if scene.problems.is_empty() {
        return Ok(());
    }
    Err(Error::refused(format!(
        "it did not go as it should have:\n{}",
        scene.problems.join("\n")
    )))
}
