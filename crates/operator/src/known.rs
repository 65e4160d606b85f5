//! What the watches of our own objects know, for those who judge and those who write.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use federation_health_api::FederationHealth;
use federation_health_index::policy::Settings;
use tokio::sync::Notify;

/// What is known of the object and its switch.
#[derive(Default)]
pub struct Known {
    /// The object itself.
    pub object: Option<Arc<FederationHealth>>,
    /// Why its spec cannot be used.
    pub invalid: Option<String>,
    /// Its settings; the last valid ones while the spec is invalid.
    pub settings: Option<Settings>,
    /// Objects of other names.
    pub others: BTreeMap<String, Arc<FederationHealth>>,
    /// The list of objects was completed once.
    pub synced: bool,
    /// The FederationHold.
    pub switch: Switch,
    /// There is an object, or there is no switch: one may have to be created.
    pub unmatched: Arc<Notify>,
    /// An earlier process' record was taken up from it.
    pub restored: bool,
}

/// What is known of the switch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Switch {
    /// It has not been read.
    #[default]
    Unread,
    /// It cannot be read: its kind is not installed, or a right is lacking. A proof will say what it finds.
    Unreadable,
    /// There is none.
    Missing,
    /// There is none, and it could not be created. A proof will say what it finds.
    Refused,
    /// It exists.
    Present,
}

/// For a short look. Whoever panicked inside left whole values: each is put by one assignment.
pub fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}
