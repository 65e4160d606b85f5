//! Files to what they hold: recorded watch events, audit events, objects.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
};

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::audit::{self, Deed};
use crate::Error;

/// Files of one bundle: a must-gather of a large cluster has some tens of thousands.
const MAX_FILES: usize = 200_000;
/// Folders below each other: a bundle has six; a link in a circle has no end.
const MAX_DEPTH: usize = 16;
/// Bytes of one manifest: a list of 100,000 Workspaces is about 100 MiB.
const MAX_MANIFEST: u64 = 512 << 20;
/// Bytes of one line of a recording or log: an object is 1.5 MiB in etcd, an audit event may hold two.
const MAX_LINE: u64 = 16 << 20;

/// One recorded watch event.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// When it was received.
    pub at: Timestamp,
    /// ADDED, MODIFIED or DELETED.
    pub type_: String,
    /// The object.
    pub object: Value,
}

/// What was read.
#[derive(Debug, Default)]
pub struct Material {
    /// Watch events in the order of their files.
    pub events: Vec<Recorded>,
    /// Answered requests of an audit log, in order of time.
    pub deeds: Vec<Deed>,
    /// Objects of a bundle.
    pub objects: Vec<Value>,
    /// Lines and files that could not be read, the first few.
    pub unread: Vec<String>,
    /// How many in all.
    pub unread_total: usize,
}

