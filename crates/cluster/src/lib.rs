//! Every byte over the wire: watches, probes, the writes of holds, status and events.

pub mod call;
pub mod check;
pub mod connect;
pub mod endpoint;
pub mod host;
pub mod lease;
mod list;
pub mod probe;
pub mod proof;
pub mod rbac;
pub mod remedy;
pub mod watch;
