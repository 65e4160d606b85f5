//! What the switch is to say of the causes. Written as the API keeps it (whole seconds, bounded text), so that reading
//! back what was written finds no difference.

use super::{
    Hold,
    causes::{Cause, Key},
};
use crate::{
    effect::{CauseKind, CauseView, HoldImage, Rule},
    id::Text,
    text::clip,
    time::Time,
};

/// Causes shown in status; the CRD has the same bound.
const MAX_SHOWN: usize = 16;
/// Bytes of the message; the CRD counts no fewer characters.
const MAX_MESSAGE: usize = 1024;
/// Bytes of a subject; the CRD counts no fewer characters.
const MAX_SUBJECT: usize = 512;

impl Hold {
    /// What the switch should say now.
    pub(super) fn image(&self, now: Time) -> HoldImage {
        let (collection, federation) = (
            self.wants(Rule::Collection, now),
            self.wants(Rule::Federation, now),
        );
        if !collection && !federation {
            return HoldImage::default();
        }
        let mut shown: Vec<(&Key, &Cause)> = self.causes.by_age().take(MAX_SHOWN).collect();
        let first = shown.first().copied();
        // A restart takes up what is shown: one cause that only a person ends must be among it.
        if !shown.iter().any(|((kind, _), _)| ends_by_person(*kind))
            && let Some(personal) = [CauseKind::UnexpectedDeletion, CauseKind::Unrecorded]
                .into_iter()
                .find_map(|kind| self.causes.of_kind(kind).next())
        {
            shown.truncate(MAX_SHOWN - 1);
            shown.push(personal);
        }
        HoldImage {
            collection,
            federation,
            namespaces: if federation {
                self.namespaces.clone()
            } else {
                Vec::new()
            },
            since: first.map(|(_, cause)| whole_seconds(cause.since)),
            reason: first.map(|((kind, _), _)| *kind),
            message: first
                .map(|((kind, subject), _)| sentence(*kind, subject, self.causes.len()))
                .unwrap_or_default(),
            causes: shown.into_iter().map(view).collect(),
        }
    }

    /// Whether what is said needs no correction by this image of ours: it refuses the same, for causes that are known here,
    /// for as many and for one that only a person ends if there is such a one. When, in which order and in which words is
    /// told by the replica that was first: two that correct each other would never end.
    pub(super) fn agrees(&self, said: &HoldImage, own: &HoldImage) -> bool {
        let refuses = |i: &HoldImage| (i.collection, i.federation);
        let personal = |i: &HoldImage| i.causes.iter().any(|c| ends_by_person(c.kind));
        let known = |c: &CauseView| self.causes.get(&(c.kind, c.subject.clone())).is_some();
        said == own
            || refuses(said) == refuses(own)
                && said.namespaces == own.namespaces
                && said.causes.len() == own.causes.len()
                && personal(said) == personal(own)
                && said.causes.iter().all(known)
    }
}

/// Nothing that could be seen ends it.
fn ends_by_person(kind: CauseKind) -> bool {
    matches!(kind, CauseKind::UnexpectedDeletion | CauseKind::Unrecorded)
}

fn whole_seconds(time: Time) -> Time {
    Time(time.0.div_euclid(1000) * 1000)
}

fn view(((kind, subject), cause): (&Key, &Cause)) -> CauseView {
    CauseView {
        kind: *kind,
        subject: Text::from(clip(subject, MAX_SUBJECT)),
        uid: cause.uid,
    }
}

fn sentence(kind: CauseKind, subject: &str, causes: usize) -> String {
    let why = match kind {
        CauseKind::DoubledRegistration => {
            format!("{subject} are one cluster, and a placement names only some of them")
        }
        CauseKind::SecondControlPlane => {
            format!("{subject} are one cluster under two control planes")
        }
        CauseKind::SelectedNowhere => {
            format!("a placement names a cluster that is not registered, and not {subject}")
        }
        CauseKind::FederatedKindDeleted => {
            format!("{subject} is being deleted, and KubeFed deletes every Workspace with it")
        }
        CauseKind::UnexpectedDeletion => {
            format!("Workspace {subject} was deleted although it is still wished for")
        }
        CauseKind::Unrecorded => {
            format!("a hold ({subject}) was found standing whose cause is not recorded")
        }
        CauseKind::Requested => format!("requested as {subject} in spec.hold.requests"),
    };
    let why = clip(&why, MAX_MESSAGE - 32);
    match causes.saturating_sub(1) {
        0 => why.to_owned(),
        1 => format!("{why}; 1 more cause"),
        // A storm must not write anew for every deletion that it adds.
        more if more > MAX_SHOWN => format!("{why}; more than {MAX_SHOWN} more causes"),
        more => format!("{why}; {more} more causes"),
    }
}
