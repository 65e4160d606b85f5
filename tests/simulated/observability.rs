//! Alerts, their tests and pages, and dashboards: each names what is there.

use std::{collections::BTreeSet, fs};

use federation_health_core::words::ConditionType;
use federation_health_tests::{
    bench::crowd,
    guarded::root,
    simulated::{Setup, World},
};
use serde_json::Value;

/// Headings of a page, in order (prometheus-operator/runbooks).
const HEADINGS: [&str; 4] = ["## Meaning", "## Impact", "## Diagnosis", "## Mitigation"];
const PREFIX: &str = "federationhealth_";

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path))
        .map_err(|error| format!("{path}: {error}"))
        .unwrap()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.ok_or(pointer).unwrap()
}

fn alerts() -> Vec<Value> {
    let rules: Value = serde_saphyr::from_str(&read("config/prometheus/rules.yaml")).unwrap();
    let groups = rules["groups"].as_array().unwrap().iter();
    groups
        .flat_map(|g| g["rules"].as_array().unwrap().clone())
        .collect()
}

fn dashboards() -> Vec<(String, Value)> {
    let directory = root().join("charts/federation-health/dashboards");
    let files = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let found: Vec<_> = files
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (
                path.display().to_string(),
                serde_json::from_str(&text).unwrap(),
            )
        })
        .collect();
    assert_eq!(found.len(), 2, "incident and operator");
    found
}

/// Names of our metrics in an expression.
fn metrics(expression: &str) -> BTreeSet<String> {
    let name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = expression.split(|c| !name(c));
    words
        .filter(|word| word.starts_with(PREFIX) && word.len() > PREFIX.len())
        .map(str::to_owned)
        .collect()
}

fn expressions(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|p| p["targets"].as_array().unwrap());
    targets.map(|t| text(t, "/expr").to_owned()).collect()
}

/// What a running operator exports; the two counters by reason begin with their first event.
async fn exposition() -> String {
    let world = World::calm(Setup::default()).await.unwrap();
    let metrics = &world.operator.as_ref().unwrap().metrics;
    metrics.hold_written(false);
    metrics.write_failed("hold", "Denied");
    metrics.remedied("FreezeControllers", "Failed");
    metrics.refused("Contested");
    String::from_utf8(metrics.text().unwrap()).unwrap()
}

