//! Looks at the object again and again, and remembers everything that it ever said.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use federation_health_api::FederationHealth;
use kube::{Api, Client};
use tokio::task::JoinHandle;

/// Between two looks: what is written for a moment takes longer than one write.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A running recorder.
pub struct Recorder {
    seen: Arc<Mutex<BTreeSet<String>>>,
    task: JoinHandle<()>,
}

impl Recorder {
    /// Begins; `look` says what is to be remembered of the object.
    pub fn start(client: Client, look: fn(&FederationHealth) -> BTreeSet<String>) -> Self {
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let record = Arc::clone(&seen);
        let api: Api<FederationHealth> = Api::all(client);
        let task = tokio::spawn(async move {
            loop {
                // A server that restarts has nothing to say.
                if let Ok(health) = api.get("default").await {
                    record
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .extend(look(&health));
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        Self { seen, task }
    }

    /// Ends, and gives everything that was seen.
    pub fn end(self) -> BTreeSet<String> {
        self.task.abort();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut seen)
    }
}
