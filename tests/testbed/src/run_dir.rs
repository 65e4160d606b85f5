//! Directories of one run: data, keys, logs. Gone afterwards unless a test failed.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use crate::error::{Attempt, Result};

const PREFIX: &str = "federation-health-testbed-";

/// Directories that failed or killed runs left stay this long, for whoever reads their logs.
const KEEP_LEFTOVERS: Duration = Duration::from_hours(1);

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A directory that is removed on drop once what it is for has started. It stays when that failed,
/// when the thread panics, so that the logs of a failed test can be read, or when
/// `FEDERATION_HEALTH_KEEP_RUNS` is set.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    started: AtomicBool,
}

impl RunDir {
    /// Makes a fresh directory for this process.
    pub fn create(name: &str) -> Result<Self> {
        remove_leftovers();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("{PREFIX}{}-{number}-{name}", std::process::id()));
        std::fs::create_dir_all(&path)
            .attempt(|| format!("create the run directory {}", path.display()))?;
        Ok(Self {
            path,
            started: AtomicBool::new(false),
        })
    }

    /// Says whether everything in it started, so that its logs explain nothing any more.
    pub fn mark_started(&self, started: bool) {
        self.started.store(started, Ordering::Relaxed);
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path within it.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file in it and returns the path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.join(name);
        std::fs::write(&path, content).attempt(|| format!("write {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        let keep = !self.started.load(Ordering::Relaxed)
            || std::thread::panicking()
            || std::env::var_os("FEDERATION_HEALTH_KEEP_RUNS").is_some();
        if !keep {
            // A leftover file costs disk, not correctness; the next run removes it.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Removes old directories of processes that are gone: a killed run cannot clean up after itself.
fn remove_leftovers() {
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX))
            .and_then(|rest| rest.split('-').next())
            .and_then(|id| id.parse::<u32>().ok());
        let Some(owner) = owner else { continue };
        let old = entry
            .metadata()
            .and_then(|data| data.modified())
            .is_ok_and(|time| time.elapsed().is_ok_and(|age| age > KEEP_LEFTOVERS));
        if old && !Path::new(&format!("/proc/{owner}")).exists() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
