//! Where the simulation answers otherwise than kube-apiserver, and why it may.

/// One difference that is meant.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The steps that show it; a star at the end stands for anything.
    pub step: &'static str,
    /// The place in the answer; `*` stands for one segment, at the end for all below.
    pub path: &'static str,
    /// Why the simulation does not do it.
    pub why: &'static str,
}

const fn known(step: &'static str, path: &'static str, why: &'static str) -> Known {
    Known { step, path, why }
}

const HASH: &str = "a hash over storage versions, which only storage migration reads";
const WORDS: &str = "the words of another parser; code and reason are the same";
const TWICE: &str = "custom resources are validated twice and the cause is listed twice; code, reason and message are the same";

/// All of them. One that no step shows any more fails the comparison, so that this table stays true.
#[rustfmt::skip]
pub const KNOWN: &[Known] = &[
    known("resources of *", "body/resources/0/storageVersionHash", HASH),
    known("Namespaces in discovery", "body/storageVersionHash", HASH),
    known("Deployments in discovery", "body/storageVersionHash", HASH),
    known("Deployments in discovery", "body/categories", "categories of built-in kinds serve `kubectl get all` only"),
    known("a continue token nobody gave out", "body/message", WORDS),
    known("by a field that cannot be selected", "body/message", WORDS),
    known("by labels that do not parse", "body/message", WORDS),
    known("create another kind than the path says", "body/message", WORDS),
    known("create from half a document", "body/message", WORDS),
    known("a JSON patch that is none", "body/message", WORDS),
    known("an apply without a kind", "body/message", WORDS),
    known("a merge patch with a foreign UID", "body/details/causes/1", TWICE),
    known("no finalizer is added to what is being deleted", "body/details/causes/1", TWICE),
    known("a Deployment", "body/managedFields/*", "built-in kinds have no schema here: no defaults, and no lists but the known ones"),
    known("a watch from before the history", "body/0/object/message", "where a history begins is each server's own"),
    known("finalize lets the namespace go", "body/metadata/managedFields/*", "the owner of a namespace's emptied spec is of no use: the namespace is gone"),
];

impl Known {
    /// Whether it explains a difference.
    pub fn explains(&self, step: &str, path: &str) -> bool {
        let named = match self.step.strip_suffix('*') {
            Some(start) => step.starts_with(start),
            None => step == self.step,
        };
        named && covers(self.path, path)
    }
}

fn covers(pattern: &str, path: &str) -> bool {
    let mut path = path.split('/');
    let mut pattern = pattern.split('/').peekable();
    while let Some(wanted) = pattern.next() {
        let last = pattern.peek().is_none();
        match path.next() {
            Some(_) if wanted == "*" && last => return true,
            Some(segment) if wanted == "*" || wanted == segment => {}
            _ => return false,
        }
    }
    path.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_its_path_and_a_last_star_all_below() {
        assert!(covers("body/items/*/uid", "body/items/3/uid"));
        assert!(!covers("body/items/*/uid", "body/items/3/name"));
        assert!(!covers("body/items", "body/items/3"));
        assert!(covers("body/*", "body/items/3"));
        assert!(!covers("body/*", "body"));
    }
}
