//! What the judge has seen: approvals, plans, whose value a field has, what somebody reverted.

use std::collections::{BTreeMap, BTreeSet};

use federation_health_api::names::APPROVE_ANNOTATION;
use federation_health_core::remedy::rung::Rung;
use federation_health_sim::Review;
use serde_json::Value;

use super::{
    act::{Act, field, rungs_on},
    acted,
    facts::{Fact, Facts, LAG_MS, health, millis},
};
use crate::simulated::is_acted_on;

/// An approval lives for a day at most.
const DAY_MS: i64 = 24 * 3_600_000;

/// A field of an object, by the rung that changes it and the object's UID.
pub(super) type Field = (Rung, String);

/// A person's approval, as it stood on the FederationHealth.
#[derive(Debug)]
struct Word {
    text: String,
    ended: Option<i64>,
}

#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) facts: Facts,
    pub(super) wrong: Vec<String>,
    words: Vec<Word>,
    /// What status showed as the steps of each plan: action and UID.
    plans: BTreeMap<String, BTreeSet<(String, String)>>,
    /// What the operator found in a field before it wrote there, and what it wrote.
    pub(super) ours: BTreeMap<Field, (String, String)>,
    /// When a rung was last begun on an object, or on any of that name where a successor is the same.
    begun: BTreeMap<Field, i64>,
    /// Fields of which somebody put another value in place of the operator's, while there was danger.
    reverted: BTreeMap<Field, i64>,
    /// Objects, by resource and name, that the operator wrote to without an answer and has not looked at since.
    pub(super) unanswered: BTreeSet<(String, String)>,
    /// When the spec of an object was last changed by somebody else.
    edited: BTreeMap<String, i64>,
    pub(super) journal_at: Option<i64>,
    /// The operator removed the leftover.
    pub(super) removed: bool,
    pub(super) thawed: Option<i64>,
    pub(super) planted: Option<i64>,
    /// When KubeFed last deleted a Workspace.
    churned: BTreeMap<String, i64>,
    /// When somebody else took the lease.
    pub(super) robbed: Option<i64>,
    /// The last act began with this write of the journal.
    act: Option<(Rung, Option<i64>)>,
    pub(super) acts: usize,
    counted: BTreeMap<String, u64>,
}

impl Memory {
    /// Notes what is true just before a write.
    pub(super) fn note(&mut self, review: &Review<'_>, now: i64) {
        self.facts.note(review, now);
        let word = health(review)["metadata"]["annotations"][APPROVE_ANNOTATION].as_str();
        let stands = self.words.last().filter(|word| word.ended.is_none());
        if stands.map(|word| &*word.text) != word {
            if let Some(word) = self.words.last_mut() {
                word.ended.get_or_insert(now);
            }
            self.words.extend(word.map(|text| Word {
                text: text.to_owned(),
                ended: None,
            }));
        }
        if self.facts.lasts(Fact::Danger, now).is_none() {
            // Taken back a moment before the danger was over, it was taken back because it was over.
            self.reverted.retain(|_, at| now - *at > LAG_MS);
        }
        if self.facts.lasts(Fact::Asked, now).is_some() {
            // Who asks acts back has looked at what was contested.
            self.reverted.clear();
            self.removed = false;
        }
    }

    /// Remembers what somebody else does to an object.
    pub(super) fn watch(&mut self, review: &Review<'_>, now: i64) {
        if review.resource == "leases" {
            let holder = |o: &Value| o["spec"]["holderIdentity"] == "a-stranger";
            let taken = review.object.is_some_and(holder) && !review.old.is_some_and(holder);
            self.robbed = if taken { Some(now) } else { self.robbed };
            return;
        }
        if review.operation == "DELETE" && review.resource == "workspaces" {
            self.churned.insert(review.name.to_owned(), now);
        }
        let (Some(new), Some(old)) = (review.object, review.old) else {
            return;
        };
        // On its way out an object loses its finalizers: that takes nothing back.
        if !is_acted_on(review.resource) || old["metadata"]["deletionTimestamp"].is_string() {
            return;
        }
        let uid = old["metadata"]["uid"].as_str().unwrap_or_default();
        if new["spec"] != old["spec"] {
            self.edited.insert(uid.to_owned(), now);
        }
        for rung in rungs_on(review.resource) {
            let key = (rung, uid.to_owned());
            let (was, is) = (field(rung, old), field(rung, new));
            let reverts = self.ours.get(&key).is_some_and(|(_, to)| was == *to) && is != was;
            let target = (review.resource.to_owned(), review.name.to_owned());
            if reverts && self.unanswered.contains(&target) {
                self.never_happened(&key, review.name);
                continue;
            }
            if reverts && self.facts.lasts(Fact::Danger, now).is_some() {
                self.reverted.insert(key, now);
                self.count(format!("reverted {}", rung.as_str()));
            }
        }
    }

