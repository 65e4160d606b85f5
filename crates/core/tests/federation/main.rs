//! Stories of whole federations, told through the only doors there are: changes and time in, effects and judgement out.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that panics fails its test"
)]

mod accounts;
mod bed;
mod clusters;
mod conditions;
mod facts;
mod faults;
mod hold;
mod identity;
mod joined;
mod kind;
mod ledger;
mod mass;
mod object_churn;
mod offline;
mod probes;
mod properties;
mod replicas;
mod restart;
mod staleness;
mod tripwire;
mod witnesses;
mod writes;
