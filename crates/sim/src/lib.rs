//! An in-memory Kubernetes API server with models of KubeFed, KubeSphere and the garbage collector.
//!
//! It speaks the API closely enough for `kube`, its runtime and kubectl, in virtual time: with tokio's
//! clock paused and a current-thread runtime, a run is the same every time.
//!
//! What it does not do: schemas are not enforced and CEL is not evaluated (the hold's policies are
//! modelled by hooks), everyone may do everything, and pods do not exist.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use federation_health_sim::{Clock, Controllers, Sim};
//!
//! let sim = Sim::new(Clock::simulated());
//! sim.install_kubesphere()?;
//! sim.add_workspace("payments", &["host"], &["pay-1"])?;
//! let _running = sim.start_controllers(&Controllers::host());
//! sim.join("produce-trt")?;
//! tokio::time::sleep(std::time::Duration::from_secs(30)).await;
//! assert!(sim.audit().iter().any(|e| e.user.ends_with("produce-trt-kubesphere") && e.verb == "delete"));
//! # Ok(())
//! # }
//! ```

mod admission;
mod agent;
mod apply;
mod audit;
mod call;
mod change;
mod clock;
mod create;
mod defaults;
mod delete;
mod discovery;
mod events;
mod faults;
mod fields;
mod guard;
mod hold;
mod identity;
mod install;
mod json;
mod jsonpath;
mod kinds;
mod listen;
mod managed;
mod models;
mod network;
mod read;
mod refusal;
mod reply;
mod scale;
mod scenario;
mod selector;
mod server;
mod service;
mod sim;
mod state;
mod table;
mod watch;

pub use admission::{Denial, Hook, Review};
pub use agent::{Agent, Resource, resources};
pub use audit::AuditEntry;
pub use clock::Clock;
pub use faults::{Effect, Garble, RequestFacts};
pub use listen::Listening;
pub use models::kubefed::KubeFedOptions;
pub use network::Network;
pub use refusal::Refusal;
pub use service::{SimBody, SimService};
pub use sim::{Controllers, Running, Sim};
pub use table::human as age;
