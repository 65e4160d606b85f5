//! The report as JUnit XML, for a pipeline that shows checks: one case for each condition.

use std::fmt::Write as _;

use crate::document::Report;
use crate::picture::escape;

/// One case.
struct Case {
    name: String,
    /// `failure` or `error`, its type and its message; None: it passed.
    trouble: Option<(&'static str, String, String)>,
}

/// Writes it. A condition that is False fails, one that is Unknown is an error: never skipped, since unknown is not healthy.
pub fn write(report: &Report) -> String {
    let cases = cases(report);
    let count = |element: &str| {
        let troubles = cases.iter().filter_map(|c| c.trouble.as_ref());
        troubles.filter(|(is, ..)| *is == element).count()
    };
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" timestamp=\"{}\">\n",
        escape(&report.title),
        cases.len(),
        count("failure"),
        count("error"),
        report.at.strftime("%Y-%m-%dT%H:%M:%S")
    );
    for case in &cases {
        let _ = write!(
            out,
            "<testcase classname=\"federation-health\" name=\"{}\">",
            escape(&case.name)
        );
        if let Some((element, type_, message)) = &case.trouble {
            let _ = write!(
                out,
                "<{element} type=\"{}\" message=\"{}\"/>",
                escape(type_),
                escape(message)
            );
        }
        out.push_str("</testcase>\n");
    }
    out.push_str("</testsuite>\n</testsuites>\n");
    out
}

fn cases(report: &Report) -> Vec<Case> {
    let judged = report.conditions.iter().filter(|c| c.type_ != "Healthy");
    let mut cases: Vec<Case> = judged
        .map(|c| {
            let element = match c.status.as_str() {
                "True" => None,
                "False" => Some("failure"),
                _ => Some("error"),
            };
            Case {
                name: c.type_.clone(),
                trouble: element.map(|e| (e, c.reason.clone(), c.message.clone())),
            }
        })
        .collect();
    let passed = |cases: &[Case]| cases.iter().all(|c| c.trouble.is_none());
    // An offline look has findings that no condition of its last moment shows.
    if passed(&cases) {
        cases.extend(report.findings.iter().map(|f| Case {
            name: format!("{} {}", f.code, f.subject),
            trouble: Some(("failure", f.code.clone(), f.message.clone())),
        }));
    }
    // What was never judged has no conditions, and must not pass for that.
    if passed(&cases) && report.healthy != "True" {
        let element = if report.healthy == "False" {
            "failure"
        } else {
            "error"
        };
        cases.push(Case {
            name: "Healthy".to_owned(),
            trouble: Some((element, report.healthy.clone(), report.verdict.clone())),
        });
    }
    cases
}
