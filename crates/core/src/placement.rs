//! Where a control plane wants an object, and what becomes of the object in a cluster that bears several names.
//!
//! The rule is KubeFed's own (`pkg/controller/util/placement.go`, `pkg/controller/sync/controller.go`, v0.8.1): a list
//! of names wins over a selector, and every *Ready* registration is worked on by its name alone. Two names of one real
//! cluster therefore get separate answers for one and the same object.

use std::collections::BTreeMap;

use crate::id::Text;

/// Labels of a KubeFedCluster.
pub type Labels = BTreeMap<Text, Text>;

/// Which registrations a federated object names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Placement {
    /// Neither a list nor a selector (`metav1.LabelSelectorAsSelector(nil)` selects nothing).
    Nowhere,
    /// `spec.placement.clusters`: sorted, without repetitions; an empty list is nowhere. It wins over a selector.
    Names(Box<[Text]>),
    /// `spec.placement.clusterSelector`, used only when there is no list.
    Selector(Selector),
}

impl Placement {
    /// A list of names in any order.
    pub fn names(names: impl IntoIterator<Item = Text>) -> Self {
        Self::Names(sorted(names))
    }

    /// Whether the registration `name` with these labels is selected. Names without a registration are the caller's to
    /// leave out: KubeFed intersects with what exists.
    pub fn selects(&self, name: &str, labels: &Labels) -> bool {
        match self {
            Self::Nowhere => false,
            Self::Names(names) => names.binary_search_by(|known| (**known).cmp(name)).is_ok(),
            Self::Selector(selector) => selector.matches(labels),
        }
    }
}

/// A label selector; all terms must hold, so no term at all selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Selector(Box<[Term]>);

impl Selector {
    /// Builds a selector from its terms, in any order, refusing what Kubernetes refuses.
    ///
    /// KubeFed stops at an invalid selector and touches no cluster, so an invalid one must not be read as "nowhere".
    pub fn new(terms: impl IntoIterator<Item = Term>) -> Result<Self, InvalidSelector> {
        let mut terms: Vec<Term> = terms.into_iter().collect();
        for term in &terms {
            term.check()?;
        }
        terms.sort_unstable();
        terms.dedup();
        Ok(Self(terms.into()))
    }

    /// Whether these labels satisfy every term.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|term| term.matches(labels))
    }

    /// The terms, sorted.
    pub fn terms(&self) -> &[Term] {
        &self.0
    }
}

/// One requirement of a selector.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Term {
    key: Text,
    op: Op,
    values: Box<[Text]>,
}

impl Term {
    /// One item of `matchExpressions`; it is checked when a [`Selector`] is made of it.
    pub fn new(key: Text, op: Op, values: impl IntoIterator<Item = Text>) -> Self {
        Self {
            key,
            op,
            values: sorted(values),
        }
    }

    /// One item of `matchLabels`.
    pub fn equals(key: Text, value: Text) -> Self {
        Self::new(key, Op::In, [value])
    }

    fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        let listed = value.is_some_and(|value| self.values.binary_search(value).is_ok());
        match self.op {
            Op::In => listed,
            Op::NotIn => !listed,
            Op::Exists => value.is_some(),
            Op::DoesNotExist => value.is_none(),
        }
    }

    fn check(&self) -> Result<(), InvalidSelector> {
        if !is_label_key(&self.key) {
            return Err(InvalidSelector::Key {
                key: self.key.clone(),
            });
        }
        match (self.op, self.values.is_empty()) {
            (Op::In | Op::NotIn, true) => {
                return Err(InvalidSelector::NoValues {
                    key: self.key.clone(),
                    op: self.op,
                });
            }
            (Op::Exists | Op::DoesNotExist, false) => {
                return Err(InvalidSelector::UnexpectedValues {
                    key: self.key.clone(),
                    op: self.op,
                });
            }
            _ => {}
        }
        match self.values.iter().find(|value| !is_label_value(value)) {
            Some(value) => Err(InvalidSelector::Value {
                key: self.key.clone(),
                value: value.clone(),
            }),
            None => Ok(()),
        }
    }
}

/// Operator of a selector term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    /// The label exists and has one of the values.
    In,
    /// The label is absent or has none of the values.
    NotIn,
    /// The label exists.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

