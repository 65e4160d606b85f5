//! Aligned columns with kubectl's spacing, and kubectl's ages.

use federation_health_report::picture::text::columns_of;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use crate::shell::Tone;

/// kubectl sets columns apart by this much.
const GAP: usize = 3;
/// kubectl makes no column narrower, its gap included.
const NARROWEST: usize = 6;

/// One cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// The text, without colours.
    pub text: String,
    /// How it is meant.
    pub tone: Tone,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self {
            text,
            tone: Tone::Plain,
        }
    }
}

impl Cell {
    /// A cell with a meaning.
    pub fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self {
            text: text.into(),
            tone,
        }
    }
}

/// Lines of cells, aligned. Empty columns stay, so that scripts find theirs.
pub fn align(rows: &[Vec<Cell>], colours: bool) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns)
        .map(|c| {
            let cells = rows.iter().filter_map(|row| row.get(c));
            let widest = cells.map(|c| columns_of(&c.text)).max().unwrap_or_default();
            (widest + GAP).max(NARROWEST)
        })
        .collect();
    let mut out = String::new();
    for row in rows {
        let last = row.iter().rposition(|c| !c.text.is_empty());
        for (i, cell) in row.iter().enumerate().take(last.map_or(0, |l| l + 1)) {
            out.push_str(&cell.tone.paint(&cell.text, colours));
            if Some(i) != last {
                out.extend(std::iter::repeat_n(' ', widths[i] - columns_of(&cell.text)));
            }
        }
        out.push('\n');
    }
    out
}

/// What kubectl prints without `-o wide` of a server's `meta.k8s.io/v1` Table; None if it is none.
pub fn served(table: &Value) -> Option<String> {
    let list = |value: &Value| value.as_array().cloned();
    let columns = list(&table["columnDefinitions"])?;
    let shown: Vec<usize> = (0..columns.len())
        .filter(|i| columns[*i]["priority"].as_i64().unwrap_or_default() == 0)
        .collect();
    let head = |i: &usize| Cell::from(plain(&columns[*i]["name"]).to_uppercase());
    let mut rows = vec![shown.iter().map(head).collect::<Vec<_>>()];
    for row in list(&table["rows"])? {
        let cell = |i: &usize| Cell::from(plain(&row["cells"][*i]));
        rows.push(shown.iter().map(cell).collect());
    }
    Some(align(&rows, false))
}

fn plain(cell: &Value) -> String {
    match cell {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A time span in seconds as kubectl writes ages; one that lies ahead is none.
pub fn span(seconds: i64) -> String {
    federation_health_sim::age(seconds.try_into().unwrap_or_default())
}

/// How long ago.
pub fn age(then: Timestamp, now: Timestamp) -> String {
    span(now.as_second() - then.as_second())
}

/// Breaks a text between words; what is wider than a line stays whole, so that it can be copied.
pub fn wrap(text: &str, width: usize, indent: &str) -> String {
    let mut out = String::new();
    for paragraph in text.lines() {
        let mut line = indent.to_owned();
        for word in paragraph.split_whitespace() {
            let empty = line.trim().is_empty();
            if !empty && columns_of(&line) + 1 + columns_of(word) > width {
                out.push_str(line.trim_end());
                out.push('\n');
                indent.clone_into(&mut line);
            } else if !empty {
                line.push(' ');
            }
            line.push_str(word);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// One item of a list, its further lines below its text.
pub fn item(text: &str, width: usize) -> String {
    wrap(text, width, "    ").replacen("    ", "  - ", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_written_as_kubectl_writes_them() {
        // duration.HumanDuration of k8s.io/apimachinery, its own test's values.
        for (seconds, said) in [
            (1, "1s"),
            (70, "70s"),
            (190, "3m10s"),
            (3600, "60m"),
            (3 * 3600, "3h"),
            (7 * 3600 + 60, "7h1m"),
            (24 * 3600, "24h"),
            (49 * 3600, "2d1h"),
            (5 * 86_400 + 20 * 3600, "5d20h"),
            (90 * 86_400, "90d"),
        ] {
            assert_eq!(span(seconds), said);
        }
    }

    #[test]
    fn columns_are_aligned_whatever_their_script_and_colours_take_no_room() {
        let rows = vec![
            vec![Cell::from("名"), Cell::toned("OK", Tone::Good), "x".into()],
            vec![Cell::from("name"), Cell::from("Bad"), Cell::default()],
        ];
        assert_eq!(align(&rows, false), "名     OK    x\nname   Bad\n");
        assert_eq!(
            align(&rows, true),
            "名     \u{1b}[32mOK\u{1b}[0m    x\nname   Bad\n"
        );
    }

    #[test]
    fn a_servers_table_is_printed_as_kubectl_prints_it() {
        let table = serde_json::json!({
            "columnDefinitions": [
                {"name": "Name", "priority": 0}, {"name": "Up", "priority": 0},
                {"name": "Message", "priority": 1}, {"name": "X", "priority": 0},
            ],
            "rows": [{"cells": ["default", true, "fine", 1]}, {"cells": ["b", null, "bad", 2]}],
        });
        let printed = "NAME      UP     X\ndefault   true   1\nb                2\n";
        assert_eq!(served(&table).as_deref(), Some(printed));
        assert_eq!(served(&serde_json::json!({"kind": "Status"})), None);
    }

    #[test]
    fn a_word_wider_than_the_line_stays_whole() {
        assert_eq!(
            wrap("a kubectl-patch b", 6, "  "),
            "  a\n  kubectl-patch\n  b\n"
        );
    }
}
