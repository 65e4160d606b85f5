//! The Workspace of ours by which control planes are told: made, and taken away again.

use std::time::Duration;

use federation_health_api::{
    foreign::Object,
    names::{CANARY_LABEL, CANARY_WORKSPACE_VALUE, MANAGED_LABEL, REMEDY_MANAGER},
};
use federation_health_core::remedy::{
    Outcome,
    brake::Brake,
    experiment::PLANTED,
    plan::{Order, Seen},
    rung::Value,
};
use federation_health_index::facts;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::{Hands, WORKSPACES, in_time, seen as seen_of};
use crate::call::Call;

/// As the decisions see it: there, or not. One that is on its way out is as good as gone; somebody else's of this name has a
/// UID, which ours never has in a plan.
pub(super) fn seen(object: Option<&Json>) -> Seen {
    let Some(object) = object.filter(|o| !deleting(o)) else {
        return Seen::default();
    };
    let value = Value::new(PLANTED);
    if is_ours(object) {
        return Seen {
            value,
            ..Seen::default()
        };
    }
    Seen {
        value,
        ..seen_of(
            federation_health_core::remedy::rung::Rung::PlantCanary,
            object,
        )
    }
}

fn deleting(object: &Json) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

fn is_ours(object: &Json) -> bool {
    serde_json::from_value::<Object>(object.clone())
        .is_ok_and(|object| facts::canary(&object).is_some())
}

impl Hands {
    /// Makes the canary, or takes it away.
    pub(super) async fn canary(
        &self,
        order: &Order,
        object: Option<Json>,
        until: Instant,
    ) -> Outcome {
        let plants = &*order.to.0 == PLANTED;
        if let Err(brake) = order.check(Some(&seen(object.as_ref()))) {
            // Whoever took it away did what was to be done.
            let gone = !plants
                && matches!(brake, Brake::TargetChanged(..))
                && object.as_ref().is_none_or(deleting);
            return if gone {
                Outcome::Wrote
            } else {
                Outcome::Refused(brake)
            };
        }
        in_time(until, |deadline| match object.filter(|_| !plants) {
            None => self.plant(order, deadline),
            Some(object) => self.delete(order, &object, deadline),
        })
        .await
    }

    fn plant(&self, order: &Order, deadline: Duration) -> Result<Call<'_>, serde_json::Error> {
        let dry = if order.dry_run { "&dryRun=All" } else { "" };
        let body = json!({
            "apiVersion": "tenant.kubesphere.io/v1alpha1", "kind": "Workspace",
            "metadata": {
                "name": &*order.target.name,
                "labels": {MANAGED_LABEL: "true", CANARY_LABEL: CANARY_WORKSPACE_VALUE},
            },
            "spec": {},
        });
        let uri = format!("{WORKSPACES}?fieldManager={REMEDY_MANAGER}{dry}");
        Ok(Call::post(
            &self.client,
            uri,
            serde_json::to_vec(&body)?,
            deadline,
        ))
    }
}
