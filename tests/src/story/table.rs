//! What `kubectl get federationhealth` prints: the server's table, with kubectl's spacing.

use federation_health_api::names::HEALTHS;
use federation_health_testbed::error::{Attempt as _, Error, Result};
use kube::{Client, api::ListParams, core::Request};
use serde_json::Value;

const ACCEPT: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
/// kubectl pads each column but the last by three spaces, and to no less than six characters.
const PADDING: usize = 3;
const NARROWEST: usize = 6;

/// The table of all FederationHealth objects; `wide` as with `-o wide`.
pub async fn get(client: &Client, wide: bool) -> Result<String> {
    let mut request = Request::new(HEALTHS)
        .list(&ListParams::default())
        .attempt(|| "build the request for a table")?;
    let accept = ACCEPT.parse().attempt(|| "build the request for a table")?;
    request.headers_mut().insert("accept", accept);
    let table: Value = client
        .request(request)
        .await
        .attempt(|| "get the table of FederationHealth objects")?;
    render(&table, wide)
}

/// The text of a `meta.k8s.io/v1` Table.
pub fn render(table: &Value, wide: bool) -> Result<String> {
    let list = |value: &Value| value.as_array().cloned();
    let (Some(columns), Some(rows)) = (list(&table["columnDefinitions"]), list(&table["rows"]))
    else {
        return Err(Error::refused(format!("no table, but: {table}")));
    };
    let shown: Vec<usize> = (0..columns.len())
        .filter(|i| wide || columns[*i]["priority"].as_i64().unwrap_or_default() == 0)
        .collect();
    let head = shown
        .iter()
        .map(|i| text(&columns[*i]["name"]).to_uppercase());
    let mut lines: Vec<Vec<String>> = vec![head.collect()];
    for row in &rows {
        let cells = shown.iter().map(|i| text(&row["cells"][*i]));
        lines.push(cells.collect());
    }
    Ok(align(&lines))
}

fn text(cell: &Value) -> String {
    match cell {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn align(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        let widest = cells.map(|c| c.chars().count()).max().unwrap_or_default();
        (widest + PADDING).max(NARROWEST)
    };
    let mut out = String::new();
    for line in lines {
        let mut row = String::new();
        for (column, cell) in line.iter().enumerate() {
            row.push_str(cell);
            if column + 1 < columns {
                let gap = width(column) - cell.chars().count();
                row.extend(std::iter::repeat_n(' ', gap));
            }
        }
        out.push_str(row.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_aligned_and_those_for_wide_output_left_out() {
        let table = json!({
            "columnDefinitions": [
                {"name": "Name", "priority": 0}, {"name": "Up", "priority": 0},
                {"name": "Message", "priority": 1},
            ],
            "rows": [{"cells": ["default", true, "fine"]}, {"cells": ["b", null, "bad"]}],
        });
        assert_eq!(
            render(&table, false).unwrap(),
            "NAME      UP\ndefault   true\nb\n"
        );
        assert_eq!(
            render(&table, true).unwrap(),
            "NAME      UP     MESSAGE\ndefault   true   fine\nb                bad\n"
        );
        assert!(render(&json!({"kind": "Status"}), false).is_err());
    }
}
