//! Instructions of one event, from the watch's line to the decision: repeatable, whatever else the machine does.

use std::{fmt::Write as _, process::Command};

use super::{Failure, crowd::Crowd};

/// Enough to drown what the first event of a kind allocates.
const RECREATIONS: usize = 1000;

/// Counts at each size: the instructions with a thousand recreations, less those with none.
pub fn run(sizes: &[usize]) -> Result<String, Failure> {
    let mut text = format!("{:>10}  {:>24}\n", "WORKSPACES", "INSTRUCTIONS/RECREATION");
    for size in sizes {
        let (none, many) = (count(*size, 0)?, count(*size, RECREATIONS)?);
        writeln!(
            text,
            "{size:>10}  {:>24}",
            many.saturating_sub(none) / RECREATIONS as u64
        )?;
    }
    text.push_str("One recreation is four watch lines (deleting, gone, created, bound namespace): decoded, judged, hold planned.\n");
    Ok(text)
}

fn count(workspaces: usize, recreations: usize) -> Result<u64, Failure> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["events", &workspaces.to_string(), &recreations.to_string()])
        .output()
        .map_err(|error| {
            format!("valgrind cannot be started: {error}; install Debian's package valgrind")
        })?;
    let report = String::from_utf8_lossy(&output.stderr);
    let collected = report.lines().find_map(|line| {
        line.split_once("Collected : ")
            .map(|(_, n)| n.trim().to_owned())
    });
    Ok(collected
        .ok_or_else(|| format!("valgrind counted nothing: {report}"))?
        .parse()?)
}

/// The work that is counted.
pub fn child(workspaces: &str, recreations: &str) -> Result<String, Failure> {
    let mut crowd = Crowd::new(workspaces.parse()?)?;
    for round in 0..recreations.parse()? {
        crowd.recreate(round)?;
    }
    Ok(format!("{}\n", crowd.federation.ledger().recreations()))
}
