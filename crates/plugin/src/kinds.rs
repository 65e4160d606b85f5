//! The kinds that are read, and what an object of each means to the decisions.

/// Path of KubeFed's own kinds.
pub const KUBEFED: &str = "/apis/core.kubefed.io/v1beta1";
