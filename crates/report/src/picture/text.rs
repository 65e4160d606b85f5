//! The timeline for a terminal: the same lanes, one character a column.
use std::fmt::Write as _;

use k8s_openapi::jiff::Timestamp;

use crate::history::{History, Lane, Sign, Sort};

/// Lanes of Workspaces; the rest is counted.
const WORKSPACES: usize = 16;

/// Draws it within this width; None if nothing has a time.
pub fn draw(history: &History, only: Option<&str>, width: usize) -> Option<String> {
    let (from, to) = history.bounds?;
    let span = (to.as_millisecond() - from.as_millisecond()).max(1);
    let lanes: Vec<&Lane> = history
        .lanes()
        .into_iter()
        .filter(|l| wanted(l, only))
        .collect();
    let shown: Vec<&Lane> = lanes
        .iter()
        .enumerate()
        .filter(|(i, l)| {
            let before = lanes[..*i]
                .iter()
                .filter(|b| b.sort == Sort::Workspace)
                .count();
            l.sort != Sort::Workspace || before < WORKSPACES
        })
        .map(|(_, l)| *l)
        .collect();
    let names: Vec<String> = shown
        .iter()
        .map(|l| format!("{} {}", l.sort.as_str(), l.name))
        .collect();
    let label = names
        .iter()
        .map(|n| columns_of(n))
        .max()
        .unwrap_or_default()
        .max(8)
        + 2;
    let room = width.saturating_sub(label).max(20);
    let column = |at: Timestamp| {
        let ms = at.as_millisecond() - from.as_millisecond();
        ((ms as f64 / span as f64 * (room - 1) as f64) as usize).min(room - 1)
    };
    let mut out = String::new();
    for (lane, name) in shown.iter().zip(&names) {
        out.push_str(name);
        out.extend(std::iter::repeat_n(' ', label - columns_of(name)));
        let line: String = row(lane, room, &column, to).into_iter().collect();
        out.push_str(line.trim_end());
        out.push('\n');
    }
    if shown.len() < lanes.len() {
        let _ = writeln!(out, "and {} more Workspaces", lanes.len() - shown.len());
    }
    let (left, right) = (clock(from), clock(to));
    out.extend(std::iter::repeat_n(' ', label));
    out.push_str(&left);
    out.extend(std::iter::repeat_n(
        ' ',
        room.saturating_sub(left.len() + right.len()).max(1),
    ));
    out.push_str(&right);
    out.push_str("\n\n");
    out.push_str(
        "━ there  ▲ created  ▼ deleted  ╳ several at once  ░ again and again  × namespaces lost\n",
    );
    Some(out)
}

/// Columns that a text takes: one for each character, two for those of East Asia.
pub fn columns_of(text: &str) -> usize {
    text.chars()
        .map(|c| match c as u32 {
            0x1100..=0x115f
            | 0x2e80..=0xa4cf
            | 0xac00..=0xd7a3
            | 0xf900..=0xfaff
            | 0xfe30..=0xfe6f
            | 0xff00..=0xff60
            | 0xffe0..=0xffe6 => 2,
            _ => 1,
        })
        .sum()
}

fn wanted(lane: &Lane, only: Option<&str>) -> bool {
    match (only, lane.sort) {
        (Some(name), Sort::Workspace) => lane.name == name,
        (_, Sort::Namespace) => false,
        _ => true,
    }
}

fn row(
    lane: &Lane,
    room: usize,
    column: &impl Fn(Timestamp) -> usize,
    end: Timestamp,
) -> Vec<char> {
    let mut row = vec![' '; room];
    for span in &lane.spans {
        let fill = if span.faint { '░' } else { '━' };
        // One that ends before it begins, as two clocks may have it, is a moment.
        let from = column(span.from);
        let to = column(span.to.unwrap_or(end)).max(from);
        for cell in &mut row[from..=to] {
            *cell = fill;
        }
    }
    let mut marks = vec![0_usize; room];
    for mark in lane.marks.iter().filter(|m| m.sign != Sign::Told) {
        let at = column(mark.at);
        marks[at] += 1;
        row[at] = match (mark.sign, marks[at]) {
            (Sign::Lost, _) => '×',
            (Sign::Created, 1) => '▲',
            (Sign::Deleted, 1) => '▼',
            _ => '╳',
        };
    }
    row
}

fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}