    /// To the operator a write that was taken back before it knew of it is one that did not happen.
    fn never_happened(&mut self, field: &Field, name: &str) {
        self.reverted.remove(field);
        self.ours.remove(field);
        self.begun.remove(&(field.0, name.to_owned()));
        self.begun.remove(field);
    }

    /// A process is gone, and of what it began the journal says no more than that: who takes it up only knows what it sees.
    pub(super) fn left_open(&mut self, rung: Rung, action: &Value) {
        let text = |field: &str| action[field].as_str().unwrap_or_default().to_owned();
        let (field, name) = ((rung, text("uid")), text("name"));
        if self.reverted.contains_key(&field) {
            self.never_happened(&field, &name);
        }
        let resource = format!("{}s", text("kind").to_lowercase());
        self.unanswered.insert((resource, name));
    }

    /// Remembers which steps the plan in status has.
    pub(super) fn read_plan(&mut self, review: &Review<'_>) {
        let plan = review.object.map(|o| &o["status"]["plan"]);
        let Some(plan) = plan.filter(|_| review.resource == "federationhealths") else {
            return;
        };
        let Some(id) = plan["id"]
            .as_str()
            .filter(|id| !self.plans.contains_key(*id))
        else {
            return;
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let steps = plan["steps"].as_array().into_iter().flatten();
        let steps = steps.map(|step| (text(&step["action"]), text(&step["uid"])));
        self.plans.insert(id.to_owned(), steps.collect());
    }

    /// A person approved a plan that has this step, and the approval is valid or was a moment ago.
    pub(super) fn approved(&self, rung: Rung, uid: &str, now: i64) -> bool {
        let lately = |word: &&Word| word.ended.is_none_or(|ended| now - ended <= LAG_MS);
        let covers = |word: &Word| {
            let (id, until) = word.text.split_once('@')?;
            let left = millis(until)? - now;
            let valid = (-LAG_MS..=DAY_MS).contains(&left);
            let steps = self.plans.get(id.trim()).filter(|_| valid)?;
            let made = rung == Rung::PlantCanary;
            let mut steps = steps.iter();
            Some(steps.any(|(action, of)| action == rung.as_str() && (made || of == uid)))
        };
        let mut words = self.words.iter().filter(lately);
        words.any(|word| covers(word) == Some(true))
    }

    /// Somebody put another value in place of the operator's.
    pub(super) fn is_contested(&self, field: &Field) -> bool {
        self.reverted.contains_key(field)
    }

    /// Somebody changed the object after the journal said what would be done to it.
    pub(super) fn edited_since_planned(&self, uid: &str) -> bool {
        self.edited.get(uid).copied() > self.journal_at
    }

    /// KubeFed deleted this Workspace within this many milliseconds.
    pub(super) fn churned(&self, workspace: &str, within: i64, now: i64) -> bool {
        let at = self.churned.get(workspace);
        at.is_some_and(|at| now - at <= within)
    }

    /// Milliseconds since the rung was begun on this object, unless it only marked it and the mark is off again.
    pub(super) fn since(&self, act: &Act<'_>, name: &str, now: i64) -> Option<i64> {
        self.begun.get(&lasting(act, name)).map(|at| now - at)
    }

    /// Remembers a way back.
    pub(super) fn went_back(&mut self, act: &Act<'_>, name: &str, now: i64) {
        self.ours.remove(&(act.rung, act.uid.to_owned()));
        if act.rung.marks() {
            self.begun.remove(&lasting(act, name));
        }
        if act.rung == Rung::FreezeControllers {
            self.thawed = Some(now);
        }
    }

    /// Remembers a write up the ladder that nothing stood against.
    pub(super) fn began(&mut self, act: &Act<'_>, name: &str, now: i64) {
        let rung = act.rung;
        self.begun.insert(lasting(act, name), now);
        match rung {
            Rung::PlantCanary => self.planted = Some(now),
            Rung::RemoveStaleCluster => self.removed = true,
            _ => {
                let values = (act.from.clone(), act.to.clone());
                self.ours.insert((rung, act.uid.to_owned()), values);
            }
        }
        let act = Some((rung, self.journal_at));
        if self.act != act {
            self.act = act;
            self.acts += 1;
        }
        self.count(acted(rung));
    }

    fn count(&mut self, what: String) {
        *self.counted.entry(what).or_default() += 1;
    }

    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        self.counted.clone()
    }
}

/// What cools down: the object, or its name.
fn lasting(act: &Act<'_>, name: &str) -> Field {
    let named = act.rung.outlives_its_object();
    (act.rung, if named { name } else { act.uid }.to_owned())
}
