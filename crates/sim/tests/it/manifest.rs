//! Definitions that several tests install.

/// A kind with status and printer columns; its conditions are a list map, as FederationHealth's are.
pub(crate) const WIDGETS: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: widgets.example.io
spec:
  group: example.io
  scope: Cluster
  names: {plural: widgets, singular: widget, kind: Widget, shortNames: [wd], categories: [federation]}
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}}
      additionalPrinterColumns:
        - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
        - {name: Size, type: integer, jsonPath: .spec.size}
        - {name: Since, type: date, jsonPath: '.status.conditions[?(@.type=="Ready")].lastTransitionTime'}
        - {name: Message, type: string, priority: 1, jsonPath: '.status.conditions[?(@.type=="Ready")].message'}
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {type: object, x-kubernetes-preserve-unknown-fields: true}
            status:
              type: object
              properties:
                phase: {type: string}
                hold: {type: object, properties: {collection: {type: boolean}, reason: {type: string}}}
                tags: {type: array, items: {type: string}}
                conditions:
                  type: array
                  x-kubernetes-list-type: map
                  x-kubernetes-list-map-keys: [type]
                  items:
                    type: object
                    required: [type]
                    properties:
                      type: {type: string}
                      status: {type: string}
                      message: {type: string}
                      lastTransitionTime: {type: string}
"#;

/// A FederationHold that permits both rules, under a definition with no more than the hold's contract.
pub(crate) const FEDERATION_HOLD: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: federationholds.federationhealth.io
spec:
  group: federationhealth.io
  scope: Cluster
  names: {plural: federationholds, singular: federationhold, kind: FederationHold, shortNames: [fedhold]}
  versions:
    - name: v1alpha1
      served: true
      storage: true
      subresources: {status: {}}
---
apiVersion: federationhealth.io/v1alpha1
kind: FederationHold
metadata:
  name: default
";
