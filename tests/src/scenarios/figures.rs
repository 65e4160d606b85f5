//! Figures of repeated runs.

use std::fmt;

use k8s_openapi::jiff::Timestamp;

/// Milliseconds from one instant to another, negative if it lies before.
pub fn milliseconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64() * 1000.0
}

/// Smallest, middle and largest of some values; prints as `min / median / max`.
#[derive(Clone, Debug, Default)]
pub struct Spread(Vec<f64>);

impl Spread {
    /// The spread of these values.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// The largest value.
    pub fn max(&self) -> Option<f64> {
        self.0.last().copied()
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(min), Some(max)) = (self.0.first(), self.0.last()) else {
            return f.write_str("none");
        };
        let middle = self.0[self.0.len() / 2];
        write!(f, "{min:.1} / {middle:.1} / {max:.1} (n={})", self.0.len())
    }
}
