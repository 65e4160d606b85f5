//! Deletions that somebody wishes happen, and leave no hold behind.

use federation_health_testbed::Result;
use federation_health_tests::scenarios::honest::{Honest, brief};

/// The collection hold `Always` keeps what a dropped placement would cost; `OnDiagnosis` lets the owner lose it.
async fn honest(delayed: bool) -> Result<()> {
    let honest = Honest::start(delayed).await?;
    for (number, (policy, kept)) in [("OnDiagnosis", 0), ("Always", 2)].into_iter().enumerate() {
        honest.collection(policy).await?;
        let round = honest.round(number).await?;
        assert_eq!(round.kept, kept, "{policy}");
        brief(&[round])?;
    }
    honest.bed.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_deletions_finish() {
    honest(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_deletions_finish_though_the_operator_learns_of_them_two_seconds_late() {
    honest(true).await.unwrap();
}
