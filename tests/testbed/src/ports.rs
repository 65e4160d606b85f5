//! Free ports on loopback.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::error::{Error, Result};

/// Below the kernel's ephemeral range (32768 up on Linux): a port from that range could be taken
/// by any outgoing connection between our look and the server's bind, or while it restarts.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static OFFSET: AtomicU16 = AtomicU16::new(0);

/// A port on which nothing listens. Parallel processes start at different offsets, and no port is
/// handed out twice by one process.
pub fn free_port() -> Result<u16> {
    let start = (std::process::id().wrapping_mul(97) % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let step = OFFSET.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (start + step) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Error::refused(format!(
        "no free port on 127.0.0.1 between {FIRST} and {}",
        FIRST + COUNT
    )))
}
