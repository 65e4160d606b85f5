//! Real Helm on the shipped chart.

use std::path::{Path, PathBuf};

use federation_health_testbed::{
    ControlPlane,
    binaries::Binaries,
    error::{Attempt as _, Error, Result},
    run_dir::RunDir,
};
use serde_json::Value;
use tokio::process::Command;

use crate::guarded::{NAMESPACE, root};

/// Name of the release in all tests; the chart's default names come of it.
pub const RELEASE: &str = "federation-health";

/// The chart of the checkout.
pub fn chart() -> PathBuf {
    root().join("charts/federation-health")
}

/// Helm with directories of its own, on one control plane or on none.
pub struct Helm {
    program: PathBuf,
    kubeconfig: Option<PathBuf>,
    home: RunDir,
}

impl Helm {
    /// Helm that only renders.
    pub async fn offline() -> Result<Self> {
        Self::with(None).await
    }

    /// Helm with the administrator's rights on a control plane.
    pub async fn on(plane: &ControlPlane) -> Result<Self> {
        Self::with(Some(plane.kubeconfig())).await
    }

    async fn with(kubeconfig: Option<PathBuf>) -> Result<Self> {
        let home = RunDir::create("helm")?;
        home.mark_started(true);
        Ok(Self {
            program: Binaries::get().await?.path("helm")?.to_owned(),
            kubeconfig,
            home,
        })
    }

    /// Runs it; the error is its own message.
    pub async fn run(&self, args: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.program);
        for part in ["CACHE", "CONFIG", "DATA"] {
            command.env(format!("HELM_{part}_HOME"), self.home.join(part));
        }
        // Without one of ours it must not find the developer's own.
        let none = self.home.join("no-kubeconfig");
        command.env("KUBECONFIG", self.kubeconfig.as_deref().unwrap_or(&none));
        answer(command.args(args), &format!("run helm {}", args.join(" "))).await
    }

    /// `verb` (install, upgrade) of this chart as the release, in the operator's namespace.
    pub async fn apply(&self, verb: &str, chart: &Path, more: &[&str]) -> Result<String> {
        let chart = chart.display().to_string();
        let mut args = vec![verb, RELEASE, &chart, "--namespace", NAMESPACE];
        args.extend(more);
        self.run(&args).await
    }

    /// The objects that the chart renders, hooks included.
    pub async fn render(&self, more: &[&str]) -> Result<Vec<Value>> {
        documents(&self.apply("template", &chart(), more).await?)
    }

    /// Packs the chart under another version and returns the file.
    pub async fn package(&self, version: &str) -> Result<PathBuf> {
        let (chart, into) = (chart(), self.home.path().display().to_string());
        let chart = chart.display().to_string();
        self.run(&[
            "package",
            &chart,
            "--version",
            version,
            "--destination",
            &into,
        ])
        .await?;
        Ok(self.home.join(format!("federation-health-{version}.tgz")))
    }
}

/// What kustomize makes of a directory of the checkout.
pub async fn kustomize(directory: &str) -> Result<Vec<Value>> {
    let mut command = Command::new(Binaries::get().await?.path("kubectl")?);
    command.arg("kustomize").arg(root().join(directory));
    documents(&answer(&mut command, "run kubectl kustomize").await?)
}

/// The documents of a YAML text, empty ones left out.
pub fn documents(text: &str) -> Result<Vec<Value>> {
    let all: Vec<Value> =
        serde_saphyr::from_multiple(text).attempt(|| "read rendered manifests")?;
    Ok(all.into_iter().filter(|d| !d.is_null()).collect())
}

async fn answer(command: &mut Command, what: &str) -> Result<String> {
    let output = command
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .attempt(|| what.to_owned())?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Error::refused(format!("{what}: {why}")));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
