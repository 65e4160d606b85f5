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

    /// Says something on standard output. Names and texts are other people's: what steers a terminal does not reach it,
    /// our own colours aside.
    pub fn say(&mut self, text: &str) {
        let text = harmless(text, self.colours);
        self.paint(&text);
    }

    /// Writes to standard output as it is. A reader that hung up is no error of ours: there is nobody left to tell.
    pub fn paint(&mut self, text: &str) {
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
        let _ = writeln!(self.err, "{}", harmless(text, false));
    }

    /// Says what takes longer than a second, to somebody who watches.
    pub fn progress(&mut self, text: &str) {
        if self.live {
            self.complain(text);
        }
    }
}

/// The text without control characters but line ends and tabs and, where colours are wanted, [`Tone`]'s own.
pub fn harmless(text: &str, colours: bool) -> String {
    let ours = |rest: &str| COLOURS.into_iter().find(|code| rest.starts_with(code));
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(c) = rest.chars().next() {
        let length = if let Some(code) = ours(rest).filter(|_| colours) {
            out.push_str(code);
            code.len()
        } else {
            let shown = !c.is_control() || matches!(c, '\n' | '\t');
            out.push(if shown { c } else { '\u{fffd}' });
            c.len_utf8()
        };
        rest = &rest[length..];
    }
    out
}

/// Every sequence that [`Tone::paint`] writes: its end last.
const COLOURS: [&str; 4] = ["\u{1b}[32m", "\u{1b}[33m", "\u{1b}[31;1m", "\u{1b}[0m"];

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
        let [good, warn, bad, end] = COLOURS;
        let code = match self {
            Self::Good => good,
            Self::Warn => warn,
            Self::Bad => bad,
            Self::Plain => return text.to_owned(),
        };
        if colours && !text.is_empty() {
            format!("{code}{text}{end}")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_somebody_else_steers_no_terminal() {
        let name = "orders\u{1b}[2J\u{1b}]0;x\u{7}\r\u{9b}1A";
        let painted = format!("{}\t{name}\n", Tone::Bad.paint("Bad", true));
        assert_eq!(
            harmless(&painted, true),
            "\u{1b}[31;1mBad\u{1b}[0m\torders\u{fffd}[2J\u{fffd}]0;x\u{fffd}\u{fffd}\u{fffd}1A\n"
        );
        assert!(!harmless(&painted, false).contains('\u{1b}'));
    }
}
