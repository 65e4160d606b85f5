//! Argo CD's health check of a FederationHealth, by the Lua interpreter that Argo CD links.

use std::fs;

use federation_health_testbed::{binaries::Binaries, run_dir::RunDir};
use federation_health_tests::guarded::root;
use serde_json::Value;

/// A JSON value as a Lua expression. Lua has no null: a field that is null is not there.
fn lua(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        // A long bracket takes any text but its own end.
        Value::String(text) => format!("[==[{text}]==]"),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(lua).collect();
            format!("{{{}}}", items.join(","))
        }
        Value::Object(map) => {
            let fields: Vec<_> = map
                .iter()
                .map(|(k, v)| format!("[\"{k}\"]={}", lua(v)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fixture_has_the_health_that_its_test_expects() {
    let directory = root().join("config/argocd");
    let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
    let tests: Value = serde_saphyr::from_str(&read("health_test.yaml")).unwrap();
    let tests = tests["tests"].as_array().unwrap();
    assert_eq!(
        tests.len(),
        fs::read_dir(directory.join("testdata")).unwrap().count()
    );
    let interpreter = Binaries::get().await.unwrap().path("glua").unwrap();
    let run = RunDir::create("argocd").unwrap();
    run.mark_started(true);
    for test in tests {
        let input = test["inputPath"].as_str().unwrap();
        let object: Value = serde_saphyr::from_str(&read(input)).unwrap();
        let script = format!(
            "obj = {}\nlocal hs = (function()\n{}\nend)()\nprint(hs.status)\nprint(hs.message)\n",
            lua(&object),
            read("health.lua")
        );
        let file = run.write("check.lua", script).unwrap();
        let output = tokio::process::Command::new(interpreter)
            .arg(file)
            .output()
            .await
            .unwrap();
        let answer = String::from_utf8(output.stdout).unwrap();
        let wanted = &test["healthStatus"];
        let wanted = [&wanted["status"], &wanted["message"]].map(|v| v.as_str().unwrap());
        let found: Vec<&str> = answer.lines().collect();
        assert_eq!(
            found,
            wanted,
            "{input}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
