//! Every byte over the wire: watches, probes, the writes of holds, status and events.

pub mod endpoint;
pub mod probe;
pub mod watch;
