//! The CRDs as they are installed.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::CustomResourceExt as _;

use super::{FederationHealth, FederationHold};

/// The CustomResourceDefinitions of this group.
pub fn definitions() -> [CustomResourceDefinition; 2] {
    [definition(), installed(FederationHold::crd())]
}

/// The CustomResourceDefinition of [`FederationHealth`].
pub fn definition() -> CustomResourceDefinition {
    installed(FederationHealth::crd())
}

/// It differs from the derived one in two points. An object without spec passes: that is the one that watches and reports.
/// And descriptions do not break where the source's lines end, so that `kubectl explain` fills the terminal's.
fn installed(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        let schema = version.schema.as_mut();
        let Some(root) = schema.and_then(|s| s.open_api_v3_schema.as_mut()) else {
            continue;
        };
        allow_without_spec(root);
        join_lines(root);
    }
    crd
}

fn allow_without_spec(root: &mut JSONSchemaProps) {
    if let Some(required) = &mut root.required {
        required.retain(|field| field != "spec");
    }
    root.required.take_if(|fields| fields.is_empty());
    if let Some(spec) = root.properties.as_mut().and_then(|p| p.get_mut("spec")) {
        // The server fills an empty object with the defaults of its fields.
        spec.default = Some(JSON(serde_json::json!({})));
    }
}

fn join_lines(schema: &mut JSONSchemaProps) {
    if let Some(text) = &mut schema.description {
        let paragraphs = text.split("\n\n").map(|p| p.replace('\n', " "));
        *text = paragraphs.collect::<Vec<_>>().join("\n\n");
    }
    for property in schema.properties.iter_mut().flat_map(|p| p.values_mut()) {
        join_lines(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &mut schema.items {
        join_lines(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> JSONSchemaProps {
        let schema = definition().spec.versions[0].schema.clone().unwrap();
        schema.open_api_v3_schema.unwrap()
    }

    #[test]
    fn no_field_of_the_root_is_required_and_an_absent_spec_is_an_empty_one() {
        assert_eq!(root().required, None);
        let spec = &root().properties.unwrap()["spec"];
        assert_eq!(spec.default, Some(JSON(serde_json::json!({}))));
    }

    #[test]
    fn a_description_breaks_between_paragraphs_alone() {
        let text = serde_json::to_string(&root()).unwrap();
        assert!(!text.replace("\\n\\n", "").contains("\\n"), "{text}");
        assert!(
            text.contains("On the host `Always` leaves the deletion of a WorkspaceTemplate alone")
        );
    }
}
