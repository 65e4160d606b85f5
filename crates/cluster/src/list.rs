//! A whole collection, page by page.

use std::time::Duration;

use kube::Client;
use serde::{Deserialize, de::DeserializeOwned};

use crate::call::{Call, CallError};

/// One page of a consistent list.
pub(crate) const LIST_DEADLINE: Duration = Duration::from_secs(30);
/// Objects a page, as client-go asks for.
const PAGE: usize = 500;
/// Pages of one list: five hundred times two hundred namespaces is the scale that design promises.
const MAX_PAGES: usize = 400;

#[derive(Deserialize)]
struct Page<T> {
    #[serde(default)]
    metadata: PageMeta,
    items: Vec<T>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageMeta {
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

/// Lists a collection consistently, without resourceVersion.
pub(crate) async fn list<T: DeserializeOwned>(
    client: &Client,
    path: &str,
) -> Result<Vec<T>, CallError> {
    let mut items = Vec::new();
    let mut token = String::new();
    for _ in 0..MAX_PAGES {
        let next = if token.is_empty() {
            String::new()
        } else {
            format!("&continue={token}")
        };
        let uri = format!("{path}?limit={PAGE}{next}");
        let page: Page<T> = Call::get(client, uri, LIST_DEADLINE).read().await?;
        items.extend(page.items);
        match page.metadata.next.filter(|next| !next.is_empty()) {
            Some(next) => token = encode(&next),
            None => return Ok(items),
        }
    }
    Err(CallError::Answer(
        format!("more than {MAX_PAGES} pages").into(),
    ))
}

/// Continue tokens are base64url, which may end in `=`.
fn encode(token: &str) -> String {
    token
        .replace('%', "%25")
        .replace('=', "%3D")
        .replace('+', "%2B")
        .replace('/', "%2F")
}
