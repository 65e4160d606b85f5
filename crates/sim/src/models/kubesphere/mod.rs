//! What KubeSphere's own controllers do, as the recording shows it.

pub(crate) mod binder;
pub(crate) mod clusters;
pub(crate) mod templates;

use crate::{agent::Agent, server::Server};

/// User name of KubeSphere's controller manager.
pub(crate) const USER: &str = "system:serviceaccount:kubesphere-system:kubesphere";

/// Label that says to which Workspace a namespace belongs.
pub(crate) const WORKSPACE_LABEL: &str = "kubesphere.io/workspace";

fn agent(server: &Server) -> Agent {
    // KubeFed's and KubeSphere's programs have the same name, so that managedFields cannot tell them apart.
    Agent::new(server, USER, "controller-manager")
}
