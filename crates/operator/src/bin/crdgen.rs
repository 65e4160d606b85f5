//! Writes the generated manifests.
fn main() {}
