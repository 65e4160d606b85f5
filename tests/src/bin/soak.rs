//! Repeats the scenarios on real control planes and prints the figures that their tests only check once.
//!
//! `cargo run --release -p federation-health-tests --bin soak -- SCENARIO --runs N`

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "figures for a person are what it makes"
)]

use std::process::ExitCode;

use federation_health_testbed::Result;
use federation_health_tests::scenarios::{changes, honest, patch, quiet, repeat, tripwire};

/// Scenarios besides the incident's variants, and how often each is repeated if nothing else is said.
const SCENARIOS: [(&str, usize); 5] = [
    ("changes", 3),
    ("patch", 200),
    ("tripwire", 50),
    ("honest", 25),
    ("quiet", 10),
];

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let wanted: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .take_while(|a| !a.starts_with("--"))
        .collect();
    let runs = arguments
        .iter()
        .position(|a| a == "--runs")
        .and_then(|at| arguments.get(at + 1)?.parse().ok());
    let scenarios: Vec<(&str, usize)> = repeat::VARIANTS.into_iter().chain(SCENARIOS).collect();
    let unknown = wanted
        .iter()
        .find(|name| scenarios.iter().all(|(known, _)| known != *name));
    if let Some(unknown) = unknown {
        let known: Vec<&str> = scenarios.iter().map(|(name, _)| *name).collect();
        eprintln!(
            "no scenario is called {unknown}: choose from {}",
            known.join(", ")
        );
        return ExitCode::FAILURE;
    }
    let mut failed = false;
    for (name, usual) in scenarios {
        if !wanted.is_empty() && !wanted.contains(&name) {
            continue;
        }
        println!("== {name}");
        if let Err(error) = play(name, runs.unwrap_or(usual)).await {
            println!("{name} FAILED: {error:?}");
            failed = true;
        }
    }
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

async fn play(name: &str, runs: usize) -> Result<()> {
    match name {
        "changes" => changes::soak(runs).await,
        "tripwire" => tripwire::soak(runs).await,
        "honest" => honest::soak(runs).await,
        "patch" => patch::soak(runs).await,
        "quiet" => quiet::soak(runs).await,
        variant => repeat::soak(variant, runs).await,
    }
}
