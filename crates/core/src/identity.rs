//! Under construction by a separate change.
