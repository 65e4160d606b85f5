//! Models of the controllers that make the incident: small, driven by changes, deterministic in virtual time.

pub(crate) mod collector;
pub(crate) mod kubefed;
pub(crate) mod kubesphere;
pub(crate) mod lifecycle;
pub(crate) mod queue;

use std::{future::Future, hash::Hash, time::Duration};

use queue::Queue;
use tokio::{sync::mpsc, time::Instant};

use crate::{server::Server, state::Change};

/// A controller: changes become keys, keys become work.
pub(crate) trait Controller: Send + 'static {
    /// What the queue holds.
    type Key: Clone + Eq + Hash + Send;

    /// Notes a change; only fills the queue.
    fn observe(&mut self, change: &Change, queue: &mut Queue<Self::Key>);

    /// Works on one key that is due.
    fn work(&mut self, key: Self::Key, queue: &mut Queue<Self::Key>);

    /// Fills the queue before the first change.
    fn start(&mut self, queue: &mut Queue<Self::Key>);
}

/// Sends the changes that a controller wants into its channel.
pub(crate) fn feed(
    server: &Server,
    sender: &mpsc::UnboundedSender<Change>,
    wanted: impl Fn(&Change) -> bool + Send + 'static,
) {
    let sender = sender.clone();
    server.lock().subscribe(Box::new(move |change| {
        if wanted(change) {
            sender.send(change.clone()).is_ok()
        } else {
            !sender.is_closed()
        }
    }));
}

/// Runs a controller until its task is dropped.
pub(crate) fn run<C: Controller>(
    mut controller: C,
    mut changes: mpsc::UnboundedReceiver<Change>,
) -> impl Future<Output = ()> + Send {
    /// Without work a controller waits for a change alone; the time only has to exist.
    const IDLE: Duration = Duration::from_hours(24);
    async move {
        let mut queue = Queue::new();
        controller.start(&mut queue);
        loop {
            let next = queue.next().unwrap_or_else(|| Instant::now() + IDLE);
            tokio::select! {
                biased;
                change = changes.recv() => match change {
                    Some(change) => controller.observe(&change, &mut queue),
                    None => return,
                },
                () = tokio::time::sleep_until(next) => {
                    if let Some(key) = queue.pop() {
                        controller.work(key, &mut queue);
                    }
                }
            }
        }
    }
}
