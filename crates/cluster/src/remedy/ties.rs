//! What a target hangs on, read live: the claim of a volume, the owners of a namespace. And which volumes there are.

use std::collections::BTreeSet;

use federation_health_api::foreign::{Object, PersistentVolume};
use federation_health_core::{
    id::Text,
    remedy::{Volume, plan::Tie, rung::Rung},
};
use federation_health_index::{facts::is_workspace, remedy::volume};
use serde_json::Value as Json;

use super::{Hands, READ_DEADLINE, WORKSPACES};
use crate::{
    call::{Call, CallError},
    list::list,
};

impl Hands {
    /// Lists the volumes that are bound to claims in these namespaces.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn volumes(&self, namespaces: &BTreeSet<Text>) -> Result<Vec<Volume>, CallError> {
        let all: Vec<PersistentVolume> = list(&self.client, "/api/v1/persistentvolumes").await?;
        let bound = all.iter().filter_map(volume);
        Ok(bound
            .filter(|volume| namespaces.contains(&volume.namespace))
            .collect())
    }

    pub(super) async fn tie(&self, rung: Rung, object: &Json) -> Result<Tie, CallError> {
        match rung {
            Rung::RetainVolumes => self.claim(object).await,
            Rung::DisarmNamespaces => self.owners(object).await,
            _ => Ok(Tie::Unread),
        }
    }

    async fn claim(&self, object: &Json) -> Result<Tie, CallError> {
        let object: PersistentVolume =
            serde_json::from_value(object.clone()).map_err(CallError::Json)?;
        let Some(claim) = object
            .spec
            .claim_ref
            .filter(|_| object.status.phase == "Bound")
        else {
            return Ok(Tie::Gone);
        };
        let home = format!("/api/v1/namespaces/{}", claim.namespace);
        let found = self
            .find(format!("{home}/persistentvolumeclaims/{}", claim.name))
            .await?;
        let Some(found) = found.filter(|f| f.metadata.uid.as_deref() == Some(&claim.uid)) else {
            return Ok(Tie::Gone);
        };
        let home = self.find(home).await?;
        let goes = |o: &Object| o.metadata.deletion_timestamp.is_some();
        Ok(if goes(&found) || home.as_ref().is_none_or(goes) {
            Tie::Dying
        } else {
            Tie::Alive
        })
    }

    /// An owner of another kind than Workspace is taken for alive: what cannot be resolved here is left alone.
    async fn owners(&self, object: &Json) -> Result<Tie, CallError> {
        let object: Object = serde_json::from_value(object.clone()).map_err(CallError::Json)?;
        for owner in &object.metadata.owner_references {
            if !is_workspace(owner) {
                return Ok(Tie::Alive);
            }
            let found = self.find(format!("{WORKSPACES}/{}", owner.name)).await?;
            if found.is_some_and(|f| f.metadata.uid.as_deref() == Some(&owner.uid)) {
                return Ok(Tie::Alive);
            }
        }
        Ok(Tie::Gone)
    }

    async fn find(&self, path: String) -> Result<Option<Object>, CallError> {
        Call::get(&self.client, path, READ_DEADLINE).find().await
    }
}
