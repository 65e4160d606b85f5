//! A real Prometheus with the shipped alert rules.

use std::{collections::BTreeMap, fmt::Write as _, process::Stdio, time::Duration};

use federation_health_testbed::{
    ControlPlane,
    binaries::Binaries,
    error::{Attempt as _, Error, Result},
    kubeconfig::Credentials,
    ports::free_port,
    process::{Process, ProcessSpec},
    run_dir::RunDir,
    wait::{self, Look},
};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, process::Command};

use crate::{guarded::root, scenarios::admin};

mod recorded;

/// Scrape and evaluation interval: the chart's own for its ServiceMonitor.
const INTERVAL: &str = "5s";
/// It replays an empty log and listens.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Prometheus, scraping one operator and one API server.
pub struct Prometheus {
    address: String,
    // Before the directory: it writes there.
    _process: Process,
    _dir: RunDir,
}

impl Prometheus {
    /// Starts it with `config/prometheus/rules.yaml` and waits until it answers.
    pub async fn start(operator: &str, plane: &ControlPlane) -> Result<Self> {
        let program = Binaries::get().await?.path("prometheus")?;
        let dir = RunDir::create("prometheus")?;
        dir.mark_started(true);
        let Credentials::Certificate(identity) = &plane.access().credentials else {
            return Err(Error::refused("the administrator has no certificate"));
        };
        let tls = json!({
            "ca_file": dir.write("ca.pem", &plane.access().ca)?,
            "cert_file": dir.write("admin.pem", &identity.certificate)?,
            "key_file": dir.write("admin.key", &identity.key)?,
        });
        let server = plane.access().server.trim_start_matches("https://");
        let configuration = json!({
            "global": {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL},
            "rule_files": [root().join("config/prometheus/rules.yaml")],
            "scrape_configs": [
                {"job_name": "federation-health", "static_configs": [{"targets": [operator]}]},
                {"job_name": "apiserver", "scheme": "https", "tls_config": tls,
                 "static_configs": [{"targets": [server]}]},
            ],
        });
        let file = dir.write("prometheus.yaml", configuration.to_string())?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let spec = ProcessSpec::new("prometheus", program, dir.join("prometheus.log")).args([
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={}", dir.join("data").display()),
            format!("--web.listen-address={address}"),
        ]);
        let prometheus = Self {
            address,
            _process: Process::spawn(spec)?,
            _dir: dir,
        };
        wait::until("Prometheus to be ready", START_LIMIT, || async {
            Ok(match admin::get(&prometheus.address, "/-/ready").await {
                Ok((200, _)) => Look::Done(()),
                other => Look::Pending(format!("{other:?}")),
            })
        })
        .await?;
        Ok(prometheus)
    }

