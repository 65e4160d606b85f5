//! Every decision: what was seen, what it means, what to do. No I/O, no clock, no randomness.