impl Material {
    /// Reads a file, or every file below a folder.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let mut material = Self::default();
        let mut files = Vec::new();
        collect(path, 0, &mut files)?;
        files.sort();
        for file in &files {
            material.take(file, path.is_dir())?;
        }
        // Files of several streams, and servers of several audit logs, each have an order of their own.
        material.events.sort_by_key(|e| e.at);
        material.deeds.sort_by_key(|d| d.at);
        if material.events.is_empty() && material.deeds.is_empty() && material.objects.is_empty() {
            return Err(Error::Refused(format!(
                "{} holds nothing that can be judged: give a recording (JSON lines with t, type and object), an audit log (JSON lines), or a folder of manifests such as kubectl federation-health gather or a must-gather writes{}",
                path.display(),
                material
                    .unread
                    .first()
                    .map_or_else(String::new, |u| format!("; first trouble: {u}"))
            )));
        }
        Ok(material)
    }

    fn miss(&mut self, what: String) {
        /// Enough to see what sort of trouble it is.
        const SHOWN: usize = 5;
        self.unread_total += 1;
        if self.unread.len() < SHOWN {
            self.unread.push(what);
        }
    }

    fn take(&mut self, file: &Path, listed: bool) -> Result<(), Error> {
        let name = file.display().to_string();
        match file.extension().and_then(|e| e.to_str()) {
            // What people write beside a bundle.
            Some("txt" | "md" | "html") if listed => Ok(()),
            Some("yaml" | "yml") => self.yaml(file, &name),
            Some("json") => {
                let first = first_line(file)?;
                // One object over many lines, or one event a line.
                if serde_json::from_slice::<Value>(&first)
                    .is_ok_and(|v| v.get("items").is_none() && !is_object(&v))
                {
                    self.lines(file, &name)
                } else {
                    self.json(file, &name)
                }
            }
            _ => self.lines(file, &name),
        }
    }

    fn text(&mut self, file: &Path, name: &str) -> Result<Option<String>, Error> {
        let length = fs::metadata(file)
            .map_err(|e| Error::file(format!("read {name}"), e))?
            .len();
        if length > MAX_MANIFEST {
            self.miss(format!("{name}: larger than {MAX_MANIFEST} bytes"));
            return Ok(None);
        }
        match fs::read_to_string(file) {
            Ok(text) => Ok(Some(text)),
            Err(error) => {
                self.miss(format!("{name}: {error}"));
                Ok(None)
            }
        }
    }

    fn yaml(&mut self, file: &Path, name: &str) -> Result<(), Error> {
        let Some(text) = self.text(file, name)? else {
            return Ok(());
        };
        match serde_saphyr::from_multiple::<Value>(&text) {
            Ok(documents) => documents.into_iter().for_each(|d| self.object(d)),
            Err(error) => self.miss(format!("{name}: {error}")),
        }
        Ok(())
    }

    fn json(&mut self, file: &Path, name: &str) -> Result<(), Error> {
        let Some(text) = self.text(file, name)? else {
            return Ok(());
        };
        match serde_json::from_str(&text) {
            Ok(document) => self.object(document),
            Err(error) => self.miss(format!("{name}: {error}")),
        }
        Ok(())
    }

    fn object(&mut self, mut document: Value) {
        if let Value::Array(items) = document["items"].take() {
            let list = document["kind"].as_str().unwrap_or_default();
            let kind = list
                .strip_suffix("List")
                .filter(|k| !k.is_empty())
                .map(str::to_owned);
            let version = document["apiVersion"].clone();
            for mut item in items {
                // The API server leaves kind and version out of a list's items.
                if let (None, Some(kind)) = (item.get("kind"), &kind) {
                    item["kind"] = Value::from(kind.as_str());
                    item["apiVersion"] = version.clone();
                }
                self.objects.push(item);
            }
        } else if is_object(&document) {
            self.objects.push(document);
        }
    }

    fn lines(&mut self, file: &Path, name: &str) -> Result<(), Error> {
        let open = |e| Error::file(format!("read {name}"), e);
        let mut reader = BufReader::new(File::open(file).map_err(open)?);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let read = reader
                .by_ref()
                .take(MAX_LINE)
                .read_until(b'\n', &mut line)
                .map_err(open)?;
            if read == 0 {
                break;
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice::<Value>(&line) {
                Ok(value) => {
                    if !self.line(value) {
                        self.miss(format!(
                            "{name}:{number}: neither a recorded event nor an audit event"
                        ));
                    }
                }
                Err(error) => {
                    self.miss(format!("{name}:{number}: {error}"));
                    // A file that is no JSON at all, such as a log in a must-gather, is not read to its end.
                    if number == 1 {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn line(&mut self, mut value: Value) -> bool {
        if value["kind"] == "Event"
            && value["apiVersion"]
                .as_str()
                .is_some_and(|v| v.starts_with("audit.k8s.io/"))
        {
            self.deeds.extend(audit::deed(&value));
            return true;
        }
        let at = value["t"].as_str().and_then(|t| t.parse().ok());
        let type_ = value["type"].as_str().map(str::to_owned);
        let (Some(at), Some(type_)) = (at, type_) else {
            return false;
        };
        let object = value["object"].take();
        self.events.push(Recorded { at, type_, object });
        true
    }
}

fn is_object(value: &Value) -> bool {
    value["kind"].is_string() && value["metadata"].is_object()
}

fn first_line(file: &Path) -> Result<Vec<u8>, Error> {
    let attempt = |e| Error::file(format!("read {}", file.display()), e);
    let mut line = Vec::new();
    BufReader::new(File::open(file).map_err(attempt)?)
        .take(MAX_LINE)
        .read_until(b'\n', &mut line)
        .map_err(attempt)?;
    Ok(line)
}

fn collect(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let attempt = |e| Error::file(format!("read {}", path.display()), e);
    // A link could lead out of the bundle.
    let kind = if depth == 0 {
        fs::metadata(path)
    } else {
        fs::symlink_metadata(path)
    }
    .map_err(attempt)?;
    if kind.is_file() && files.len() < MAX_FILES {
        files.push(path.to_owned());
    } else if kind.is_dir() && depth < MAX_DEPTH {
        for entry in fs::read_dir(path).map_err(attempt)? {
            collect(&entry.map_err(attempt)?.path(), depth + 1, files)?;
        }
    }
    Ok(())
}
