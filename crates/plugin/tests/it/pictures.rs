//! What every picture and report must keep: self-contained, no script, named for those who do not see it, bounded.

use std::{fmt::Write as _, path::Path};

use federation_health_plugin::{Shell, run};

use crate::Sink;

fn report(recording: &Path) -> String {
    let sink = Sink::default();
    let mut shell = Shell {
        out: Box::new(sink.clone()),
        err: Box::new(std::io::stderr()),
        ..Shell::process()
    };
    let words = ["federation-health", "report", "--from"].map(str::to_owned);
    let words = words.into_iter().chain([recording.display().to_string()]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    assert_eq!(runtime.block_on(run(words.collect(), &mut shell)), 2);
    sink.text()
}

/// A storm: this many Workspaces are deleted and come back once, under names that try to leave their place.
fn storm(workspaces: usize) -> String {
    let event = |second: usize, type_: &str, kind: &str, version: &str, rest: &str| {
        format!(
            "{{\"t\":\"2026-11-23T06:{:02}:{:02}Z\",\"kind\":\"{kind}\",\"type\":\"{type_}\",\"object\":{{\"apiVersion\":\"{version}\",\"kind\":\"{kind}\",{rest}}}}}\n",
            second / 60,
            second % 60
        )
    };
    let workspace = |second, type_, n: usize, life: usize| {
        let meta = format!(
            "\"metadata\":{{\"name\":\"<script>alert({n})</script>\",\"uid\":\"00000000-0000-4000-8000-{:012}\",\"labels\":{{\"kubefed.io/managed\":\"true\"}}}}",
            n * 10 + life
        );
        event(
            second,
            type_,
            "Workspace",
            "tenant.kubesphere.io/v1alpha1",
            &meta,
        )
    };
    let registration = "\"metadata\":{\"name\":\"host\",\"namespace\":\"kube-federation-system\",\"uid\":\"8dd24bcc-271f-4e8e-836a-c626dbd098aa\",\"labels\":{\"cluster-role.kubesphere.io/host\":\"\"}},\"spec\":{\"apiEndpoint\":\"https://10.0.0.1:6443\"},\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}";
    let mut text = event(
        0,
        "ADDED",
        "KubeFedCluster",
        "core.kubefed.io/v1beta1",
        registration,
    );
    for n in 0..workspaces {
        let wish = format!(
            "\"metadata\":{{\"name\":\"<script>alert({n})</script>\",\"uid\":\"00000000-0000-4000-9000-{n:012}\"}},\"spec\":{{\"placement\":{{\"clusters\":[{{\"name\":\"host\"}}]}}}}"
        );
        text += &event(
            0,
            "ADDED",
            "FederatedWorkspace",
            "types.kubefed.io/v1beta1",
            &wish,
        );
        text += &workspace(0, "ADDED", n, 0);
    }
    for n in 0..workspaces {
        let _ = write!(
            text,
            "{}{}",
            workspace(30, "DELETED", n, 0),
            workspace(31, "ADDED", n, 1)
        );
    }
    text
}

fn written(name: &str, text: &str) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("fedhealth-{}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_report_is_one_file_without_script_and_its_pictures_have_names() {
    let recording =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings/incident-kubefed-0.8.1.jsonl");
    let page = report(&recording);
    assert_eq!(page.matches("<svg ").count(), 2, "timeline and graph");
    assert_eq!(page.matches("<title id=").count(), 2);
    assert_eq!(page.matches("<desc id=").count(), 2);
    assert!(page.contains("default-src 'none'"));
    for fetched in ["<script", "<link", "<img", "src=", "url(http", "@import"] {
        assert!(!page.contains(fetched), "the page contains {fetched}");
    }
    for said in [
        "produce-trt",
        "f4e08f79-42ad-47e7-ae29-fa8c223116d0",
        "6 namespaces",
    ] {
        assert!(page.contains(said), "the page does not say {said}");
    }
}

#[test]
fn a_recording_that_lacks_the_registrations_is_not_called_healthy() {
    let storm = storm(2);
    let without: Vec<&str> = storm
        .lines()
        .filter(|l| !l.contains("KubeFedCluster"))
        .collect();
    let path = written("lacking.jsonl", &without.join("\n"));
    let page = report(&path);
    std::fs::remove_file(path).unwrap();
    assert!(page.contains("? Unknown") && page.contains("KubeFedClusters have not been read yet"));
}

#[test]
fn two_thousand_workspaces_stay_one_screen_of_lanes_and_no_name_becomes_markup() {
    let path = written("storm.jsonl", &storm(2000));
    let page = report(&path);
    std::fs::remove_file(path).unwrap();
    assert!(!page.contains("<script"));
    assert!(page.contains("&lt;script&gt;alert("));
    assert!(page.contains("1976 more Workspaces"));
    // Lanes, heads and moments are groups that the keyboard reaches; each costs a tab.
    assert!(page.matches("<g tabindex").count() < 60);
}

/// The timeline of the real incident as a file of its own, for pages that cannot draw it: its style goes with it.
#[test]
fn the_picture_of_the_documents_is_what_the_report_draws() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = report(&root.join("tests/recordings/incident-kubefed-0.8.1.jsonl"));
    let between = |from: &str, to: &str| {
        let start = page.find(from).unwrap();
        let end = start + page[start..].find(to).unwrap() + to.len();
        &page[start..end]
    };
    let (style, svg) = (between("<style>", "</style>"), between("<svg ", "</svg>"));
    let picture = svg.replacen("<defs>", &format!("{style}\n<defs>"), 1) + "\n";
    let file = root.join("../../docs/incident.svg");
    if std::env::var_os("TRANSCRIPTS").is_some_and(|v| v == "write") {
        return std::fs::write(file, picture).unwrap();
    }
    assert!(
        std::fs::read_to_string(file).unwrap() == picture,
        "docs/incident.svg is another one: TRANSCRIPTS=write makes it anew"
    );
}
