//! Counts what is in the namespaces at risk, long after everything that must be fast.

use std::{sync::Arc, time::Duration};

use federation_health_cluster::host::Host;
use federation_health_core::{id::Text, view::Contents};

use crate::{engine::Engine, metrics::Metrics};

/// How often it is looked whether there is something to count. A verdict does not wait for it.
const LOOK: Duration = Duration::from_secs(2);
/// Pause after a count that failed.
const RETRY: Duration = Duration::from_mins(1);

/// Counts whenever the namespaces at risk are others than those counted last, until the process ends.
pub async fn run(engine: Arc<Engine>, host: Host, metrics: Arc<Metrics>) {
    loop {
        let now = engine.clock.now();
        let uncounted = engine.federation().uncounted(now);
        let mut pause = LOOK;
        if let Some(namespaces) = uncounted {
            match count(&host, &namespaces).await {
                Ok(contents) => {
                    let now = engine.clock.now();
                    engine.step(|federation| {
                        federation.counted(namespaces, contents, now);
                        Vec::new()
                    });
                }
                Err(error) => {
                    metrics.write_failed("contents", error.class());
                    tracing::warn!(class = error.class(), %error, "what is in the namespaces at risk could not be counted");
                    pause = RETRY;
                }
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// One namespace after the other: whoever reads the number can wait, the API server in trouble cannot.
async fn count(
    host: &Host,
    namespaces: &[Text],
) -> Result<Contents, federation_health_cluster::call::CallError> {
    let mut all = Contents::default();
    for namespace in namespaces {
        let one = host.contents(namespace).await?;
        all.workloads += one.workloads;
        all.bound_claims += one.bound_claims;
    }
    Ok(all)
}
