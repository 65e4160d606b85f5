//! `kubectl federation-health`: what a person types, reads and looks at.
//!
//! Every verb is a function from arguments and a [`Shell`] to an [`Outcome`]: the clock, the terminal and the connection come
//! from outside, so that a transcript is the same in a test and in an incident. Decisions are core's; nothing here judges.

use std::{future::Future, process::ExitCode};

use clap::{CommandFactory as _, FromArgMatches as _};
use federation_health_report::{codes, history};

pub mod args;
mod client;
pub mod demo;
mod error;
mod judge;
mod kinds;
mod offline;
mod operator;
mod overview;
mod shell;
mod table;
mod tree;
mod verbs;

pub use client::Cluster;
pub use error::Error;
pub use shell::Shell;
pub use table::wrap;

use args::{Cli, Verb};

/// How a verb ended, as the exit code says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Exit code 0: healthy, or done as asked.
    Healthy,
    /// Exit code 2: there are findings, or something could not be judged, which is never healthy.
    Findings,
}

impl Outcome {
    /// The exit code; 1 is an error's.
    pub fn code(self) -> u8 {
        match self {
            Self::Healthy => 0,
            Self::Findings => 2,
        }
    }
}

/// The command as clap knows it, under the name that it was called by.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Parses the process' arguments and runs the verb on its terminal.
pub fn main() -> ExitCode {
    let built = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let mut shell = Shell::process();
    let runtime = match built {
        Ok(runtime) => runtime,
        Err(error) => {
            shell.complain(&format!("error: start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(run(std::env::args().collect(), &mut shell));
    // A reader that hung up, as `| head` does, must not keep the process.
    runtime.shutdown_background();
    ExitCode::from(code)
}

/// Runs one command line, the program's name first, and gives its exit code.
pub async fn run(arguments: Vec<String>, shell: &mut Shell) -> u8 {
    let parsed = command()
        .try_get_matches_from(arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(asked) if !asked.use_stderr() => {
            shell.say(&asked.to_string());
            return Outcome::Healthy.code();
        }
        Err(wrong) => {
            shell.complain(wrong.to_string().trim_end());
            return 1;
        }
    };
    match dispatch(&cli, shell).await {
        Ok(outcome) => outcome.code(),
        Err(error) => {
            shell.complain(&error.report());
            1
        }
    }
}

fn dispatch<'a>(
    cli: &'a Cli,
    shell: &'a mut Shell,
) -> std::pin::Pin<Box<dyn Future<Output = Result<Outcome, Error>> + 'a>> {
    let global = &cli.global;
    match &cli.verb {
        Verb::Status(args) => Box::pin(verbs::status::run(global, args, shell)),
        Verb::Explain(args) => Box::pin(verbs::explain::run(global, args, shell)),
        Verb::Preflight(args) => Box::pin(verbs::preflight::run(global, args, shell)),
        Verb::Check(args) => Box::pin(verbs::check::run(global, args, shell)),
        Verb::Analyze(args) => Box::pin(verbs::analyze::run(args, shell)),
        Verb::Timeline(args) => Box::pin(verbs::report::timeline(global, args, shell)),
        Verb::Report(args) => Box::pin(verbs::report::run(global, args, shell)),
        Verb::Gather(args) => Box::pin(verbs::gather::run(global, args, shell)),
        Verb::Demo(args) => Box::pin(demo::run(global, args, shell)),
        Verb::Completion { shell: syntax } => {
            Box::pin(async { Ok(verbs::complete::completion(*syntax, shell)) })
        }
        Verb::Man(args) => Box::pin(async { verbs::complete::man(args, shell) }),
        Verb::Plan(args) => Box::pin(verbs::plan::run(global, args, shell)),
        Verb::Approve(args) => Box::pin(verbs::approve::run(global, args, shell)),
        Verb::Undo(args) => Box::pin(verbs::undo::run(global, args, shell)),
        Verb::Hold(args) => Box::pin(verbs::hold::hold(global, args, shell)),
        Verb::Release(args) => Box::pin(verbs::hold::release(global, args, shell)),
        Verb::Pause(args) => Box::pin(verbs::pause::pause(global, args, shell)),
        Verb::Resume(args) => Box::pin(verbs::pause::resume(global, args, shell)),
    }
}
