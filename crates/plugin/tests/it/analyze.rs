//! `analyze` on the recording of the real incident, against what a plain count of the file's own lines gives.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use federation_health_plugin::{Shell, run};
use serde_json::Value;

use crate::Sink;

const RECORDING: &str = "incident-kubefed-0.8.1.jsonl";

/// The recording in the tree, and whole ones where `FEDERATION_HEALTH_RECORDINGS` names their folder.
fn recordings() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/recordings")
        .join(RECORDING);
    let mut all = vec![own];
    if let Some(folder) = std::env::var_os("FEDERATION_HEALTH_RECORDINGS") {
        let found = std::fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().path());
        all.extend(found.filter(|p| p.extension().is_some_and(|e| e == "jsonl")));
    }
    all
}

fn analyze(path: &Path) -> Value {
    let sink = Sink::default();
    let mut shell = Shell {
        out: Box::new(sink.clone()),
        err: Box::new(std::io::stderr()),
        clock: None,
        colours: false,
        live: false,
        width: 80,
        kubeconfig: None,
    };
    let words = ["federation-health", "analyze", "-o", "json"].map(str::to_owned);
    let words = words
        .into_iter()
        .chain([path.display().to_string()])
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    assert_eq!(
        runtime.block_on(run(words, &mut shell)),
        2,
        "a recording of an incident has findings"
    );
    serde_json::from_str(&sink.text()).unwrap()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Lines of one kind and type.
fn of<'a>(lines: &'a [Value], kind: &'a str, type_: &'a str) -> impl Iterator<Item = &'a Value> {
    lines
        .iter()
        .filter(move |l| l["kind"] == kind && l["type"] == type_)
}

#[test]
fn the_registration_that_deletes_is_named() {
    for path in recordings() {
        let found = analyze(&path);
        let culprits = found["culprits"].as_array().unwrap();
        assert_eq!(culprits.len(), 1, "{}", path.display());
        assert_eq!(culprits[0]["registration"], "produce-trt");
        assert_eq!(culprits[0]["namespace"], "kube-federation-system");
        assert_eq!(culprits[0]["sameEndpointAs"], serde_json::json!(["host"]));
    }
}

#[test]
fn deletions_and_recreations_are_those_of_the_file() {
    for path in recordings() {
        let (found, lines) = (analyze(&path), lines(&path));
        let mut deleted: BTreeMap<&str, usize> = BTreeMap::new();
        for line in of(&lines, "Workspace", "DELETED") {
            *deleted
                .entry(text(line, "/object/metadata/name"))
                .or_default() += 1;
        }
        let mut uids: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for line in of(&lines, "Workspace", "ADDED") {
            let set = uids.entry(text(line, "/object/metadata/name")).or_default();
            set.insert(text(line, "/object/metadata/uid"));
        }
        assert!(!deleted.is_empty());
        for (name, count) in deleted {
            let counts = &found["workspaces"][name];
            assert_eq!(counts["deleted"], count, "deletions of {name}");
            // The first UID is the one that there was before.
            assert_eq!(
                counts["recreated"],
                uids[name].len() - 1,
                "recreations of {name}"
            );
        }
    }
}

#[test]
fn the_six_lost_namespaces_are_named_with_their_uids() {
    for path in recordings() {
        let (found, lines) = (analyze(&path), lines(&path));
        let gone: BTreeSet<(&str, &str)> = of(&lines, "Namespace", "DELETED")
            .map(|l| {
                (
                    text(l, "/object/metadata/name"),
                    text(l, "/object/metadata/uid"),
                )
            })
            .collect();
        let lost = found["lostNamespaces"].as_array().unwrap();
        let named: BTreeSet<(&str, &str)> = lost
            .iter()
            .map(|l| (text(l, "/name"), text(l, "/uid")))
            .collect();
        assert_eq!(named, gone);
        assert_eq!(named.len(), 6);
    }
}

#[test]
fn it_could_have_been_known_when_the_second_name_was_registered() {
    for path in recordings() {
        let (found, lines) = (analyze(&path), lines(&path));
        let registered = of(&lines, "KubeFedCluster", "ADDED")
            .find(|l| text(l, "/object/metadata/name") == "produce-trt");
        let registered: k8s_openapi::jiff::Timestamp =
            text(registered.unwrap(), "/t").parse().unwrap();
        let known: k8s_openapi::jiff::Timestamp = text(&found, "/known").parse().unwrap();
        assert_eq!(known, registered);
        // The first line that says that a Workspace is being deleted.
        let dying = lines.iter().find(|l| {
            l["kind"] == "Workspace" && l.pointer("/object/metadata/deletionTimestamp").is_some()
        });
        let dying: k8s_openapi::jiff::Timestamp = text(dying.unwrap(), "/t").parse().unwrap();
        let first: k8s_openapi::jiff::Timestamp = text(&found, "/firstDeletion").parse().unwrap();
        assert_eq!(first, dying);
        assert!(known < first);
    }
}

