//! Real control planes with real KubeFed on loopback, for tests and demonstrations.

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
pub mod run_dir;
pub mod runner;
pub mod wait;
pub mod workspace;

pub use audit::{Audit, AuditEvent};
pub use control_plane::{ControlPlane, ControlPlaneOptions};
pub use error::{Error, Result};
pub use federation::{Federation, FederationOptions};
