//! `testbed`: a federation on loopback to look at with kubectl, until Ctrl-C.

use std::io::Write;
use std::process::ExitCode;

use federation_health_testbed::error::{Attempt, Error, Result};
use federation_health_testbed::federation::{Federation, FederationOptions};
use federation_health_testbed::join::JoinOptions;
use federation_health_testbed::kubefed::{KubefedOptions, KubefedVersion};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "Usage: testbed [--without-kubefed | --kubefed 0.8.1|0.10.0 [--own-pace]]
               [--doubled NAME]

Starts a control plane, KubeFed, an imitation of KubeSphere's controllers and the Workspaces
payments and orders with three namespaces each; prints 'export KUBECONFIG=…' on standard output;
ends everything at Ctrl-C.

  --without-kubefed  leave KubeFed out; its objects are there, nothing acts on them
  --kubefed VERSION  the release of KubeFed (default 0.8.1)
  --own-pace         let KubeFed's client wait as shipped: slow start, the real loop's period
  --doubled NAME     then register the same server a second time under NAME: the incident
";

#[derive(Default)]
struct Arguments {
    without_kubefed: bool,
    version: Option<KubefedVersion>,
    own_pace: bool,
    doubled: Option<String>,
    help: bool,
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments> {
    let mut arguments = Arguments::default();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--without-kubefed" => arguments.without_kubefed = true,
            "--own-pace" => arguments.own_pace = true,
            "--kubefed" => arguments.version = Some(version(words.next().as_deref())?),
            "--doubled" => {
                let name = words.next();
                arguments.doubled =
                    Some(name.ok_or_else(|| Error::refused("--doubled needs a name"))?);
            }
            "-h" | "--help" => arguments.help = true,
            other => {
                return Err(Error::refused(format!(
                    "unknown argument {other:?}\n{USAGE}"
                )));
            }
        }
    }
    Ok(arguments)
}

fn version(word: Option<&str>) -> Result<KubefedVersion> {
    match word {
        Some("0.8.1") => Ok(KubefedVersion::V0_8_1),
        Some("0.10.0") => Ok(KubefedVersion::V0_10_0),
        other => Err(Error::refused(format!(
            "--kubefed needs 0.8.1 or 0.10.0, not {other:?}"
        ))),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without a terminal there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "testbed: {error:?}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let arguments = parse(std::env::args().skip(1))?;
    if arguments.help {
        return say(&mut std::io::stdout(), USAGE);
    }
    // Before anything starts: a Ctrl-C during the start ends everything too.
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
        result = serve(&arguments) => result,
    }
}

/// Starts the federation and then waits for ever; dropping the future ends everything.
async fn serve(arguments: &Arguments) -> Result<()> {
    let bed = Federation::start(options(arguments)).await?;
    if let Some(alias) = &arguments.doubled {
        bed.join_alias(alias, JoinOptions::default()).await?;
    }
    let timings = bed.timings();
    let ready = format!(
        "testbed: ready after {:.1} s (control plane {:.1} s, KubeFed {:.1} s); Ctrl-C ends it\n",
        timings.total.as_secs_f32(),
        timings.control_plane.as_secs_f32(),
        timings.kubefed.as_secs_f32(),
    );
    say(&mut std::io::stderr(), &ready)?;
    let export = format!("export KUBECONFIG={}\n", bed.host().kubeconfig().display());
    say(&mut std::io::stdout(), &export)?;
    std::future::pending().await
}

fn options(arguments: &Arguments) -> FederationOptions {
    if arguments.without_kubefed {
        return FederationOptions::without_kubefed();
    }
    let pace = if arguments.own_pace {
        KubefedOptions::at_its_own_pace()
    } else {
        KubefedOptions::default()
    };
    FederationOptions {
        kubefed: Some(KubefedOptions {
            version: arguments.version.unwrap_or(pace.version),
            ..pace
        }),
        ..FederationOptions::default()
    }
}

fn listen(kind: SignalKind) -> Result<tokio::signal::unix::Signal> {
    signal(kind).attempt(|| "listen for signals")
}

fn say(to: &mut impl Write, text: &str) -> Result<()> {
    to.write_all(text.as_bytes())
        .and_then(|()| to.flush())
        .attempt(|| "print")
}
