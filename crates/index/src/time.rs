//! Instants, as the API writes them and as the decisions count them.

use federation_health_core::time::Time;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time as WireTime, jiff::Timestamp};

/// An instant in the form of the API, in whole seconds as Kubernetes writes them.
pub fn wire_time(time: Time) -> WireTime {
    let seconds = time.0.div_euclid(1000);
    WireTime(Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// An instant for the decisions.
pub fn instant(time: &WireTime) -> Time {
    Time(time.0.as_millisecond())
}
