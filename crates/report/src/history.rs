//! What happened, as lanes on one axis: the model behind the terminal's timeline and the pictures.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use serde::{Serialize, Serializer};

/// What a lane tells about; also the order of lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Sort {
    /// A registration of a cluster.
    Registration,
    /// A controller.
    Controller,
    /// An open finding.
    Finding,
    /// A hold.
    Hold,
    /// An act of remediation.
    Act,
    /// A Workspace.
    Workspace,
    /// A namespace.
    Namespace,
}

impl Sort {
    /// The word before a lane's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Registration => "Registration",
            Self::Controller => "Controller",
            Self::Finding => "Finding",
            Self::Hold => "Hold",
            Self::Act => "Act",
            Self::Workspace => "Workspace",
            Self::Namespace => "Namespace",
        }
    }
}

/// A time in which something existed or stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Begin.
    pub from: Timestamp,
    /// End; None: it lasts.
    pub to: Option<Timestamp>,
    /// UID, or what stood.
    pub label: String,
    /// It was being deleted, or is known only in sum.
    pub faint: bool,
}

/// A moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// When.
    pub at: Timestamp,
    /// What it is.
    pub sign: Sign,
    /// In words.
    pub text: String,
}

/// What a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Sign {
    /// Came into being.
    Created,
    /// Was deleted.
    Deleted,
    /// Was lost for ever.
    Lost,
    /// A verdict or an act of ours.
    Told,
}

/// One lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lane {
    /// What it tells about.
    pub sort: Sort,
    /// Name.
    pub name: String,
    /// Times.
    pub spans: Vec<Span>,
    /// Moments.
    pub marks: Vec<Mark>,
}

impl Lane {
    /// Deletions on it, for the order of lanes.
    pub fn deletions(&self) -> usize {
        self.marks
            .iter()
            .filter(|m| matches!(m.sign, Sign::Deleted | Sign::Lost))
            .count()
    }
}

/// What happened.
#[derive(Clone, Debug, Default, Serialize)]
pub struct History {
    #[serde(serialize_with = "list")]
    lanes: BTreeMap<(Sort, String), Lane>,
    /// First and last moment.
    pub bounds: Option<(Timestamp, Timestamp)>,
    /// What concerns no lane alone: verdicts, first deletions.
    pub notes: Vec<Mark>,
}

/// Each lane bears its sort and name itself.
fn list<S: Serializer>(
    lanes: &BTreeMap<(Sort, String), Lane>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(lanes.values())
}

impl History {
    /// Takes a moment into the bounds.
    pub fn reach(&mut self, at: Timestamp) {
        let (from, to) = self.bounds.unwrap_or((at, at));
        self.bounds = Some((from.min(at), to.max(at)));
    }

    /// A lane, made if it is new.
    pub fn lane(&mut self, sort: Sort, name: &str) -> &mut Lane {
        self.lanes
            .entry((sort, name.to_owned()))
            .or_insert_with(|| Lane {
                sort,
                name: name.to_owned(),
                spans: Vec::new(),
                marks: Vec::new(),
            })
    }

    /// Something with this UID exists from now on.
    pub fn begins(&mut self, sort: Sort, name: &str, uid: &str, at: Timestamp) {
        self.reach(at);
        let lane = self.lane(sort, name);
        if lane
            .spans
            .last()
            .is_some_and(|s| s.to.is_none() && s.label == uid)
        {
            return;
        }
        if let Some(last) = lane.spans.last_mut().filter(|s| s.to.is_none()) {
            last.to = Some(at);
        }
        lane.spans.push(Span {
            from: at,
            to: None,
            label: uid.to_owned(),
            faint: false,
        });
    }

    /// It exists no more.
    pub fn ends(&mut self, sort: Sort, name: &str, at: Timestamp) {
        self.reach(at);
        if let Some(last) = self
            .lane(sort, name)
            .spans
            .last_mut()
            .filter(|s| s.to.is_none())
        {
            last.to = Some(at);
        }
    }

    /// A moment on a lane.
    pub fn mark(&mut self, sort: Sort, name: &str, mark: Mark) {
        self.reach(mark.at);
        self.lane(sort, name).marks.push(mark);
    }

    /// A moment of its own.
    pub fn note(&mut self, at: Timestamp, sign: Sign, text: impl Into<String>) {
        self.reach(at);
        self.notes.push(Mark {
            at,
            sign,
            text: text.into(),
        });
    }

    /// Lanes: registrations, controllers and holds first, then Workspaces, those with most deletions first.
    pub fn lanes(&self) -> Vec<&Lane> {
        let mut lanes: Vec<&Lane> = self.lanes.values().collect();
        lanes.sort_by_key(|l| (l.sort, std::cmp::Reverse(l.deletions()), &l.name));
        lanes
    }
}
