//! What a kubelet would do for one Deployment: its processes run exactly while it wants replicas.
//!
//! There is no node, so the Deployment's pods would stay Pending for ever. The runner starts the
//! real program instead, and tells the API server about the pods what a kubelet would, so that
//! `readyReplicas` is true and the Deployment controller does not contradict anybody.

use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::control_plane::ControlPlane;
use crate::error::{Error, Result};
use crate::process::{Process, ProcessSpec};

mod once;
mod pods;

pub use once::run_pod_once;

/// How soon a dead process is noticed.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Wait before a process that ended by itself is started again. A kubelet starts at once and then
/// backs off; a fixed second keeps tests predictable.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// How the n-th process of a Deployment is started, n from 0.
pub type Launch = Arc<dyn Fn(usize) -> Result<ProcessSpec> + Send + Sync>;

/// Which Deployment is run, and how.
#[derive(Clone)]
pub struct RunnerOptions {
    /// The Deployment's namespace.
    pub namespace: String,
    /// The Deployment's name.
    pub deployment: String,
    /// At most so many processes, however many replicas are wanted. A follower that only waits
    /// for a lease costs memory and shows nothing.
    pub max_processes: usize,
    /// How a process is started.
    pub launch: Launch,
}

/// What runs at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunnerState {
    /// `spec.replicas` as last seen; 0 when there is no Deployment.
    pub wanted: usize,
    /// Process ids by slot; empty slots are processes that ended and start again soon.
    pub processes: Vec<Option<u32>>,
    /// Starts since the beginning, restarts included.
    pub starts: usize,
    /// Why a process ended by itself or could not be started, the last time that happened.
    pub failure: Option<String>,
}

impl RunnerState {
    /// How many processes live.
    pub fn running(&self) -> usize {
        self.processes.iter().flatten().count()
    }
}

/// What is done to one process.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Kill,
    Freeze,
    Thaw,
}

struct Command {
    slot: usize,
    deed: Deed,
    answer: oneshot::Sender<Result<()>>,
}

/// Runs one Deployment until it is dropped, which ends the processes.
#[derive(Debug)]
pub struct DeploymentRunner {
    name: String,
    state: watch::Receiver<RunnerState>,
    commands: mpsc::Sender<Command>,
    task: JoinHandle<()>,
    pods: JoinHandle<()>,
}

impl DeploymentRunner {
    /// Begins to watch the Deployment, which may come later.
    pub fn start(client: Client, options: RunnerOptions) -> Self {
        let (publish, state) = watch::channel(RunnerState::default());
        // One command at a time is all that a test gives.
        let (commands, inbox) = mpsc::channel(1);
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), &options.namespace);
        let field = format!("metadata.name={}", options.deployment);
        let events = watcher(deployments, watcher::Config::default().fields(&field))
            .default_backoff()
            .boxed();
        let pods = tokio::spawn(pods::mirror_readiness(
            client,
            options.namespace.clone(),
            options.deployment.clone(),
            state.clone(),
        ));
        let name = format!("{}/{}", options.namespace, options.deployment);
        let supervisor = Supervisor {
            max_processes: options.max_processes,
            launch: options.launch,
            slots: Vec::new(),
            wanted: 0,
            starts: 0,
            failure: None,
            publish,
        };
        Self {
            name,
            state,
            commands,
            task: tokio::spawn(supervisor.run(events, inbox)),
            pods,
        }
    }

    /// What runs now.
    pub fn state(&self) -> RunnerState {
        self.state.borrow().clone()
    }

    /// Waits until exactly so many processes live.
    pub async fn wait_running(&self, count: usize, limit: Duration) -> Result<()> {
        let mut state = self.state.clone();
        let waited = tokio::time::timeout(limit, state.wait_for(|now| now.running() == count));
        match waited.await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Error::Timeout {
                what: format!("{count} processes of Deployment {}", self.name),
                after: limit,
                last_seen: format!("{:?}", self.state()),
            }),
        }
    }

    /// Kills the process of a slot as a crash would. It starts again after a second.
    pub async fn kill(&self, slot: usize) -> Result<()> {
        self.command(slot, Deed::Kill).await
    }

    /// Stops the process of a slot from running without ending it, as a node that hangs would.
    pub async fn freeze(&self, slot: usize) -> Result<()> {
        self.command(slot, Deed::Freeze).await
    }

    /// Lets a frozen process go on.
    pub async fn thaw(&self, slot: usize) -> Result<()> {
        self.command(slot, Deed::Thaw).await
    }

    async fn command(&self, slot: usize, deed: Deed) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        let gone = || Error::refused(format!("the runner of {} has ended", self.name));
        self.commands
            .send(Command { slot, deed, answer })
            .await
            .map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// Ends the processes and waits for them.
    pub async fn stop(mut self) {
        self.task.abort();
        // The task's own end says nothing; that it is over, and its processes with it, does.
        let _ = (&mut self.task).await;
    }
}

impl Drop for DeploymentRunner {
    fn drop(&mut self) {
        self.pods.abort();
        // Dropping the task drops its processes, which ends them.
        self.task.abort();
    }
}

#[derive(Default)]
struct Slot {
    process: Option<Process>,
    start_at: Option<Instant>,
}

struct Supervisor {
    max_processes: usize,
    launch: Launch,
    slots: Vec<Slot>,
    wanted: usize,
    starts: usize,
    failure: Option<String>,
    publish: watch::Sender<RunnerState>,
}

