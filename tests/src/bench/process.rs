//! Memory and CPU of the operator's process against the simulated API server on a loopback socket, beside a kube-rs
//! reflector of the same objects on the same server.

use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use federation_health_sim::{Clock, Listening, Sim, resources};
use futures::StreamExt as _;
use kube::{
    Api, Client, Config,
    api::{ApiResource, DynamicObject, GroupVersionKind},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::{WatchStreamExt as _, reflector, watcher},
};
use serde_json::json;

use super::Failure;
use crate::guarded;

/// Recreations of one Workspace that CPU time is measured over.
const RECREATIONS: usize = 1000;
/// A size that is not read in this time is a failure.
const LIMIT: Duration = Duration::from_secs(120);

/// Measures at each size.
pub fn run(sizes: &[usize]) -> Result<String, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let mut text = format!(
        "{:>10}  {:>12}  {:>14}  {:>18}  {:>18}\n",
        "WORKSPACES", "OPERATOR RSS", "REFLECTOR RSS", "READY AFTER", "CPU/1000 RECREATED"
    );
    let (mut rss, mut typed) = (Vec::new(), Vec::new());
    for size in sizes {
        let row = runtime.block_on(measure(*size))?;
        writeln!(
            text,
            "{size:>10}  {:>8} KiB  {:>10} KiB  {:>15} ms  {:>15} ms",
            row.operator_kib, row.reflector_kib, row.ready_ms, row.cpu_ms
        )?;
        rss.push((*size, row.operator_kib, row.reflector_kib));
        typed.push((*size, row.typed));
    }
    if let (Some(first), Some(last)) = (rss.first(), rss.last())
        && last.0 > first.0
    {
        let slope = |a: u64, b: u64| (b.saturating_sub(a) * 1024) / (last.0 - first.0) as u64;
        writeln!(
            text,
            "Per Workspace with one namespace, its template and its federated object: operator {} bytes, reflector (Workspaces and namespaces only) {} bytes.",
            slope(first.1, last.1),
            slope(first.2, last.2)
        )?;
    }
    text.push('\n');
    text.push_str(&waited(&typed)?);
    Ok(text)
}

struct Row {
    typed: super::typed::Row,
    operator_kib: u64,
    reflector_kib: u64,
    ready_ms: u128,
    cpu_ms: u64,
}

/// A federation of this size on a socket, and a kubeconfig that leads to it.
struct Served {
    sim: Sim,
    // Listens while it lives.
    _server: Listening,
    dir: PathBuf,
    kubeconfig: PathBuf,
}

impl Served {
    async fn new(size: usize) -> Result<Self, Failure> {
        let sim = Sim::new(Clock::wall());
        fill(&sim, size)?;
        let server = sim.serve("127.0.0.1:0".parse()?).await?;
        let dir = scratch()?;
        let kubeconfig = dir.join("kubeconfig");
        std::fs::write(&kubeconfig, server.kubeconfig())?;
        Ok(Self {
            sim,
            _server: server,
            dir,
            kubeconfig,
        })
    }

    /// Starts an operator, and waits until it has judged everything; with the address of its metrics.
    async fn judged(&self, size: usize) -> Result<(Ended, SocketAddr), Failure> {
        let listen = free_address()?;
        let operator = Ended(
            Command::new(guarded::binary()?)
                .env("KUBECONFIG", &self.kubeconfig)
                .args(["--listen", &listen.to_string(), "--log", "warn"])
                .spawn()?,
        );
        wait(|| {
            metric(listen, "federationhealth_workspaces ").is_some_and(|n| n as usize == size)
                && ready(&self.sim)
        })
        .await?;
        Ok((operator, listen))
    }
}

/// How long a person waits for the plugin and for kubectl on a federation of this size.
pub fn typed(size: usize) -> Result<String, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let row = runtime.block_on(async {
        let served = Served::new(size).await?;
        let _operator = served.judged(size).await?;
        let row = super::typed::measure(&served.kubeconfig, &served.dir).await?;
        std::fs::remove_dir_all(&served.dir)?;
        Ok::<_, Failure>(row)
    })?;
    waited(&[(size, row)])
}

fn waited(typed: &[(usize, super::typed::Row)]) -> Result<String, Failure> {
    let mut text = String::from("From a command's start to its first byte, median of 11:\n");
    for (size, row) in typed {
        for (what, ms) in super::typed::HEADS.iter().zip(row) {
            writeln!(text, "{size:>10}  {what:<30}  {ms:>5} ms")?;
        }
    }
    Ok(text)
}

