//! `status.hold` to and from the decisions' image of it.

use federation_health_api::v1alpha1::{HoldCause, HoldStatus};
use federation_health_core::{
    effect::{CauseKind, CauseView, HoldImage},
    id::{Text, Uid},
};
use serde_json::{Value, json};

use crate::status::{instant, wire_time};

/// Bound of the message in the CRD.
const MAX_MESSAGE: usize = 1024;
/// Bound of a cause's subject in the CRD.
const MAX_SUBJECT: usize = 512;

/// Reads `status.hold`.
pub fn image(status: Option<&HoldStatus>) -> HoldImage {
    let Some(hold) = status else {
        return HoldImage::default();
    };
    HoldImage {
        collection: hold.collection,
        federation: hold.federation,
        namespaces: hold
            .namespaces
            .iter()
            .map(|n| Text::from(n.as_str()))
            .collect(),
        since: hold.since.as_ref().map(instant),
        reason: hold.reason.as_deref().and_then(CauseKind::parse),
        message: hold.message.clone().unwrap_or_default(),
        causes: hold.causes.iter().filter_map(cause).collect(),
    }
}

fn cause(cause: &HoldCause) -> Option<CauseView> {
    Some(CauseView {
        kind: CauseKind::parse(&cause.reason)?,
        subject: Text::from(cause.subject.as_str()),
        uid: cause.uid.as_deref().and_then(Uid::parse),
    })
}

/// The merge patch that makes `status.hold` say this, and nothing else of the object. Nulls take away what no longer holds.
///
/// With a resourceVersion it is the leader's lowering, which a concurrent raise makes fail.
pub fn patch(image: &HoldImage, resource_version: Option<&str>) -> Value {
    let mut hold = json!({
        "collection": image.collection,
        "federation": image.federation,
        "namespaces": image.namespaces.iter().map(|n| &**n).collect::<Vec<_>>(),
        "since": image.since.map(wire_time),
        "reason": image.reason.map(CauseKind::as_str),
        "message": (!image.message.is_empty()).then(|| clip(&image.message, MAX_MESSAGE)),
        "causes": image.causes.iter().map(wire_cause).collect::<Vec<_>>(),
    });
    for list in ["namespaces", "causes"] {
        if hold[list].as_array().is_some_and(Vec::is_empty) {
            hold[list] = Value::Null;
        }
    }
    let mut patch = json!({"status": {"hold": hold}});
    if let Some(version) = resource_version {
        patch["metadata"] = json!({"resourceVersion": version});
    }
    patch
}

/// The same as a server-side apply to the object of this name: what it leaves out and this manager applied before goes away.
pub fn applied(image: &HoldImage, name: &str) -> Value {
    let mut applied = patch(image, None);
    if let Some(hold) = applied["status"]["hold"].as_object_mut() {
        hold.retain(|_, value| !value.is_null());
    }
    applied["apiVersion"] = json!("federationhealth.io/v1alpha1");
    applied["kind"] = json!("FederationHealth");
    applied["metadata"] = json!({"name": name});
    applied
}

fn wire_cause(cause: &CauseView) -> Value {
    let mut value =
        json!({"reason": cause.kind.as_str(), "subject": clip(&cause.subject, MAX_SUBJECT)});
    if let Some(uid) = cause.uid {
        value["uid"] = Value::String(uid.to_string());
    }
    value
}

/// Cuts at a character boundary.
pub(crate) fn clip(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len()))
        .rev()
        .find(|i| text.is_char_boundary(*i))
        .unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use federation_health_core::time::Time;

    use super::*;

    #[test]
    fn an_image_survives_the_round_trip() {
        let image = HoldImage {
            collection: true,
            federation: true,
            namespaces: vec![Text::from("kube-federation-system")],
            since: Some(Time(1_700_000_000_000)),
            reason: Some(CauseKind::DoubledRegistration),
            message: "why".to_owned(),
            causes: vec![CauseView {
                kind: CauseKind::UnexpectedDeletion,
                subject: Text::from("orders"),
                uid: Uid::parse("d7578d81-7969-430d-834a-526aa14a0764"),
            }],
        };
        let wire = patch(&image, Some("7"));
        assert_eq!(wire["metadata"]["resourceVersion"], "7");
        let hold: HoldStatus = serde_json::from_value(wire["status"]["hold"].clone()).unwrap();
        assert_eq!(super::image(Some(&hold)), image);
    }

    #[test]
    fn an_applied_hold_names_its_object_and_no_nulls() {
        let image = HoldImage {
            collection: true,
            ..HoldImage::default()
        };
        let wire = applied(&image, "default");
        assert_eq!(wire["metadata"], json!({"name": "default"}));
        assert_eq!(
            wire["status"]["hold"],
            json!({"collection": true, "federation": false})
        );
    }

    #[test]
    fn lowering_takes_every_field_away() {
        let wire = patch(&HoldImage::default(), None);
        for field in ["since", "reason", "message", "namespaces", "causes"] {
            assert!(
                wire["status"]["hold"][field].is_null(),
                "{field} must be removed"
            );
        }
        assert_eq!(wire["status"]["hold"]["collection"], false);
    }
}
