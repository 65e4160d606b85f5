//! The report as Markdown, for an issue or a chat; the graph as Mermaid, which GitHub draws.

use std::fmt::Write as _;

use crate::document::{Report, sentences};
use crate::{codes, picture::graph::Bond};

/// Text that stays text: no table, emphasis, link or tag comes out of a name.
fn e(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '*' | '_' | '`' | '[' | ']' | '#' | '\\' | '~' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\n' | '\r' => out.push(' '),
            // What would steer the terminal of whoever looks at the file.
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Writes it.
pub fn write(report: &Report) -> String {
    let mut out = format!(
        "# {}\n\n**{}** {}\n\nAs of {}.\n\n",
        e(&report.title),
        match report.healthy.as_str() {
            "True" => "Healthy.",
            "False" => "Not healthy.",
            _ => "Unknown.",
        },
        e(&report.verdict),
        report.at.strftime("%Y-%m-%d %H:%M:%S UTC")
    );
    if let Some(held) = &report.hold {
        let _ = write!(out, "{}\n\n", e(held));
    }
    if !report.facts.is_empty() {
        out.push_str("| | |\n|---|---|\n");
        for (what, value) in &report.facts {
            let _ = writeln!(out, "| {} | {} |", e(what), e(value));
        }
    }
    if !report.history.notes.is_empty() {
        out.push_str("\n## Timeline\n\n");
        for mark in &report.history.notes {
            let _ = writeln!(
                out,
                "- `{}` {}",
                mark.at.strftime("%H:%M:%S%.3f"),
                e(&mark.text)
            );
        }
        if let Some(lanes) = crate::picture::text::draw(&report.history, None, 90) {
            let _ = write!(out, "\n```text\n{lanes}```\n");
        }
    }
    graph(&mut out, report);
    findings(&mut out, report);
    risk(&mut out, report);
    remediation(&mut out, report);
    if !report.lost.is_empty() {
        out.push_str("\n## Lost namespaces\n\n| Namespace | UID | Workspace | Deleted |\n|---|---|---|---|\n");
        for lost in &report.lost {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} |",
                e(&lost.name),
                e(&lost.uid),
                e(&lost.workspace),
                lost.time.0
            );
        }
    }
    conditions(&mut out, report);
    for gap in &report.gaps {
        let _ = write!(out, "\nNot read: {}\n", e(gap));
    }
    out
}

fn risk(out: &mut String, report: &Report) {
    let Some(risk) = &report.risk else { return };
    let lines = sentences(risk);
    if !lines.is_empty() {
        out.push_str("\n## At risk\n\n");
    }
    for line in lines {
        let _ = writeln!(out, "- {}", e(&line));
    }
}

fn conditions(out: &mut String, report: &Report) {
    let checks = report.conditions.iter().filter(|c| c.type_ != "Healthy");
    let mut rows = checks.peekable();
    if rows.peek().is_some() {
        out.push_str("\n## Checks\n\n| Check | Status | Reason | Message |\n|---|---|---|---|\n");
    }
    for c in rows {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            e(&c.type_),
            e(&c.status),
            e(&c.reason),
            e(&c.message)
        );
    }
}

fn remediation(out: &mut String, report: &Report) {
    if let Some(plan) = &report.plan {
        let _ = write!(
            out,
            "\n## Plan `{}`\n\n{}\n\n| Action | Target | Change | Blocked |\n|---|---|---|---|\n",
            e(&plan.id),
            e(plan
                .message
                .as_deref()
                .unwrap_or("Nothing stands against it."))
        );
        for step in &plan.steps {
            let _ = writeln!(
                out,
                "| {} | {} {} | {} | {} |",
                e(&step.action),
                e(&step.kind),
                e(&step.name),
                e(&step.change),
                e(step.blocked_by.as_deref().unwrap_or_default())
            );
        }
    }
    if !report.actions.is_empty() {
        out.push_str(
            "\n## What was done\n\n| Time | Action | Target | State |\n|---|---|---|---|\n",
        );
        for action in &report.actions {
            let _ = writeln!(
                out,
                "| {} | {} | {} {} | {} |",
                action.time.0,
                e(&action.action),
                e(&action.kind),
                e(&action.name),
                e(&action.state)
            );
        }
    }
}

fn graph(out: &mut String, report: &Report) {
    let membership = &report.membership;
    if membership.names.is_empty() {
        return;
    }
    out.push_str("\n## Who is registered where\n\n```mermaid\nflowchart LR\n");
    // Within Mermaid's quotes only a quote ends the text; its own escape is by entity.
    let quoted = |text: &str| {
        text.replace('"', "#quot;")
            .replace(['<', '>', '\n', '`'], " ")
    };
    for (i, name) in membership.names.iter().enumerate() {
        let edge = match name.bond {
            Bond::Single => "-->",
            Bond::Doubled => "== doubled ==>",
            Bond::Suspected => "-. perhaps .->",
        };
        let _ = writeln!(
            out,
            "  n{i}[\"{}\"] {edge} c{}((\"{}\"))",
            quoted(&name.label),
            name.cluster,
            quoted(&membership.clusters[name.cluster])
        );
    }
    out.push_str("```\n");
}

fn findings(out: &mut String, report: &Report) {
    if report.findings.is_empty() {
        return;
    }
    out.push_str("\n## Findings\n");
    for same in report.findings.chunk_by(|a, b| a.code == b.code) {
        let code = codes::find(&same[0].code);
        let _ = write!(
            out,
            "\n### {} {}: {}\n\n",
            e(&same[0].code),
            e(&same[0].severity),
            codes::title(&same[0].code)
        );
        for alike in same.chunk_by(|a, b| a.evidence == b.evidence) {
            for finding in alike {
                let _ = writeln!(out, "- {}", e(&finding.message));
            }
            for line in &alike[0].evidence {
                let _ = writeln!(out, "  - {}", e(line));
            }
        }
        if let Some(about) = code {
            let _ = write!(out, "\n{}\n", about.action);
        }
        let mut next: Vec<&str> = same.iter().filter_map(|f| f.next.as_deref()).collect();
        next.dedup();
        if !next.is_empty() {
            // Names come from others: a fence of theirs could end this one.
            let lines = next.join("\n").replace('`', "");
            let _ = write!(out, "\n```sh\n{lines}\n```\n");
        }
    }
}
