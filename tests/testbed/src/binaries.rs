//! Where the real servers are: runs the build script once and reads its answer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::error::{Attempt, Error, Result};

/// Paths of the programs and files the build script made, by name.
#[derive(Clone, Debug)]
pub struct Binaries {
    paths: BTreeMap<String, PathBuf>,
}

static BINARIES: OnceCell<Binaries> = OnceCell::const_new();

impl Binaries {
    /// Runs `tests/testbed/build` (seconds when its cache is warm, about ten minutes when it is
    /// empty) and parses the `NAME=path` lines. A second call in the same process answers at once.
    pub async fn get() -> Result<&'static Self> {
        BINARIES.get_or_try_init(Self::build).await
    }

    async fn build() -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("build");
        let output = Command::new(&script)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .await
            .attempt(|| format!("run the build script {}", script.display()))?;
        if !output.status.success() {
            return Err(Error::refused(format!(
                "the build script {} ended with {}; its messages are above",
                script.display(),
                output.status
            )));
        }
        Self::parse(&String::from_utf8_lossy(&output.stdout))
    }

    fn parse(answer: &str) -> Result<Self> {
        let mut paths = BTreeMap::new();
        for line in answer.lines().filter(|line| !line.trim().is_empty()) {
            let (name, path) = line.split_once('=').ok_or_else(|| {
                Error::refused(format!(
                    "the build script printed {line:?} where NAME=path was expected"
                ))
            })?;
            paths.insert(name.trim().to_owned(), PathBuf::from(path.trim()));
        }
        Ok(Self { paths })
    }

    /// The path of one artefact, for example `kube-apiserver` or `hyperfed-0.8.1`.
    pub fn path(&self, name: &str) -> Result<&Path> {
        self.paths.get(name).map(PathBuf::as_path).ok_or_else(|| {
            let known: Vec<_> = self.paths.keys().map(String::as_str).collect();
            Error::refused(format!(
                "the build script names no {name}; it names {}",
                known.join(", ")
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_name_and_path_and_keeps_equals_signs_in_the_path() {
        let binaries = Binaries::parse("etcd=/cache/a=b/etcd\n\nkubectl=/cache/kubectl\n").unwrap();
        assert_eq!(binaries.path("etcd").unwrap(), Path::new("/cache/a=b/etcd"));
        let missing = binaries.path("promtool").unwrap_err().to_string();
        assert!(missing.contains("etcd, kubectl"), "{missing}");
    }

    #[test]
    fn refuses_lines_of_another_form() {
        assert!(Binaries::parse("building etcd…").is_err());
    }
}
