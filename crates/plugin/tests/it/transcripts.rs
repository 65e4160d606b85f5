//! What a person sees, word for word. Each transcript in `tests/transcripts` is a list of commands (`$ kubectl …`) with what
//! they print and, where it is not 0, their exit code (`? 2`). The incident is played in virtual time, so that every UID and
//! age is the same; then the server listens on a socket, and the commands reach it through a kubeconfig.
//!
//! `{tmp}` stands for a folder of the test's own. `TRANSCRIPTS=write cargo test -p federation-health-plugin` writes them anew: read the difference before you commit it.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::ValueEnum as _;
use federation_health_api::FederationHealth;
use federation_health_plugin::{
    Shell,
    demo::{Guard, Scenario, Stage},
    run,
};
use federation_health_sim::{Clock, Sim};
use k8s_openapi::jiff::Timestamp;

use crate::{Sink, split};

/// Where the played federation is found when it stands still.
pub struct Bed {
    pub sim: Sim,
    pub now: Timestamp,
}

/// Plays a scenario in virtual time for this long after it struck, and stops every program.
pub fn played(scenario: Scenario, guard: Guard, seconds: u64) -> Bed {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut stage = Stage::build(scenario, guard, Clock::simulated()).unwrap();
        stage.start().unwrap();
        tokio::time::sleep(Duration::from_secs(7)).await;
        stage.strike().unwrap();
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        stage.freeze();
        let (sim, now) = (stage.sim.clone(), stage.sim.clock().now());
        // Tasks that were aborted end before the runtime is left.
        tokio::task::yield_now().await;
        Bed { sim, now }
    })
}

pub async fn one(command: &str, kubeconfig: &Path, now: Timestamp) -> String {
    let sink = Sink::default();
    let mut shell = Shell {
        out: Box::new(sink.clone()),
        err: Box::new(sink.clone()),
        clock: Some(now),
        colours: false,
        live: false,
        width: 80,
        kubeconfig: Some(kubeconfig.to_owned()),
    };
    let words = command
        .strip_prefix("kubectl ")
        .expect("every command is kubectl's");
    let code = run(split(words), &mut shell).await;
    let mut text = sink.text();
    if code != 0 {
        let _ = writeln!(text, "? {code}");
    }
    text
}

fn transcript(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    dir.join(format!("{name}.txt"))
}

/// Runs every command of a transcript and compares what is printed.
fn check(name: &str, bed: &Bed) {
    let path = transcript(name);
    let expected = std::fs::read_to_string(&path).unwrap();
    let kubeconfig = std::env::temp_dir().join(format!("fedhealth-{name}-{}", std::process::id()));
    let scratch =
        std::env::temp_dir().join(format!("fedhealth-{name}-{}-files", std::process::id()));
    std::fs::create_dir(&scratch).unwrap();
    let folder = scratch.display().to_string();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let found = runtime.block_on(async {
        let listening = bed.sim.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
        std::fs::write(&kubeconfig, listening.kubeconfig()).unwrap();
        let mut found = String::new();
        for command in expected.lines().filter_map(|l| l.strip_prefix("$ ")) {
            let _ = writeln!(found, "$ {command}");
            let text = one(&command.replace("{tmp}", &folder), &kubeconfig, bed.now).await;
            found.push_str(&text.replace(&folder, "{tmp}"));
            found.push('\n');
        }
        found
    });
    std::fs::remove_file(&kubeconfig).unwrap();
    std::fs::remove_dir_all(&scratch).unwrap();
    if std::env::var_os("TRANSCRIPTS").is_some_and(|v| v == "write") {
        return std::fs::write(&path, found).unwrap();
    }
    assert!(
        found == expected,
        "{}:\n{}",
        path.display(),
        difference(&expected, &found)
    );
}

fn difference(expected: &str, found: &str) -> String {
    let (mut a, mut b) = (expected.lines(), found.lines());
    for line in 1.. {
        match (a.next(), b.next()) {
            (None, None) => break,
            (a, b) if a == b => {}
            (a, b) => return format!("line {line}\n  expected: {a:?}\n  found:    {b:?}"),
        }
    }
    "they differ only in line ends".to_owned()
}

