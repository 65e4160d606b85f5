//! Real control planes on loopback, for tests.
