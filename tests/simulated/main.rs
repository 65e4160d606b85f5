//! Everything that needs no control plane.

mod examples;
mod rights;
