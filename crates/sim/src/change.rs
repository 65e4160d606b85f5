//! Changing objects: update, the four kinds of patch, and the subresources that change a part.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    admission, apply,
    call::{Call, PatchKind, Verb},
    create::inward,
    defaults, delete, json,
    kinds::{self, Kind, Version},
    managed::{self, Manager},
    refusal::Refusal,
    reply::{Reply, outward},
    scale,
    state::{Key, Served, State, is_definition},
};

/// Which part of an object a request may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Main,
    Status,
    Scale,
    /// A namespace's `spec.finalizers`.
    Finalize,
}

/// The part that a subresource names.
pub(crate) fn part(
    kind: &Kind,
    version: &Version,
    subresource: &str,
    name: &str,
) -> Result<Part, Refusal> {
    match subresource {
        "" => Ok(Part::Main),
        "status" if version.status => Ok(Part::Status),
        "scale" if version.scale => Ok(Part::Scale),
        "finalize" if kind.plural == "namespaces" => Ok(Part::Finalize),
        // Custom resources have the path of a subresource that is switched off, and nothing behind it.
        "status" | "scale" if kind.custom => {
            Err(Refusal::not_found(&kind.group, &kind.plural, name))
        }
        _ => Err(Refusal::page_not_found()),
    }
}

/// Who a call's fields belong to.
pub(crate) fn manager<'a>(call: &'a Call, kind: &Kind, stamp: &'a str) -> Owned<'a> {
    Owned {
        api_version: kind.api_version(&call.target.version),
        call,
        stamp,
        apply: call.verb == Verb::Patch(PatchKind::Apply),
    }
}

/// Keeps the strings a [`Manager`] borrows.
pub(crate) struct Owned<'a> {
    api_version: String,
    call: &'a Call,
    stamp: &'a str,
    apply: bool,
}

impl Owned<'_> {
    pub(crate) fn get(&self) -> Manager<'_> {
        Manager {
            name: self.call.manager(),
            apply: self.apply,
            api_version: &self.api_version,
            subresource: &self.call.target.subresource,
            stamp: self.stamp,
        }
    }
}

/// Carries out `update`: the whole object is replaced.
pub(crate) fn update(state: &mut State, call: &Call, served: &Served) -> Result<Reply, Refusal> {
    let change = Pending::open(state, call, served)?;
    let new = if change.part == Part::Scale {
        scale::with_replicas(&change.old, &call.body)?
    } else {
        let new = inward(&served.kind, call)?;
        if served.kind.custom && json::meta(&new, "resourceVersion").is_empty() {
            let why = "metadata.resourceVersion: Invalid value: 0: must be specified for an update";
            // Here, and only here, the refusal names the resource and not the kind.
            return Err(Refusal::invalid(
                &served.kind.qualified(),
                &call.target.name,
                why,
            ));
        }
        new
    };
    change.commit(state, new)
}

/// Carries out `patch`.
pub(crate) fn patch(
    state: &mut State,
    call: &Call,
    served: &Served,
    form: PatchKind,
) -> Result<Reply, Refusal> {
    if form == PatchKind::Strategic && served.kind.custom {
        return Err(Refusal::media_type(
            "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
        ));
    }
    if form == PatchKind::Apply {
        return apply::apply(state, call, served);
    }
    let change = Pending::open(state, call, served)?;
    let mut new = match change.part {
        Part::Scale => scale::of(&change.old),
        _ => outward(&served.kind, &call.target.version, &change.old)
            .as_ref()
            .clone(),
    };
    match form {
        PatchKind::Json => {
            let patch: json_patch::Patch = serde_json::from_value(call.body.clone())
                .map_err(|e| Refusal::bad_request(format!("error decoding the JSON patch: {e}")))?;
            json_patch::patch(&mut new, &patch).map_err(|_| Refusal::patch_does_not_apply())?;
        }
        _ => json_patch::merge(&mut new, &call.body),
    }
    if change.part == Part::Scale {
        new = scale::with_replicas(&change.old, &new)?;
    } else {
        let sent = Call {
            body: new,
            ..call.clone()
        };
        new = inward(&served.kind, &sent)?;
    }
    change.commit(state, new)
}

