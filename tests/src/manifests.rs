//! The manifests that the repository ships, as files.

use std::{fs, io, path::PathBuf};

use crate::guarded::root;

/// What the first line of a manifest that must be refused begins with; a part of the server's message follows.
const REFUSED: &str = "# refused: ";

/// A file of manifests.
#[derive(Clone, Debug)]
pub struct File {
    /// File name without its directory.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

impl File {
    /// What an API server's refusal of it says, by its first line.
    pub fn refusal(&self) -> Option<&str> {
        self.text.lines().next()?.strip_prefix(REFUSED)
    }
}

/// The YAML files of one directory below the root, by name; directories in it are left alone.
///
/// # Errors
/// The directory or one of the files cannot be read.
pub fn files(directory: &str) -> io::Result<Vec<File>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root().join(directory))? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            files.push(File {
                name: path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
                text: fs::read_to_string(&path)?,
                path,
            });
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}
