//! A TCP forward on loopback: another address of the same server, and a slow or dead line.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::control_plane::ControlPlane;
use crate::error::{Attempt, Error, Result};
use crate::ports::free_port;

/// One read of a connection. A watch event of a large object is larger and simply takes several.
const CHUNK_BYTES: usize = 16 * 1024;

/// Chunks that may be under way in one direction: 16 MiB, a long delay of a busy watch.
const CHUNKS_UNDER_WAY: usize = 1024;

/// A listening forward. Dropping it cuts every connection.
#[derive(Debug)]
pub struct Forward {
    port: u16,
    delay_micros: Arc<AtomicU64>,
    cut: Arc<Notify>,
    open: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Forward {
    /// Listens on a free port of 127.0.0.1 and forwards to that port of 127.0.0.1.
    pub async fn start(target: u16) -> Result<Self> {
        let port = free_port()?;
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .attempt(|| format!("listen on 127.0.0.1:{port} for a forward to {target}"))?;
        let delay_micros = Arc::new(AtomicU64::new(0));
        let delay = Arc::clone(&delay_micros);
        let cut = Arc::new(Notify::new());
        let cutter = Arc::clone(&cut);
        let open = Arc::new(AtomicBool::new(true));
        let taken = Arc::clone(&open);
        let task = tokio::spawn(async move {
            // Owned by the task, so that aborting the task ends the connections.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                if !taken.load(Ordering::Relaxed) {
                    continue;
                }
                let carried = carry(client, target, Arc::clone(&delay));
                let cutter = Arc::clone(&cutter);
                connections.spawn(async move {
                    tokio::select! {
                        () = cutter.notified() => {}
                        () = carried => {}
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            port,
            delay_micros,
            cut,
            open,
            task,
        })
    }

    /// A forward to a control plane's API server.
    pub async fn before(plane: &ControlPlane) -> Result<Self> {
        let server = &plane.access().server;
        let port = server.rsplit(':').next().and_then(|port| port.parse().ok());
        let port = port.ok_or_else(|| Error::refused(format!("no port in {server}")))?;
        Self::start(port).await
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `https://127.0.0.1:port`: the server's certificate holds for it.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Cuts every connection that stands; new ones are taken as before.
    pub fn cut(&self) {
        self.cut.notify_waiters();
    }

    /// Takes connections, or drops every one that stands or comes, as a line that is down.
    pub fn set_open(&self, open: bool) {
        self.open.store(open, Ordering::Relaxed);
        if !open {
            self.cut();
        }
    }

    /// Delays every byte from the server to the client by this much, from now on and on open
    /// connections too. Bytes that wait already keep their time.
    pub fn set_delay(&self, delay: Duration) {
        self.delay_micros
            .store(delay.as_micros() as u64, Ordering::Relaxed);
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(client: TcpStream, target: u16, delay: Arc<AtomicU64>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else {
        // Dropping the client's connection tells it what a dead server would.
        return;
    };
    // Without this, small writes wait for acknowledgements and the line is slower than asked.
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (queue, delayed) = mpsc::channel(CHUNKS_UNDER_WAY);
    tokio::select! {
        () = copy(from_client, to_server) => {}
        () = stamp(from_server, queue, delay) => {}
        () = write_when_due(delayed, to_client) => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    // Either side's end or error ends the connection as a whole; there is nobody to tell.
    let _ = tokio::io::copy(&mut from, &mut to).await;
}

async fn stamp(
    mut from: OwnedReadHalf,
    queue: mpsc::Sender<(Instant, Vec<u8>)>,
    delay: Arc<AtomicU64>,
) {
    let mut buffer = vec![0; CHUNK_BYTES];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let due = Instant::now() + Duration::from_micros(delay.load(Ordering::Relaxed));
        if queue.send((due, buffer[..length].to_vec())).await.is_err() {
            return;
        }
    }
    drop(queue);
    // The writer still has bytes that wait; it ends the connection when they are written.
    std::future::pending::<()>().await;
}

async fn write_when_due(mut queue: mpsc::Receiver<(Instant, Vec<u8>)>, mut to: OwnedWriteHalf) {
    while let Some((due, bytes)) = queue.recv().await {
        if due > Instant::now() {
            tokio::time::sleep_until(due).await;
        }
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn delays_only_the_answers_and_only_while_asked() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = server.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut connection, _) = server.accept().await.unwrap();
            let mut byte = [0];
            while connection.read_exact(&mut byte).await.is_ok() {
                connection.write_all(&byte).await.unwrap();
            }
        });
        let forward = Forward::start(target).await.unwrap();
        let mut client = TcpStream::connect(("127.0.0.1", forward.port()))
            .await
            .unwrap();
        for delay in [Duration::ZERO, Duration::from_millis(200), Duration::ZERO] {
            forward.set_delay(delay);
            let asked = Instant::now();
            client.write_all(b"x").await.unwrap();
            client.read_exact(&mut [0]).await.unwrap();
            let took = asked.elapsed();
            assert!(took >= delay, "{took:?} for {delay:?}");
            assert!(
                took < delay + Duration::from_millis(150),
                "{took:?} for {delay:?}"
            );
        }
    }
}
