//! The detector's quality in figures.
//!
//! `cargo run --release -p federation-health-tests --bin quality -- [NAME-MONTHS] [SEED]`

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "figures for a person are what it makes"
)]

use std::process::ExitCode;

use federation_health_tests::quality::{honest, table};

/// The bar: no false alarm in so many months of one name.
const NAME_MONTHS: u64 = 100_000;
const SEED: u64 = 20_261_123;
/// Runs of each cell of the table.
const RUNS: u32 = 1000;

fn main() -> ExitCode {
    let given: Option<Vec<u64>> = std::env::args().skip(1).map(|a| a.parse().ok()).collect();
    let Some(given) = given else {
        eprintln!("usage: quality [NAME-MONTHS] [SEED], both whole numbers");
        return ExitCode::FAILURE;
    };
    let name_months = given.first().copied().unwrap_or(NAME_MONTHS);
    let seed = given.get(1).copied().unwrap_or(SEED);
    println!("seed {seed}\n\n{}", table::markdown(RUNS, seed));
    let bars = table::bars(RUNS, seed);
    for (line, held) in &bars {
        println!("{} {line}", if *held { "held  " } else { "missed" });
    }
    let outcome = honest::simulate(name_months, seed);
    println!(
        "{} name-months of honest work, {} recreations: {} false alarms, {} federations still held",
        outcome.name_months, outcome.recreations, outcome.alarms, outcome.held
    );
    if let Some(first) = &outcome.first {
        println!("the first: {first}");
    }
    if outcome.alarms + outcome.held == 0 && bars.iter().all(|(_, held)| *held) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
