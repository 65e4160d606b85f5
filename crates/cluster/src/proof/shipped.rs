//! What this release ships, as this installation should have it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Install, Layer, Part};

/// The objects, from the same files that people apply.
const FILES: [&str; 4] = [
    include_str!("../../../../config/policies/collection-fast.yaml"),
    include_str!("../../../../config/policies/collection-durable.yaml"),
    include_str!("../../../../config/policies/federation-fast.yaml"),
    include_str!("../../../../config/policies/federation-durable.yaml"),
];
/// The operator's namespace in those files, as a CEL literal.
const NAMESPACE: &str = "'federation-health-system'";

/// The files of config/policies do not hold what this program expects.
#[derive(Debug, thiserror::Error)]
pub enum ShippedError {
    /// A file is no YAML.
    #[error("reading the policies built into this program")]
    Yaml(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An object is not in them.
    #[error("the policies built into this program lack {0}")]
    Lacking(String),
}

/// Specs of the shipped policies and bindings.
#[derive(Clone, Debug)]
pub struct Shipped {
    /// Spec of the policy and of its binding.
    pub(super) specs: BTreeMap<Part, (Value, Value)>,
}

impl Shipped {
    /// The shipped objects with this installation's values in them.
    ///
    /// # Errors
    /// The built-in files do not parse or are incomplete.
    pub fn for_install(install: &Install) -> Result<Self, ShippedError> {
        let documents = documents(&FILES)?;
        let mut specs = BTreeMap::new();
        for part in Part::ALL {
            let mut policy = spec(&documents, "ValidatingAdmissionPolicy", part.name())?;
            replace(&mut policy, NAMESPACE, &format!("'{}'", install.namespace));
            let mut binding = spec(&documents, "ValidatingAdmissionPolicyBinding", part.name())?;
            if part.layer == Layer::Fast {
                binding["paramRef"]["name"] = json!(install.object);
            }
            specs.insert(part, (policy, binding));
        }
        Ok(Self { specs })
    }
}

/// Every object of these files.
pub(super) fn documents(files: &[&str]) -> Result<Vec<Value>, ShippedError> {
    let read = files.iter().map(|file| {
        serde_saphyr::from_multiple::<Value>(file)
            .map_err(|error| ShippedError::Yaml(Box::new(error)))
    });
    Ok(read.collect::<Result<Vec<_>, _>>()?.concat())
}

pub(super) fn spec(documents: &[Value], kind: &str, name: &str) -> Result<Value, ShippedError> {
    documents
        .iter()
        .find(|d| d["kind"] == kind && d["metadata"]["name"] == name)
        .and_then(|d| d.get("spec"))
        .cloned()
        .ok_or_else(|| ShippedError::Lacking(format!("{kind} {name}")))
}

/// Puts a value of this installation where the files have that of the default one.
pub(super) fn replace(value: &mut Value, shipped: &str, here: &str) {
    match value {
        Value::String(text) => *text = text.replace(shipped, here),
        Value::Array(items) => items.iter_mut().for_each(|v| replace(v, shipped, here)),
        Value::Object(map) => map.values_mut().for_each(|v| replace(v, shipped, here)),
        _ => {}
    }
}
