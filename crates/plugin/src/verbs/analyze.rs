//! `analyze`: the verdict without a cluster, from a recording, an audit log or a bundle.

use std::fmt::Write as _;

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::status::{pretty, tone, yaml};
use crate::{
    Error, Outcome, Shell,
    args::{AnalyzeArgs, Form},
    codes,
    offline::{
        analysis::{self, Analysis, Culprit},
        input::Material,
    },
    table::{Cell, align, item, wrap},
};

/// Workspaces and requests listed; the rest is counted.
const SHOWN: usize = 20;

/// Carries out `analyze`.
#[expect(clippy::unused_async, reason = "every verb has one form")]
pub async fn run(args: &AnalyzeArgs, shell: &mut Shell) -> Result<Outcome, Error> {
    shell.progress("reading ...");
    let material = Material::read(&args.path)?;
    let analysis = analysis::analyse(&material)?;
    let text = match args.output.form {
        Form::Json => pretty(&analysis)?,
        Form::Yaml => yaml(&value(&analysis)?)?,
        Form::Name => names(&analysis),
        Form::Table | Form::Wide => draw(&analysis, &material, shell),
    };
    shell.say(&text);
    Ok(if clean(&analysis) {
        Outcome::Healthy
    } else {
        Outcome::Findings
    })
}

/// Everything was judged, and nothing found.
fn clean(analysis: &Analysis) -> bool {
    analysis.findings.is_empty() && analysis.culprits.is_empty() && analysis.unknown.is_empty()
}

fn names(analysis: &Analysis) -> String {
    let names = analysis.culprits.iter();
    names.fold(String::new(), |text, c| {
        text + "kubefedcluster/" + &c.registration + "\n"
    })
}

fn value(analysis: &Analysis) -> Result<Value, Error> {
    serde_json::to_value(analysis).map_err(|e| Error::parse("write YAML", e))
}

fn draw(analysis: &Analysis, material: &Material, shell: &Shell) -> String {
    let width = shell.width;
    let mut out = String::new();
    let read: Vec<String> = analysis
        .read
        .iter()
        .map(|(what, n)| format!("{n} {what}"))
        .collect();
    let span = match (analysis.from, analysis.to) {
        (Some(from), Some(to)) => format!(", {} to {}", clock(from, true), clock(to, true)),
        _ => String::new(),
    };
    let _ = writeln!(out, "Read: {}{span}", read.join(", "));
    for trouble in &analysis.unread {
        out.push_str(&wrap(&format!("Not read: {trouble}"), width, ""));
    }
    if material.unread_total > analysis.unread.len() {
        let _ = writeln!(
            out,
            "Not read: {} more",
            material.unread_total - analysis.unread.len()
        );
    }
    for open in &analysis.unknown {
        out.push_str(&wrap(&format!("Not judged: {open}"), width, ""));
    }
    if let Some(held) = &analysis.hold {
        out.push_str(&wrap(held, width, ""));
    }
    for culprit in &analysis.culprits {
        out.push_str(&accuse(culprit, width));
    }
    moments(&mut out, analysis, width);
    findings(&mut out, analysis, shell);
    counted(&mut out, analysis, shell);
    lost(&mut out, analysis, shell);
    requests(&mut out, analysis);
    if analysis.findings.is_empty() && analysis.culprits.is_empty() {
        out.push_str(if analysis.unknown.is_empty() {
            "\nNothing bad is in it.\n"
        } else {
            "\nNothing bad is in what could be judged.\n"
        });
    }
    out
}

fn accuse(culprit: &Culprit, width: usize) -> String {
    let name = match &culprit.namespace {
        Some(namespace) => format!("{namespace}/{}", culprit.registration),
        None => culprit.registration.clone(),
    };
    let same = if culprit.same.is_empty() {
        String::new()
    } else {
        format!(", which is {} once more", culprit.same.join(", "))
    };
    let mut out = format!(
        "\n{}",
        wrap(&format!("KubeFed deletes through {name}{same}."), width, "")
    );
    for line in &culprit.evidence {
        out.push_str(&item(line, width));
    }
    out
}

/// Seconds with milliseconds; with the date where it stands alone.
fn clock(at: Timestamp, date: bool) -> String {
    let form = if date {
        "%Y-%m-%d %H:%M:%S%.3fZ"
    } else {
        "%H:%M:%S%.3f"
    };
    at.strftime(form).to_string()
}

