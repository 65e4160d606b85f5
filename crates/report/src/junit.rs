//! The report as JUnit XML, for a pipeline that shows checks: one case for each condition.

use std::fmt::Write as _;

use crate::document::Report;
use crate::picture::escape;

/// Writes it. A condition that is False fails, one that is Unknown is an error: never skipped, since unknown is not healthy.
pub fn write(report: &Report) -> String {
    let cases: Vec<_> = report
        .conditions
        .iter()
        .filter(|c| c.type_ != "Healthy")
        .collect();
    let count = |status: &str| cases.iter().filter(|c| c.status == status).count();
    let (mut failures, errors) = (count("False"), count("Unknown"));
    // An offline look has findings that no condition of its last moment shows.
    let extra: Vec<_> = if failures + errors == 0 {
        report.findings.iter().collect()
    } else {
        Vec::new()
    };
    failures += extra.len();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" timestamp=\"{}\">\n",
        escape(&report.title),
        cases.len() + extra.len(),
        report.at.strftime("%Y-%m-%dT%H:%M:%S")
    );
    for c in cases {
        let _ = write!(
            out,
            "<testcase classname=\"federation-health\" name=\"{}\">",
            escape(&c.type_)
        );
        let element = match c.status.as_str() {
            "True" => None,
            "False" => Some("failure"),
            _ => Some("error"),
        };
        if let Some(element) = element {
            let _ = write!(
                out,
                "<{element} type=\"{}\" message=\"{}\"/>",
                escape(&c.reason),
                escape(&c.message)
            );
        }
        out.push_str("</testcase>\n");
    }
    for finding in extra {
        let _ = writeln!(
            out,
            "<testcase classname=\"federation-health\" name=\"{} {}\"><failure message=\"{}\"/></testcase>",
            escape(&finding.code),
            escape(&finding.subject),
            escape(&finding.message)
        );
    }
    out.push_str("</testsuite>\n</testsuites>\n");
    out
}
