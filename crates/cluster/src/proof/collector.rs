//! The real garbage collector against the durable layer: what it is refused survives, what it is not does not.

use std::time::Duration;

use federation_health_api::names;
use federation_health_core::assess::Proof;
use http::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{Part, Prover, Wanted, canary, fault};
use crate::call::{Call, CallError};

/// A collector in good order needs less than a second; one that resynchronizes its kinds, up to half a minute.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(250);
/// How long a canary must outlive the control that was created after it.
const SURVIVAL: Duration = Duration::from_secs(1);
/// Tries to remove each object of this step.
const CLEAN_TRIES: u32 = 3;
/// Covered by the durable policy of the first wanted rule: the layer is the same for both, and so is the collector.
const COVERED: &str = "canary-collector-covered";
/// Covered by no policy.
const CONTROL: &str = "canary-collector-control";
/// No server gives this UID away, and so the owner never exists. Constant, because the collector remembers absent owners by
/// UID and a new one each time would be remembered in vain.
const ABSENT_OWNER: &str = "0fede4a1-0000-4000-8000-000000000000";

fn orphan(name: &str, labels: &Value) -> Value {
    json!({
        "name": name,
        "labels": labels,
        "ownerReferences": [{
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": "canary-absent-owner",
            "uid": ABSENT_OWNER,
        }],
    })
}

impl Prover {
    /// Lets the collector try; leaves nothing.
    pub(super) async fn try_collector(&self, wanted: &Wanted) -> Result<(), Proof> {
        let Some(part) = canary::durable(wanted).next() else {
            return Ok(());
        };
        // Of a proof that was cut off.
        self.clean().await?;
        let result = self.collect(part).await;
        let cleaned = self.clean().await;
        result.and(cleaned)
    }

    async fn collect(&self, part: Part) -> Result<(), Proof> {
        let metadata = orphan(COVERED, &canary::labels(part));
        self.create_config_map(&metadata).await?;
        let metadata = orphan(CONTROL, &json!({names::CANARY_LABEL: "control"}));
        self.create_config_map(&metadata).await?;
        let deadline = Instant::now() + PATIENCE;
        while self.exists(CONTROL).await? {
            if Instant::now() + PAUSE >= deadline {
                return Err(Proof::Failed(format!(
                    "The garbage collector did not delete {CONTROL}, whose owner does not exist, within {} s: either none \
                     runs here or it is slow, so it is not shown that the hold stops it.",
                    PATIENCE.as_secs()
                )));
            }
            sleep(PAUSE).await;
        }
        sleep(SURVIVAL).await;
        if self.exists(COVERED).await? {
            return Ok(());
        }
        Err(Proof::Failed(format!(
            "The garbage collector deleted {COVERED}, which {} covers: it was not refused. Does the controller manager run \
             under a name of its own?",
            part.name()
        )))
    }

    async fn exists(&self, name: &str) -> Result<bool, Proof> {
        let uri = format!("{}/{name}", self.config_maps());
        match Call::get(&self.client, uri, canary::DEADLINE).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some(404) => Ok(false),
            Err(error) => Err(fault(&format!("get ConfigMap {name}"), &error)),
        }
    }

    async fn clean(&self) -> Result<(), Proof> {
        let mut result = Ok(());
        for name in [COVERED, CONTROL] {
            let removed = self.remove(name).await;
            result =
                result.and(removed.map_err(|e| fault(&format!("delete ConfigMap {name}"), &e)));
        }
        result
    }

    /// Removes for real what this step created; our own deletion is no collector's and passes.
    async fn remove(&self, name: &str) -> Result<(), CallError> {
        let mut result = self.remove_once(name).await;
        for _ in 1..CLEAN_TRIES {
            if !matches!(&result, Err(error) if error.code().is_none()) {
                break;
            }
            sleep(PAUSE).await;
            result = self.remove_once(name).await;
        }
        result
    }

    async fn remove_once(&self, name: &str) -> Result<(), CallError> {
        let call = Call {
            method: Method::DELETE,
            ..Call::get(
                &self.client,
                format!("{}/{name}", self.config_maps()),
                canary::DEADLINE,
            )
        };
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some(404) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
