//! The switch to and from the decisions' image of it.

use federation_health_api::v1alpha1::{FederationHold, HoldCause, HoldStatus, Permission};
use federation_health_core::{
    effect::{CauseKind, CauseView, HoldImage, Rule},
    id::{Text, Uid},
    text::clip,
};
use serde_json::{Value, json};

use crate::time::{instant, wire_time};

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

/// Rules that a person released, indexed as [`Rule`].
pub fn released(switch: &FederationHold) -> [bool; 2] {
    Rule::ALL.map(|rule| {
        let permission = match rule {
            Rule::Collection => switch.spec.collection,
            Rule::Federation => switch.spec.federation,
        };
        permission == Permission::Never
    })
}

fn cause(cause: &HoldCause) -> Option<CauseView> {
    Some(CauseView {
        kind: CauseKind::parse(&cause.reason)?,
        subject: Text::from(cause.subject.as_str()),
        uid: cause.uid.as_deref().and_then(Uid::parse),
    })
}

/// Fields that a lowering takes away where nothing is to be said.
const OPTIONAL: [&str; 5] = ["namespaces", "since", "reason", "message", "causes"];

/// The image as `status.hold` says it.
pub fn wire(image: &HoldImage) -> HoldStatus {
    HoldStatus {
        collection: image.collection,
        federation: image.federation,
        namespaces: image.namespaces.iter().map(ToString::to_string).collect(),
        since: image.since.map(wire_time),
        reason: image.reason.map(|reason| reason.as_str().to_owned()),
        message: (!image.message.is_empty()).then(|| clip(&image.message, MAX_MESSAGE).to_owned()),
        causes: image.causes.iter().map(wire_cause).collect(),
    }
}

/// The merge patch that lowers: a concurrent raise makes it fail. Nulls take away what no longer holds.
pub fn lowered(image: &HoldImage, resource_version: &str) -> Value {
    let mut hold = json!(wire(image));
    if let Some(fields) = hold.as_object_mut() {
        for field in OPTIONAL {
            fields.entry(field).or_insert(Value::Null);
        }
    }
    json!({"metadata": {"resourceVersion": resource_version}, "status": {"hold": hold}})
}

/// The server-side apply that raises, to the FederationHold of this name: what it leaves out and this manager applied before
/// goes away.
pub fn applied(image: &HoldImage, name: &str) -> Value {
    json!({
        "apiVersion": "federationhealth.io/v1alpha1",
        "kind": "FederationHold",
        "metadata": {"name": name},
        "status": {"hold": wire(image)},
    })
}

fn wire_cause(cause: &CauseView) -> HoldCause {
    HoldCause {
        reason: cause.kind.as_str().to_owned(),
        subject: clip(&cause.subject, MAX_SUBJECT).to_owned(),
        uid: cause.uid.map(|uid| uid.to_string()),
    }
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
        let wire = lowered(&image, "7");
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
        let wire = lowered(&HoldImage::default(), "7");
        for field in OPTIONAL {
            assert!(
                wire["status"]["hold"][field].is_null(),
                "{field} must be removed"
            );
        }
        assert_eq!(wire["status"]["hold"]["collection"], false);
    }
}