impl Supervisor {
    async fn run(
        mut self,
        mut events: impl Stream<Item = watcher::Result<watcher::Event<Deployment>>> + Unpin,
        mut inbox: mpsc::Receiver<Command>,
    ) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(event) => self.see(event).await,
                    None => return,
                },
                Some(command) = inbox.recv() => self.obey(command).await,
                _ = look.tick() => self.look_after_processes(),
            }
            self.report();
        }
    }

    async fn see(&mut self, event: watcher::Result<watcher::Event<Deployment>>) {
        match event {
            Ok(watcher::Event::Apply(deployment) | watcher::Event::InitApply(deployment)) => {
                // The server defaults the field to 1, so absence means an object of another kind.
                let replicas = deployment.spec.and_then(|spec| spec.replicas).unwrap_or(1);
                let deleted = deployment.metadata.deletion_timestamp.is_some();
                self.wanted = if deleted { 0 } else { replicas.max(0) as usize };
            }
            Ok(watcher::Event::Delete(_)) => self.wanted = 0,
            // A broken watch changes nothing: pods too outlive their API server.
            Ok(watcher::Event::Init | watcher::Event::InitDone) | Err(_) => return,
        }
        self.scale().await;
    }

    async fn scale(&mut self) {
        let count = self.wanted.min(self.max_processes);
        if self.slots.len() > count {
            let mut ending: Vec<_> = self
                .slots
                .drain(count..)
                .filter_map(|slot| slot.process)
                .collect();
            for process in &mut ending {
                process.terminate();
            }
            for process in ending {
                // Stop kills after the grace; an error means that it is gone already.
                let _ = process.stop().await;
            }
        }
        self.slots.resize_with(count, || Slot {
            process: None,
            start_at: Some(Instant::now()),
        });
        self.look_after_processes();
    }

    fn look_after_processes(&mut self) {
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if let Some(process) = &mut slot.process
                && let Err(error) = process.check_alive()
            {
                self.failure = Some(error.to_string());
                slot.process = None;
                slot.start_at = Some(Instant::now() + RESTART_AFTER);
            }
            if slot.start_at.is_none_or(|due| due > Instant::now()) {
                continue;
            }
            self.starts += 1;
            match (self.launch)(index).and_then(Process::spawn) {
                Ok(process) => {
                    slot.process = Some(process);
                    slot.start_at = None;
                }
                Err(error) => {
                    slot.start_at = Some(Instant::now() + RESTART_AFTER);
                    self.failure = Some(format!("{error:?}"));
                }
            }
        }
    }

    async fn obey(&mut self, command: Command) {
        let Command { slot, deed, answer } = command;
        let process = self
            .slots
            .get_mut(slot)
            .and_then(|slot| slot.process.as_mut());
        let result = match (process, deed) {
            (Some(process), Deed::Kill) => process.kill().await.map(drop),
            (Some(process), Deed::Freeze) => process.freeze(),
            (Some(process), Deed::Thaw) => process.thaw(),
            (None, _) => Err(Error::refused(format!("no process runs in slot {slot}"))),
        };
        // Whoever asked may have stopped waiting.
        let _ = answer.send(result);
    }

    fn report(&self) {
        let state = RunnerState {
            wanted: self.wanted,
            processes: self
                .slots
                .iter()
                .map(|slot| slot.process.as_ref().and_then(Process::id))
                .collect(),
            starts: self.starts,
            failure: self.failure.clone(),
        };
        self.publish.send_if_modified(|last| {
            let changed = *last != state;
            *last = state;
            changed
        });
    }
}

/// A program that runs as a Deployment's container would, with its ServiceAccount's rights.
#[derive(Clone, Debug)]
pub struct BinaryOptions {
    /// The Deployment's namespace.
    pub namespace: String,
    /// The Deployment's name.
    pub deployment: String,
    /// Whose token it gets, in the same namespace.
    pub service_account: String,
    /// The program on this machine.
    pub program: std::path::PathBuf,
    /// Its arguments; `{slot}` becomes the process's number, from 0.
    pub args: Vec<String>,
    /// Its environment besides `KUBECONFIG`, `POD_NAME` and `POD_NAMESPACE`, with `{slot}` alike.
    pub env: Vec<(String, String)>,
    /// At most so many processes.
    pub max_processes: usize,
}

/// Runs a program for a Deployment, whose manifests somebody else applies before or after. It
/// finds its server by the environment variable `KUBECONFIG`. Its log is in the control plane's
/// directory, `<deployment>-<slot>.log`.
pub async fn run_binary_as_deployment(
    plane: &ControlPlane,
    options: BinaryOptions,
) -> Result<DeploymentRunner> {
    let kubeconfig = plane
        .kubeconfig_for_service_account(&options.namespace, &options.service_account)
        .await?;
    let logs = plane.dir().to_owned();
    let runner = RunnerOptions {
        namespace: options.namespace.clone(),
        deployment: options.deployment.clone(),
        max_processes: options.max_processes,
        launch: Arc::new(move |slot| {
            let number = slot.to_string();
            let fill = |text: &String| text.replace("{slot}", &number);
            let name = format!("{}-{slot}", options.deployment);
            let mut spec =
                ProcessSpec::new(&name, &options.program, logs.join(format!("{name}.log")))
                    .args(options.args.iter().map(fill))
                    .env("KUBECONFIG", kubeconfig.display().to_string())
                    .env("POD_NAME", &name)
                    .env("POD_NAMESPACE", &options.namespace);
            for (variable, value) in &options.env {
                spec = spec.env(variable, fill(value));
            }
            // What Kubernetes gives a pod is thirty; ours promises to need under ten.
            spec.grace = Duration::from_secs(10);
            Ok(spec)
        }),
    };
    Ok(DeploymentRunner::start(plane.client(), runner))
}
