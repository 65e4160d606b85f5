//! Shared pieces of the scenario and end-to-end tests.
