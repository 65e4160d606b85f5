//! A federation in which nothing happens: no write of ours, no condition that changes, whatever restarts.

use std::{collections::BTreeSet, time::Duration};

use super::{bed::LATE, recorder::Recorder};
use crate::guarded::{Guarded, Options, USER};
use federation_health_api::FederationHealth;
use federation_health_testbed::{
    Federation, FederationOptions,
    audit::AuditEvent,
    error::{Error, Result},
    forward::Forward,
    wait::{self, Look},
};

/// Nothing is settled before the first counts have been written.
const SETTLE: Duration = Duration::from_secs(12);

/// What happens to a quiet federation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// Every connection of the operator is cut.
    WatchCut,
    /// The operator is killed and started again: it lists everything.
    OperatorRestart,
    /// The API server is stopped and started: watches begin anew, some with a list.
    ApiServerRestart,
}

impl Disturbance {
    /// All.
    pub const ALL: [Self; 3] = [
        Self::WatchCut,
        Self::OperatorRestart,
        Self::ApiServerRestart,
    ];

    /// How long its consequences may take: watches come back within seconds; a new operator judges within ten; an
    /// API server needs half a minute to find the parameter's kind, which a proof could notice.
    fn aftermath(self) -> Duration {
        match self {
            Self::WatchCut => Duration::from_secs(10),
            Self::OperatorRestart => Duration::from_secs(20),
            Self::ApiServerRestart => Duration::from_secs(40),
        }
    }
}

/// A guarded federation, healthy and settled.
pub struct Quiet {
    /// The federation.
    pub bed: Federation,
    /// The operator on it.
    pub guard: Guarded,
    forward: Forward,
}

impl Quiet {
    /// Starts everything and waits until it is healthy and settled.
    ///
    /// # Errors
    /// Something did not start.
    pub async fn start() -> Result<Self> {
        let bed = Federation::start(FederationOptions::default()).await?;
        let forward = Forward::before(bed.host()).await?;
        let options = Options {
            server: Some(forward.url()),
            ..Options::default()
        };
        let guard = Guarded::install(bed.host(), options).await?;
        guard.wait_condition("HoldReady", "True", LATE).await?;
        guard.wait_condition("Healthy", "True", LATE).await?;
        let quiet = Self {
            bed,
            guard,
            forward,
        };
        quiet.writes_in(SETTLE).await?;
        Ok(quiet)
    }

    /// Every write of the operator in that time, dry runs included.
    ///
    /// # Errors
    /// The audit log cannot be read.
    pub async fn writes_in(&self, time: Duration) -> Result<Vec<AuditEvent>> {
        let mut log = self.bed.audit().reader_from_now();
        tokio::time::sleep(time).await;
        let mut events = log.read_new()?;
        events.retain(|e| e.user == USER && !matches!(e.verb.as_str(), "get" | "list" | "watch"));
        Ok(events)
    }

    /// Disturbs, waits for the aftermath, and gives the conditions that were seen to differ meanwhile.
    ///
    /// # Errors
    /// The disturbance itself failed.
    pub async fn disturb(&self, how: Disturbance) -> Result<Vec<String>> {
        let before = conditions(&self.guard.health().await?);
        let seen = Recorder::start(self.bed.client(), conditions);
        match how {
            Disturbance::WatchCut => self.forward.cut(),
            Disturbance::OperatorRestart => self.restart().await?,
            Disturbance::ApiServerRestart => {
                self.bed.host().restart_api_server().await?;
            }
        }
        tokio::time::sleep(how.aftermath()).await;
        Ok(seen.end().difference(&before).cloned().collect())
    }

    async fn restart(&self) -> Result<()> {
        let runner = self.guard.runner();
        let runner = runner.ok_or_else(|| Error::refused("no operator runs"))?;
        let starts = runner.state().starts;
        runner.kill(0).await?;
        wait::until("the operator's next start", LATE, || async {
            let state = runner.state();
            Ok(match state.starts > starts && state.running() == 1 {
                true => Look::Done(()),
                false => Look::Pending(format!("{state:?}")),
            })
        })
        .await
    }
}

/// Conditions as text: type, status, reason, last transition.
fn conditions(health: &FederationHealth) -> BTreeSet<String> {
    let conditions = health.status.iter().flat_map(|status| &status.conditions);
    conditions
        .map(|c| {
            let at = c.last_transition_time.0;
            format!(
                "{}={} {} {} at {at}",
                c.type_, c.status, c.reason, c.message
            )
        })
        .collect()
}

/// Listens for so many minutes, then disturbs.
///
/// # Errors
/// The operator wrote something, or a condition flickered.
pub async fn soak(minutes: usize) -> Result<()> {
    let quiet = Quiet::start().await?;
    let time = Duration::from_secs(60 * minutes as u64);
    let writes = quiet.writes_in(time).await?;
    println!(
        "{minutes} minutes without incident: {} writes of the operator",
        writes.len()
    );
    let mut good = writes.is_empty();
    for write in &writes {
        println!("  {write:?}");
    }
    for how in Disturbance::ALL {
        let flickers = quiet.disturb(how).await?;
        println!("{how:?}: {} conditions flickered", flickers.len());
        for flicker in &flickers {
            println!("  {flicker}");
        }
        good &= flickers.is_empty();
    }
    quiet.bed.stop().await?;
    match good {
        true => Ok(()),
        false => Err(Error::refused("it was not quiet")),
    }
}