impl Op {
    /// Reads Kubernetes' word for the operator.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "In" => Some(Self::In),
            "NotIn" => Some(Self::NotIn),
            "Exists" => Some(Self::Exists),
            "DoesNotExist" => Some(Self::DoesNotExist),
            _ => None,
        }
    }
}

/// Why a selector is refused, by the rules of `k8s.io/apimachinery/pkg/labels.NewRequirement`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSelector {
    /// In or NotIn needs at least one value.
    #[error("cluster selector: {op:?} on label {key:?} has no values; list at least one")]
    NoValues {
        /// The label.
        key: Text,
        /// The operator.
        op: Op,
    },
    /// Exists or DoesNotExist takes none.
    #[error("cluster selector: {op:?} on label {key:?} has values; remove them")]
    UnexpectedValues {
        /// The label.
        key: Text,
        /// The operator.
        op: Op,
    },
    /// Not a qualified name.
    #[error("cluster selector: {key:?} is not a label key; use [prefix/]name")]
    Key {
        /// The label as written.
        key: Text,
    },
    /// Not a label value.
    #[error(
        "cluster selector: {value:?} cannot be a value of label {key:?}; use at most 63 letters, digits, '-', '_' or '.'"
    )]
    Value {
        /// The label.
        key: Text,
        /// The value as written.
        value: Text,
    },
}

/// Longest name part of a label key, and longest value, in bytes (Kubernetes' limit).
const LABEL_MAX: usize = 63;
/// Longest prefix of a label key, in bytes: a DNS subdomain (Kubernetes' limit).
const PREFIX_MAX: usize = 253;

fn is_label_key(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    !name.is_empty() && is_label_value(name) && prefix.is_none_or(is_subdomain)
}

fn is_label_value(value: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    value.len() <= LABEL_MAX && value.bytes().all(inner) && has_alphanumeric_ends(value)
}

fn is_subdomain(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= PREFIX_MAX
        && text
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(inner) && has_alphanumeric_ends(part))
}

fn has_alphanumeric_ends(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_none_or(u8::is_ascii_alphanumeric)
        && bytes.last().is_none_or(u8::is_ascii_alphanumeric)
}

fn sorted(texts: impl IntoIterator<Item = Text>) -> Box<[Text]> {
    let mut texts: Vec<Text> = texts.into_iter().collect();
    texts.sort_unstable();
    texts.dedup();
    texts.into()
}

/// One name of a real cluster, as a control plane sees it for one federated object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Alias {
    /// The placement selects this name.
    pub selected: bool,
    /// The registration's Ready condition is True, so KubeFed works through it now.
    pub ready: bool,
}

/// What the control planes will do to an object that exists, carries `kubefed.io/managed=true` and is not exempt (the
/// host's own Namespace is), in one real cluster.
///
/// Let KubeFed's table run for ever over the aliases (a Ready and selected one creates or updates, a Ready and
/// unselected one deletes what it finds). Then, starting with the object present:
///
/// - [`Fate::Stays`]: it is deleted under no readiness of the aliases;
/// - [`Fate::Loop`]: were all aliases Ready, it would be deleted and created again for ever;
/// - [`Fate::Lost`]: were all aliases Ready, it would be deleted once and never come back;
/// - `imminent`: it is deleted under the *present* readiness. It goes on for ever exactly when a selected alias is
///   Ready too; when only unselected ones are, it is deleted once and stays away until a selected one becomes Ready.
///   To its namespaces the first deletion is as final as the hundredth, so the two are not told apart here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// Every alias is selected, or the cluster has none.
    Stays,
    /// Some aliases are selected, some are not.
    Loop {
        /// An unselected alias is Ready.
        imminent: bool,
    },
    /// No alias is selected.
    Lost {
        /// An alias is Ready.
        imminent: bool,
    },
}

/// The fate of a managed object in the real cluster that bears these names. Aliases of all control planes belong into
/// one call: what one plane selects another deletes.
pub fn fate(aliases: &[Alias]) -> Fate {
    let mut unselected = aliases.iter().filter(|alias| !alias.selected).peekable();
    if unselected.peek().is_none() {
        return Fate::Stays;
    }
    let imminent = unselected.any(|alias| alias.ready);
    if aliases.iter().any(|alias| alias.selected) {
        Fate::Loop { imminent }
    } else {
        Fate::Lost { imminent }
    }
}

#[cfg(test)]
mod tests;
