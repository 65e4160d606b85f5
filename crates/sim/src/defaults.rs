//! Defaults of custom resources, as their schema states them.

use serde_json::{Map, Value};

/// Fills in what the schema gives a default for. A default is itself filled in, since it may be a part only.
pub(crate) fn fill(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(map) => {
            for (name, property) in properties(schema) {
                if let Some(default) = property.get("default")
                    && map
                        .get(name)
                        .is_none_or(|v| v.is_null() && !nullable(property))
                {
                    map.insert(name.clone(), default.clone());
                }
                if let Some(member) = map.get_mut(name) {
                    fill(member, property);
                }
            }
            if let Some(other) = schema.get("additionalProperties") {
                for v in map.values_mut() {
                    fill(v, other);
                }
            }
        }
        Value::Array(list) => {
            if let Some(item) = schema.get("items") {
                for v in list {
                    fill(v, item);
                }
            }
        }
        _ => {}
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let map = schema.get("properties").and_then(Value::as_object);
    map.into_iter().flat_map(Map::iter)
}

fn nullable(property: &Value) -> bool {
    property["nullable"].as_bool().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_absent_or_null_gets_its_default_and_what_is_stated_stays() {
        let schema = json!({"properties": {
            "spec": {"default": {}, "properties": {
                "mode": {"default": "Off"}, "size": {"default": 3}, "free": {},
            }},
            "list": {"items": {"properties": {"on": {"default": true}}}},
        }});
        let mut value = json!({"list": [{}, {"on": false}]});
        fill(&mut value, &schema);
        assert_eq!(
            value,
            json!({"spec": {"mode": "Off", "size": 3}, "list": [{"on": true}, {"on": false}]})
        );
        let mut value = json!({"spec": {"mode": null, "size": 5}});
        fill(&mut value, &schema);
        assert_eq!(value, json!({"spec": {"mode": "Off", "size": 5}}));
    }
}
