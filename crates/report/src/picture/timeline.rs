//! The timeline: one lane a thing, one axis for all, so that cause and effect line up.

use k8s_openapi::jiff::Timestamp;

use super::svg::Svg;
use crate::history::{History, Lane, Sign, Sort, Span};

/// Width of the drawing; a narrow page scrolls it, since smaller text could not be read.
const WIDTH: f64 = 920.0;
/// Room for the names of lanes.
const LABELS: f64 = 190.0;
const LANE: f64 = 22.0;
const BAR: f64 = 12.0;
/// Room for the word above the lanes of one sort.
const HEAD: f64 = 18.0;
/// Narrowest thing that can be seen.
const COLUMN: f64 = 3.0;
/// Marks of one lane that are drawn one by one; more overlap.
const MARKS: usize = 14;
/// Workspaces with lanes of their own, worst first; the others share one.
const WORKSPACES: usize = 24;
/// Lanes of any other sort; a federation of a thousand clusters is no picture.
const OTHERS: usize = 24;
/// Names longer than this are cut in the middle.
const NAME: usize = 24;
/// Flags nearer to each other than this stand one above the other.
const FLAG: f64 = 17.0;

/// What a column of a lane shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Absent,
    Is,
    Churns,
}

struct Axis {
    from: i64,
    span: i64,
}

impl Axis {
    fn x(&self, at: Timestamp) -> f64 {
        self.at(at.as_millisecond())
    }

    fn at(&self, ms: i64) -> f64 {
        let share = (ms - self.from) as f64 / self.span as f64;
        LABELS + share.clamp(0.0, 1.0) * (WIDTH - LABELS - 10.0)
    }
}

/// Draws it; None if nothing has a time.
pub fn draw(history: &History) -> Option<String> {
    let (from, to) = history.bounds?;
    let axis = Axis {
        from: from.as_millisecond(),
        span: (to.as_millisecond() - from.as_millisecond()).max(1000),
    };
    let lanes: Vec<&Lane> = history
        .lanes()
        .into_iter()
        .filter(|l| l.sort != Sort::Namespace)
        .collect();
    let lanes = bounded(&lanes);
    let workspaces = lanes.iter().filter(|l| l.sort == Sort::Workspace).count();
    let own = lanes.len() - workspaces + workspaces.min(WORKSPACES);
    let mut svg = Svg::new("fh-timeline", WIDTH);
    let flags = flag_rows(history, &axis);
    let top = 14.0
        + flags
            .iter()
            .map(|(_, row)| *row)
            .max()
            .map_or(0.0, |r| (r as f64 + 1.0) * FLAG);
    let shown = &lanes[..own];
    let heads = shown.chunk_by(|a, b| a.sort == b.sort).count();
    let rows = own + usize::from(workspaces > WORKSPACES);
    let bottom = top + 6.0 + rows as f64 * LANE + heads as f64 * HEAD;
    ticks(&mut svg, &axis, top, bottom);
    let mut y = top + 6.0;
    for same in shown.chunk_by(|a, b| a.sort == b.sort) {
        svg.text(
            (4.0, y + HEAD - 6.0),
            "start",
            &format!("{}s", same[0].sort.as_str()),
        );
        y += HEAD;
        for lane in same {
            self::lane(&mut svg, &axis, lane, y, to);
            y += LANE;
        }
    }
    if workspaces > WORKSPACES {
        density(&mut svg, &axis, &lanes[own..], y);
    }
    for ((i, mark), (x, row)) in history.notes.iter().enumerate().zip(&flags) {
        let y = 4.0 + *row as f64 * FLAG;
        svg.open(&format!("{}: {}", clock(mark.at), mark.text));
        svg.line("moment", (*x, y + 14.0), (*x, bottom));
        svg.rect(
            "flag",
            (*x - 7.0, y),
            (14.0, 14.0),
            &format!("{} {}", clock(mark.at), mark.text),
        );
        svg.text((*x, y + 11.0), "middle", &(i + 1).to_string());
        svg.close();
    }
    let height = bottom + 24.0;
    Some(svg.finish(height, "Timeline", &describe(history, &lanes)))
}

/// At most so many lanes of each sort but Workspaces, which have a lane for the rest.
fn bounded<'a>(lanes: &[&'a Lane]) -> Vec<&'a Lane> {
    let few = |same: &[&Lane]| match same.first() {
        Some(lane) if lane.sort != Sort::Workspace => same.len().min(OTHERS),
        _ => same.len(),
    };
    let runs = lanes.chunk_by(|a, b| a.sort == b.sort);
    runs.flat_map(|same| same[..few(same)].to_vec()).collect()
}