async fn exported() -> BTreeSet<String> {
    let exposition = exposition().await;
    let types = exposition
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn no_label_grows_with_workspaces_or_registrations() {
    // Each is an enumeration of ours, but `name` (one object), `version` (one program) and `feed` (a kind each).
    let finite = [
        "action",
        "brake",
        "class",
        "condition",
        "feed",
        "kind",
        "name",
        "operation",
        "outcome",
        "rule",
        "status",
        "version",
    ];
    let exposition = exposition().await;
    let series = exposition.lines().filter(|line| !line.starts_with('#'));
    for line in series {
        let labels = line.split_once('{').map_or("", |(_, rest)| rest);
        for pair in labels.split("\",").filter(|pair| pair.contains('=')) {
            let label = pair.split('=').next().unwrap();
            assert!(finite.contains(&label), "{label} in {line}");
        }
    }
}

#[test]
fn ten_thousand_workspaces_are_two_hundred_series_and_twenty_for_each_registration() {
    let series = |workspaces: usize, registrations: usize| {
        let text = crowd::exposition(workspaces, registrations).unwrap();
        text.lines().filter(|line| !line.starts_with('#')).count()
    };
    let (small, large) = (series(100, 2), series(10_000, 2));
    println!("{large} series with everything seen");
    assert_eq!(
        small, large,
        "the number of Workspaces is a number of series"
    );
    for registrations in [2, 10] {
        let found = series(100, registrations);
        assert!(
            found <= 200 + 20 * registrations,
            "{found} with {registrations}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn every_metric_that_an_alert_or_a_panel_names_is_exported() {
    let exported = exported().await;
    let mut named = BTreeSet::new();
    for alert in alerts() {
        named.extend(metrics(text(&alert, "/expr")));
    }
    for (_, dashboard) in dashboards() {
        named.extend(expressions(&dashboard).iter().flat_map(|e| metrics(e)));
    }
    let missing: Vec<_> = named.difference(&exported).collect();
    assert!(missing.is_empty(), "{missing:?} are not among {exported:?}");
    // The other way round: what nobody looks at need not be exported.
    let unseen: Vec<_> = exported.difference(&named).collect();
    assert!(unseen.is_empty(), "no alert and no panel shows {unseen:?}");
}

#[test]
fn every_condition_that_an_alert_names_exists() {
    let known: BTreeSet<&str> = ConditionType::ALL.iter().map(|c| c.as_str()).collect();
    for alert in alerts() {
        let expression = text(&alert, "/expr");
        let matchers = expression
            .split("condition")
            .filter(|p| p.starts_with(['=', '!']));
        for matcher in matchers {
            let quoted = matcher.split('"').nth(1).unwrap();
            for name in quoted.split('|') {
                assert!(known.contains(name), "{name} in {expression}");
            }
        }
    }
}

#[test]
fn every_alert_has_a_severity_its_texts_a_page_and_tests_that_see_it_fire_and_not() {
    let tests: Value = serde_saphyr::from_str(&read("config/prometheus/rules_test.yaml")).unwrap();
    let cases = tests["tests"].as_array().unwrap().iter();
    let looks: Vec<&Value> = cases
        .flat_map(|t| t["alert_rule_test"].as_array().unwrap())
        .collect();
    let mut pages: BTreeSet<String> = fs::read_dir(root().join("docs/runbooks"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for alert in alerts() {
        let name = text(&alert, "/alert");
        assert!(name.starts_with("FederationHealth"), "{name}");
        let severity = text(&alert, "/labels/severity");
        assert!(
            ["critical", "warning", "info"].contains(&severity),
            "{name}: {severity}"
        );
        let summary = text(&alert, "/annotations/summary");
        assert!(
            !summary.contains("{{") && summary.len() <= 120,
            "{name}: {summary}"
        );
        assert!(!text(&alert, "/annotations/description").is_empty());

        let page = format!("{name}.md");
        assert_eq!(
            text(&alert, "/annotations/runbook_url"),
            format!("docs/runbooks/{page}")
        );
        assert!(pages.remove(&page), "no docs/runbooks/{page}");
        let page = read(&format!("docs/runbooks/{page}"));
        assert!(page.starts_with(&format!("# {name}\n")), "{name}");
        let headings: Vec<&str> = page.lines().filter(|l| l.starts_with("## ")).collect();
        assert_eq!(headings, HEADINGS, "{name}");

        let fires = |look: &&Value| !look["exp_alerts"].as_array().unwrap().is_empty();
        let of_it = looks
            .iter()
            .copied()
            .filter(|look| look["alertname"] == name);
        let (firing, quiet): (Vec<&Value>, Vec<&Value>) = of_it.partition(fires);
        assert!(
            !firing.is_empty() && quiet.len() >= 2,
            "{name}: before, while and after"
        );
    }
    assert!(pages.is_empty(), "pages without an alert: {pages:?}");
}

#[test]
fn dashboards_keep_the_rules_of_dashboard_linters() {
    for (file, dashboard) in dashboards() {
        assert_eq!(dashboard["editable"], false, "{file}");
        assert!(!text(&dashboard, "/description").is_empty(), "{file}");
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        assert_eq!(
            variables[0]["type"], "datasource",
            "{file}: the first variable"
        );
        let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
        for panel in dashboard["panels"].as_array().unwrap() {
            let title = text(panel, "/title");
            assert!(
                ids.insert(panel["id"].as_u64().unwrap()),
                "{file}: {title}: id twice"
            );
            assert!(
                text(panel, "/description").ends_with('.'),
                "{file}: {title}"
            );
            assert!(
                !text(panel, "/fieldConfig/defaults/unit").is_empty(),
                "{file}: {title}"
            );
            let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(
                place("x") + place("w") <= 24,
                "{file}: {title} is wider than the grid"
            );
            for x in place("x")..place("x") + place("w") {
                for y in place("y")..place("y") + place("h") {
                    assert!(cells.insert((x, y)), "{file}: {title} covers another panel");
                }
            }
            for target in panel["targets"].as_array().unwrap() {
                assert_eq!(
                    text(target, "/datasource/uid"),
                    "${datasource}",
                    "{file}: {title}"
                );
                let expression = text(target, "/expr");
                let fixed =
                    expression.contains("rate(") && !expression.contains("[$__rate_interval]");
                assert!(!fixed, "{file}: {title}: a fixed window in {expression}");
            }
        }
    }
}

#[test]
fn every_query_of_a_dashboard_asks_for_one_federation_and_every_variable_is_asked_for() {
    for (file, dashboard) in dashboards() {
        let asked = expressions(&dashboard);
        for expression in &asked {
            // An alert that rests on the API server alone has no namespace, one that misses every operator no cluster.
            let one = ["cluster=\"$cluster\"", "cluster=~\"|$cluster\""];
            let selectors = expression.matches('{').count().max(1);
            let found: usize = one.iter().map(|m| expression.matches(m).count()).sum();
            assert_eq!(found, selectors, "{file}: {expression}");
        }
        let text = dashboard["panels"].to_string();
        for variable in dashboard["templating"]["list"].as_array().unwrap() {
            let name = variable["name"].as_str().unwrap();
            let uses = [format!("${name}"), format!("${{{name}}}")];
            assert!(uses.iter().any(|u| text.contains(u)), "{file}: {name}");
        }
    }
}

/// The schema at a path of a CRD; a list is passed through, as kube-state-metrics does.
fn schema<'a>(root: &'a Value, path: &Value) -> &'a Value {
    let mut found = root;
    for step in path.as_array().unwrap() {
        let step = step.as_str().unwrap();
        if found["type"] == "array" {
            found = &found["items"];
        }
        found = &found["properties"][step];
        assert!(!found.is_null(), "{path}: there is no field {step}");
    }
    found
}

#[test]
fn every_path_of_the_snippet_for_kube_state_metrics_is_a_field_of_the_object() {
    let definition: Value =
        serde_saphyr::from_str(&read("config/crd/federationhealths.yaml")).unwrap();
    let mut root = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
    root["properties"]["metadata"]["properties"]["name"]["type"] = "string".into();
    let snippet: Value = serde_saphyr::from_str(&read(
        "config/kube-state-metrics/custom-resource-state.yaml",
    ))
    .unwrap();
    let resource = &snippet["spec"]["resources"][0];
    assert_eq!(
        resource["groupVersionKind"]["group"],
        definition["spec"]["group"]
    );
    assert_eq!(
        resource["groupVersionKind"]["kind"],
        definition["spec"]["names"]["kind"]
    );
    assert_eq!(
        resource["groupVersionKind"]["version"],
        definition["spec"]["versions"][0]["name"]
    );
    let labels = |holder: &Value, base: &Value| {
        for (label, path) in holder["labelsFromPath"].as_object().into_iter().flatten() {
            let found = schema(base, path);
            assert_eq!(found["type"], "string", "{label}");
        }
    };
    labels(resource, &root);
    let metrics = resource["metrics"].as_array().unwrap();
    assert!(metrics.len() > 3);
    for metric in metrics {
        let (name, each) = (text(metric, "/name"), &metric["each"]);
        match text(each, "/type") {
            "StateSet" => {
                let set = &each["stateSet"];
                let list = schema(&root, &set["path"]);
                assert_eq!(list["type"], "array", "{name}");
                let values = &schema(list, &set["valueFrom"])["enum"];
                if !values.is_null() {
                    assert_eq!(values, &set["list"], "{name}");
                }
                labels(set, list);
            }
            "Gauge" => {
                let found = schema(&root, &each["gauge"]["path"]);
                let time = found["format"] == "date-time";
                assert!(time || found["type"] == "integer", "{name}: {found}");
            }
            "Info" => labels(&each["info"], &root),
            other => panic!("{name}: {other}"),
        }
    }
}
