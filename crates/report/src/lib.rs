//! One document and its pictures, in four forms: what the plugin's `report` writes and the operator's page serves.
//!
//! Everything is a function from what is known to a text: nothing here reads, waits or decides.

pub mod codes;
pub mod document;
pub mod federation;
pub mod history;
pub mod html;
pub mod junit;
pub mod live;
pub mod markdown;
pub mod picture;

pub use document::Report;
