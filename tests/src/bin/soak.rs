//! Repeats the scenarios on real control planes and prints the figures that their tests only check once.
//!
//! `cargo run --release -p federation-health-tests --bin soak -- SCENARIO --runs N`

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "figures for a person are what it makes"
)]

use std::process::ExitCode;

use federation_health_tests::scenarios::{changes, honest, patch, quiet, repeat, tripwire};

/// Scenarios besides the incident's variants, and how often each is repeated if nothing else is said.
const SCENARIOS: [(&str, usize); 5] = [
    ("changes", 3),
    ("patch", 200),
    ("tripwire", 50),
    ("honest", 25),
    ("quiet", 10),
];

const USAGE: &str = "soak [SCENARIO...] [--runs N]: without a scenario it repeats them all";

/// The scenarios asked for and how often.
///
/// # Errors
/// What is neither a scenario nor an option, or not the number that it needs; nothing for whoever asks for help.
fn asked(
    arguments: &[String],
    scenarios: &[(&str, usize)],
) -> Result<(Vec<String>, Option<usize>), String> {
    let (mut wanted, mut runs) = (Vec::new(), None);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match &**argument {
            "--help" | "-h" => return Err(String::new()),
            "--runs" => {
                let number = rest.next().and_then(|number| number.parse().ok());
                runs = Some(number.ok_or("--runs needs a number\n")?);
            }
            name if scenarios.iter().any(|(known, _)| *known == name) => {
                wanted.push(name.to_owned());
            }
            other => {
                let known: Vec<&str> = scenarios.iter().map(|(name, _)| *name).collect();
                let known = known.join(", ");
                return Err(format!(
                    "no scenario is called {other}: choose from {known}\n"
                ));
            }
        }
    }
    Ok((wanted, runs))
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let scenarios: Vec<(&str, usize)> = repeat::VARIANTS.into_iter().chain(SCENARIOS).collect();
    let (wanted, runs) = match asked(&arguments, &scenarios) {
        Ok(asked) => asked,
        Err(why) => {
            eprintln!("{why}{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    let mut failed = false;
    for (name, usual) in scenarios {
        if !wanted.is_empty() && !wanted.iter().any(|known| known == name) {
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

async fn play(name: &str, runs: usize) -> federation_health_testbed::Result<()> {
    match name {
        "changes" => changes::soak(runs).await,
        "tripwire" => tripwire::soak(runs).await,
        "honest" => honest::soak(runs).await,
        "patch" => patch::soak(runs).await,
        "quiet" => quiet::soak(runs).await,
        variant => repeat::soak(variant, runs).await,
    }
}