fn moments(out: &mut String, analysis: &Analysis, width: usize) {
    let registered = analysis.culprits.iter().find_map(|c| c.registered);
    let rows = [
        ("second registration", registered),
        ("could have been known", analysis.known),
        ("a hold would have stood", analysis.held),
        ("first deletion", analysis.first_deletion),
    ];
    if rows.iter().all(|(_, at)| at.is_none()) {
        return;
    }
    let zero = rows.iter().filter_map(|(_, at)| *at).min();
    let mut lines: Vec<(Timestamp, &str)> = rows
        .iter()
        .filter_map(|(what, at)| Some(((*at)?, *what)))
        .collect();
    lines.sort_by_key(|(at, _)| *at);
    let cells = lines.iter().map(|(at, what)| {
        let after = zero.map_or(0, |z| at.as_millisecond() - z.as_millisecond());
        vec![
            Cell::from(clock(*at, false)),
            format!("+{}.{:03} s", after / 1000, after % 1000).into(),
            (*what).into(),
        ]
    });
    out.push('\n');
    out.push_str(&align(&cells.collect::<Vec<_>>(), false));
    if analysis.redacted {
        let note = "The CA bundles were taken out of the file, so one endpoint makes a suspicion only. With them, or with probe.mode: Probe, the operator holds at that moment; without, at the first deletion.";
        out.push_str(&wrap(note, width, ""));
    }
}

fn findings(out: &mut String, analysis: &Analysis, shell: &Shell) {
    if analysis.findings.is_empty() {
        return;
    }
    let mut rows = vec![
        ["CODE", "SEVERITY", "FIRST", "LAST", "SUBJECT"]
            .map(Cell::from)
            .to_vec(),
    ];
    for opened in analysis.findings.iter().take(SHOWN) {
        let finding = &opened.finding;
        rows.push(vec![
            finding.code.clone().into(),
            Cell::toned(finding.severity.clone(), tone(&finding.severity)),
            clock(opened.first, false).into(),
            clock(opened.last, false).into(),
            finding.subject.clone().into(),
        ]);
    }
    out.push('\n');
    out.push_str(&align(&rows, shell.colours));
    more(out, analysis.findings.len());
    let codes = analysis.findings.iter().map(|o| o.finding.code.as_str());
    if let Some(first) = codes.min_by_key(|c| codes::order(c)) {
        let _ = writeln!(
            out,
            "\nWhat it means and what to do: kubectl federation-health explain {first}"
        );
    }
}

fn counted(out: &mut String, analysis: &Analysis, shell: &Shell) {
    let hit = analysis
        .workspaces
        .iter()
        .filter(|(_, c)| c.deleted + c.recreated > 0);
    let mut hit: Vec<_> = hit.collect();
    hit.sort_by_key(|(_, c)| std::cmp::Reverse(c.deleted));
    if hit.is_empty() {
        return;
    }
    let mut rows = vec![
        ["WORKSPACE", "DELETED", "RECREATED"]
            .map(Cell::from)
            .to_vec(),
    ];
    for (name, counts) in hit.iter().take(SHOWN) {
        rows.push(vec![
            name.as_str().into(),
            counts.deleted.to_string().into(),
            counts.recreated.to_string().into(),
        ]);
    }
    out.push('\n');
    out.push_str(&align(&rows, shell.colours));
    more(out, hit.len());
}

fn lost(out: &mut String, analysis: &Analysis, shell: &Shell) {
    if analysis.lost_namespaces.is_empty() {
        return;
    }
    let mut rows = vec![
        ["LOST NAMESPACE", "UID", "WORKSPACE", "DELETED"]
            .map(Cell::from)
            .to_vec(),
    ];
    for lost in &analysis.lost_namespaces {
        rows.push(vec![
            lost.name.clone().into(),
            lost.uid.clone().into(),
            lost.workspace.clone().into(),
            lost.time.0.strftime("%H:%M:%S").to_string().into(),
        ]);
    }
    out.push('\n');
    out.push_str(&align(&rows, shell.colours));
}

fn requests(out: &mut String, analysis: &Analysis) {
    if analysis.deeds.is_empty() {
        return;
    }
    let mut rows = vec![["REQUESTS", "WHO DID WHAT"].map(Cell::from).to_vec()];
    for (what, n) in analysis.deeds.iter().take(SHOWN) {
        rows.push(vec![n.to_string().into(), what.clone().into()]);
    }
    out.push('\n');
    out.push_str(&align(&rows, false));
    more(out, analysis.deeds.len());
}

fn more(out: &mut String, total: usize) {
    if total > SHOWN {
        let _ = writeln!(out, "and {} more", total - SHOWN);
    }
}
