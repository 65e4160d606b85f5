//! Programs that keep an object as it is, and would revert whoever changes it.

use federation_health_core::{id::Text, remedy::rung::Rung};
use serde_json::Value as Json;

/// Marks by which they are known: annotation or label, and the program.
const MARKS: [(&str, &str); 4] = [
    ("argocd.argoproj.io/tracking-id", ARGO),
    ("argocd.argoproj.io/instance", ARGO),
    ("kustomize.toolkit.fluxcd.io/name", FLUX),
    ("helm.toolkit.fluxcd.io/name", FLUX),
];
/// Field managers that own the number of replicas, which marks on the Deployment may not tell: the subresource through which
/// the field was written, if it matters, and the program.
const SCALERS: [(&str, Option<&str>, &str); 4] = [
    ("argocd-controller", None, ARGO),
    ("kustomize-controller", None, FLUX),
    ("helm-controller", None, FLUX),
    // The Deployment controller is part of the same process, and writes no scale.
    (
        "kube-controller-manager",
        Some("scale"),
        "a HorizontalPodAutoscaler",
    ),
];
const ARGO: &str = "Argo CD";
const FLUX: &str = "Flux";

/// The program that would revert the rung on this object.
pub(super) fn keeper(rung: Rung, object: &Json) -> Option<Text> {
    let meta = &object["metadata"];
    let has = |name: &str| {
        ["annotations", "labels"]
            .iter()
            .any(|of| meta[*of].get(name).is_some())
    };
    let marked = MARKS.iter().find(|(name, _)| has(name));
    let marked = marked.map(|(_, program)| *program);
    let owner = || {
        let entries = meta["managedFields"].as_array().into_iter().flatten();
        let mut entries = entries.filter(|e| !e["fieldsV1"]["f:spec"]["f:replicas"].is_null());
        entries
            .find_map(scaler)
            .filter(|_| rung == Rung::FreezeControllers)
    };
    marked.or_else(owner).map(Text::from)
}

fn scaler(entry: &Json) -> Option<&'static str> {
    let found = SCALERS.iter().find(|(manager, through, _)| {
        entry["manager"] == *manager
            && through.is_none_or(|through| entry["subresource"] == through)
    });
    found.map(|(.., program)| *program)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_owns_the_number_of_replicas_keeps_the_deployment_without_a_mark() {
        let entry = |manager: &str, subresource: &str, field: &str| {
            let entry = json!({"manager": manager, "subresource": subresource, "fieldsV1": {"f:spec": {field: {}}}});
            let object = json!({"metadata": {"managedFields": [{"manager": "kubectl"}, entry]}});
            let of = |rung| keeper(rung, &object);
            assert_eq!(of(Rung::RemoveStaleCluster), None);
            of(Rung::FreezeControllers)
        };
        let replicas = "f:replicas";
        for (manager, subresource, program) in [
            (
                "kube-controller-manager",
                "scale",
                Some("a HorizontalPodAutoscaler"),
            ),
            ("kube-controller-manager", "status", None),
            ("argocd-controller", "", Some(ARGO)),
            ("kustomize-controller", "", Some(FLUX)),
            ("helm-controller", "", Some(FLUX)),
            ("federation-health-remedy", "scale", None),
            ("helm", "", None),
        ] {
            let found = entry(manager, subresource, replicas);
            assert_eq!(found.as_deref(), program, "{manager} {subresource}");
            assert_eq!(entry(manager, subresource, "f:template"), None, "{manager}");
        }
    }
}
