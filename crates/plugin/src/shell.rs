//! Where a verb speaks: the terminal, the clock, the environment. Tests bring their own.

use std::{
    io::{self, IsTerminal as _, Write},
    path::PathBuf,
};

use k8s_openapi::jiff::Timestamp;

/// Columns of a terminal that does not say how wide it is.
const WIDTH: usize = 80;
/// Bounds on what COLUMNS may say: below, no column is readable; above, it is a mistake.
const WIDTHS: std::ops::RangeInclusive<usize> = 40..=400;

/// Where a verb speaks.
pub struct Shell {
    /// For what was asked.
    pub out: Box<dyn Write>,
    /// For errors and progress.
    pub err: Box<dyn Write>,
    /// A fixed instant, or the wall clock's.
    pub clock: Option<Timestamp>,
    /// Colours may be used: a terminal, and nobody said NO_COLOR.
    pub colours: bool,
    /// Somebody watches: progress and redrawing make sense.
    pub live: bool,
    /// Columns.
    pub width: usize,
    /// Kubeconfig to use where the arguments name none; else kubectl's rules.
    pub kubeconfig: Option<PathBuf>,
}

impl Shell {
    /// The process' own.
    pub fn process() -> Self {
        let terminal = io::stdout().is_terminal();
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let columns = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
        Self {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            clock: None,
            colours: terminal && !unwanted && !dumb,
            live: terminal && !dumb,
            width: columns.filter(|c| WIDTHS.contains(c)).unwrap_or(WIDTH),
            kubeconfig: None,
        }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.unwrap_or_else(Timestamp::now)
    }

    /// Says something on standard output. A reader that hung up is no error of ours: there is nobody left to tell.
    pub fn say(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let _ = self.out.write_all(text.as_bytes());
        if !text.ends_with('\n') {
            let _ = self.out.write_all(b"\n");
        }
        let _ = self.out.flush();
    }

    /// Says something on standard error.
    pub fn complain(&mut self, text: &str) {
        let _ = writeln!(self.err, "{text}");
    }

    /// Says what takes longer than a second, to somebody who watches.
    pub fn progress(&mut self, text: &str) {
        if self.live {
            self.complain(text);
        }
    }
}

/// How a word is meant. The colour repeats what the word says, and is never the only sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// In order.
    Good,
    /// To be looked at.
    Warn,
    /// Bad.
    Bad,
    /// Neither.
    #[default]
    Plain,
}

impl Tone {
    /// The word in its colour.
    pub fn paint(self, text: &str, colours: bool) -> String {
        let code = match self {
            Self::Good => "32",
            Self::Warn => "33",
            Self::Bad => "31;1",
            Self::Plain => return text.to_owned(),
        };
        if colours && !text.is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}
