//! From a command's start to its first byte, as a person waits: the plugin beside kubectl, on one server in one run.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use federation_health_testbed::binaries::Binaries;

use super::Failure;
use crate::typed::plugin;

/// Runs of each command; the median is printed.
const RUNS: usize = 11;

/// Milliseconds of each command, in the order of [`HEADS`].
pub type Row = [u128; 4];

/// What is measured.
pub const HEADS: [&str; 4] = [
    "federation-health status",
    "kubectl get federationhealth",
    "kubectl get kubefedclusters -A",
    "kubectl get workspaces",
];

/// Measures each command on this server.
pub async fn measure(kubeconfig: &Path, home: &Path) -> Result<Row, Failure> {
    let kubectl = Binaries::get().await?.path("kubectl")?.to_owned();
    let (plugin, home, kubeconfig) = (plugin()?, home.to_owned(), kubeconfig.to_owned());
    let words = |text: &'static str| text.split(' ').skip(1);
    let commands: Vec<(PathBuf, Vec<&str>)> = HEADS
        .iter()
        .enumerate()
        .map(|(i, head)| {
            let program = if i == 0 { &plugin } else { &kubectl };
            (program.clone(), words(head).collect())
        })
        .collect();
    tokio::task::spawn_blocking(move || {
        let mut row = Row::default();
        for (at, (program, words)) in commands.iter().enumerate() {
            // The first run fills kubectl's cache of what the server serves.
            let mut times = Vec::new();
            for _ in 0..=RUNS {
                times.push(first_byte(program, words, &kubeconfig, &home)?);
            }
            times.remove(0);
            times.sort();
            row[at] = times[RUNS / 2].as_millis();
        }
        Ok(row)
    })
    .await?
}

fn first_byte(
    program: &Path,
    words: &[&str],
    kubeconfig: &Path,
    home: &Path,
) -> Result<Duration, Failure> {
    let started = Instant::now();
    let mut child = Command::new(program)
        .args(words)
        .env("KUBECONFIG", kubeconfig)
        .env("HOME", home)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut out = child.stdout.take().ok_or("no output")?;
    let read = out.read(&mut [0])?;
    let took = started.elapsed();
    // The rest is let through, or the command would wait for its reader.
    std::io::copy(&mut out, &mut std::io::sink())?;
    child.wait()?;
    if read == 0 {
        return Err(format!("{} {} printed nothing", program.display(), words.join(" ")).into());
    }
    Ok(took)
}
