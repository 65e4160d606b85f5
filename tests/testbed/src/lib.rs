//! Real control planes with real KubeFed on loopback, for tests and demonstrations.

pub mod apply;
pub mod audit;
pub mod binaries;
pub mod control_plane;
pub mod error;
pub mod forward;
pub mod kinds;
pub mod kubeconfig;
pub mod pki;
pub mod ports;
pub mod process;
pub mod run_dir;
pub mod wait;

pub use audit::{Audit, AuditEvent};
pub use control_plane::{ControlPlane, ControlPlaneOptions};
pub use error::{Error, Result};
