//! A request in parsed form, and how its path and query are read.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use crate::{faults::RequestFacts, refusal::Refusal};

/// How a patch is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PatchKind {
    Merge,
    Json,
    Apply,
    /// Strategic merge, for built-in kinds only; carried out as a merge patch.
    Strategic,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch(PatchKind),
    Delete,
    DeleteCollection,
}

impl Verb {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch(_) => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }
}

/// Of which object or list it is asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Target {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) subresource: String,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) user: Arc<str>,
    /// Program name, the default field manager.
    pub(crate) agent: Arc<str>,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) caller: Caller,
    pub(crate) verb: Verb,
    pub(crate) target: Target,
    pub(crate) query: Query,
    pub(crate) body: Value,
}

impl Call {
    /// Whether the write is only tried; `kube` says so in the body of a deletion, kubectl in the query.
    pub(crate) fn dry_run(&self) -> bool {
        let in_body = matches!(self.verb, Verb::Delete | Verb::DeleteCollection)
            && crate::json::items(&self.body, &["dryRun"])
                .iter()
                .any(|v| v == "All");
        in_body || self.query.get("dryRun") == "All"
    }

    /// Field manager of the write: named by the caller, else the program's name.
    pub(crate) fn manager(&self) -> &str {
        match self.query.get("fieldManager") {
            "" => &self.caller.agent,
            name => name,
        }
    }

    pub(crate) fn facts(&self) -> RequestFacts {
        RequestFacts {
            user: self.caller.user.to_string(),
            verb: self.verb.name(),
            group: self.target.group.clone(),
            resource: self.target.plural.clone(),
            subresource: self.target.subresource.clone(),
            namespace: self.target.namespace.clone(),
            name: self.target.name.clone(),
        }
    }
}

/// The query of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|p| !p.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key, true), decode(value, true))
        });
        Self(pairs.collect())
    }

    /// The value of a parameter, empty when absent.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), "true" | "1")
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        match self.get(name) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                Refusal::bad_request(format!("{name} must be a number, got {text:?}"))
            }),
        }
    }
}

/// Undoes percent-encoding; what is no valid escape stays as it is.
fn decode(text: &str, plus_is_space: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%' && after.len() >= 2)
            .then(|| std::str::from_utf8(&after[..2]).ok())
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        rest = if let Some(byte) = escaped {
            bytes.push(byte);
            &after[2..]
        } else {
            bytes.push(if first == b'+' && plus_is_space {
                b' '
            } else {
                first
            });
            after
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Target {
    /// Reads `/api/v1/…` and `/apis/<group>/<version>/…`; `None` for paths that name no resource.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let parts: Vec<String> = path
            .split('/')
            .filter(|p| !p.is_empty())
            .map(|p| decode(p, false))
            .collect();
        let (group, version, rest) = match parts.first()?.as_str() {
            "api" => (String::new(), parts.get(1)?.clone(), parts.get(2..)?),
            "apis" => (
                parts.get(1)?.clone(),
                parts.get(2)?.clone(),
                parts.get(3..)?,
            ),
            _ => return None,
        };
        let mut target = Self {
            group,
            version,
            ..Self::default()
        };
        let rest = match rest {
            // `namespaces/x/status` is about the Namespace itself, `namespaces/x/pods` about what is in it.
            [first, namespace, third, ..]
                if first == "namespaces" && third != "status" && third != "finalize" =>
            {
                target.namespace.clone_from(namespace);
                &rest[2..]
            }
            _ => rest,
        };
        let mut rest = rest.iter();
        target.plural.clone_from(rest.next()?);
        target.name = rest.next().cloned().unwrap_or_default();
        target.subresource = rest.next().cloned().unwrap_or_default();
        rest.next().is_none().then_some(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_group_namespace_name_and_subresource() {
        let target = Target::parse("/apis/apps/v1/namespaces/a/deployments/b/scale").unwrap();
        assert_eq!(
            (
                target.group.as_str(),
                target.namespace.as_str(),
                target.plural.as_str()
            ),
            ("apps", "a", "deployments")
        );
        assert_eq!(
            (target.name.as_str(), target.subresource.as_str()),
            ("b", "scale")
        );
        let namespace = Target::parse("/api/v1/namespaces/a/finalize").unwrap();
        assert_eq!(
            (namespace.plural.as_str(), namespace.name.as_str()),
            ("namespaces", "a")
        );
        assert_eq!(Target::parse("/healthz"), None);
        assert_eq!(Target::parse("/apis/apps/v1"), None);
    }

    #[test]
    fn queries_are_decoded_once() {
        let query = Query::parse("labelSelector=a%3Db%2Cc&watch=1&fieldManager=x+y&bad=%zz");
        assert_eq!(query.get("labelSelector"), "a=b,c");
        assert!(query.flag("watch"));
        assert_eq!(query.get("fieldManager"), "x y");
        assert_eq!(query.get("bad"), "%zz");
    }
}
