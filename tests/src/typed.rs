//! What a person types: kubectl from the testbed's cache, which finds our plugin on the path.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Output,
};

use federation_health_testbed::{
    binaries::Binaries,
    error::{Attempt as _, Error, Result},
};
use tokio::process::Command;

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
