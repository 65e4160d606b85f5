//! A run as a unit test for promtool: its series with one value a step, repetitions counted, `_` where there is none, and
//! when each alert fired.

use std::{collections::BTreeMap, fmt::Write as _};

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

/// Seconds between two values.
const STEP: i64 = 5;

/// Below `config/prometheus`, where `make rules-test` finds it.
const HEAD: &str = "\
# A recorded run, replayed. Written by
#   RECORD_SERIES=config/prometheus/recorded_test.yaml cargo test -p federation-health-tests --test real-chart without_a_hold
# The instants are those at which the alerts fired in the Prometheus of that run, not what the replay gave.
rule_files: [rules.yaml]
evaluation_interval: 5s
tests:
";

/// The whole test: of each alert that fired, when it did not fire yet and when it fired. Scrapes and evaluations of the run
/// lie anywhere between two steps of the replay, so that it may fire a step earlier and two later.
pub fn replay(series: &[Value], start: i64, fired: &BTreeMap<String, Timestamp>) -> String {
    let mut text = String::from(HEAD);
    let mut order: Vec<_> = fired.iter().map(|(name, at)| (at, name)).collect();
    order.sort();
    let _ = write!(
        text,
        "  - name: an incident without a hold fires as it did when it was recorded\n    interval: {STEP}s\n    input_series:\n{}    promql_expr_test:\n",
        input_series(series, start)
    );
    for (at, name) in order {
        let seconds = at.as_second() - start;
        let firing = format!("group(ALERTS{{alertname=\"{name}\", alertstate=\"firing\"}})");
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "      # {name} fired {seconds} s after the recording began.\n      - {{expr: '{firing}', eval_time: {}s, exp_samples: []}}\n      - {{expr: '{firing}', eval_time: {}s, exp_samples: [{{labels: '{{}}', value: 1}}]}}\n",
            step(seconds) - 2 * STEP,
            step(seconds) + 2 * STEP,
        );
    }
    text
}

/// The step that has begun.
fn step(seconds: i64) -> i64 {
    seconds.div_euclid(STEP) * STEP
}

/// The series of a range query that began at `start`, as YAML; those that are zero all the time fire nothing, and are left
/// out.
fn input_series(series: &[Value], start: i64) -> String {
    let mut lines: Vec<(String, String)> = series
        .iter()
        .filter_map(|one| {
            let values = values(one["values"].as_array()?, start);
            let moved = values.iter().flatten().any(|value| value != "0");
            moved.then(|| (selector(&one["metric"]), repeated(&values)))
        })
        .collect();
    lines.sort();
    lines
        .iter()
        .fold(String::new(), |mut text, (name, values)| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "      - series: '{name}'\n        values: '{values}'");
            text
        })
}

fn selector(metric: &Value) -> String {
    let mut labels: BTreeMap<&str, &str> = metric
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
        .collect();
    let name = labels.remove("__name__").unwrap_or_default();
    // Of one run on one machine.
    labels.remove("job");
    labels.insert("instance", "recorded");
    let labels: Vec<_> = labels.iter().map(|(k, v)| format!("{k}=\"{v}\"")).collect();
    format!("{name}{{{}}}", labels.join(", "))
}

/// A value for each step; the range query gives none where there was no sample.
fn values(samples: &[Value], start: i64) -> Vec<Option<String>> {
    let mut found = Vec::new();
    for sample in samples {
        let at = sample[0].as_f64().unwrap_or_default().round() as i64;
        let index = ((at - start) / STEP).max(0) as usize;
        found.resize(index, None);
        found.push(sample[1].as_str().map(str::to_owned));
    }
    found
}

fn repeated(values: &[Option<String>]) -> String {
    let runs = values.chunk_by(|a, b| a == b).map(|run| {
        let value = run[0].as_deref().unwrap_or("_");
        match run.len() {
            1 => value.to_owned(),
            // promtool counts the repetitions after the first.
            more => format!("{value}x{}", if value == "_" { more } else { more - 1 }),
        }
    });
    runs.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_run_becomes_values_with_repetitions_and_gaps() {
        let series = [
            json!({"metric": {"__name__": "up", "job": "a", "rule": "b"}, "values": [[100, "0"], [105, "1"], [110, "1"], [125, "1"]]}),
            json!({"metric": {"__name__": "still"}, "values": [[100, "0"]]}),
        ];
        assert_eq!(
            input_series(&series, 100),
            "      - series: 'up{instance=\"recorded\", rule=\"b\"}'\n        values: '0 1x1 _x2 1'\n"
        );
    }

    #[test]
    fn an_alert_is_expected_within_two_steps_of_its_instant() {
        let fired = BTreeMap::from([(
            "Doubled".to_owned(),
            Timestamp::from_millisecond(123_900).unwrap(),
        )]);
        let text = replay(&[], 100, &fired);
        // At second 23 of the recording: not at 10, surely at 30.
        let firing = "group(ALERTS{alertname=\"Doubled\", alertstate=\"firing\"})";
        assert!(text.contains(&format!(
            "expr: '{firing}', eval_time: 10s, exp_samples: []"
        )));
        assert!(text.contains(&format!(
            "expr: '{firing}', eval_time: 30s, exp_samples: [{{"
        )));
    }
}