async fn measure(size: usize) -> Result<Row, Failure> {
    let served = Served::new(size).await?;
    let Served {
        sim,
        dir,
        kubeconfig,
        ..
    } = &served;

    let reflector_kib = {
        let mut child = Ended(
            Command::new(std::env::current_exe()?)
                .arg("reflector")
                .arg(kubeconfig)
                .stdout(Stdio::piped())
                .spawn()?,
        );
        let out = child.0.stdout.take().ok_or("no output of the reflector")?;
        tokio::task::spawn_blocking(move || BufReader::new(out).lines().next())
            .await?
            .ok_or("the reflector ended")??;
        resident_kib(child.0.id())?
    };

    let started = Instant::now();
    let (operator, listen) = served.judged(size).await?;
    let pid = operator.0.id();
    let ready_ms = started.elapsed().as_millis();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let operator_kib = resident_kib(pid)?;
    let typed = super::typed::measure(kubeconfig, dir).await?;
    let before = cpu_ms(pid)?;
    for round in 0..RECREATIONS {
        recreate(sim, "workspace-000050")?;
        // As fast as KubeFed 0.10.0 is at its worst: five a second for each of a hundred Workspaces.
        if round % 10 == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    wait(|| {
        metric(listen, "federationhealth_workspace_recreations_total ")
            .is_some_and(|n| n as usize >= RECREATIONS)
    })
    .await?;
    let cpu_ms = cpu_ms(pid)? - before;
    std::fs::remove_dir_all(dir)?;
    Ok(Row {
        typed,
        operator_kib,
        reflector_kib,
        ready_ms,
        cpu_ms,
    })
}

fn fill(sim: &Sim, size: usize) -> Result<(), Failure> {
    sim.install_kubesphere().map_err(|e| format!("{e:?}"))?;
    crate::simulated::install_crds(sim)?;
    sim.apply_object(json!({
        "apiVersion": "federationhealth.io/v1alpha1", "kind": "FederationHealth", "metadata": {"name": "default"}, "spec": {},
    }))
    .map_err(|e| format!("{e:?}"))?;
    for i in 0..size {
        let name = format!("workspace-{i:06}");
        sim.add_workspace(&name, &["host"], &[&format!("{name}-ns")])
            .map_err(|e| format!("{e:?}"))?;
    }
    Ok(())
}

fn ready(sim: &Sim) -> bool {
    let object = sim
        .admin()
        .get(&resources::FEDERATION_HEALTHS, "", "default");
    object.is_some_and(|o| o["status"]["conditions"][0]["status"] == "True")
}

fn recreate(sim: &Sim, name: &str) -> Result<(), Failure> {
    let admin = sim.admin();
    let fail = |e| format!("{e:?}");
    admin
        .delete(&resources::WORKSPACES, "", name, json!(null))
        .map_err(fail)?;
    admin
        .merge(
            &resources::WORKSPACES,
            "",
            name,
            json!({"metadata": {"finalizers": null}}),
        )
        .map_err(fail)?;
    admin
        .create(
            &resources::WORKSPACES,
            json!({"metadata": {
                "name": name, "labels": {"kubefed.io/managed": "true"}, "finalizers": ["finalizers.tenant.kubesphere.io"],
            }, "spec": {"manager": "admin"}}),
        )
        .map_err(fail)?;
    Ok(())
}

/// The peer: holds Workspaces and namespaces as kube-rs does, then sleeps until it is ended.
pub fn peer(kubeconfig: &str) -> Result<String, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let config = Config::from_custom_kubeconfig(
            Kubeconfig::read_from(kubeconfig)?,
            &KubeConfigOptions::default(),
        )
        .await?;
        let client = Client::try_from(config)?;
        let mut kept = Vec::new();
        for (group, version, kind) in [
            ("tenant.kubesphere.io", "v1alpha1", "Workspace"),
            ("", "v1", "Namespace"),
        ] {
            let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &kind);
            let writer = reflector::store::Writer::new(kind);
            let reader = writer.as_reader();
            let stream = watcher(api, watcher::Config::default())
                .default_backoff()
                .reflect(writer);
            tokio::spawn(stream.for_each(|_| async {}));
            reader.wait_until_ready().await?;
            kept.push(reader);
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        let objects: usize = kept.iter().map(|reader| reader.state().len()).sum();
        std::io::stdout().write_all(format!("{objects}\n").as_bytes())?;
        std::io::stdout().flush()?;
        std::future::pending::<()>().await;
        Ok(String::new())
    })
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn wait(mut done: impl FnMut() -> bool) -> Result<(), Failure> {
    let deadline = Instant::now() + LIMIT;
    while !done() {
        if Instant::now() > deadline {
            return Err("waited two minutes in vain".into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

fn metric(address: SocketAddr, prefix: &str) -> Option<f64> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix(prefix))
        .and_then(|value| value.trim().parse().ok())
}

fn resident_kib(pid: u32) -> Result<u64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix("VmRSS:"))
        .ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}

/// User and system time of a process; Linux counts them in hundredths of a second.
fn cpu_ms(pid: u32) -> Result<u64, Failure> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .ok_or("no stat")?
        .1
        .split_whitespace()
        .collect();
    let (user, system) = (
        fields.get(11).ok_or("no utime")?,
        fields.get(12).ok_or("no stime")?,
    );
    Ok((user.parse::<u64>()? + system.parse::<u64>()?) * 10)
}

fn free_address() -> Result<SocketAddr, Failure> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn scratch() -> Result<PathBuf, Failure> {
    let dir = Path::new(&std::env::temp_dir())
        .join(format!("federation-health-bench-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}
