//! Reading: get, and lists in pages.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::{
    call::Call,
    change::{self, Part},
    refusal::Refusal,
    reply::Reply,
    scale,
    selector::Selector,
    state::{Key, Served, State},
};

/// Carries out `get`.
pub(crate) fn get(state: &State, call: &Call, served: &Served) -> Result<Reply, Refusal> {
    let kind = &served.kind;
    let version = kind
        .version(&call.target.version)
        .ok_or_else(Refusal::page_not_found)?;
    let part = change::part(kind, version, &call.target.subresource, &call.target.name)?;
    let key = Key::new(&*call.target.namespace, &*call.target.name);
    let object = state
        .get(served.collection, &key)
        .ok_or_else(|| Refusal::not_found(&kind.group, &kind.plural, &key.name))?;
    Ok(match part {
        Part::Scale => Reply::raw(200, scale::of(object)),
        _ => Reply::object(200, served, &call.target.version, object.clone()),
    })
}

/// The selectors of a list or watch.
pub(crate) fn selector(call: &Call) -> Result<Selector, Refusal> {
    Selector::parse(
        call.query.get("labelSelector"),
        call.query.get("fieldSelector"),
    )
}

/// Every object that a list covers, without pages.
pub(crate) fn select(
    state: &State,
    call: &Call,
    served: &Served,
) -> Result<Vec<Arc<Value>>, Refusal> {
    let selector = selector(call)?;
    let from = Key::new(&*call.target.namespace, "");
    let found = range(state, served, Bound::Included(from), &call.target.namespace)
        .filter(|(_, object)| selector.is_empty() || selector.matches(object))
        .map(|(_, object)| object.clone());
    Ok(found.collect())
}

fn range<'a>(
    state: &'a State,
    served: &Served,
    from: Bound<Key>,
    namespace: &'a str,
) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> {
    between(
        &state.collections[served.collection].objects,
        from,
        namespace,
    )
}

fn between<'a>(
    objects: &'a BTreeMap<Key, Arc<Value>>,
    from: Bound<Key>,
    namespace: &'a str,
) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> {
    objects
        .range((from, Bound::Unbounded))
        .take_while(move |(key, _)| namespace.is_empty() || key.namespace == namespace)
}

/// The objects of a kind at an earlier version: what happened since is taken back, the newest first.
fn as_of(state: &State, served: &Served, version: u64) -> BTreeMap<Key, Arc<Value>> {
    let collection = &state.collections[served.collection];
    let mut objects = collection.objects.clone();
    let since = collection.history.iter().rev();
    for change in since.take_while(|c| c.version > version) {
        let key = Key::of(&change.object);
        match &change.previous {
            Some(previous) => objects.insert(key, previous.clone()),
            None => objects.remove(&key),
        };
    }
    objects
}

/// Carries out `list`. The continue token carries the version of the first page, and every page shows the
/// objects as they were then; history that is gone makes it 410, as on a real server.
pub(crate) fn list(state: &State, call: &Call, served: &Served) -> Result<Reply, Refusal> {
    let selector = selector(call)?;
    let limit = match call.query.number("limit")? {
        None | Some(0) => usize::MAX,
        Some(limit) => usize::try_from(limit).unwrap_or(usize::MAX),
    };
    let (version, from) = start(state, call, served)?;
    let mut items = Vec::new();
    let mut last = None;
    let mut remaining = 0;
    let newest = state.collections[served.collection].history.back();
    let former = newest
        .is_some_and(|change| change.version > version)
        .then(|| as_of(state, served, version));
    let objects = former
        .as_ref()
        .unwrap_or(&state.collections[served.collection].objects);
    for (key, object) in between(objects, from, &call.target.namespace) {
        if !selector.is_empty() && !selector.matches(object) {
            continue;
        }
        if items.len() < limit {
            items.push(object.clone());
            last = Some(key);
        } else {
            remaining += 1;
        }
    }
    let next = match last {
        Some(key) if remaining > 0 => token(version, key),
        _ => String::new(),
    };
    Ok(Reply::List {
        kind: served.kind.clone(),
        version: call.target.version.clone(),
        items,
        resource_version: version,
        next,
        // The server does not count what a selector would leave out.
        remaining: if selector.is_empty() { remaining } else { 0 },
    })
}

fn start(state: &State, call: &Call, served: &Served) -> Result<(u64, Bound<Key>), Refusal> {
    let token = call.query.get("continue");
    if !token.is_empty() {
        let (version, key) = parse_token(token).ok_or_else(|| {
            Refusal::bad_request("continue key is not valid: it was not given out by this server")
        })?;
        let oldest = state.collections[served.collection].compacted;
        if version < oldest {
            return Err(Refusal::expired(version, oldest));
        }
        return Ok((version, Bound::Excluded(key)));
    }
    if let Some(wanted) = call.query.number("resourceVersion")? {
        if wanted > state.version {
            let message = format!(
                "Timeout: Too large resource version: {wanted}, current: {}",
                state.version
            );
            return Err(Refusal::new(504, "Timeout", message));
        }
        if call.query.get("resourceVersionMatch") == "Exact" && wanted != state.version {
            return Err(Refusal::expired(wanted, state.version));
        }
    }
    let from = Bound::Included(Key::new(&*call.target.namespace, ""));
    Ok((state.version, from))
}

fn token(version: u64, key: &Key) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{version}/{}/{}", key.namespace, key.name))
}

fn parse_token(token: &str) -> Option<(u64, Key)> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let mut parts = text.splitn(3, '/');
    let version = parts.next()?.parse().ok()?;
    Some((version, Key::new(parts.next()?, parts.next()?)))
}
