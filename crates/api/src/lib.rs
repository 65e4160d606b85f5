//! FederationHealth v1alpha1 and the few fields this project reads of other people's kinds.
