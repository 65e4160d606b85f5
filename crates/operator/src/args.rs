//! What was typed.

use std::net::SocketAddr;

use clap::{Parser, Subcommand, ValueEnum};

/// The client library reports each refused connection as an error of its own; ours says once that a feed fails.
const DEFAULT_LOG: &str = "info,kube_client::client::builder=off";

/// Guards a KubeFed federation: knows a doubled registration before the first deletion, and holds deletions.
#[derive(Clone, Debug, Parser)]
#[command(version, about)]
pub struct Args {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// FederationHealth object to serve; the shipped policies read `default`.
    #[arg(
        long,
        global = true,
        env = "FEDERATION_HEALTH_OBJECT",
        default_value = "default"
    )]
    pub object: String,
    /// Create the object with default values if it does not exist.
    #[arg(long, env = "FEDERATION_HEALTH_CREATE_DEFAULT")]
    pub create_default: bool,
    /// Namespace that the operator runs in and keeps its canaries in.
    #[arg(
        long,
        global = true,
        env = "POD_NAMESPACE",
        default_value = "federation-health-system"
    )]
    pub namespace: String,
    /// Name of this instance in events.
    #[arg(long, env = "POD_NAME", default_value = "federation-health")]
    pub instance: String,
    /// Address of /livez, /readyz, /metrics and /statusz; empty for none.
    #[arg(long, env = "FEDERATION_HEALTH_LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: String,
    /// Serve a read-only page at / of that address. It lists tenants to whoever reaches it.
    #[arg(long, env = "FEDERATION_HEALTH_PAGE")]
    pub page: bool,
    /// Format of the log.
    #[arg(
        long,
        env = "FEDERATION_HEALTH_LOG_FORMAT",
        value_enum,
        default_value = "text"
    )]
    pub log_format: LogFormat,
    /// What is logged, in tracing's filter syntax.
    #[arg(long, env = "FEDERATION_HEALTH_LOG", default_value = DEFAULT_LOG)]
    pub log: String,
}

impl Args {
    /// The admin address; None if it is switched off.
    ///
    /// # Errors
    /// The text is no address and port.
    pub fn listen_address(&self) -> Result<Option<SocketAddr>, String> {
        if self.listen.is_empty() {
            return Ok(None);
        }
        let parsed = self.listen.parse().map(Some);
        parsed.map_err(|_| {
            format!(
                "--listen {}: write an address and a port, for example 0.0.0.0:8080",
                self.listen
            )
        })
    }
}

/// What the binary does beside serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Look whether this server has what the operator needs, with the operator's own rights: kinds, the object, policies,
    /// roles. One line each; exit code 0 if nothing has to be done.
    Check {
        /// Look again until all is well, at most so long; 0 looks once.
        #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=600))]
        timeout_seconds: u64,
    },
}

/// Format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line a record, for people.
    Text,
    /// One JSON object a record.
    Json,
}