#[test]
fn what_is_no_recording_is_refused_with_what_to_give() {
    let mut shell = Shell {
        out: Box::new(std::io::sink()),
        err: Box::new(std::io::sink()),
        ..Shell::process()
    };
    let words = [
        "federation-health",
        "analyze",
        concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs"),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let code = runtime.block_on(run(words.map(str::to_owned).to_vec(), &mut shell));
    assert_eq!(code, 1);
}

/// One line of an audit log.
fn audited(second: usize, user: &str, verb: &str, resource: &str, uri: &str) -> String {
    serde_json::json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "stage": "ResponseComplete", "verb": verb,
        "requestURI": uri, "user": {"username": user},
        "objectRef": {"resource": resource, "name": "orders"},
        "responseStatus": {"code": 200},
        "stageTimestamp": format!("2026-11-23T06:24:{second:02}.000000Z"),
    })
    .to_string()
}

#[test]
fn an_audit_log_names_who_deleted_and_dry_runs_do_not_count() {
    let account =
        |name: &str| format!("system:serviceaccount:kube-federation-system:{name}-kubesphere");
    let collector = "system:serviceaccount:kube-system:generic-garbage-collector";
    let mut lines = Vec::new();
    for round in 0..3 {
        let at = 10 + round * 5;
        lines.push(audited(
            at,
            &account("produce-trt"),
            "delete",
            "workspaces",
            "/",
        ));
        lines.push(audited(at + 1, collector, "delete", "namespaces", "/"));
        lines.push(audited(
            at + 2,
            &account("host"),
            "create",
            "workspaces",
            "/",
        ));
    }
    lines.push(audited(
        40,
        "system:admin",
        "delete",
        "workspaces",
        "/x?dryRun=All",
    ));
    let path = std::env::temp_dir().join(format!("fedhealth-audit-{}.log", std::process::id()));
    std::fs::write(&path, lines.join("\n")).unwrap();
    let found = analyze(&path);
    std::fs::remove_file(path).unwrap();
    assert_eq!(found["culprits"][0]["registration"], "produce-trt");
    assert_eq!(found["culprits"].as_array().unwrap().len(), 1);
    let orders = &found["workspaces"]["orders"];
    assert_eq!(
        (&orders["deleted"], &orders["recreated"]),
        (&3.into(), &3.into())
    );
    let deeds = found["deeds"].as_array().unwrap();
    assert!(deeds.contains(&serde_json::json!([
        "garbage collector: delete namespaces",
        3
    ])));
    assert!(!found["deeds"].to_string().contains("system:admin"));
    assert_eq!(found["firstDeletion"], "2026-11-23T06:24:10Z");
}

#[test]
fn an_audit_log_without_deletions_is_unknown_and_not_healthy() {
    let line = audited(10, "system:admin", "create", "workspacetemplates", "/");
    let path = std::env::temp_dir().join(format!("fedhealth-calm-{}.log", std::process::id()));
    std::fs::write(&path, line).unwrap();
    // It fails with exit code 2, as what has findings does.
    let found = analyze(&path);
    std::fs::remove_file(path).unwrap();
    assert_eq!(found["findings"], serde_json::json!([]));
    assert_eq!(found["culprits"], serde_json::json!([]));
    let unknown = found["unknown"].to_string();
    assert!(unknown.contains("not in an audit log"), "{unknown}");
}

#[test]
fn a_name_whose_join_the_log_has_is_told_from_a_host_with_a_hyphen() {
    let account = "system:serviceaccount:kube-federation-system:orders-my-host";
    // The log's lines are all about objects named `orders`: so is the registration.
    let lines = [
        audited(10, "system:admin", "create", "kubefedclusters", "/"),
        audited(11, account, "delete", "workspaces", "/"),
    ];
    let path = std::env::temp_dir().join(format!("fedhealth-hyphen-{}.log", std::process::id()));
    std::fs::write(&path, lines.join("\n")).unwrap();
    let found = analyze(&path);
    std::fs::remove_file(path).unwrap();
    assert_eq!(found["culprits"][0]["registration"], "orders");
    let deeds = found["deeds"].to_string();
    assert!(deeds.contains("KubeFed, as orders:"), "{deeds}");
}
