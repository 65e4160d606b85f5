//! Composition of the operator: reconcile loop, metrics, admin endpoints.
