//! `status -w`, as a process whose output is a pipe.

use std::{
    io::Read as _,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use federation_health_plugin::demo::{Guard, Scenario};
use federation_health_sim::resources;
use serde_json::json;

use crate::transcripts::played;

/// Longer than the process may take for anything: its own refresh comes after five seconds.
const LIMIT: Duration = Duration::from_secs(20);

/// Who alone may write the status.
pub const OPERATOR: &str = "system:serviceaccount:federation-health-system:federation-health";

/// Ends with the test, however that ends.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // One that ended already cannot be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Collects what the process prints.
fn listen(child: &mut Child) -> Arc<Mutex<String>> {
    let heard = Arc::new(Mutex::new(String::new()));
    let (mut pipe, said) = (child.stdout.take().unwrap(), heard.clone());
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = pipe.read(&mut bytes) {
            let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
            said.lock().unwrap().push_str(&text);
        }
    });
    heard
}

async fn until(what: &str, mut good: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !good() {
        assert!(Instant::now() < end, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn a_change_of_the_object_is_drawn_below_and_an_interrupt_ends_it() {
    let bed = played(Scenario::Healthy, Guard::None, 10);
    let name = format!("fedhealth-watching-{}", std::process::id());
    let kubeconfig = std::env::temp_dir().join(name);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let listening = bed.sim.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
        std::fs::write(&kubeconfig, listening.kubeconfig()).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_kubectl-federation_health"))
            .args(["status", "-w"])
            .env("KUBECONFIG", &kubeconfig)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut process = Process(child);
        let heard = listen(&mut process.0);
        let blocks = |state: &str| {
            let text = heard.lock().unwrap();
            let heads = text.lines().filter(|l| l.starts_with("FederationHealth/"));
            heads.filter(|l| l.contains(state)).count()
        };
        until("the first block", || blocks(" Healthy ") == 1).await;

        let healths = &resources::FEDERATION_HEALTHS;
        let mut status = bed.sim.admin().get(healths, "", "default").unwrap()["status"].clone();
        let conditions = status["conditions"].as_array_mut().unwrap();
        let healthy = conditions.iter_mut().find(|c| c["type"] == "Healthy");
        healthy.unwrap()["status"] = json!("False");
        let operator = bed.sim.agent_as(OPERATOR, "federation-health");
        operator.set_status(healths, "", "default", status).unwrap();
        let changed = Instant::now();
        until("the second block", || blocks(" Unhealthy ") == 1).await;
        // The change is what is drawn, not the next look without one.
        assert!(changed.elapsed() < Duration::from_secs(4));
        assert!(!heard.lock().unwrap().contains('\u{1b}'), "it is a pipe");

        let pid = process.0.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
        assert!(sent.success());
        let mut ended = None;
        until("the end", || {
            ended = process.0.try_wait().unwrap();
            ended.is_some()
        })
        .await;
        assert_eq!(ended.unwrap().code(), Some(2), "as the last block says");
    });
    std::fs::remove_file(kubeconfig).unwrap();
}
