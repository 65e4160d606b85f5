//! A status as large as the design allows.

use serde_json::{Value, json};

/// What a status is padded with.
#[derive(Clone, Copy, Debug)]
pub struct Padding {
    /// About so much text.
    pub bytes: usize,
    /// Registrations in each of the twenty groups: small fields, which cost an API server more than text.
    pub members: usize,
}

impl Padding {
    /// The largest status that the design allows, in the shape of a real worst case: text.
    pub const LARGEST: Self = Self {
        bytes: 128 << 10,
        members: 2,
    };
}

/// Twenty groups with sixteen lines of evidence each.
pub fn groups(padding: Padding) -> Vec<Value> {
    const GROUPS: usize = 20;
    const LINES: usize = 16;
    let member = |group: usize, member: usize| {
        json!({
            "namespace": "kube-federation-system",
            "name": format!("cluster-{group}-{member}"),
            "uid": "d7578d81-7969-430d-834a-526aa14a0764",
            "ready": "True",
            "creationTime": "2026-11-23T06:24:35Z",
        })
    };
    let line = "x".repeat((padding.bytes / GROUPS / LINES).max(1));
    let group = |group: usize| {
        let members: Vec<Value> = (0..padding.members).map(|n| member(group, n)).collect();
        json!({"members": members, "evidence": vec![&line; LINES], "certain": false})
    };
    (0..GROUPS).map(group).collect()
}
