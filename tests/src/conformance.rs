//! The simulation against real control planes: one script of requests answered by both, and the
//! incident seen on both and in the recording.
//!
//! Everything that is proven on the simulation rests on it; what it answers otherwise than
//! kube-apiserver is either a fault of it or stands, with the reason, in [`known`].

pub mod compare;
pub mod known;
pub mod normal;
pub mod order;
pub mod script;
pub mod witness;
