//! How many cases a property is tried with.

use proptest::prelude::ProptestConfig;

/// So many in the unit tests, which everybody waits for; `make quality` asks for a million by `PROPERTY_CASES`.
pub(crate) fn cases(few: u32) -> ProptestConfig {
    let asked = std::env::var("PROPERTY_CASES").ok();
    ProptestConfig::with_cases(asked.map_or(few, |cases| cases.parse().unwrap()))
}