/// A change that is not committed yet.
pub(crate) struct Pending<'a> {
    call: &'a Call,
    served: &'a Served,
    version: &'a Version,
    pub(crate) old: Arc<Value>,
    pub(crate) part: Part,
}

impl<'a> Pending<'a> {
    pub(crate) fn open(state: &State, call: &'a Call, served: &'a Served) -> Result<Self, Refusal> {
        let kind = &served.kind;
        let version = kind
            .version(&call.target.version)
            .ok_or_else(Refusal::page_not_found)?;
        let key = Key::new(&*call.target.namespace, &*call.target.name);
        let old = state
            .get(served.collection, &key)
            .cloned()
            .ok_or_else(|| Refusal::not_found(&kind.group, &kind.plural, &key.name))?;
        let part = part(kind, version, &call.target.subresource, &key.name)?;
        Ok(Self {
            call,
            served,
            version,
            old,
            part,
        })
    }

    pub(crate) fn commit(self, state: &mut State, mut new: Value) -> Result<Reply, Refusal> {
        self.check_preconditions(&new)?;
        let applied = json::at(&new, &["metadata", "managedFields"]).cloned();
        self.keep_what_is_not_ours(&mut new);
        defaults::fill(&mut new, &self.version.schema);
        self.check_finalizers(&new)?;
        let stamp = state.clock.stamp();
        let writer = manager(self.call, &self.served.kind, &stamp);
        let same_object = new == *self.old;
        let managed = if writer.get().apply {
            applied
        } else if same_object {
            json::at(&self.old, &["metadata", "managedFields"]).cloned()
        } else {
            Some(managed::after_update(
                Some(&self.old),
                &new,
                &self.version.schema,
                &writer.get(),
            ))
        };
        json::put(
            &mut new,
            &["metadata", "managedFields"],
            managed.filter(|m| m != &json!([])),
        );
        if is_definition(&self.served.kind) {
            kinds::from_definition(&new).map_err(|why| {
                Refusal::invalid(
                    &self.served.kind.qualified_kind(),
                    &self.call.target.name,
                    &why,
                )
            })?;
        }
        let key = Key::of(&self.old);
        admission::admit(
            state,
            self.call,
            &self.served.kind,
            &key,
            Some(&new),
            Some(&self.old),
        )?;
        if new == *self.old {
            return Ok(self.reply(self.old.clone()));
        }
        self.bump_generation(&mut new);
        if self.call.dry_run() {
            return Ok(self.reply(Arc::new(new)));
        }
        if json::deleting(&new) && delete::is_released(&new) {
            // The last form is never stored: watches are shown the one before, and the answer has its version.
            state.remove(self.served, Value::clone(&self.old));
            return Ok(self.reply(Arc::new(new)));
        }
        Ok(self.reply(state.store(self.served, new)))
    }

    fn reply(&self, object: Arc<Value>) -> Reply {
        if self.part == Part::Scale {
            return Reply::raw(200, scale::of(&object));
        }
        Reply::object(200, self.served, &self.call.target.version, object)
    }

    fn check_preconditions(&self, new: &Value) -> Result<(), Refusal> {
        let kind = &self.served.kind;
        let name = &self.call.target.name;
        let conflict = |why: &str| Err(Refusal::conflict(&kind.group, &kind.plural, name, why));
        let stated = |field| json::meta(new, field);
        if !stated("name").is_empty() && stated("name") != name {
            return Err(Refusal::bad_request(format!(
                "the name of the object ({}) does not match the name on the URL ({name})",
                stated("name")
            )));
        }
        let uid = json::meta(&self.old, "uid");
        if !stated("uid").is_empty() && stated("uid") != uid {
            // An update states a precondition by it, a patch tries to change it.
            if matches!(self.call.verb, Verb::Patch(_)) && self.part != Part::Scale {
                let why = format!(
                    "metadata.uid: Invalid value: {:?}: field is immutable",
                    stated("uid")
                );
                return Err(Refusal::invalid(&kind.qualified_kind(), name, &why));
            }
            let failed = format!(
                "Precondition failed: UID in precondition: {}, UID in object meta: {uid}",
                stated("uid")
            );
            if self.part == Part::Scale {
                let resource = format!("{}/scale", kind.plural);
                return Err(Refusal::conflict(&kind.group, &resource, name, &failed));
            }
            return conflict(&format!(
                "StorageError: invalid object, Code: 4, Key: /registry/{}, ResourceVersion: 0, \
                 AdditionalErrorMsg: {failed}",
                self.storage_path()
            ));
        }
        let version = stated("resourceVersion");
        if !version.is_empty() && version != json::meta(&self.old, "resourceVersion") {
            return conflict(
                "the object has been modified; please apply your changes to the latest version and try again",
            );
        }
        Ok(())
    }