    /// The samples of an instant query.
    pub async fn query(&self, expression: &str) -> Result<Vec<Value>> {
        let mut encoded = String::new();
        for byte in expression.bytes() {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        let path = format!("/api/v1/query?query={encoded}");
        let (code, body) = admin::get(&self.address, &path).await?;
        if code != 200 {
            return Err(Error::refused(format!("query {expression}: {code} {body}")));
        }
        let answer: Value = serde_json::from_str(&body).attempt(|| format!("read {body}"))?;
        Ok(answer["data"]["result"]
            .as_array()
            .cloned()
            .unwrap_or_default())
    }

    /// Its clock, in seconds.
    pub async fn now(&self) -> Result<f64> {
        let answer = self.query("time()").await?;
        // An instant query of a scalar is [time, "value"].
        let seconds = answer.first().and_then(Value::as_f64);
        seconds.ok_or_else(|| Error::refused(format!("time() is {answer:?}")))
    }

    /// A unit test for promtool with every series that an alert reads, from scrape to scrape: the rules fire as they did here.
    pub async fn recording(&self, start: f64, end: f64) -> Result<String> {
        let expression = "{__name__=~\"federationhealth_.+\"} or apiserver_validating_admission_policy_check_total{policy=~\"federation-health-.+\"}";
        let output = Command::new(Binaries::get().await?.path("promtool")?)
            .args(["query", "range", "--format=json", "--step=5s"])
            .args([format!("--start={start:.0}"), format!("--end={end:.0}")])
            .args([&format!("http://{}", self.address), expression])
            .output()
            .await
            .attempt(|| "run promtool query range")?;
        let series: Vec<Value> = serde_json::from_slice(&output.stdout).attempt(|| {
            format!(
                "read promtool's answer: {}",
                String::from_utf8_lossy(&output.stderr)
            )
        })?;
        Ok(recorded::replay(
            &series,
            start.round() as i64,
            &self.fired().await?,
        ))
    }

    /// Waits until an expression has samples.
    pub async fn wait_for(&self, expression: &str, limit: Duration) -> Result<Vec<Value>> {
        wait::until(expression, limit, || async {
            Ok(match self.query(expression).await {
                Ok(samples) if !samples.is_empty() => Look::Done(samples),
                other => Look::Pending(format!("{other:?}")),
            })
        })
        .await
    }

    /// Waits until an alert fires; the instant of the evaluation at which it first did.
    pub async fn wait_fired(&self, name: &str, limit: Duration) -> Result<Timestamp> {
        let found = self.wait_for(&first_firing(name), limit).await?;
        fired(&found)?
            .remove(name)
            .ok_or_else(|| Error::refused(format!("{name} fired at {found:?}")))
    }

    /// Every alert that fired in the last ten minutes, with the evaluation at which it first did.
    pub async fn fired(&self) -> Result<BTreeMap<String, Timestamp>> {
        fired(&self.query(&first_firing(".+")).await?)
    }

    /// Waits until an alert fires, or no longer does.
    pub async fn wait_alert(&self, name: &str, firing: bool, limit: Duration) -> Result<()> {
        let expression = format!("ALERTS{{alertname=\"{name}\", alertstate=\"firing\"}}");
        let what = format!(
            "alert {name} to be {}",
            if firing { "firing" } else { "over" }
        );
        wait::until(&what, limit, || async {
            let found = self.query(&expression).await;
            Ok(match &found {
                Ok(samples) if samples.is_empty() != firing => Look::Done(()),
                other => Look::Pending(format!("{other:?}")),
            })
        })
        .await
    }
}

/// The first firing of the alerts whose name matches. A subquery looks at whole seconds: it may see what fires a second later.
fn first_firing(names: &str) -> String {
    let firing = format!("timestamp(ALERTS{{alertname=~\"{names}\", alertstate=\"firing\"}})");
    format!("min by (alertname) (min_over_time({firing}[10m:1s]))")
}

fn fired(samples: &[Value]) -> Result<BTreeMap<String, Timestamp>> {
    let read = |sample: &Value| {
        let name = sample["metric"]["alertname"].as_str()?;
        let seconds: f64 = sample["value"][1].as_str()?.parse().ok()?;
        let at = Timestamp::from_millisecond((seconds * 1000.0) as i64).ok()?;
        Some((name.to_owned(), at))
    };
    let all: Option<_> = samples.iter().map(read).collect();
    all.ok_or_else(|| Error::refused(format!("alerts fired at {samples:?}")))
}

/// Reads an operator's exposition with promtool's linter and counts its series.
pub async fn lint(operator: &str) -> Result<usize> {
    let (_, text) = admin::get(operator, "/metrics").await?;
    lint_text(&text).await
}

/// Reads an exposition with promtool's linter and counts its series.
pub async fn lint_text(text: &str) -> Result<usize> {
    let attempt = || "run promtool check metrics";
    let mut promtool = Command::new(Binaries::get().await?.path("promtool")?)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .attempt(attempt)?;
    if let Some(mut input) = promtool.stdin.take() {
        input.write_all(text.as_bytes()).await.attempt(attempt)?;
    }
    let output = promtool.wait_with_output().await.attempt(attempt)?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Error::refused(format!("promtool check metrics: {why}")));
    }
    Ok(text.lines().filter(|line| !line.starts_with('#')).count())
}
