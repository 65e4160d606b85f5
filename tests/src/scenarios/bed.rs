//! A guarded federation on which the incident is brought about again and again.

use std::{cell::RefCell, time::Duration};

use federation_health_api::{FederationHealth, names};
use federation_health_testbed::{
    Federation, FederationOptions,
    audit::{AuditEvent, AuditReader},
    error::{Attempt as _, Error, Result},
    forward::Forward,
    join::{CaBundle, JoinOptions},
    proxy::{Asked, Proxy},
    wait::{self, Look},
    workspace::{self, Snapshot},
};
use k8s_openapi::api::{
    admissionregistration::v1::ValidatingAdmissionPolicyBinding, core::v1::Namespace,
};
use kube::Api;
use serde_json::Value;

use super::witness::{Loss, Witness};
use crate::guarded::{self, Guarded, condition, holds, is_current};

/// The leftover name under which the host is registered a second time.
pub const ALIAS: &str = "produce-trt";
/// User name of the garbage collector in audit logs.
pub const COLLECTOR: &str = "system:serviceaccount:kube-system:generic-garbage-collector";
/// For everything that should take a second or two, on a machine that also compiles.
pub const SOON: Duration = Duration::from_secs(30);
/// For what waits for KubeFed: a health check every 10 s, back-off up to 60 s.
pub const LATE: Duration = Duration::from_secs(120);

/// How the host is registered a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The same address and the same bytes of the authority.
    AsItIs,
    /// Through a TCP forward, with the authority's certificate in another encoding.
    Forwarded,
}

/// The federation, the operator on it, and who watches both.
pub struct Bed {
    /// The federation.
    pub federation: Federation,
    /// The operator.
    pub guard: Guarded,
    /// The independent watcher.
    pub witness: Witness,
    /// The audit log has the options of deletions, preconditions among them: not so on Kubernetes 1.24.
    pub logs_options: bool,
    /// What the operator asks, where it speaks through a proxy.
    pub wire: Option<Proxy>,
    forward: Forward,
}

impl Bed {
    /// Starts a federation with the shipped operator, and waits until it judges.
    pub async fn start(federation: FederationOptions, guard: guarded::Options) -> Result<Self> {
        let bed = Self::install(Self::federation(federation).await?, guard).await?;
        bed.calm().await?;
        Ok(bed)
    }

    /// A federation whose audit log has the operator's reads, which are part of what is judged.
    pub async fn federation(mut options: FederationOptions) -> Result<Federation> {
        options.control_plane.audited_readers = vec![guarded::NAMESPACE.to_owned()];
        Federation::start(options).await
    }

    /// Installs and starts the shipped operator on a federation, whatever goes on there.
    pub async fn install(federation: Federation, guard: guarded::Options) -> Result<Self> {
        let witness = Witness::start(&federation.client()).await?;
        let forward = Forward::before(federation.host()).await?;
        let guard = Guarded::install(federation.host(), guard).await?;
        Ok(Self {
            federation,
            guard,
            witness,
            logs_options: true,
            wire: None,
            forward,
        })
    }

    /// Sets the whole spec.
    pub async fn set_spec(&self, spec: &Value) -> Result<()> {
        guarded::set_spec(&self.federation.client(), spec).await
    }

    /// Waits until nothing is doubled and nothing is held, in neither layer, by a status of the spec as it is now.
    pub async fn calm(&self) -> Result<FederationHealth> {
        let calm = |h: &FederationHealth| {
            is_current(h)
                && condition(h, "ClustersUnique").is_some_and(|(status, _)| status == "True")
                && holds(h) == (false, false)
        };
        let health = self.guard.wait("a calm federation", LATE, calm).await?;
        self.wait_durable([false, false]).await?;
        Ok(health)
    }

    /// Waits until the hold can be relied on.
    pub async fn wait_proven(&self) -> Result<()> {
        self.guard
            .wait_condition("HoldReady", "True", LATE)
            .await
            .map(drop)
    }

    /// Waits until the durable bindings (collection, federation) are active or dormant.
    pub async fn wait_durable(&self, wanted: [bool; 2]) -> Result<()> {
        let api: Api<ValidatingAdmissionPolicyBinding> = Api::all(self.federation.client());
        let what = format!("durable bindings active: {wanted:?}");
        wait::until(&what, SOON, || async {
            let mut found = Vec::new();
            for name in [names::COLLECTION_DURABLE, names::FEDERATION_DURABLE] {
                let binding = api.get_opt(name).await.ok().flatten();
                found.push(binding.as_ref().is_some_and(is_active));
            }
            Ok(if found == wanted {
                Look::Done(())
            } else {
                Look::Pending(format!("{found:?}"))
            })
        })
        .await
    }

    /// Registers the host a second time.
    pub async fn register(&self, how: How) -> Result<()> {
        let options = match how {
            How::AsItIs => JoinOptions::default(),
            How::Forwarded => JoinOptions {
                endpoint: Some(self.forward.url()),
                ca_bundle: CaBundle::Reencoded,
                ..JoinOptions::default()
            },
        };
        self.federation.join_alias(ALIAS, options).await.map(drop)
    }

    /// Takes the second registration away, as a person with kubectl would.
    pub async fn unregister(&self) -> Result<()> {
        self.federation.unregister(ALIAS).await
    }

    /// See [`restore`].
    pub async fn restore(&self) -> Result<()> {
        restore(&self.federation).await
    }

    /// Begins to record what happens.
    pub async fn record(&self) -> Result<Record<'_>> {
        Ok(Record {
            bed: self,
            reader: RefCell::new(self.federation.audit().reader_from_now()),
            events: RefCell::default(),
            mark: self.witness.mark(),
            asked: self.wire.as_ref().map_or(0, Proxy::count),
            before: self.federation.snapshot().await?,
        })
    }
}