/// Each flag's place, and the row that keeps it clear of its neighbours.
fn flag_rows(history: &History, axis: &Axis) -> Vec<(f64, usize)> {
    let mut ends: Vec<f64> = Vec::new();
    let place = |mark: &crate::history::Mark| {
        let x = axis.x(mark.at);
        let row = ends.iter().position(|end| *end <= x).unwrap_or(ends.len());
        if row == ends.len() {
            ends.push(0.0);
        }
        ends[row] = x + FLAG;
        (x, row)
    };
    history.notes.iter().map(place).collect()
}

fn ticks(svg: &mut Svg, axis: &Axis, top: f64, bottom: f64) {
    /// Seconds between ticks that people count in.
    const STEPS: [i64; 15] = [
        1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 14_400, 86_400, 604_800,
    ];
    let wanted = axis.span / 1000 / 6;
    let step = STEPS
        .into_iter()
        .find(|s| *s >= wanted)
        .unwrap_or(wanted.max(1))
        * 1000;
    let mut at = axis.from.div_euclid(step) * step + step;
    // Seven to eight by the choice of the step; the bound is against a step of nothing.
    for _ in 0..64 {
        if at > axis.from + axis.span {
            break;
        }
        let x = axis.at(at);
        svg.line("axis", (x, top), (x, bottom));
        // At the edge a label would be cut.
        if x < WIDTH - 26.0
            && let Ok(time) = Timestamp::from_millisecond(at)
        {
            let form = if step >= 86_400_000 {
                "%m-%d"
            } else {
                "%H:%M:%S"
            };
            svg.text(
                (x, bottom + 16.0),
                "middle",
                &time.strftime(form).to_string(),
            );
        }
        at += step;
    }
}

fn lane(svg: &mut Svg, axis: &Axis, lane: &Lane, y: f64, end: Timestamp) {
    let says = summary(lane);
    svg.open(&says);
    svg.line("lane", (0.0, y + LANE - 2.0), (WIDTH, y + LANE - 2.0));
    svg.text((LABELS - 8.0, y + BAR + 1.0), "end", &short(&lane.name));
    let columns = ((WIDTH - LABELS - 10.0) / COLUMN) as usize;
    let states = states(axis, lane, columns, end);
    let mut start = 0;
    while start < states.len() {
        let run = states[start..]
            .iter()
            .take_while(|s| **s == states[start])
            .count();
        let at = (LABELS + start as f64 * COLUMN, y + 2.0);
        let size = (run as f64 * COLUMN, BAR);
        let within = |s: &Span| {
            let (from, to) = columns_of(axis, s, columns, end);
            from < start + run && start <= to
        };
        let title = match reasoned(lane) {
            true => says.clone(),
            false => format!("{says}{}", labels(lane, within)),
        };
        match (states[start], lane.sort) {
            (State::Absent, _) => {}
            (State::Is, Sort::Hold) => svg.patterned("held", at, size, &title),
            (State::Is, Sort::Finding) => svg.rect("dies", at, size, &title),
            (State::Is, _) => svg.rect("is", at, size, &title),
            (State::Churns, _) => svg.patterned("churn", at, size, &title),
        }
        start += run;
    }
    let few = lane.marks.len() <= MARKS;
    for mark in &lane.marks {
        if few || mark.sign == Sign::Lost {
            sign(
                svg,
                axis.x(mark.at),
                y,
                mark.sign,
                &format!("{} {}", clock(mark.at), mark.text),
            );
        }
    }
    svg.close();
}

/// What the spans of a bar are: the UIDs of what existed, or why it stood.
fn labels(lane: &Lane, within: impl Fn(&Span) -> bool) -> String {
    /// More of them fit no line.
    const FEW: usize = 3;
    let mut labels: Vec<&str> = lane
        .spans
        .iter()
        .filter(|s| within(s) && !s.label.is_empty())
        .map(|s| &*s.label)
        .collect();
    labels.dedup();
    let more = labels.len().saturating_sub(FEW);
    labels.truncate(FEW);
    match (labels.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => format!(" ({})", labels.join(", ")),
        (false, more) => format!(" ({} and {more} more)", labels.join(", ")),
    }
}

fn column(axis: &Axis, at: Timestamp, columns: usize) -> usize {
    let c = (axis.x(at) - LABELS) / COLUMN;
    (c.max(0.0) as usize).min(columns - 1)
}

/// First and last column of a span; one that ends before it begins, as two clocks may have it, is a moment.
fn columns_of(axis: &Axis, span: &Span, columns: usize, end: Timestamp) -> (usize, usize) {
    let from = column(axis, span.from, columns);
    let to = column(axis, span.to.unwrap_or(end), columns);
    (from, to.max(from))
}

