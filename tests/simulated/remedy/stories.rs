//! What the ladder is made to do, rung by rung, and the end that each must come to.

use std::collections::BTreeMap;

use federation_health_sim::{Controllers, Resource};

use super::{
    cures::{calm_with, curing, leftover_placed},
    *,
};

/// One danger and the rungs that answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Story {
    Freeze,
    Shields,
    Volumes,
    Experiment,
    Disarm,
    Cure,
}

impl Story {
    fn actions(self) -> Value {
        let rungs: &[&str] = match self {
            Self::Freeze => &["freezeControllers"],
            Self::Shields => &["armOrphan", "shieldWorkspaces"],
            Self::Volumes => &["retainVolumes", "freezeControllers"],
            Self::Experiment => &["freezeControllers", "plantCanary"],
            Self::Disarm => &["disarmNamespaces"],
            Self::Cure => &["fixPlacement", "removeStaleCluster"],
        };
        rungs.iter().map(|rung| (*rung, "Automatic")).collect()
    }

    /// A calm federation. `leaderless`: for a while nobody will lead, and Workspaces may fall; their namespaces are held.
    pub(super) async fn calm(self, leaderless: bool) -> World {
        let mut spec = spec("Apply", &self.actions());
        if leaderless {
            spec["hold"]["collection"] = json!("OnDiagnosis");
            spec["remediation"]["actions"]["disarmNamespaces"] = json!("Automatic");
        }
        match self {
            Self::Cure => calm_with(curing()).await,
            // Nobody collects, and nobody binds.
            Self::Disarm => World::calm(Setup {
                spec: Some(spec),
                controllers: Controllers {
                    kubesphere_binder: false,
                    controller_manager: false,
                    ..Controllers::host()
                },
                ..Setup::default()
            })
            .await
            .unwrap(),
            _ => {
                let world = calm_with(spec).await;
                let namespaces = WORKSPACES.iter().flat_map(|(_, namespaces)| namespaces);
                for namespace in namespaces.filter(|_| self == Self::Volumes) {
                    world.sim.add_volume(namespace, "data", "Delete").unwrap();
                }
                world
            }
        }
    }

    /// The danger comes.
    pub(super) async fn strike(self, world: &World) {
        match self {
            Self::Cure => drop(leftover_placed(world).await),
            Self::Disarm => {
                let admin = world.sim.admin();
                let gone = json!("00000000-0000-4000-8000-000000000000");
                let orphan = |n: &mut Value| n["metadata"]["ownerReferences"][0]["uid"] = gone;
                let edited = admin.edit(&resources::NAMESPACES, "", "orders-db", orphan);
                drop(edited.unwrap());
            }
            _ => drop(world.double().unwrap()),
        }
    }

    /// How long it stays before a person takes the cause away: all rungs, and a successor that waits for a lease.
    pub(super) fn lasts(self) -> Duration {
        match self {
            Self::Experiment => Duration::from_mins(4),
            _ => Duration::from_secs(40),
        }
    }
}

/// What there is at the end, without what differs from run to run: which namespaces are still those of before, and every field
/// that a rung changes; `whole`: which Workspaces are too, and whether they still own their namespaces.
pub(super) fn picture(world: &World, before: &[String], whole: bool) -> BTreeMap<String, Value> {
    type Tell = fn(&Value) -> Value;
    let told: [(&Resource, &str, Tell); 6] = [
        (&resources::WORKSPACES, "", |o| {
            json!([
                o["metadata"]["labels"]["kubefed.io/managed"],
                o["metadata"]["finalizers"]
            ])
        }),
        (&resources::NAMESPACES, "", |o| {
            json!(o["metadata"]["ownerReferences"].is_array())
        }),
        (&resources::DEPLOYMENTS, PLANE, |o| {
            o["spec"]["replicas"].clone()
        }),
        (&resources::WORKSPACE_TEMPLATES, "", |o| {
            o["spec"]["placement"].clone()
        }),
        (&resources::KUBEFED_CLUSTERS, PLANE, |_| json!("registered")),
        (&resources::PERSISTENT_VOLUMES, "", |o| {
            o["spec"]["persistentVolumeReclaimPolicy"].clone()
        }),
    ];
    let mut found = BTreeMap::new();
    for (resource, namespace, tell) in told {
        for object in world.sim.admin().list(resource, namespace) {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
            let kept = before.iter().any(|known| known == uid);
            let told = match resource.plural() {
                "workspaces" if !whole => json!([tell(&object)]),
                "namespaces" if !whole => json!([kept]),
                _ => json!([kept, tell(&object)]),
            };
            found.insert([resource.plural(), name].join(" "), told);
        }
    }
    found
}

/// How often each object was written to by the operator, as far as it is not its own.
pub(super) fn counts(acts: &[AuditEntry]) -> BTreeMap<(String, String, &'static str), usize> {
    let mut counts = BTreeMap::new();
    for act in acts {
        let key = (act.resource.clone(), act.name.clone(), act.verb);
        *counts.entry(key).or_default() += 1;
    }
    counts
}
