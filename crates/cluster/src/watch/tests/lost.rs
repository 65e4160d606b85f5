//! Events that the API server lost, and the list beside the watch that finds them.

use std::time::Duration;

use super::script::{Answer, Piece, bookmark, item, line, list, play};

/// A watch of which a bookmark is heard every minute, as an API server sends them; `more` comes after `minutes`.
fn watch(minutes: u32, first: u32, more: Vec<Piece>) -> Answer {
    let mut pieces = Vec::new();
    for minute in 0..minutes {
        pieces.push(Piece::Wait(Duration::from_mins(1)));
        pieces.push(bookmark(first + minute));
    }
    pieces.extend(more);
    Answer::Pieces(pieces)
}

fn items(names: &[(&str, u32)]) -> Vec<String> {
    names.iter().map(|(name, v)| item(name, *v)).collect()
}

fn listed(version: &str, names: &[(&str, u32)]) -> Answer {
    let items = items(names);
    list(
        version,
        "",
        &items.iter().map(String::as_str).collect::<Vec<_>>(),
    )
}

/// Bookmarks have gone to 14 when the list at 16 is read: it waits for the watch to come to 16.
#[tokio::test(start_paused = true)]
async fn a_deletion_that_was_never_told_is_found_without_a_break_of_the_watch() {
    let run = play(vec![
        listed("9", &[("a", 1), ("b", 2)]),
        watch(8, 10, vec![Piece::Hang]),
        listed("16", &[("b", 2)]),
    ])
    .await;
    assert_eq!(run.asked()[..3], ["list", "9", "list"]);
    assert_eq!(run.times()[2], 300_000, "five minutes after the first");
    assert_eq!(run.calls(), "begin +a +b end Synced begin +b end");
}

/// The list is read at 16, when the watch has told nothing after 14.
#[tokio::test(start_paused = true)]
async fn the_list_is_compared_where_the_watch_comes_to_its_version_and_not_before() {
    let told = vec![
        Piece::Wait(Duration::from_secs(1)),
        line("MODIFIED", &item("changed", 15)),
        line("DELETED", &item("deleted", 16)),
        line("ADDED", &item("new", 17)),
        Piece::Hang,
    ];
    let run = play(vec![
        listed("9", &[("changed", 1), ("deleted", 2), ("lost", 3)]),
        watch(5, 10, told),
        listed("16", &[("changed", 15)]),
    ])
    .await;
    let before = "begin +changed +deleted +lost end Synced";
    assert_eq!(
        run.calls(),
        format!("{before} +changed begin +changed end -deleted +new"),
    );
}

#[tokio::test(start_paused = true)]
async fn a_list_that_fails_is_read_again_a_minute_later() {
    let run = play(vec![
        listed("9", &[("a", 1)]),
        watch(12, 10, vec![Piece::Hang]),
        Answer::Refused,
        listed("16", &[]),
    ])
    .await;
    assert_eq!(run.times()[2..4], [300_000, 360_000]);
    assert_eq!(run.calls(), "begin +a end Synced begin end");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_too_long_to_lay_aside_is_tried_again_no_sooner_than_any_other() {
    let long = vec![item("a", 1); 100_001];
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    let run = play(vec![
        listed("9", &[("a", 1)]),
        watch(12, 10, vec![Piece::Hang]),
        list("16", "", &long),
        listed("20", &[]),
    ])
    .await;
    assert_eq!(run.times()[2..4], [300_000, 600_000]);
    assert_eq!(run.calls(), "begin +a end Synced begin end");
}