#[test]
fn the_doubled_registration_without_a_hold() {
    check("doubled", &played(Scenario::Doubled, Guard::None, 40));
}

#[test]
fn the_doubled_registration_with_a_hold() {
    check("held", &played(Scenario::Doubled, Guard::Hold, 40));
}

#[test]
fn a_second_control_plane() {
    check("two-planes", &played(Scenario::TwoPlanes, Guard::None, 8));
}

#[test]
fn a_placement_on_a_cluster_that_is_not_registered() {
    check("nowhere", &played(Scenario::Nowhere, Guard::Hold, 30));
}

#[test]
fn a_registration_that_came_back_with_its_namespace() {
    check(
        "resurrection",
        &played(Scenario::Resurrection, Guard::Hold, 75),
    );
}

#[test]
fn a_workspace_on_the_leftover_name_alone() {
    check("misplaced", &played(Scenario::Misplaced, Guard::None, 8));
}

#[test]
fn a_remote_member_with_two_names() {
    check(
        "remote-member",
        &played(Scenario::RemoteMember, Guard::Hold, 40),
    );
}

#[test]
fn a_plan_that_waits_for_a_person() {
    check("asked", &played(Scenario::Misplaced, Guard::Ask, 30));
}

#[test]
fn a_plan_that_was_carried_out() {
    check("applied", &played(Scenario::Misplaced, Guard::Apply, 90));
}

#[test]
fn a_frozen_kubefed() {
    check("frozen", &played(Scenario::RemoteMember, Guard::Apply, 40));
}

#[test]
fn every_scenario_has_a_transcript_of_every_verb_that_asks_a_cluster() {
    let files = [
        (Scenario::Doubled, "doubled"),
        (Scenario::Doubled, "held"),
        (Scenario::TwoPlanes, "two-planes"),
        (Scenario::Resurrection, "resurrection"),
        (Scenario::Misplaced, "misplaced"),
        (Scenario::RemoteMember, "remote-member"),
        (Scenario::Nowhere, "nowhere"),
        (Scenario::Healthy, "healthy"),
    ];
    for scenario in Scenario::value_variants() {
        assert!(files.iter().any(|(s, _)| s == scenario), "{scenario:?}");
    }
    let offline = ["completion", "man", "demo"];
    let command = federation_health_plugin::command();
    for verb in command.get_subcommands().map(clap::Command::get_name) {
        let wanted: Vec<&str> = match offline.contains(&verb) {
            true => vec!["demo"],
            false => files.iter().map(|(_, file)| *file).collect(),
        };
        for file in wanted {
            let text = std::fs::read_to_string(transcript(file)).unwrap();
            let typed = format!("$ kubectl federation-health {verb}");
            let found = text
                .lines()
                .any(|l| l == typed || l.starts_with(&format!("{typed} ")));
            assert!(found, "{file}.txt lacks {verb}");
        }
    }
}

/// Their text is clap's, and changes with every word of help: what they must have are the verbs.
#[tokio::test]
async fn the_completions_of_every_shell_know_every_verb() {
    for syntax in clap_complete::Shell::value_variants() {
        let command = format!("kubectl federation-health completion {syntax}");
        let text = one(&command, Path::new("none"), Timestamp::UNIX_EPOCH).await;
        for verb in federation_health_plugin::command().get_subcommands() {
            assert!(
                text.contains(verb.get_name()),
                "{syntax}: {}",
                verb.get_name()
            );
        }
    }
}

