//! The detector's quality in figures: false alarms in months of honest work, and how soon a fight is seen.

pub mod honest;
pub mod table;
