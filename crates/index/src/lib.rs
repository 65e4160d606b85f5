//! Objects to facts, spec to policy, assessment to status.
