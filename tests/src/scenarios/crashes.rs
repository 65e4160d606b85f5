//! The operator's process dies around a write of the ladder: before it is sent, when it is stored and not answered, after the
//! answer. It starts again, and the story has the same end as one in which nobody dies; what cannot be taken back is done once.

use std::time::Duration;

use federation_health_api::names::JOURNAL_MANAGER;
use federation_health_testbed::{
    error::{Error, Result},
    kubefed::KubefedVersion,
    proxy::{Asked, Proxy, Stop},
};

use super::{
    bed::{Bed, How, Record},
    cured, frozen, repeat, shielded,
    table::Figures,
    wire,
};
use crate::guarded::USER;

/// Where the write is when the process dies.
const STOPS: [Stop; 3] = [Stop::Before, Stop::Unanswered, Stop::Answered];
/// An answer has come by then, and little has been asked after it.
const ANSWERED: Duration = Duration::from_millis(2);
/// Incidents on one federation: four acts each, of sixty an hour that the limit allows.
const INCIDENTS: usize = 10;
/// No story has more writes: a sweep ends at the first write that does not come.
const WRITES: usize = 100;
/// One health check of KubeFed after the end, in which nothing is written; [`cured::BRIEFLY`] is for those who live.
const QUIET: Duration = Duration::from_secs(12);

/// What a proof of the hold deletes first and last, and how often.
const CONTROL: &str = "canary-collector-control";
const CLEANED: usize = 2;

/// What the ladder does; each story judges its own end, and how often it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Story {
    /// The leftover is removed under both holds.
    Cured,
    /// KubeFed is stopped, and started again.
    Frozen,
    /// Label and finalizer come and go.
    Shielded,
}

impl Story {
    async fn play(self, bed: &Bed) -> Result<Figures> {
        match self {
            Self::Cured => cured::by_itself(bed, How::AsItIs, Duration::ZERO).await,
            Self::Frozen => frozen::saved(bed).await,
            Self::Shielded => shielded::saved(bed).await,
        }
    }

    /// What was removed once under a name is not removed again.
    fn incidents(self) -> usize {
        match self {
            Self::Cured => 1,
            Self::Frozen | Self::Shielded => INCIDENTS,
        }
    }
}

/// Plays a story with a death of each sort at each of its writes, one after the other.
///
/// # Errors
/// A story did not come to its end, or nobody ever died.
pub async fn sweep(story: Story) -> Result<Figures> {
    let (mut deaths, mut played, mut failures) = (0_u32, 0, Vec::new());
    let mut standing = None;
    for stop in STOPS {
        for number in 1..=WRITES {
            let bed = match standing.take() {
                Some(bed) => bed,
                None => repeat::acting(KubefedVersion::V0_8_1).await?,
            };
            let mut seen = 0;
            let meant = move |asked: &Asked| {
                seen += usize::from(of_the_ladder(asked));
                seen == number
            };
            let end = death(&bed, story, stop, meant).await;
            played += 1;
            if end.is_err() {
                bed.federation.host().keep_files();
            }
            if end.is_err() || played % story.incidents() == 0 {
                bed.federation.stop().await?;
            } else {
                standing = Some(bed);
            }
            match end {
                Ok(Some(_)) => deaths += 1,
                Ok(None) => break,
                Err(error) => failures.push(format!("{stop:?} at write {number}: {error:?}")),
            }
        }
    }
    if deaths == 0 || !failures.is_empty() {
        let told = format!("{story:?}: {deaths} deaths, and {failures:#?}");
        return Err(Error::refused(told));
    }
    Ok(vec![("deaths that changed nothing", deaths.into())])
}

/// Plays a story in which the process dies at the first request that is meant; none if there was no such request.
///
/// # Errors
/// The story did not come to its end.
pub async fn death(
    bed: &Bed,
    story: Story,
    stop: Stop,
    mut meant: impl FnMut(&Asked) -> bool + Send + 'static,
) -> Result<Option<Figures>> {
    let absent = |what| Error::refused(format!("there is no {what}"));
    let wire: &Proxy = bed.wire.as_ref().ok_or_else(|| absent("proxy"))?;
    let runner = bed.guard.runner().ok_or_else(|| absent("operator"))?;
    let mut over = false;
    wire.stop_at(move |asked| {
        let now = !over && meant(asked);
        over |= now;
        now.then_some(stop)
    });
    let mut successor = None;
    let reaper = async {
        wire.stopped().await;
        if stop == Stop::Answered {
            tokio::time::sleep(ANSWERED).await;
        }
        runner.kill(0).await?;
        successor = Some(bed.record().await?);
        std::future::pending().await
    };
    let figures = tokio::select! {
        end = story.play(bed) => end?,
        failed = reaper => return failed,
    };
    let Some(successor) = successor else {
        return Ok(None);
    };
    if story == Story::Cured {
        proven(&successor).await?;
        cured::cured(bed).await?;
        cured::silent(bed, QUIET).await?;
    }
    Ok(Some(figures))
}

/// Waits until the process of this record has tried the hold, which it writes for: what stands in status before may be the
/// word of the dead one.
async fn proven(record: &Record<'_>) -> Result<()> {
    let what = "the successor's proof of the hold";
    let look =
        || record.matching(|e| e.user == USER && e.verb == "delete" && e.object.name == CONTROL);
    record.wait_for(what, CLEANED, look).await.map(drop)
}

/// A write of the ladder: the journal's in both of its places, and every act.
fn of_the_ladder(asked: &Asked) -> bool {
    let journals = format!("fieldManager={JOURNAL_MANAGER}");
    asked.method != "GET" && asked.query.contains(&journals) || wire::is_foreign(asked)
}