/// The verbs on a federation that lives: the operator does what they ask for.
#[test]
fn what_is_approved_is_done_and_what_is_undone_is_taken_back() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let kubeconfig = std::env::temp_dir().join(format!("fedhealth-alive-{}", std::process::id()));
    runtime.block_on(async {
        let mut stage =
            Stage::build(Scenario::RemoteMember, Guard::Ask, Clock::simulated()).unwrap();
        stage.start().unwrap();
        tokio::time::sleep(Duration::from_secs(7)).await;
        stage.strike().unwrap();
        let plan = |h: &FederationHealth| h.status.as_ref().and_then(|s| s.plan.clone());
        let waits = |h: &FederationHealth| {
            plan(h).is_some_and(|p| {
                p.blocked_by.as_deref() == Some("NotApproved")
                    && p.steps[0].action == "FreezeControllers"
            })
        };
        assert!(stage.wait(Duration::from_secs(30), waits).await);
        let id = plan(&stage.health().unwrap()).unwrap().id;
        let listening = stage.sim.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
        std::fs::write(&kubeconfig, listening.kubeconfig()).unwrap();
        // Virtual time leaps while a socket is waited for: no deadline of the client may count it.
        let say = async |words: &str| {
            let command = format!("kubectl federation-health {words} --request-timeout 0");
            one(&command, &kubeconfig, stage.sim.clock().now()).await
        };
        let text = say(&format!("approve {id}")).await;
        assert!(text.contains("plan approved"), "{text}");
        let state = |state: &'static str| {
            move |h: &FederationHealth| {
                let actions = h.status.iter().flat_map(|s| &s.actions);
                actions
                    .filter(|a| a.action == "FreezeControllers")
                    .any(|a| a.state == state)
            }
        };
        assert!(stage.wait(Duration::from_secs(60), state("Verified")).await);
        let text = say("undo FreezeControllers").await;
        assert!(
            text.contains("undo of FreezeControllers requested"),
            "{text}"
        );
        assert!(stage.wait(Duration::from_secs(60), state("Undone")).await);
        let deployments = federation_health_sim::resources::DEPLOYMENTS;
        let found = stage.sim.admin().get(
            &deployments,
            "kube-federation-system",
            "kubefed-controller-manager",
        );
        assert_eq!(found.unwrap()["spec"]["replicas"], 2);
        let text = say("undo --end").await;
        assert!(text.contains("undo request taken back"), "{text}");
    });
    std::fs::remove_file(kubeconfig).unwrap();
}

#[test]
fn a_healthy_federation() {
    check("healthy", &played(Scenario::Healthy, Guard::Hold, 30));
}

#[test]
fn a_leftover_registration_before_kubefed_runs_and_without_our_kinds() {
    let sim = Sim::new(Clock::wall());
    sim.install_kubesphere().unwrap();
    sim.add_workspace("orders", &["host"], &["orders-db"])
        .unwrap();
    sim.join("produce-trt").unwrap();
    let now = Timestamp::now();
    check(
        "leftover",
        &Bed {
            sim: sim.clone(),
            now,
        },
    );
    let admin = sim.admin();
    let clusters = federation_health_sim::resources::KUBEFED_CLUSTERS;
    admin
        .delete(
            &clusters,
            "kube-federation-system",
            "produce-trt",
            serde_json::Value::Null,
        )
        .unwrap();
    check("leftover-removed", &Bed { sim, now });
}

#[test]
fn a_server_without_kubefed() {
    let sim = Sim::new(Clock::wall());
    check(
        "bare",
        &Bed {
            sim,
            now: Timestamp::now(),
        },
    );
}

#[test]
fn the_demonstration_and_what_needs_no_cluster() {
    let sim = Sim::new(Clock::wall());
    check(
        "demo",
        &Bed {
            sim,
            now: Timestamp::UNIX_EPOCH,
        },
    );
}

#[test]
fn an_operator_that_died() {
    let bed = played(Scenario::Healthy, Guard::Hold, 30);
    stop_operator(&bed.sim);
    check("silent", &bed);
}

#[test]
fn an_operator_that_died_in_an_incident() {
    let bed = played(Scenario::Doubled, Guard::None, 40);
    stop_operator(&bed.sim);
    check("silent-doubled", &bed);
}

/// Its pods do not come up.
fn stop_operator(sim: &Sim) {
    let status = serde_json::json!({"replicas": 1, "unavailableReplicas": 1});
    let deployments = federation_health_sim::resources::DEPLOYMENTS;
    let (namespace, name) = ("federation-health-system", "federation-health");
    let admin = sim.admin();
    admin
        .set_status(&deployments, namespace, name, status)
        .unwrap();
}
