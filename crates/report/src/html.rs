//! One self-contained page: no script, nothing fetched, light or dark as the reader's system is, and printable.

use std::fmt::Write as _;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use federation_health_api::v1alpha1::FindingStatus;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Condition, jiff::Timestamp};
use sha2::{Digest as _, Sha256};

use crate::document::{Report, sentences};
use crate::{
    codes,
    picture::{STYLE, graph, timeline},
};

/// Findings and losses listed; the rest is counted, and -o json has all.
const SHOWN: usize = 200;
/// Findings of one code: in a storm they say the same, and what to do stands below them.
const ALIKE: usize = 20;

const PAGE: &str = "
:root { --paper: #ffffff; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --bad: #b3261e; --good: #1a7f37; --warn: #8a6100; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181d; --ink: #e6edf3; --soft: #9aa4ae; --line: #39424c; --bad: #ff8c7a; --good: #5fce7d; --warn: #e3b341; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem; max-width: 62rem; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, 'DejaVu Sans', 'Noto Sans CJK SC', sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.2rem 0 .2rem; }
.said { margin: .4rem 0 .2rem; } ul { margin: .2rem 0 .8rem; } p code { overflow-wrap: anywhere; }
.soft { color: var(--soft); } .since { color: var(--soft); white-space: nowrap; } .bad { color: var(--bad); } .good { color: var(--good); } .warn { color: var(--warn); }
.card { border: 2px solid currentColor; border-radius: 6px; padding: .7rem 1rem; margin: 1rem 0; } .card p { margin: .3rem 0 0; color: var(--ink); }
.card strong { font-size: 1.2rem; }
.wide { overflow-x: auto; background: linear-gradient(90deg, var(--paper) 30%, transparent) 0 0 / 3rem 100%, linear-gradient(-90deg, var(--paper) 30%, transparent) 100% 0 / 3rem 100%, linear-gradient(90deg, var(--line), transparent) 0 0 / 1rem 100%, linear-gradient(-90deg, var(--line), transparent) 100% 0 / 1rem 100%; background-repeat: no-repeat; background-attachment: local, local, scroll, scroll; }
.wide svg { max-width: none; display: block; }
table { border-collapse: collapse; font-size: .9rem; } th, td { text-align: left; padding: .25rem .9rem .25rem 0; vertical-align: top; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; } .wide th, .wide td, .checks td { overflow-wrap: break-word; } .checks th + td { white-space: nowrap; }
th { white-space: nowrap; } code, pre { font: .85rem ui-monospace, 'DejaVu Sans Mono', monospace; }
pre { border: 1px solid var(--line); border-radius: 4px; padding: .6rem; overflow-x: auto; } li { overflow-wrap: anywhere; }
ol.moments { padding-left: 1.6rem; }
@media (max-width: 38rem) { .card { padding: .5rem .7rem; }
.checks tr { display: grid; grid-template-columns: 1fr auto; padding: .3rem 0; border-bottom: 1px solid var(--line); } .checks th, .checks td { border: 0; padding: 0; } .checks td + td { grid-column: 1 / -1; } }
@media print { body { max-width: none; } .wide { overflow: visible; } .wide svg { width: 100%; height: auto; } }
";

/// The page's Content-Security-Policy: nothing is fetched, nothing runs, and of styles the page's own alone, by its hash.
pub fn content_security_policy() -> String {
    let hash = BASE64_STANDARD.encode(Sha256::digest(format!("{PAGE}{STYLE}")));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
}

/// Text for the page.
fn e(text: &str) -> String {
    crate::picture::escape(text)
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Our own sentences, in which backticks mark what is to be typed.
fn prose(text: &str) -> String {
    let mut out = String::new();
    for (i, part) in text.split('`').enumerate() {
        if i % 2 == 1 {
            let _ = write!(out, "<code>{}</code>", e(part));
        } else {
            out.push_str(&e(part));
        }
    }
    out
}

/// Writes the page.
pub fn write(report: &Report) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n<title>{}</title>\n<style>{PAGE}{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{}</h1>\n<p class=\"soft\">as of {}</p>\n",
        content_security_policy(),
        e(&report.title),
        e(&report.title),
        moment(report.at)
    );
    card(&mut out, report);
    facts(&mut out, report);
    pictures(&mut out, report);
    findings(&mut out, report);
    risk(&mut out, report);
    plan(&mut out, report);
    actions(&mut out, report);
    lost(&mut out, report);
    conditions(&mut out, report);
    for gap in &report.gaps {
        let _ = writeln!(out, "<p class=\"warn\">Not read: {}</p>", e(gap));
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn card(out: &mut String, report: &Report) {
    let (class, word) = match report.healthy.as_str() {
        "True" => ("good", "✔ Healthy"),
        "False" => ("bad", "✗ Not healthy"),
        _ => ("warn", "? Unknown"),
    };
    let _ = write!(
        out,
        "<section class=\"card {class}\"><strong>{word}</strong><p>{}</p>",
        e(&report.verdict)
    );
    if let Some(held) = &report.hold {
        let _ = write!(out, "<p>{}</p>", e(held));
    }
    let acting = |c: &&Condition| c.type_ == "Remediating" && c.status == "True";
    if let Some(acts) = report.conditions.iter().find(acting) {
        let _ = write!(out, "<p>{}</p>", e(&acts.message));
    }
    out.push_str("</section>\n");
}

fn facts(out: &mut String, report: &Report) {
    out.push_str("<table>\n");
    for (what, value) in &report.facts {
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td>{}</td></tr>",
            e(what),
            e(value)
        );
    }
    out.push_str("</table>\n");
}

fn pictures(out: &mut String, report: &Report) {
    if let Some(svg) = timeline::draw(&report.history) {
        let _ = write!(
            out,
            "<h2>Timeline</h2>\n<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Timeline\">\n{svg}</div>\n<p class=\"soft\">Solid: it exists, or a finding is open. Hatched: deleted and created again and again. Dotted: held. ▲ created, ▼ deleted, ✗ lost, ◆ done by federation-health.</p>\n"
        );
        if !report.history.notes.is_empty() {
            out.push_str("<ol class=\"moments\">\n");
            for mark in &report.history.notes {
                let _ = writeln!(
                    out,
                    "<li><code>{}</code> {}</li>",
                    mark.at.strftime("%H:%M:%S%.3f"),
                    e(&mark.text)
                );
            }
            out.push_str("</ol>\n");
        }
    }
    if let Some(svg) = graph::draw(&report.membership) {
        let _ = write!(
            out,
            "<h2>Who is registered where</h2>\n<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Registrations\">\n{svg}</div>\n<ul>\n"
        );
        for line in report.membership.lines() {
            let _ = writeln!(out, "<li>{}</li>", e(&line));
        }
        out.push_str("</ul>\n");
    }
}

fn findings(out: &mut String, report: &Report) {
    if report.findings.is_empty() {
        return;
    }
    out.push_str("<h2>Findings</h2>\n");
    let shown = &report.findings[..report.findings.len().min(SHOWN)];
    for same in shown.chunk_by(|a, b| a.code == b.code) {
        let code = codes::find(&same[0].code);
        let _ = writeln!(
            out,
            "<h3>{} {}: {}</h3>",
            e(&same[0].code),
            e(&same[0].severity),
            codes::title(&same[0].code)
        );
        let told = &same[..same.len().min(ALIKE)];
        tell(out, told);
        if same.len() > ALIKE {
            let _ = writeln!(
                out,
                "<p>and {} more of {}</p>",
                same.len() - ALIKE,
                e(&same[0].code)
            );
        }
        if let Some(about) = code {
            let _ = writeln!(
                out,
                "<p><b>What may be lost.</b> {}</p>\n<p><b>What to do.</b> {}</p>",
                prose(about.risk),
                prose(about.action)
            );
        }
        let mut next: Vec<String> = same
            .iter()
            .take(ALIKE)
            .filter_map(|f| f.next.as_deref())
            .map(e)
            .collect();
        next.dedup();
        if !next.is_empty() {
            let _ = writeln!(out, "<pre>{}</pre>", next.join("\n"));
        }
    }
    more(out, report.findings.len());
}

/// Findings of one code, each with its evidence; what all of them rest on is told once.
fn tell(out: &mut String, told: &[FindingStatus]) {
    let all = told.iter().skip(1);
    let shared = |line: &&String| told.len() > 1 && all.clone().all(|f| f.evidence.contains(line));
    let shared: Vec<&String> = told[0].evidence.iter().filter(shared).collect();
    for finding in told {
        let _ = writeln!(
            out,
            "<p class=\"said\">{} <span class=\"since\">since {}</span></p>",
            e(&finding.message),
            moment(finding.since.0)
        );
        list(out, finding.evidence.iter().filter(|l| !shared.contains(l)));
    }
    if !shared.is_empty() {
        out.push_str("<p class=\"said\">Of each of them:</p>\n");
        list(out, shared.into_iter());
    }
}

fn list<'a>(out: &mut String, lines: impl Iterator<Item = &'a String>) {
    let items = lines.fold(String::new(), |all, l| all + "<li>" + &e(l) + "</li>");
    if !items.is_empty() {
        let _ = writeln!(out, "<ul>{items}</ul>");
    }
}

fn more(out: &mut String, total: usize) {
    if total > SHOWN {
        let _ = writeln!(out, "<p>and {} more</p>", total - SHOWN);
    }
}

fn risk(out: &mut String, report: &Report) {
    let Some(risk) = &report.risk else { return };
    out.push_str("<h2>At risk</h2>\n");
    for line in sentences(risk) {
        let _ = writeln!(out, "<p>{}</p>", e(&line));
    }
}

fn plan(out: &mut String, report: &Report) {
    let Some(plan) = &report.plan else { return };
    let against = plan
        .message
        .as_deref()
        .unwrap_or("Nothing stands against it.");
    let _ = writeln!(
        out,
        "<h2>Plan</h2>\n<p><code>{}</code> {}</p>",
        e(&plan.id),
        e(against)
    );
    let rows = plan.steps.iter().map(|step| {
        [
            step.action.clone(),
            format!("{} {}", step.kind, step.name),
            step.change.clone(),
            step.why.clone(),
            step.blocked_by.clone().unwrap_or_default(),
        ]
    });
    table(
        out,
        "Plan",
        ["Action", "Target", "Change", "Why", "Blocked"],
        rows,
    );
}

fn actions(out: &mut String, report: &Report) {
    if report.actions.is_empty() {
        return;
    }
    out.push_str("<h2>What was done</h2>\n");
    let rows = report.actions.iter().map(|action| {
        [
            action.time.0.strftime("%H:%M:%S%.3f").to_string(),
            action.action.clone(),
            format!("{} {}", action.kind, action.name),
            action.state.clone(),
            action.message.clone().unwrap_or_default(),
        ]
    });
    table(
        out,
        "What was done",
        ["Time", "Action", "Target", "State", "Message"],
        rows,
    );
}

fn table<const N: usize>(
    out: &mut String,
    label: &str,
    heads: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) {
    let _ = writeln!(
        out,
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{label}\"><table>\n<tr>{}</tr>",
        heads.map(|h| format!("<th>{h}</th>")).concat()
    );
    for row in rows {
        let cells = row.map(|cell| format!("<td>{}</td>", e(&cell))).concat();
        let _ = writeln!(out, "<tr>{cells}</tr>");
    }
    out.push_str("</table></div>\n");
}

fn lost(out: &mut String, report: &Report) {
    if report.lost.is_empty() {
        return;
    }
    out.push_str("<h2>Lost namespaces</h2>\n");
    let rows = report.lost.iter().take(SHOWN).map(|lost| {
        [
            lost.name.clone(),
            lost.uid.clone(),
            lost.workspace.clone(),
            moment(lost.time.0),
        ]
    });
    table(
        out,
        "Lost namespaces",
        ["Namespace", "UID", "Workspace", "Deleted"],
        rows,
    );
    more(out, report.lost.len());
}

fn conditions(out: &mut String, report: &Report) {
    if report.conditions.is_empty() {
        return;
    }
    out.push_str("<h2>Checks</h2>\n<table class=\"checks\">\n");
    for c in report.conditions.iter().filter(|c| c.type_ != "Healthy") {
        let (class, sign) = match c.status.as_str() {
            "True" => ("good", "✔ True"),
            "False" => ("bad", "✗ False"),
            _ => ("warn", "? Unknown"),
        };
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"{class}\">{sign}</td><td>{}</td><td>{}</td></tr>",
            e(&c.type_),
            e(&c.reason),
            e(&c.message)
        );
    }
    out.push_str("</table>\n");
}
