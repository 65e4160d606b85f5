//! What the switch says: our own orders come back, another process' causes are taken up, its release is followed.

use super::{
    Hold,
    causes::{Cause, State},
};
use crate::{
    effect::{CauseKind, CauseView, HoldImage},
    id::{Text, Uid},
    time::Time,
};

/// A recorded deletion younger than this is verified anew by the process that takes it up; an older one was, or is a
/// person's to judge, since its wishes may have changed meanwhile.
const RECENT_MS: i64 = 60_000;

impl Hold {
    /// Takes what the switch says, unless it is older than our own last write. `first`: after a start or a new switch.
    ///
    /// Causes that somebody else wrote are taken up: an earlier process, or another replica that saw a deletion before this
    /// one did. Gives the deletions among them that are young enough to be verified.
    pub(crate) fn observe(
        &mut self,
        image: HoldImage,
        version: u64,
        first: bool,
        now: Time,
    ) -> Vec<(Text, Uid)> {
        if self.observed.is_some() && !first && version < self.version {
            return Vec::new();
        }
        let before = if first { None } else { self.observed.take() };
        let before = before.unwrap_or_default();
        let verify = self.adopt(&image, &before, now);
        if before.holds_any() && !image.holds_any() {
            self.follow_release();
        }
        // Any other sight says nothing about an order of ours that is on its way.
        self.answered(&image);
        self.observed = Some(image);
        self.version = version.max(if first { 0 } else { self.version });
        verify
    }

    fn adopt(&mut self, image: &HoldImage, before: &HoldImage, now: Time) -> Vec<(Text, Uid)> {
        let mut verify = Vec::new();
        for CauseView { kind, subject, uid } in &image.causes {
            let key = (*kind, subject.clone());
            let ours = before
                .causes
                .iter()
                .any(|c| (c.kind, &c.subject) == (*kind, subject))
                || self.causes.get(&key).is_some();
            if ours {
                continue;
            }
            let since = image.since.unwrap_or(now);
            let recent = *kind == CauseKind::UnexpectedDeletion && now.since_ms(since) < RECENT_MS;
            let cause = Cause {
                uid: *uid,
                since: if recent { now } else { since },
                state: if recent {
                    State::Verifying
                } else {
                    State::Standing
                },
            };
            self.causes.put(key, cause);
            if recent {
                verify.push((subject.clone(), uid.unwrap_or_default()));
            }
        }
        let asked = self.asked.as_ref().is_some_and(HoldImage::holds_any);
        if image.holds_any() && image.causes.is_empty() && !before.holds_any() && !asked {
            self.raise(CauseKind::Unrecorded, Text::from("status.hold"), None, now);
        }
        verify
    }

    /// Another replica released, by a confirmed list of its own: what is gone here as well is not held again for the rest of
    /// its time. Otherwise each would raise anew what the other one releases, for ever.
    fn follow_release(&mut self) {
        self.causes.forget_gone();
        if self.causes.is_empty() {
            self.confirming = None;
            self.blocked.clear();
        }
    }

    /// The switch is gone: it cannot be written, and nothing durable may fall because of that.
    pub(crate) fn vanished(&mut self) {
        self.observed = None;
        self.asked = None;
        self.version = 0;
    }

    /// Our write of this image came through with this version, or failed. A newer order may have been given meanwhile: that
    /// one is still open.
    pub(crate) fn wrote(&mut self, image: &HoldImage, outcome: Option<u64>) {
        self.answered(image);
        if let (Some(version), Some(observed)) = (outcome, &mut self.observed)
            && version > self.version
        {
            self.version = version;
            observed.clone_from(image);
        }
    }

    fn answered(&mut self, image: &HoldImage) {
        if self.asked.as_ref() == Some(image) {
            self.asked = None;
        }
    }

    /// Newest resourceVersion known.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }
}
