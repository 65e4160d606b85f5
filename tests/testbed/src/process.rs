//! Child processes that always end: on stop, on drop, after a panic, and when we are killed.
//!
//! Each child lives in the process group of a small shell, its watchdog, whose standard input is
//! a pipe from us. A word on the pipe is sent as a signal to the whole group; the end of the pipe,
//! which the kernel brings about however we die, kills the group. The watchdog starts first and
//! keeps the group's number taken, so neither a gap nor a reused process id can hit a stranger.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child as StdChild, Command as StdCommand, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};

use crate::error::{Attempt, Error, Result};

const WATCHDOG: &str = r#"trap "" TERM INT HUP
while read -r signal; do kill -s "$signal" 0; done
kill -s KILL 0"#;

/// Lines of log that an error carries: enough for a Go panic's head, short enough to read.
const TAIL_LINES: usize = 30;

/// How often a dying process is looked at.
const EXIT_POLL: Duration = Duration::from_millis(5);

/// What to run.
#[derive(Clone, Debug)]
pub struct ProcessSpec {
    /// Name in messages.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables added to our own environment.
    pub env: Vec<(String, String)>,
    /// Standard output and error are appended here.
    pub log: PathBuf,
    /// Time between SIGTERM and SIGKILL when it is stopped.
    pub grace: Duration,
}

impl ProcessSpec {
    /// A program without arguments and with three seconds to end in.
    pub fn new(
        name: impl Into<String>,
        program: impl Into<PathBuf>,
        log: impl Into<PathBuf>,
    ) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            log: log.into(),
            grace: Duration::from_secs(3),
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds a variable to the environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }
}

/// A running child.
#[derive(Debug)]
pub struct Process {
    spec: ProcessSpec,
    child: Child,
    watchdog: StdChild,
}

impl Process {
    /// Starts the child. Must be called within a tokio runtime.
    pub fn spawn(spec: ProcessSpec) -> Result<Self> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&spec.log)
            .attempt(|| format!("open the log {} of {}", spec.log.display(), spec.name))?;
        let mut watchdog = StdCommand::new("sh")
            .args(["-c", WATCHDOG])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .attempt(|| format!("start the watchdog of {}", spec.name))?;
        match Self::spawn_child(&spec, log, watchdog.id()) {
            Ok(child) => Ok(Self {
                spec,
                child,
                watchdog,
            }),
            Err(error) => {
                // Closing the pipe ends the watchdog; its status says nothing we need.
                drop(watchdog.stdin.take());
                let _ = watchdog.wait();
                Err(error)
            }
        }
    }

    fn spawn_child(spec: &ProcessSpec, log: File, group: u32) -> Result<Child> {
        let errors = log
            .try_clone()
            .attempt(|| format!("share the log of {}", spec.name))?;
        Command::new(&spec.program)
            .args(&spec.args)
            .envs(spec.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(group.cast_signed())
            .spawn()
            .attempt(|| format!("start {} from {}", spec.name, spec.program.display()))
    }

    /// The process id, while it has not been waited for.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.spec.log
    }

    /// The last lines of its output.
    pub fn log_tail(&self) -> String {
        tail(&self.spec.log)
    }

    /// An error with the log's end if the process has ended, else nothing.
    pub fn check_alive(&mut self) -> Result<()> {
        let status = self
            .child
            .try_wait()
            .attempt(|| format!("look whether {} runs", self.spec.name))?;
        match status {
            None => Ok(()),
            Some(status) => Err(Error::ProcessEnded {
                name: self.spec.name.clone(),
                status: status.to_string(),
                log: self.spec.log.display().to_string(),
                tail: self.log_tail(),
            }),
        }
    }

    /// Waits until it ends by itself.
    pub async fn wait(&mut self) -> Result<ExitStatus> {
        let name = &self.spec.name;
        self.child
            .wait()
            .await
            .attempt(|| format!("wait for {name} to end"))
    }

    /// Asks the process to end (SIGTERM) and does not wait.
    pub fn terminate(&mut self) {
        self.signal("TERM");
    }

    /// Stops it from running without ending it (SIGSTOP): a peer that hangs.
    pub fn freeze(&mut self) -> Result<()> {
        self.signal_child("STOP")
    }

    /// Lets a frozen process go on.
    pub fn thaw(&mut self) -> Result<()> {
        self.signal_child("CONT")
    }

    /// Signals only the child: a stopped watchdog could not read the word that lets it go on.
    fn signal_child(&mut self, signal: &str) -> Result<()> {
        let Some(id) = self.child.id() else {
            return Err(Error::refused(format!(
                "send SIG{signal} to {}: it has ended",
                self.spec.name
            )));
        };
        let status = StdCommand::new("kill")
            .args(["-s", signal, &id.to_string()])
            .status()
            .attempt(|| format!("send SIG{signal} to {}", self.spec.name))?;
        if status.success() {
            Ok(())
        } else {
            Err(Error::refused(format!(
                "send SIG{signal} to {}: kill ended with {status}",
                self.spec.name
            )))
        }
    }

    /// Ends it at once (SIGKILL), as a crash would, and reaps it.
    pub async fn kill(&mut self) -> Result<ExitStatus> {
        self.signal("KILL");
        self.wait().await
    }

    /// SIGTERM, then SIGKILL when the grace has passed.
    pub async fn stop(mut self) -> Result<ExitStatus> {
        self.terminate();
        let waited = tokio::time::timeout(self.spec.grace, self.child.wait()).await;
        let name = self.spec.name.clone();
        match waited {
            Ok(status) => status.attempt(|| format!("wait for {name} to end")),
            Err(_) => self.kill().await,
        }
    }

    fn signal(&mut self, signal: &str) {
        if let Some(pipe) = self.watchdog.stdin.as_mut() {
            // A broken pipe means that the group is gone already, which is what is wanted.
            let _ = writeln!(pipe, "{signal}");
        }
    }

    fn wait_blocking(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            match self.child.try_wait() {
                Ok(None) if Instant::now() < deadline => std::thread::sleep(EXIT_POLL),
                Ok(None) => return false,
                Ok(Some(_)) | Err(_) => return true,
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.terminate();
        let ended = self.wait_blocking(self.spec.grace);
        // The end of the pipe kills whatever the child left in its group, and the watchdog.
        drop(self.watchdog.stdin.take());
        if !ended {
            self.wait_blocking(self.spec.grace);
        }
        let _ = self.watchdog.wait();
    }
}

fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
