//! The operator's admin endpoints, read as a probe or a scraper reads them.

use std::time::Duration;

use federation_health_testbed::error::{Attempt as _, Result};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// What a kubelet waits at most for a probe that is set up with care.
const LIMIT: Duration = Duration::from_secs(5);

/// HTTP status and body of a GET.
///
/// # Errors
/// Nobody listens, or no answer came in time.
pub async fn get(address: &str, path: &str) -> Result<(u16, String)> {
    let (head, body) = answer(address, path).await?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok((status.unwrap_or_default(), body))
}

/// Status line and headers, and the body, of a GET.
///
/// # Errors
/// Nobody listens, or no answer came in time.
pub async fn answer(address: &str, path: &str) -> Result<(String, String)> {
    let attempt = || format!("GET {path} from {address}");
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: operator\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = timeout(LIMIT, ask)
        .await
        .attempt(attempt)?
        .attempt(attempt)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    Ok((head.to_owned(), body.to_owned()))
}
