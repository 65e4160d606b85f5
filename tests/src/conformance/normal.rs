//! Masks what two servers cannot have in common, and keeps what can be compared of it: which UIDs and which
//! versions of objects are the same ones.

use serde_json::{Map, Value, json};

/// The UIDs and resourceVersions that one server has shown, in the order in which it first showed them.
#[derive(Debug, Default)]
pub struct Names {
    uids: Vec<String>,
    versions: Vec<String>,
}

impl Names {
    /// The value with times masked, UIDs and versions replaced by the order of their appearance.
    pub fn mask(&mut self, value: &Value) -> Value {
        match value {
            Value::Object(map) => self.object(map),
            Value::Array(list) => list.iter().map(|v| self.mask(v)).collect(),
            Value::String(text) => Value::String(self.uids_of(text)),
            other => other.clone(),
        }
    }

    fn object(&mut self, map: &Map<String, Value>) -> Value {
        // In one order on both sides, whatever order a server writes in.
        let mut fields: Vec<(&String, &Value)> = map.iter().collect();
        fields.sort_by_key(|(name, _)| *name);
        let of_an_object = map.contains_key("uid");
        let masked = fields.into_iter().map(|(name, value)| {
            let value = match (name.as_str(), value) {
                ("creationTimestamp" | "deletionTimestamp" | "time", Value::String(_)) => {
                    json!("<time>")
                }
                ("continue", Value::String(text)) if !text.is_empty() => json!("<continue>"),
                // A list and a bookmark carry the server's version, which its own writes move.
                ("resourceVersion", Value::String(_)) if !of_an_object => json!("<version>"),
                ("resourceVersion", Value::String(version)) => json!(self.version(version)),
                ("message", Value::String(text)) => {
                    let text = self.uids_of(text);
                    json!(self.versions_in(&text))
                }
                ("managedFields", Value::Array(entries)) => self.managers(entries),
                _ => self.mask(value),
            };
            (name.clone(), value)
        });
        Value::Object(masked.collect())
    }

    /// Entries are ordered by their time, in whole seconds: two in one second on one side are not on the other.
    fn managers(&mut self, entries: &[Value]) -> Value {
        let mut entries = entries.to_vec();
        let key = |entry: &Value| {
            ["manager", "operation", "subresource", "apiVersion"]
                .map(|field| entry[field].as_str().unwrap_or_default().to_owned())
        };
        entries.sort_by_cached_key(key);
        entries.iter().map(|entry| self.mask(entry)).collect()
    }

    fn version(&mut self, version: &str) -> String {
        format!("<version {}>", place(&mut self.versions, version))
    }

    /// Versions are small numbers on the simulation, so only messages about versions are looked at.
    fn versions_in(&self, text: &str) -> String {
        if !text.to_lowercase().contains("version") {
            return text.to_owned();
        }
        let words = text.split_inclusive([' ', ',', ')', ':', '.', '(']);
        words
            .map(|word| {
                let number = word.trim_end_matches(|c: char| !c.is_ascii_digit());
                match self.versions.iter().position(|known| known == number) {
                    Some(at) => word.replace(number, &format!("<version {at}>")),
                    None => word.to_owned(),
                }
            })
            .collect()
    }

    fn uids_of(&mut self, text: &str) -> String {
        let mut masked = String::new();
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            let uid = rest.get(..UID_LENGTH).filter(|part| is_uid(part));
            if let Some(uid) = uid {
                let name = format!("<uid {}>", place(&mut self.uids, uid));
                masked.push_str(&name);
                rest = &rest[UID_LENGTH..];
            } else {
                masked.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
        masked
    }
}

/// A UUID in its usual form.
const UID_LENGTH: usize = 36;

fn is_uid(text: &str) -> bool {
    text.bytes().enumerate().all(|(i, byte)| match i {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

fn place(known: &mut Vec<String>, name: &str) -> usize {
    known.iter().position(|k| k == name).unwrap_or_else(|| {
        known.push(name.to_owned());
        known.len() - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "0d9d2f6e-8a0e-4a52-9b53-0c6d0f5c2b11";

    #[test]
    fn equal_uids_and_versions_stay_equal_and_different_ones_different() {
        let mut names = Names::default();
        let object = |uid: &str, version: &str| json!({"uid": uid, "resourceVersion": version});
        let first = names.mask(&object(UID, "7"));
        assert_eq!(first, names.mask(&object(UID, "7")));
        assert_ne!(first, names.mask(&object(UID, "8")));
        let other = UID.replace('0', "1");
        assert_ne!(first, names.mask(&object(&other, "7")));
        let message = names.mask(&json!({"message": format!("the version 8 of {UID} is not 9")}));
        assert_eq!(
            message["message"],
            "the version <version 1> of <uid 0> is not 9"
        );
    }

    #[test]
    fn a_list_has_the_version_of_its_server() {
        let list = json!({"metadata": {"resourceVersion": "9"}, "items": []});
        assert_eq!(
            Names::default().mask(&list)["metadata"]["resourceVersion"],
            "<version>"
        );
    }
}
