//! What a person types: kubectl from the testbed's cache, which finds our plugin on the path.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use federation_health_testbed::{
    binaries::Binaries,
    error::{Attempt as _, Error, Result},
    wait::{self, Look},
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::guarded::built;

/// A shell with kubectl and the plugin on its path, and a kubeconfig.
pub struct Terminal {
    path: OsString,
    kubeconfig: PathBuf,
}

/// What a command printed, and its exit code.
#[derive(Debug)]
pub struct Answer {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Terminal {
    /// A terminal for this kubeconfig's file.
    ///
    /// # Errors
    /// kubectl or the plugin is not built.
    pub async fn new(kubeconfig: &Path) -> Result<Self> {
        let kubectl = Binaries::get().await?.path("kubectl")?;
        let plugin = plugin()?;
        let own = [kubectl, &plugin].map(|p| p.parent().unwrap_or(Path::new(".")).to_owned());
        let before = std::env::var_os("PATH").unwrap_or_default();
        let all = own.into_iter().chain(std::env::split_paths(&before));
        Ok(Self {
            path: std::env::join_paths(all).attempt(|| "put kubectl on the path")?,
            kubeconfig: kubeconfig.to_owned(),
        })
    }

    /// Runs a line, in a folder, as a shell does.
    ///
    /// # Errors
    /// The shell cannot be started.
    pub async fn run(&self, line: &str, folder: &Path) -> Result<Answer> {
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", line])
            .env("PATH", &self.path)
            .env("KUBECONFIG", &self.kubeconfig)
            .current_dir(folder)
            .kill_on_drop(true)
            .output()
            .await
            .attempt(|| format!("run {line}"))?;
        Ok(Answer::of(&output))
    }
}

/// The plugin's binary.
///
/// # Errors
/// It is not built.
pub fn plugin() -> Result<PathBuf> {
    built("federation-health-plugin", "kubectl-federation_health")
}

impl Answer {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// The answer, if its exit code is this one.
    ///
    /// # Errors
    /// It is another.
    pub fn expect_code(self, code: i32) -> Result<Self> {
        if self.code == code {
            return Ok(self);
        }
        Err(Error::refused(format!(
            "exit code {code}, and not {self:#?}"
        )))
    }
}

/// The demonstration's server, as a person leaves it up. It ends when this is dropped.
pub struct Demo {
    _process: Child,
    kubeconfig: PathBuf,
    /// A folder to work in.
    pub folder: PathBuf,
}

impl Demo {
    /// `demo ARGUMENTS --serve`.
    ///
    /// # Errors
    /// The plugin is not built, or ends.
    pub async fn start(arguments: &str) -> Result<Self> {
        let mut process = Command::new(plugin()?)
            .arg("demo")
            .args(arguments.split(' '))
            .arg("--serve")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .attempt(|| "start the demonstration")?;
        let out = process.stdout.take();
        let out = out.ok_or_else(|| Error::refused("the demonstration has no output"))?;
        let mut lines = BufReader::new(out).lines();
        let kubeconfig = loop {
            let line = lines.next_line().await.attempt(|| "read where it serves")?;
            let line = line.ok_or_else(|| Error::refused("the demonstration ended"))?;
            if let Some(path) = line.trim().strip_prefix("export KUBECONFIG=") {
                break PathBuf::from(path);
            }
        };
        // It tells more later, and must not die of a closed pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let folder = kubeconfig.with_extension("files");
        std::fs::create_dir_all(&folder).attempt(|| format!("make {}", folder.display()))?;
        Ok(Self {
            _process: process,
            kubeconfig,
            folder,
        })
    }

    /// A terminal on it.
    ///
    /// # Errors
    /// See [`Terminal::new`].
    pub async fn terminal(&self) -> Result<Terminal> {
        Terminal::new(&self.kubeconfig).await
    }

    /// Waits for a plan that begins with this action; gives its id.
    ///
    /// # Errors
    /// There is none within a minute and a half: the demonstration strikes after twenty seconds.
    pub async fn plan_of(&self, action: &str) -> Result<String> {
        let terminal = self.terminal().await?;
        wait::until(
            &format!("a plan to {action}"),
            Duration::from_secs(90),
            || async {
                let words = "kubectl federation-health plan -o json";
                let answer = terminal.run(words, &self.folder).await?;
                let plan: Value = serde_json::from_str(&answer.out).unwrap_or_default();
                let plan = &plan["plan"];
                Ok(match plan["id"].as_str() {
                    Some(id) if plan["steps"][0]["action"] == action => Look::Done(id.to_owned()),
                    _ => Look::Pending(format!("{answer:?}")),
                })
            },
        )
        .await
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // A killed process cannot clear up behind itself.
        let _ = std::fs::remove_dir_all(&self.folder);
        let _ = std::fs::remove_file(&self.kubeconfig);
    }
}