    /// Where etcd would keep the object.
    fn storage_path(&self) -> String {
        let kind = &self.served.kind;
        let parts = [
            if kind.custom { kind.group.as_str() } else { "" },
            &kind.plural,
            &self.call.target.namespace,
            &self.call.target.name,
        ];
        let present: Vec<&str> = parts.into_iter().filter(|p| !p.is_empty()).collect();
        present.join("/")
    }

    /// Puts back what this request may not change: the server's own fields, and the other parts.
    fn keep_what_is_not_ours(&self, new: &mut Value) {
        let metadata = json::at(&self.old, &["metadata"]);
        match self.part {
            Part::Main => {
                if self.version.status {
                    json::put(new, &["status"], self.old.get("status").cloned());
                }
                if self.served.kind.plural == "namespaces" {
                    json::put(new, &["spec"], self.old.get("spec").cloned());
                }
            }
            Part::Status => {
                let status = json::remove(new, &["status"]);
                // The old status may be large, and goes.
                let others = self.old.as_object().into_iter().flatten();
                let others = others.filter(|(name, _)| *name != "status");
                *new = others
                    .map(|(n, value)| (n.clone(), value.clone()))
                    .collect();
                json::put(new, &["status"], status);
            }
            Part::Finalize => {
                let finalizers = json::at(new, &["spec", "finalizers"]).cloned();
                new.clone_from(&self.old);
                let left = finalizers.filter(|f| f != &json!([]));
                json::put(new, &["spec", "finalizers"], left);
            }
            Part::Scale => {}
        }
        for field in [
            "name",
            "namespace",
            "uid",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "generation",
            "resourceVersion",
            "managedFields",
            "generateName",
        ] {
            let value = metadata.and_then(|m| m.get(field)).cloned();
            json::put(new, &["metadata", field], value);
        }
        for field in ["labels", "annotations", "finalizers", "ownerReferences"] {
            let empty = match json::at(new, &["metadata", field]) {
                Some(Value::Array(list)) => list.is_empty(),
                Some(Value::Object(map)) => map.is_empty(),
                Some(Value::Null) => true,
                _ => false,
            };
            if empty {
                json::remove(new, &["metadata", field]);
            }
        }
    }

    fn check_finalizers(&self, new: &Value) -> Result<(), Refusal> {
        let added: Vec<String> = json::items(new, &["metadata", "finalizers"])
            .iter()
            .filter(|f| !json::items(&self.old, &["metadata", "finalizers"]).contains(f))
            .map(Value::to_string)
            .collect();
        if json::deleting(&self.old) && !added.is_empty() {
            let why = format!(
                "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, \
                 found new finalizers []string{{{}}}",
                added.join(", ")
            );
            return Err(Refusal::invalid(
                &self.served.kind.qualified_kind(),
                &self.call.target.name,
                &why,
            ));
        }
        Ok(())
    }

    fn bump_generation(&self, new: &mut Value) {
        if self.served.kind.generation && !self.desired(new).eq(self.desired(&self.old)) {
            let generation =
                json::at(&self.old, &["metadata", "generation"]).and_then(Value::as_i64);
            json::set(
                new,
                &["metadata", "generation"],
                json!(generation.unwrap_or(0) + 1),
            );
        }
    }

    /// The parts that say what is wished for.
    fn desired<'v>(&self, object: &'v Value) -> impl Iterator<Item = (&'v String, &'v Value)> {
        let status = self.version.status;
        let parts = object.as_object().into_iter().flatten();
        parts.filter(move |(name, _)| !(*name == "metadata" || *name == "status" && status))
    }
}
