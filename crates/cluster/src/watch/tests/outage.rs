//! When the next attempt is made, and what is said meanwhile.

use super::script::{Answer, Piece, bookmark, line, list, play, status};

#[tokio::test(start_paused = true)]
async fn a_lacking_right_is_told_and_asked_for_ever_more_seldom() {
    let mut script: Vec<Answer> = (0..7).map(|_| status(403)).collect();
    script.push(list("7", "", &[]));
    let run = play(script).await;
    assert_eq!(
        run.times()[..8],
        [0, 1_000, 3_000, 7_000, 15_000, 31_000, 61_000, 91_000]
    );
    assert_eq!(run.calls(), "Forbidden begin end");
}

#[tokio::test(start_paused = true)]
async fn the_right_to_list_without_the_right_to_watch_is_forbidden_without_lists() {
    let run = play(vec![list("7", "", &[]), status(403), status(403)]).await;
    assert_eq!(run.asked(), ["list", "7", "7", "7"]);
    assert_eq!(run.calls(), "begin end Forbidden");
}

#[tokio::test(start_paused = true)]
async fn a_dead_server_is_tried_at_once_then_ever_more_seldom() {
    let mut script = vec![
        list("7", "", &[]),
        Answer::Pieces(vec![bookmark(8), Piece::Break]),
    ];
    script.extend((0..10).map(|_| Answer::Refused));
    script.push(Answer::Pieces(vec![bookmark(9), Piece::Break]));
    script.push(Answer::Refused);
    let run = play(script).await;
    let waits: Vec<u64> = run
        .times()
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .collect();
    assert_eq!(
        waits,
        [
            0, 0, 50, 100, 200, 400, 800, 1000, 1000, 1000, 1000, 1000, 0, 50
        ]
    );
    assert_eq!(run.calls(), "begin end Synced Failing Synced Failing");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_an_outage_is_not_slept_through() {
    // As a real API server does after it was killed: refuses, knows no rights yet, has forgotten our version.
    let gone = r#"{"kind":"Status","reason":"Expired","code":410}"#;
    let mut script = vec![
        list("7", "", &[]),
        Answer::Pieces(vec![bookmark(8), Piece::Break]),
    ];
    script.extend((0..8).map(|_| Answer::Refused));
    script.push(status(403));
    script.push(Answer::Pieces(vec![line("ERROR", gone)]));
    script.push(list("3", "", &[]));
    let run = play(script).await;
    let waits: Vec<u64> = run
        .times()
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .skip(9)
        .collect();
    assert_eq!(waits, [1000, 50, 0, 0]);
    // Rights and kinds that a starting server does not know yet are not reported as taken away.
    assert_eq!(run.calls(), "begin end Synced Failing Synced begin end");
}

#[tokio::test(start_paused = true)]
async fn what_a_server_still_refuses_seconds_after_an_outage_is_told() {
    for (code, told) in [(403, "Forbidden"), (404, "NotInstalled")] {
        let mut script = vec![
            list("7", "", &[]),
            Answer::Pieces(vec![bookmark(8), Piece::Break]),
            Answer::Refused,
        ];
        script.extend((0..7).map(|_| status(code)));
        let run = play(script).await;
        assert!(
            run.calls()
                .starts_with(&format!("begin end Synced Failing {told}")),
            "{}",
            run.calls()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_forgets_every_version_is_not_asked_in_a_circle() {
    let mut script = vec![list("7", "t", &[])];
    script.extend((0..5).map(|_| status(410)));
    let run = play(script).await;
    assert_eq!(run.times(), [0, 0, 0, 100, 300, 700, 1500]);
}

#[tokio::test(start_paused = true)]
async fn a_servers_wish_for_patience_is_kept_within_bounds() {
    let wish = |seconds| Answer::Text(429, seconds, String::new());
    let run = play(vec![
        wish(&[("retry-after", "2")]),
        wish(&[("retry-after", "18446744073709551615")]),
        wish(&[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")]),
        status(503),
        list("7", "", &[]),
    ])
    .await;
    assert_eq!(run.times(), [0, 2_000, 32_000, 32_200, 32_600, 32_600]);
    assert_eq!(run.calls(), "Failing begin end");
}

#[tokio::test(start_paused = true)]
async fn watches_that_end_at_once_are_not_opened_in_a_circle() {
    let mut script = vec![list("7", "", &[])];
    script.extend((0..4).map(|_| Answer::Pieces(Vec::new())));
    let run = play(script).await;
    assert_eq!(run.times(), [0, 0, 0, 50, 150, 350]);
    assert_eq!(run.asked()[5], "7");
}
