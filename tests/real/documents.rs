//! Every command that the documents show, typed as it stands there: kubectl and the plugin on the simulated API server.

use std::path::{Path, PathBuf};

use federation_health_tests::{
    guarded::root,
    typed::{Demo, Terminal},
};

/// What does not end by itself, needs the network or a terminal, or asks for what the simulation has not: pods, rights of
/// others, the server's own schemas. Blocks marked `run` and `target` have a test of their own (scripts/readme-commands).
const SKIPPED: [&str; 14] = [
    "status -w",
    "workspaces.tenant.kubesphere.io -w",
    "--serve",
    "helm ",
    "kubectl apply",
    " logs ",
    "pods",
    "auth can-i",
    "--context MEMBER",
    "kubectl wait",
    "jq ",
    "port-forward",
    " exec ",
    // It complains of whatever else is on the path.
    "kubectl plugin list",
];
/// What is asked in order to be refused, and what the refusal says.
const REFUSED: (&str, &str) = ("delete configmap canary-", "denied request");
/// Takes a release back: without the hold the demonstration's KubeFed deletes what the later commands look at.
const ALLOWED: &str = r#"kubectl patch federationhold default --type=merge -p '{"spec":{"collection":"Allowed","federation":"Allowed"}}'"#;
/// What stands for the reader's own names.
const NAMES: [(&str, &str); 10] = [
    (
        "federatedworkspaces.types.kubefed.io NAME",
        "federatedworkspaces.types.kubefed.io orders",
    ),
    (
        "-n NAMESPACE NAME --type",
        "-n kube-federation-system namespaces --type",
    ),
    ("NAMESPACE NAME", "kube-federation-system host"),
    ("federatedworkspace NAME", "federatedworkspace orders"),
    ("WORKSPACE", "orders"),
    ("system-workspace", "billing"),
    ("<name>", "host"),
    ("--join-context eu-1", "--join-context sim"),
    ("NAME ", "host "),
    ("NAMESPACE", "kube-federation-system"),
];

fn documents() -> Vec<PathBuf> {
    let mut paths = vec![root().join("README.md")];
    for folder in ["docs", "docs/runbooks"] {
        let found = std::fs::read_dir(root().join(folder)).unwrap();
        paths.extend(found.map(|e| e.unwrap().path()));
    }
    paths.retain(|p| p.extension().is_some_and(|e| e == "md"));
    paths.sort();
    paths
}

/// The commands of a document's `sh` blocks; a line that ends in a backslash goes on.
fn commands(text: &str) -> Vec<String> {
    let (mut inside, mut commands, mut open) = (false, Vec::new(), String::new());
    for line in text.lines().map(str::trim) {
        if line.starts_with("```") {
            inside = line == "```sh";
            continue;
        }
        if !inside || line.is_empty() || line.starts_with('#') {
            continue;
        }
        open.push_str(line.trim_end_matches('\\'));
        if !line.ends_with('\\') {
            commands.push(std::mem::take(&mut open));
        }
    }
    commands
}

fn filled(command: &str) -> String {
    let named = NAMES.iter().fold(command.to_owned(), |text, (from, to)| {
        text.replace(from, to)
    });
    // What is approved is done, and then is the plan no more that the next command names.
    let approves = named.contains(" approve ");
    let plan = "$(kubectl federation-health plan -o name || true)";
    named.replace("PLAN", plan) + if approves { " --dry-run" } else { "" }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_documents_works_as_it_stands_there() {
    let demo = Demo::start("misplaced --ask").await.unwrap();
    let (terminal, folder) = (demo.terminal().await.unwrap(), demo.folder.clone());
    for recording in ["recording.jsonl", "audit.log"] {
        let tape = "crates/plugin/tests/recordings/incident-kubefed-0.8.1.jsonl";
        std::fs::copy(root().join(tape), folder.join(recording)).unwrap();
    }
    demo.plan_of("FixPlacement").await.unwrap();
    let (mut failed, mut ran) = (Vec::new(), 0);
    for document in documents() {
        for command in commands(&std::fs::read_to_string(&document).unwrap()) {
            let kubectl = command.starts_with("kubectl ");
            if !kubectl || SKIPPED.iter().any(|word| command.contains(word)) {
                continue;
            }
            prepare(&terminal, &folder, &command).await;
            let answer = terminal.run(&filled(&command), &folder).await.unwrap();
            if command.contains("patch federationhold") {
                terminal.run(ALLOWED, &folder).await.unwrap();
            }
            // 2 says that something was found, which is so here.
            let fine = answer.code == 0
                || (answer.code == 2 && command.starts_with("kubectl federation-health"))
                || (command.contains(REFUSED.0) && answer.err.contains(REFUSED.1));
            if !fine {
                failed.push(format!("{}: {command}\n{answer:#?}", document.display()));
            }
            ran += 1;
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(
        ran > 60,
        "only {ran} commands were found: is the form of the blocks another?"
    );
}

/// What a reader of the command has done before, and what an earlier command left in its way.
async fn prepare(terminal: &Terminal, folder: &Path, command: &str) {
    let before = match command {
        _ if command.contains(" release") => {
            "kubectl federation-health hold --for 1h --reason test --enable; kubectl federation-health hold --for 1h --reason test --enable --name rejoin"
        }
        _ if command.contains(" resume") => "kubectl federation-health pause --reason test",
        _ if command.contains(" gather") => "rm -rf bundle",
        _ if command.contains(" hold ") => ALLOWED,
        _ if command.contains("analyze bundle") => {
            "rm -rf bundle; kubectl federation-health gather --to bundle"
        }
        _ => return,
    };
    terminal.run(before, folder).await.unwrap();
}
