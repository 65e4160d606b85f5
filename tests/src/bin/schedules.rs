//! Plays seeded schedules in virtual time, prints the seeds that fail, and in how many schedules each actor, fault, act and
//! brake occurred.
//!
//! `cargo run --release -p federation-health-tests --bin schedules -- --from 0 --count 100000`; with `--describe` it tells
//! what the seeds stand for.

#![expect(
    clippy::print_stdout,
    reason = "figures for a person are what it makes"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use federation_health_tests::schedules::{describe, play};

/// Two fifths of a schedule are small pieces of JSON that come and go: this one needs a third less time than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "schedules [--from SEED] [--count N] [--threads N] [--describe]";
/// Failing seeds after which it ends: the first few say what is wrong.
const ENOUGH: u64 = 20;

fn number(arguments: &[String], name: &str, default: u64) -> u64 {
    let at = arguments.iter().position(|a| a == name);
    at.and_then(|at| arguments.get(at + 1)?.parse().ok())
        .unwrap_or(default)
}

/// # Errors
/// What is no option, or not the number that it needs; nothing for whoever asks for help.
fn known(arguments: &[String]) -> Result<(), String> {
    let mut rest = arguments.iter();
    while let Some(option) = rest.next() {
        match &**option {
            "--describe" => {}
            "--from" | "--count" | "--threads" => {
                let value = rest.next().map(|value| value.parse::<u64>());
                if !matches!(value, Some(Ok(_))) {
                    return Err(format!("{option} needs a number\n"));
                }
            }
            "--help" | "-h" => return Err(String::new()),
            _ => return Err(format!("{option} is no option\n")),
        }
    }
    Ok(())
}

/// Time is paused, and each schedule has a runtime of its own: a seed is the same alone and among others.
fn run(seed: u64) -> Result<BTreeSet<String>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .map_err(|error| error.to_string())?;
    runtime
        .block_on(play(seed))
        .map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Err(why) = known(&arguments) {
        println!("{why}{USAGE}");
        return ExitCode::FAILURE;
    }
    let from = number(&arguments, "--from", 0);
    let count = number(&arguments, "--count", 1000);
    let threads = number(&arguments, "--threads", 1);
    let (next, failed) = (AtomicU64::new(from), AtomicU64::new(0));
    let occurred: Mutex<BTreeMap<String, u64>> = Mutex::default();
    let count_in = |told: BTreeSet<String>| {
        let mut occurred = occurred.lock().unwrap_or_else(PoisonError::into_inner);
        for word in told {
            *occurred.entry(word).or_default() += 1;
        }
    };
    if arguments.iter().any(|a| a == "--describe") {
        (from..from + count).for_each(|seed| println!("{}", describe(seed)));
        return ExitCode::SUCCESS;
    }
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + count || failed.load(Ordering::Relaxed) >= ENOUGH {
                        return;
                    }
                    match run(seed) {
                        Ok(told) => count_in(told),
                        Err(error) => {
                            failed.fetch_add(1, Ordering::Relaxed);
                            println!("seed {seed} FAILED: {error}");
                        }
                    }
                }
            });
        }
    });
    for (word, schedules) in occurred
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
    {
        println!("{schedules:>8} {word}");
    }
    let failed = failed.into_inner();
    println!(
        "{count} schedules from seed {from}, {failed} failed, {:?}",
        begun.elapsed()
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
