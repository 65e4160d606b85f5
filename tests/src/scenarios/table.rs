//! Figures of one run by name, and the table of many runs.

use std::fmt;

use super::figures::Spread;

/// What one run measured: a name with its unit, and the value.
pub type Figures = Vec<(&'static str, f64)>;

/// Figures of many runs of one scenario.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<(&'static str, Vec<f64>)>,
}

impl Table {
    /// Adds a run.
    pub fn add(&mut self, figures: Figures) {
        for (name, value) in figures {
            match self.rows.iter_mut().find(|(row, _)| *row == name) {
                Some((_, values)) => values.push(value),
                None => self.rows.push((name, vec![value])),
            }
        }
    }
}

/// One line a figure: minimum, median, maximum.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, values) in &self.rows {
            writeln!(f, "  {name:<44} {}", Spread::of(values.iter().copied()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_some_runs_lack_counts_those_that_have_it() {
        let mut table = Table::default();
        table.add(vec![("verdict [ms]", 3.0), ("hold [ms]", 9.0)]);
        table.add(vec![("verdict [ms]", 1.0)]);
        let text = table.to_string();
        assert!(text.contains("1.0 / 3.0 / 3.0 (n=2)"), "{text}");
        assert!(text.contains("9.0 / 9.0 / 9.0 (n=1)"), "{text}");
    }
}
