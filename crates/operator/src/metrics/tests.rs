//! What a scrape may see.

use std::thread;

use federation_health_core::{assess::Proof, time::Time};

use super::*;

#[test]
fn no_scrape_sees_an_assessment_half_replaced() {
    let metrics = Metrics::new().unwrap();
    let mut federation = Federation::default();
    let assessment = federation.assess(Time(0), &Proof::Pending);
    let series = || {
        let text = String::from_utf8(metrics.text().unwrap()).unwrap();
        text.lines().filter(|line| !line.starts_with('#')).count()
    };
    metrics.assessed("default", &assessment, &federation);
    let whole = series();
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..500 {
                metrics.assessed("default", &assessment, &federation);
            }
        });
        for scrape in 0..500 {
            assert_eq!(series(), whole, "scrape {scrape}");
        }
    });
}