fn states(axis: &Axis, lane: &Lane, columns: usize, end: Timestamp) -> Vec<State> {
    let mut states = vec![State::Absent; columns];
    for span in &lane.spans {
        let state = if span.faint { State::Churns } else { State::Is };
        let (from, to) = columns_of(axis, span, columns, end);
        for cell in &mut states[from..=to] {
            *cell = state;
        }
    }
    // Where more than a few fall together, one cannot tell them apart: that is what the hatching says.
    if lane.marks.len() > MARKS {
        for mark in lane.marks.iter().filter(|m| m.sign == Sign::Deleted) {
            let at = column(axis, mark.at, columns);
            for cell in &mut states[at.saturating_sub(1)..=(at + 1).min(columns - 1)] {
                *cell = State::Churns;
            }
        }
    }
    states
}

fn sign(svg: &mut Svg, x: f64, y: f64, sign: Sign, title: &str) {
    let (class, d) = match sign {
        Sign::Created => ("is", format!("M {x:.1} {:.1} l 4 7 h -8 z", y + BAR - 3.0)),
        Sign::Deleted => ("dies", format!("M {x:.1} {:.1} l 4 -7 h -8 z", y + 7.0)),
        Sign::Lost => (
            "double",
            format!("M {:.1} {:.1} l 7 7 m -7 0 l 7 -7", x - 3.5, y + 4.5),
        ),
        Sign::Told => (
            "held",
            format!("M {x:.1} {:.1} l 5 5 l -5 5 l -5 -5 z", y + 3.0),
        ),
    };
    if sign == Sign::Lost {
        // On hatching a cross could not be seen.
        svg.rect("flag", (x - 6.0, y + 2.0), (12.0, BAR), title);
    }
    svg.path(class, &d, title);
}

/// What has no lane of its own: deletions a column, as heights.
fn density(svg: &mut Svg, axis: &Axis, lanes: &[&Lane], y: f64) {
    let columns = ((WIDTH - LABELS - 10.0) / COLUMN) as usize;
    let mut counts = vec![0_usize; columns];
    for mark in lanes
        .iter()
        .flat_map(|l| &l.marks)
        .filter(|m| m.sign == Sign::Deleted)
    {
        let c = ((axis.x(mark.at) - LABELS) / COLUMN) as usize;
        counts[c.min(columns - 1)] += 1;
    }
    let total: usize = counts.iter().sum();
    let says = format!("{} more Workspaces, {total} deletions", lanes.len());
    svg.open(&says);
    svg.text(
        (LABELS - 8.0, y + BAR + 1.0),
        "end",
        &format!("{} more Workspaces", lanes.len()),
    );
    let most = counts.iter().copied().max().unwrap_or_default().max(1);
    for (c, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let height = (*count as f64 / most as f64 * (LANE - 4.0)).max(1.5);
        let at = (LABELS + c as f64 * COLUMN, y + LANE - 2.0 - height);
        svg.rect(
            "dies",
            at,
            (COLUMN - 0.5, height),
            &format!("{count} deletions"),
        );
    }
    svg.close();
}

/// The labels of its spans are why they stand, and belong to what the lane says.
fn reasoned(lane: &Lane) -> bool {
    matches!(lane.sort, Sort::Hold | Sort::Finding)
}

/// A lane in words.
pub fn summary(lane: &Lane) -> String {
    let what = format!("{} {}", lane.sort.as_str(), lane.name);
    let gone = lane
        .marks
        .iter()
        .filter(|m| m.sign == Sign::Deleted)
        .count();
    let first = lane.marks.iter().find(|m| m.sign == Sign::Deleted);
    match (gone, first) {
        (0, _) if reasoned(lane) => format!("{what}{}", labels(lane, |_| true)),
        (0, _) => what,
        (1, Some(mark)) => format!("{what}: deleted at {}", clock(mark.at)),
        (n, Some(mark)) => format!("{what}: deleted {n} times from {} on", clock(mark.at)),
        (n, None) => format!("{what}: deleted {n} times"),
    }
}

fn describe(history: &History, lanes: &[&Lane]) -> String {
    let notes = history.notes.iter().enumerate();
    let notes = notes.map(|(i, m)| format!("{}: {} {}.", i + 1, clock(m.at), m.text));
    let lanes = lanes
        .iter()
        .take(WORKSPACES)
        .map(|l| format!("{}.", summary(l)));
    notes.chain(lanes).collect::<Vec<_>>().join(" ")
}

fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S%.3f").to_string()
}

fn short(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    if chars.len() <= NAME {
        return name.to_owned();
    }
    // What stands after a slash tells apart; what stands before it is mostly the same.
    if chars.contains(&'/') {
        let tail = &chars[chars.len() - (NAME - 1)..];
        return ['…'].iter().chain(tail).collect();
    }
    let half = (NAME - 1) / 2;
    let (head, tail) = (&chars[..half], &chars[chars.len() - half..]);
    head.iter().chain(['…'].iter()).chain(tail).collect()
}
