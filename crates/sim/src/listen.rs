//! The server behind a loopback socket, for real clients.

use std::{io, net::SocketAddr};

use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::service::SimService;

/// A listening server; it stops when this is dropped.
#[derive(Debug)]
pub struct Listening {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Listening {
    /// The address it listens on, with the port that was given to it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A kubeconfig that reaches it without credentials.
    pub fn kubeconfig(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: sim\n\
             clusters:\n- name: sim\n  cluster:\n    server: http://{}\n\
             contexts:\n- name: sim\n  context:\n    cluster: sim\n    user: sim\n\
             users:\n- name: sim\n  user: {{}}\n",
            self.address
        )
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Listens on a loopback address; any other is refused, because the server asks nobody who they are.
pub(crate) async fn listen(service: SimService, address: SocketAddr) -> io::Result<Listening> {
    if !address.ip().is_loopback() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "the simulation listens on loopback only, not on {address}: it authenticates nobody"
            ),
        ));
    }
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let task = tokio::spawn(async move {
        // Connections end with the listener: a dropped set aborts its tasks.
        let mut connections = tokio::task::JoinSet::new();
        loop {
            // A failed accept concerns one client only.
            if let Ok((stream, _)) = listener.accept().await {
                let service = TowerToHyperService::new(service.clone());
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                connections.spawn(async move {
                    // A client that hangs up in the middle of a watch is no error of the server.
                    let _ = connection.await;
                });
            }
            while connections.try_join_next().is_some() {}
        }
    });
    Ok(Listening { address, task })
}
