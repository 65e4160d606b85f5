//! The page of all findings and that of their tests, from the catalogue that the checks themselves carry.

use std::fmt::{self, Write as _};

use federation_health_core::findings::{About, Place, Scenario, catalogue};

const HEAD: &str = "# Findings

What the operator can find, each with a code that never changes its meaning. `status.findings` of the FederationHealth object
lists the open ones, worst first: code, severity, subject, since when, one sentence, the evidence, and the next command to type.

| severity | means |
|---|---|
| Critical | data is being lost, or will be without anybody doing anything |
| High | one more step leads to loss |
| Medium | something is broken |
| Low | something to look at one day; it makes no condition False |

A suspicion makes its condition Unknown, never False. Nothing is ever held, and nothing acted on, for a suspicion or for a Low
finding. What two watches could contradict each other in is told only after it has stood for a minute.

";

/// For readers in an incident; `docs/zh/findings.md` has the same sections in Chinese, kept by hand.
pub(crate) fn page() -> Result<String, fmt::Error> {
    let mut out = HEAD.to_owned();
    writeln!(
        out,
        "| code | finding | severity | condition |\n|---|---|---|---|"
    )?;
    for about in catalogue() {
        let (code, anchor) = (about.code, about.code.to_lowercase());
        let condition = about.condition.as_str();
        writeln!(
            out,
            "| [{code}](#{anchor}) | {} | {} | `{condition}` |",
            about.title, about.severity
        )?;
    }
    for about in catalogue() {
        section(&mut out, about)?;
    }
    Ok(out)
}

/// Which tests raise a finding and which must not: for developers, and so on a page of its own.
pub(crate) fn tests() -> Result<String, fmt::Error> {
    let mut out = "# Where each finding is tested\n\n\
         `core` is literal facts and times, `sim` the operator on the simulated API server with models of KubeFed, KubeSphere\n\
         and the garbage collector, `real` the operator on real control planes with real KubeFed.\n\n"
        .to_owned();
    writeln!(out, "| code | raised by | not raised by |\n|---|---|---|")?;
    for about in catalogue() {
        writeln!(
            out,
            "| {} | {} | {} |",
            about.code,
            scenarios(about.raised),
            scenarios(about.spared)
        )?;
    }
    Ok(out)
}

fn section(out: &mut String, about: &About) -> fmt::Result {
    writeln!(
        out,
        "\n## {}\n\n**{}.** {}",
        about.code, about.title, about.meaning
    )?;
    writeln!(out, "\n- *Severity*: {}.", about.severity)?;
    writeln!(
        out,
        "- *Condition*: `{}`, reason `{}`.",
        about.condition.as_str(),
        about.reason.as_str()
    )?;
    writeln!(out, "- *Evidence*: {}", about.evidence)?;
    writeln!(out, "- *At risk*: {}", about.risk)?;
    writeln!(out, "- *What to do*: {}", about.action)?;
    writeln!(out, "- *False alarm*: {}", about.false_alarm)?;
    writeln!(out, "\n```sh\n{}\n```", about.next)
}

fn scenarios(list: &[Scenario]) -> String {
    let lines = list.iter().map(|Scenario(place, test)| {
        let place = match place {
            Place::Core => "core",
            Place::Simulated => "sim",
            Place::Real => "real",
        };
        format!("{place}: `{test}`")
    });
    lines.collect::<Vec<_>>().join("<br>")
}
