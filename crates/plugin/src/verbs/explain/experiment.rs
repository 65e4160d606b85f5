//! Who took the label off the Workspace of the experiment: a control plane of another host has no other name here.

use std::{collections::BTreeSet, fmt::Write as _, path::Path};

use federation_health_api::names::{CANARY_WORKSPACE, MANAGED_LABEL};

use crate::{
    Error,
    offline::{
        audit::{Deed, who},
        input::Material,
    },
    table::{item, wrap},
};

/// Parties that are named: one takes the label off, and few others write to a Workspace that no tenant has.
const MAX_PARTIES: usize = 8;

/// What an audit log of this cluster's API server tells.
///
/// # Errors
/// It cannot be read, or nothing in it can.
pub(super) fn told(log: &Path, width: usize) -> Result<String, Error> {
    let material = Material::read(log)?;
    Ok(section(&material.deeds, width))
}

fn section(deeds: &[Deed], width: usize) -> String {
    let writes = |deed: &&Deed| {
        deed.resource == "workspaces"
            && deed.name == CANARY_WORKSPACE
            && matches!(&*deed.verb, "update" | "patch")
            && !deed.refused
    };
    let writes: Vec<&Deed> = deeds.iter().filter(writes).collect();
    let takers: Vec<&Deed> = writes
        .iter()
        .copied()
        .filter(|deed| deed.labelled == Some(false))
        .collect();
    // Without bodies a write may be anything, such as a finalizer of KubeSphere.
    let unsure: Vec<&Deed> = writes
        .into_iter()
        .filter(|deed| deed.labelled.is_none())
        .collect();
    let mut out = "\nWho took the label off, by the audit log\n".to_owned();
    let (said, named) = if !takers.is_empty() {
        let said = format!("{MANAGED_LABEL} was taken off Workspace {CANARY_WORKSPACE} by:");
        // The label goes once; who writes afterwards finds it gone.
        (said, &takers[..1])
    } else if unsure.is_empty() {
        let said = format!(
            "The log has no write after which Workspace {CANARY_WORKSPACE} is without {MANAGED_LABEL}."
        );
        (said, &takers[..])
    } else {
        let said = format!(
            "One of these, which wrote to Workspace {CANARY_WORKSPACE}. The log has no bodies (level Metadata), and so not what they wrote:"
        );
        (said, &unsure[..])
    };
    out.push_str(&wrap(&said, width, "  "));
    let mut seen = BTreeSet::new();
    let parties = named
        .iter()
        .filter(|deed| seen.insert((&deed.user, &deed.program, &deed.source)));
    out.extend(
        parties
            .take(MAX_PARTIES)
            .map(|deed| item(&party(deed), width)),
    );
    out
}

fn party(deed: &Deed) -> String {
    let mut text = format!("{} ({})", who(&deed.user, &BTreeSet::new()), deed.user);
    for (word, value) in [("as program", &deed.program), ("from", &deed.source)] {
        if !value.is_empty() {
            let _ = write!(text, ", {word} {value}");
        }
    }
    let _ = write!(text, ", at {}", deed.at);
    text
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::offline::audit::deed;

    fn event(user: &str, name: &str, bodies: &Value) -> Value {
        let mut event = json!({
            "stage": "ResponseComplete", "verb": "update", "user": {"username": user},
            "userAgent": "controller-manager/v0.8.1", "sourceIPs": ["10.1.2.3"],
            "objectRef": {"resource": "workspaces", "name": name}, "requestURI": "/apis",
            "responseStatus": {"code": 200}, "stageTimestamp": "2026-11-23T06:25:00.000000Z",
        });
        for (field, body) in bodies.as_object().into_iter().flatten() {
            event[field] = body.clone();
        }
        event
    }

    fn of(events: &[Value]) -> String {
        section(&events.iter().filter_map(deed).collect::<Vec<_>>(), 200)
    }

    const FOREIGN: &str = "system:serviceaccount:kube-federation-system:backup-kubesphere";
    const TENANT: &str = "system:serviceaccount:kubesphere-system:kubesphere";

    #[test]
    fn with_bodies_the_one_who_took_the_label_off_is_named_and_no_other() {
        let labels = |labels: Value| json!({"requestObject": {"metadata": {"labels": labels}}});
        let text = of(&[
            event(
                TENANT,
                CANARY_WORKSPACE,
                &labels(json!({MANAGED_LABEL: "true"})),
            ),
            event(FOREIGN, "orders", &labels(json!({}))),
            event(FOREIGN, CANARY_WORKSPACE, &labels(json!({}))),
            event(TENANT, CANARY_WORKSPACE, &labels(json!({}))),
        ]);
        assert!(text.contains("KubeFed, as backup"), "{text}");
        assert!(
            text.contains("controller-manager/v0.8.1, from 10.1.2.3"),
            "{text}"
        );
        assert!(!text.contains(TENANT), "{text}");
    }

    #[test]
    fn without_bodies_everyone_who_wrote_is_named_and_the_doubt() {
        let text = of(&[
            event(TENANT, CANARY_WORKSPACE, &json!({})),
            event(FOREIGN, CANARY_WORKSPACE, &json!({})),
            event(FOREIGN, CANARY_WORKSPACE, &json!({})),
        ]);
        assert!(text.contains("level Metadata"), "{text}");
        assert_eq!(text.matches(FOREIGN).count(), 1, "{text}");
        assert_eq!(text.matches(TENANT).count(), 1, "{text}");
    }

    #[test]
    fn a_patch_tells_of_the_label_only_if_it_names_it() {
        let patched = |body: Value| {
            let mut event = event(FOREIGN, CANARY_WORKSPACE, &json!({"requestObject": body}));
            event["verb"] = json!("patch");
            deed(&event).unwrap().labelled
        };
        let merge = json!({"metadata": {"labels": {MANAGED_LABEL: null}}});
        assert_eq!(patched(merge), Some(false));
        assert_eq!(patched(json!({"metadata": {"labels": {"a": "b"}}})), None);
        let steps = json!([{"op": "remove", "path": "/metadata/labels/kubefed.io~1managed"}]);
        assert_eq!(patched(steps), Some(false));
    }

    #[test]
    fn a_log_without_such_a_write_says_so() {
        let text = of(&[event(FOREIGN, "orders", &json!({}))]);
        assert!(text.contains("has no write after which"), "{text}");
    }
}
