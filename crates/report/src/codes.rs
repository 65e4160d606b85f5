//! What each finding means: core's own words, in the order in which a person should read them.

pub use federation_health_core::findings::About;
use federation_health_core::findings::{Severity, catalogue};

/// Causes come before what they cause: whoever mends the first has mended the rest.
const EFFECTS: [&str; 5] = ["FH028", "FH001", "FH027", "FH003", "FH002"];

/// Place of a code in an explanation: causes by their code, then what they lead to.
pub fn order(code: &str) -> (usize, &str) {
    let effect = EFFECTS.iter().position(|c| *c == code);
    (effect.map_or(0, |at| at + 1), code)
}

/// It is seen over time alone: one look at the objects tells nothing of it.
pub fn is_history(code: &str) -> bool {
    matches!(code, "FH001" | "FH002" | "FH027" | "FH028")
}

/// Place of a severity, the worst first.
pub fn rank(severity: &str) -> usize {
    let place = Severity::ALL.iter().position(|s| s.as_str() == severity);
    place.unwrap_or(Severity::ALL.len())
}

/// A code by its name, in any case.
pub fn find(code: &str) -> Option<&'static About> {
    catalogue().find(|about| about.code.eq_ignore_ascii_case(code))
}

/// Every code.
pub fn known() -> String {
    let codes: Vec<&str> = catalogue().map(|about| about.code).collect();
    codes.join(", ")
}

/// The words for a report's heading.
pub fn title(code: &str) -> &'static str {
    find(code).map_or("", |about| about.title)
}
