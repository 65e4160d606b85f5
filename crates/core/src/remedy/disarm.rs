//! The rung that saves a namespace whose owner does not exist: the owner is taken off before a hold ends.

use super::{
    Remedy,
    follow::Sight,
    plan::Wish,
    rung::{Kind, MAX_TARGETS, Rung, Target, Value},
};
use crate::{facts::Feed, federation::Federation, findings::ARMED_GRACE_MS, id::Text, time::Time};

/// No owner at all, as the API server writes it.
const NO_OWNERS: &str = "[]";

impl Remedy {
    /// Namespaces that the collector would delete although somebody wishes their Workspace to stand. The moments in which
    /// KubeSphere binds a namespace to a new UID are waited out.
    pub(super) fn disarms(&self, federation: &Federation, now: Time) -> Vec<Wish> {
        let armed = federation.armed.iter().filter(|(_, since)| {
            now.since_ms(**since) >= ARMED_GRACE_MS && federation.known(&Feed::Workspaces)
        });
        let wish = |name: &Text| {
            let namespace = federation.tenants.namespace(name)?;
            let (workspace, owner) = (&namespace.workspace, namespace.owner?);
            if !federation.wished(workspace) {
                return None;
            }
            let target = Target {
                kind: Kind::Namespace,
                namespace: Text::default(),
                name: name.clone(),
                uid: namespace.uid,
            };
            Some(Wish {
                rung: Rung::DisarmNamespaces,
                against: self.known_against(Rung::DisarmNamespaces, &target),
                target,
                to: Value::new(NO_OWNERS),
                why: format!(
                    "its owner does not exist, and the collector deletes it as soon as it may; Workspace {workspace} is wished for"
                ),
                evidence: vec![format!(
                    "Its owner is Workspace {workspace} with UID {owner}, which no Workspace has."
                )],
            })
        };
        armed
            .filter_map(|(name, _)| wish(name))
            .take(MAX_TARGETS)
            .collect()
    }
}

/// What became of a disarmed namespace. One that KubeSphere has bound to a Workspace that lives is as good as disarmed.
pub(super) fn sight(federation: &Federation, target: &Target) -> Sight {
    if !federation.known(&Feed::Namespaces) {
        return Sight::Unknown;
    }
    match federation.tenants.namespace(&target.name) {
        Some(found) if found.uid != target.uid || found.deleting => Sight::Gone,
        Some(_) if federation.armed.contains_key(&target.name) => {
            Sight::Has(Value::new("an owner that does not exist"), false)
        }
        // One without a Workspace is in no table, and has no owner that this rung could have left.
        None | Some(_) => Sight::Has(Value::new(NO_OWNERS), true),
    }
}

/// When a namespace has been armed for long enough, by time alone.
pub(super) fn changes_at(federation: &Federation) -> Option<Time> {
    let armed = federation.armed.values();
    armed.map(|since| since.plus_ms(ARMED_GRACE_MS)).max()
}
