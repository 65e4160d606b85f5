//! Lines of the story: when, who, what.

use std::fmt::Write as _;

use federation_health_plugin::wrap;
use k8s_openapi::jiff::Timestamp;

/// Width of the terminal that nobody has made wider.
pub const WIDTH: usize = 80;
/// "t+12.345 s" and two spaces.
const WHEN: usize = 12;
/// "federation-health" and "garbage collector" and two spaces.
const WHO: usize = 19;
/// Deeds of this many milliseconds that differ in the name alone are one line.
const TOGETHER_MS: i64 = 1_000;

/// One answered request.
#[derive(Clone, Debug)]
pub struct Deed {
    /// When it was answered.
    pub at: Timestamp,
    /// User name.
    pub user: String,
    /// Verb of the API.
    pub verb: String,
    /// Plural.
    pub resource: String,
    /// Name of the object.
    pub name: String,
    /// Admission refused it.
    pub refused: bool,
}

impl Deed {
    /// A deletion of a resource, done or refused.
    pub fn is_deletion(&self, resource: &str) -> bool {
        self.verb == "delete" && self.resource == resource
    }
}

struct Line {
    at: Timestamp,
    who: &'static str,
    what: String,
}

/// Collects lines and sets them.
pub struct Teller {
    /// Moment zero.
    pub start: Timestamp,
    lines: Vec<Line>,
}

impl Teller {
    /// Times count from here.
    pub fn new(start: Timestamp) -> Self {
        Self {
            start,
            lines: Vec::new(),
        }
    }

    /// Adds a line.
    pub fn line(&mut self, at: Timestamp, who: &'static str, what: impl Into<String>) {
        let what = what.into();
        self.lines.push(Line { at, who, what });
    }

    /// When this party was first heard of.
    pub fn time_of(&self, who: &str) -> Option<Timestamp> {
        self.lines.iter().find(|l| l.who == who).map(|l| l.at)
    }

    /// Deeds from moment zero on.
    pub fn since_start(&self, mut deeds: Vec<Deed>) -> Vec<Deed> {
        deeds.retain(|d| d.at >= self.start);
        deeds
    }

    /// Tells the first deletion, refusal and recreation of each Workspace and the first deletion of each namespace; what
    /// one party does to several objects within a moment is one line.
    pub fn firsts(&mut self, deeds: &[Deed]) {
        let mut told: Vec<(String, Vec<String>, Line)> = Vec::new();
        for deed in deeds {
            let Some((who, what)) = words(deed) else {
                continue;
            };
            if told
                .iter()
                .any(|(key, names, _)| *key == what && names.contains(&deed.name))
            {
                continue;
            }
            let near =
                |line: &Line| deed.at.duration_since(line.at).as_millis() < i128::from(TOGETHER_MS);
            let known = told
                .iter_mut()
                .find(|(key, _, line)| *key == what && near(line));
            if let Some((_, names, _)) = known {
                names.push(deed.name.clone());
                continue;
            }
            let line = Line {
                at: deed.at,
                who,
                what: String::new(),
            };
            told.push((what, vec![deed.name.clone()], line));
        }
        for (what, mut names, line) in told {
            names.sort();
            self.line(line.at, line.who, what.replace("{}", &names.join(", ")));
        }
    }

    /// The lines in the order of time.
    pub fn text(&mut self) -> String {
        self.lines.sort_by_key(|l| l.at);
        let mut out = String::new();
        for line in &self.lines {
            for (i, part) in wrap(&line.what, WIDTH - WHEN - WHO, "").lines().enumerate() {
                let (when, who) = match i {
                    0 => (self.when(line.at), line.who),
                    _ => (String::new(), ""),
                };
                let _ = writeln!(out, "{when:<WHEN$}{who:<WHO$}{part}");
            }
        }
        out
    }

    fn when(&self, at: Timestamp) -> String {
        let seconds = at.duration_since(self.start).as_secs_f64();
        format!("t+{seconds:>6.3} s")
    }

    /// A table as it was printed at a moment.
    pub fn table(&self, at: Timestamp, when: &str, rows: &str) -> String {
        let seconds = at.duration_since(self.start).as_secs();
        format!("\n$ kubectl get federationhealth   # at t+{seconds} s: {when}\n{rows}")
    }
}

/// Who, and what with a place for the names; None for what the story leaves out.
fn words(deed: &Deed) -> Option<(&'static str, String)> {
    let account = deed.user.rsplit(':').next().unwrap_or_default();
    let alias = account.strip_suffix("-kubesphere");
    let collector =
        account.ends_with("garbage-collector") || deed.user == "system:kube-controller-manager";
    let refused = if deed.refused { " and is refused" } else { "" };
    let asks = if deed.refused {
        "asks to delete"
    } else {
        "deletes"
    };
    match (deed.verb.as_str(), deed.resource.as_str()) {
        ("delete", "workspaces") => Some((
            "KubeFed",
            format!("as {}, {asks} Workspaces {{}}{refused}", alias?),
        )),
        ("create", "workspaces") if !deed.refused => Some((
            "KubeFed",
            format!("as {}, creates Workspaces {{}} again", alias?),
        )),
        ("delete", "namespaces") if collector => Some((
            "garbage collector",
            format!("{asks} namespaces {{}}{refused}"),
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deed(ms: i64, user: &str, verb: &str, resource: &str, name: &str) -> Deed {
        Deed {
            at: Timestamp::from_millisecond(ms).unwrap(),
            user: user.to_owned(),
            verb: verb.to_owned(),
            resource: resource.to_owned(),
            name: name.to_owned(),
            refused: false,
        }
    }

    #[test]
    fn deeds_of_one_moment_are_one_line_and_repetitions_none() {
        let alias = "system:serviceaccount:kube-federation-system:produce-trt-kubesphere";
        let collector = "system:serviceaccount:kube-system:generic-garbage-collector";
        let mut teller = Teller::new(Timestamp::UNIX_EPOCH);
        teller.firsts(&[
            deed(12_000, alias, "delete", "workspaces", "orders"),
            deed(12_014, collector, "delete", "namespaces", "b"),
            deed(12_015, collector, "delete", "namespaces", "a"),
            deed(12_400, alias, "delete", "workspaces", "orders"),
            deed(12_500, "system:admin", "delete", "namespaces", "c"),
            deed(15_000, alias, "delete", "workspaces", "payments"),
        ]);
        assert_eq!(
            teller.text(),
            "t+12.000 s  KubeFed            as produce-trt, deletes Workspaces orders\n\
             t+12.014 s  garbage collector  deletes namespaces a, b\n\
             t+15.000 s  KubeFed            as produce-trt, deletes Workspaces payments\n"
        );
    }
}
