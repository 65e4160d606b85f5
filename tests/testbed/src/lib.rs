//! Real control planes with real KubeFed on loopback, for tests and demonstrations.
//!
//! ```no_run
//! # async fn example() -> federation_health_testbed::Result<()> {
//! use std::time::Duration;
//! use federation_health_testbed::join::{JoinOptions, member_user};
//! use federation_health_testbed::{Federation, FederationOptions};
//!
//! // etcd, kube-apiserver, kube-controller-manager, KubeFed 0.8.1, KubeSphere's controllers,
//! // Workspaces `payments` and `orders` with three namespaces each: about eight seconds.
//! let bed = Federation::start(FederationOptions::default()).await?;
//! let before = bed.snapshot().await?;
//! // One server under two names: the incident.
//! bed.join_alias("produce-trt", JoinOptions::default()).await?;
//! let lost = bed.wait_lost(&before, 6, Duration::from_secs(60)).await?;
//! for deletion in bed.audit().deletions("workspaces")? {
//!     assert_eq!(deletion.user, member_user("kube-federation-system", "produce-trt"));
//! }
//! bed.stop().await
//! # }
//! ```
//!
//! Tests need `#[tokio::test(flavor = "multi_thread")]`: the imitation of KubeSphere and the
//! processes' supervisors are tasks of the test's own runtime. Everything listens on 127.0.0.1,
//! ends with its owner, with the test's panic and with the test process's death, and keeps its
//! logs below the temporary directory when something failed. Several test beds can run side by
//! side, but real servers on few cores answer late: run such tests one after the other
//! (`--test-threads=1`) where their times matter.

pub mod apply;
pub mod audit;
pub mod binaries;
pub mod control_plane;
pub mod error;
pub mod federation;
pub mod forward;
pub mod join;
pub mod kinds;
pub mod kubeconfig;
pub mod kubefed;
pub mod kubesphere;
pub mod pki;
pub mod ports;
pub mod process;
pub mod proxy;
pub mod run_dir;
pub mod runner;
pub mod wait;
pub mod workspace;

pub use audit::{Audit, AuditEvent};
pub use control_plane::{ControlPlane, ControlPlaneOptions, KubernetesVersion};
pub use error::{Error, Result};
pub use federation::{Federation, FederationOptions};