/// Makes lost namespaces again and waits until they are bound, for the next run.
pub async fn restore(federation: &Federation) -> Result<()> {
    let client = federation.client();
    let api: Api<Namespace> = Api::all(client.clone());
    for spec in federation.workspaces() {
        for name in &spec.namespaces {
            let what = format!("namespace {name} to be whole or gone");
            let gone = wait::until(&what, LATE, || async {
                let found = api.get_opt(name).await.attempt(|| what.clone())?;
                Ok(match found {
                    None => Look::Done(true),
                    Some(n) if n.metadata.deletion_timestamp.is_none() => Look::Done(false),
                    Some(n) => Look::Pending(format!("{:?}", n.metadata.finalizers)),
                })
            })
            .await?;
            if gone {
                workspace::create_namespace(&client, name, &spec.name).await?;
            }
        }
    }
    federation.wait_bound(LATE).await.map(drop)
}

fn is_active(binding: &ValidatingAdmissionPolicyBinding) -> bool {
    let matching = binding
        .spec
        .as_ref()
        .and_then(|s| s.match_resources.as_ref());
    matching
        .and_then(|m| m.object_selector.as_ref())
        .is_none_or(|s| s.match_labels.is_none() && s.match_expressions.is_none())
}

/// What happened since a moment: the audit log and the witness.
pub struct Record<'a> {
    bed: &'a Bed,
    reader: RefCell<AuditReader>,
    events: RefCell<Vec<AuditEvent>>,
    mark: usize,
    asked: usize,
    /// Workspaces and namespaces at its beginning.
    pub before: Snapshot,
}

impl Record<'_> {
    /// Requests that the test keeps, oldest first by their end.
    pub fn matching(&self, keep: impl Fn(&AuditEvent) -> bool) -> Result<Vec<AuditEvent>> {
        let mut events = self.events.borrow_mut();
        events.extend(self.reader.borrow_mut().read_new()?);
        Ok(events.iter().filter(|e| keep(e)).cloned().collect())
    }

    /// Deletions of this resource that were stored.
    pub fn deletions(&self, resource: &str) -> Result<Vec<AuditEvent>> {
        self.matching(|e| is_deletion(e, resource) && e.took_effect())
    }

    /// Deletions of this resource that were refused.
    pub fn refusals(&self, resource: &str) -> Result<Vec<AuditEvent>> {
        self.matching(|e| is_deletion(e, resource) && e.refused() && !e.dry_run)
    }

    /// Waits for so many refused deletions of this resource.
    pub async fn wait_refusals(&self, resource: &str, count: usize) -> Result<Vec<AuditEvent>> {
        let what = format!("{count} refused deletions of {resource}");
        self.wait_for(&what, count, || self.refusals(resource))
            .await
    }

    /// Waits for so many stored deletions of this resource.
    pub async fn wait_deletions(&self, resource: &str, count: usize) -> Result<Vec<AuditEvent>> {
        let what = format!("{count} deletions of {resource}");
        self.wait_for(&what, count, || self.deletions(resource))
            .await
    }

    /// Waits until the log has so many of these. A server stores, shows and answers before it logs: whoever has seen an
    /// effect may not have its line yet.
    pub async fn wait_for(
        &self,
        what: &str,
        count: usize,
        look: impl Fn() -> Result<Vec<AuditEvent>>,
    ) -> Result<Vec<AuditEvent>> {
        wait::until(what, LATE, || async {
            let found = look()?;
            Ok(if found.len() >= count {
                Look::Done(found)
            } else {
                Look::Pending(format!("{} so far", found.len()))
            })
        })
        .await
    }

    /// What the operator asked, where that is written down, and how much of it before this record.
    pub fn asked(&self) -> Option<(Vec<Asked>, usize)> {
        let wire = self.bed.wire.as_ref()?;
        Some((wire.asked(), self.asked))
    }

    /// Whether the audit log has the options of deletions.
    pub fn has_options(&self) -> bool {
        self.bed.logs_options
    }

    /// What the witness saw lost.
    pub fn losses(&self, kind: &str) -> Vec<Loss> {
        let mut losses = self.bed.witness.losses_since(self.mark);
        losses.retain(|loss| loss.kind == kind);
        losses
    }

    /// Fails if a namespace was deleted, by the audit log, the witness or a consistent list.
    pub async fn no_namespace_lost(&self) -> Result<()> {
        self.nothing("Namespace", "namespaces")?;
        let now = self.bed.federation.snapshot().await?;
        let lost = now.lost_since(&self.before);
        if lost.is_empty() {
            Ok(())
        } else {
            Err(Error::refused(format!("namespaces were lost: {lost:?}")))
        }
    }

    /// Fails if a Workspace was deleted or replaced.
    pub fn no_workspace_deleted(&self) -> Result<()> {
        self.nothing("Workspace", "workspaces")
    }

    fn nothing(&self, kind: &str, resource: &str) -> Result<()> {
        let (seen, logged) = (self.losses(kind), self.deletions(resource)?);
        if seen.is_empty() && logged.is_empty() {
            return Ok(());
        }
        Err(Error::refused(format!(
            "{kind}s were deleted: the witness saw {seen:?}, the audit log has {logged:#?}"
        )))
    }
}

fn is_deletion(event: &AuditEvent, resource: &str) -> bool {
    event.verb.starts_with("delete")
        && event.object.resource == resource
        && event.object.subresource.is_empty()
}
