//! The driver against a scripted server, in virtual time.

mod lost;
mod outage;
mod script;

use std::{io, time::Duration};

use http::{Request, Response};
use kube::{Client, client::Body};
use tokio::time::sleep;
use tokio_util::bytes::Bytes;

use self::script::{Answer, Log, Piece, bookmark, item, line, list, ok, play, play_on, status};
use super::{Resource, run};

#[tokio::test(start_paused = true)]
async fn reads_pages_then_watches_from_the_lists_version() {
    let resource = Resource {
        path: "/api/v1/namespaces".into(),
        label_selector: Some("kubesphere.io/workspace,a!=b c".into()),
        field_selector: Some("metadata.name=x".into()),
    };
    let run = play_on(
        resource,
        vec![
            list("7", "t/1=", &[&item("a", 1), &item("b", 2)]),
            list("7", "", &[&item("c", 3)]),
            Answer::Pieces(vec![
                line("ADDED", &item("d", 8)),
                line("DELETED", &item("a", 9)),
                Piece::Break,
            ]),
        ],
    )
    .await;
    assert_eq!(run.calls(), "begin +a +b +c end Synced +d -a");
    assert_eq!(run.log.alive, 5, "two pages, the accepted watch, two lines");
    let selectors =
        "labelSelector=kubesphere.io%2Fworkspace%2Ca%21%3Db%20c&fieldSelector=metadata.name%3Dx";
    let uris: Vec<&str> = run.requests.iter().map(|(_, uri)| uri.as_str()).collect();
    let watch = "watch=true&allowWatchBookmarks=true&timeoutSeconds=290&resourceVersion=";
    assert_eq!(
        uris,
        [
            format!("/api/v1/namespaces?limit=500&{selectors}"),
            format!("/api/v1/namespaces?limit=500&continue=t%2F1%3D&{selectors}"),
            format!("/api/v1/namespaces?{watch}7&{selectors}"),
            format!("/api/v1/namespaces?{watch}9&{selectors}"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_expired_continue_token_begins_the_list_again() {
    let run = play(vec![
        list("7", "t", &[&item("a", 1)]),
        status(410),
        list("9", "", &[&item("b", 2)]),
    ])
    .await;
    assert_eq!(run.calls(), "begin +a begin +b end");
    assert_eq!(run.asked(), ["list", "next=t", "list", "9"]);
}

#[tokio::test(start_paused = true)]
async fn resumes_from_a_bookmark_after_a_clean_end_and_after_a_loss() {
    let run = play(vec![
        list("7", "", &[]),
        Answer::Pieces(vec![bookmark(20)]),
        Answer::Pieces(vec![bookmark(30), Piece::Break]),
    ])
    .await;
    assert_eq!(run.asked(), ["list", "7", "20", "30"]);
    assert_eq!(run.calls(), "begin end Synced");
    assert_eq!(
        run.times(),
        [0, 0, 0, 0],
        "neither an end in order nor a first loss waits"
    );
    assert_eq!(run.log.alive, 5);
}

#[tokio::test(start_paused = true)]
async fn lists_again_when_the_version_is_forgotten() {
    let gone = line(
        "ERROR",
        r#"{"kind":"Status","reason":"Expired","code":410}"#,
    );
    let run = play(vec![
        list("7", "", &[&item("a", 1)]),
        Answer::Pieces(vec![line("ADDED", &item("b", 8)), gone]),
        list("20", "", &[&item("b", 8)]),
        Answer::Pieces(vec![Piece::Wait(Duration::from_secs(2)), bookmark(21)]),
        status(410),
        list("30", "", &[]),
    ])
    .await;
    assert_eq!(run.calls(), "begin +a end Synced +b begin +b end begin end");
    assert_eq!(run.asked(), ["list", "7", "list", "20", "21", "list", "30"]);
    assert_eq!(
        run.times(),
        [0, 0, 1000, 1000, 3000, 3000, 3000],
        "a second between two lists, no more"
    );
}

#[tokio::test(start_paused = true)]
async fn other_errors_inside_a_watch_list_again() {
    // A server restored from a backup: our version lies in its future.
    let future = line(
        "ERROR",
        r#"{"kind":"Status","reason":"Timeout","code":504}"#,
    );
    let run = play(vec![
        list("900", "", &[]),
        Answer::Pieces(vec![future]),
        list("5", "", &[]),
    ])
    .await;
    assert_eq!(run.asked(), ["list", "900", "list", "5"]);
    assert_eq!(run.calls(), "begin end Synced Failing begin end");
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_object_is_named_and_its_neighbours_are_kept() {
    let odd =
        r#"{"metadata":{"name":"odd","namespace":"ns","resourceVersion":"8"},"size":"large"}"#;
    let run = play(vec![
        list(
            "7",
            "",
            &[&item("a", 1), odd, r#"{"metadata":3}"#, &item("b", 1)],
        ),
        Answer::Pieces(vec![
            line("MODIFIED", odd),
            line("ADDED", &item("c", 9)),
            line("DELETED", odd),
        ]),
        list("10", "", &[&item("a", 1)]),
    ])
    .await;
    assert_eq!(
        run.calls(),
        "begin +a ?ns/odd ? +b end Synced ?ns/odd +c begin +a end"
    );
    assert_eq!(
        run.asked(),
        ["list", "7", "list", "10"],
        "an unreadable deletion is settled by a list"
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_watch_is_given_up_after_ninety_seconds() {
    let run = play(vec![
        list("7", "", &[]),
        Answer::Pieces(vec![
            Piece::Wait(Duration::from_mins(1)),
            bookmark(8),
            Piece::Hang,
        ]),
        Answer::Never,
    ])
    .await;
    assert_eq!(run.asked(), ["list", "7", "8", "8"]);
    // The second watch never even answers: given up after thirty seconds, and no single failure any more.
    assert_eq!(run.times(), [0, 0, 150_000, 180_050]);
    assert_eq!(run.calls(), "begin end Synced Failing");
}

#[tokio::test(start_paused = true)]
async fn a_missing_kind_is_asked_for_until_it_appears() {
    let run = play(vec![
        status(404),
        status(404),
        status(404),
        status(404),
        status(404),
        list("7", "", &[]),
        Answer::Pieces(vec![bookmark(8)]),
    ])
    .await;
    assert_eq!(
        run.times(),
        [0, 5_000, 15_000, 25_000, 35_000, 45_000, 45_000, 45_000]
    );
    assert_eq!(run.calls(), "NotInstalled begin end Synced");
}

#[tokio::test(start_paused = true)]
async fn a_vanished_kind_leaves_what_is_known() {
    let run = play(vec![
        list("7", "", &[&item("a", 1)]),
        Answer::Pieces(vec![bookmark(8)]),
        status(404),
        status(404),
        list("20", "", &[]),
    ])
    .await;
    assert_eq!(run.calls(), "begin +a end Synced NotInstalled begin end");
    assert_eq!(run.asked(), ["list", "7", "8", "list", "list", "20"]);
    assert_eq!(run.times(), [0, 0, 0, 5_000, 15_000, 15_000]);
    assert_eq!(run.log.alive, 4, "no sign of life while the kind is away");
}

#[tokio::test(start_paused = true)]
async fn lines_may_come_in_any_pieces_and_a_broken_one_is_not_an_event() {
    let whole = format!(
        "{{\"type\":\"ADDED\",\"object\":{}}}\r\n\n{{\"type\":\"ADDED\",\"object\":{}}}\n",
        item("é", 8),
        item("b", 9)
    );
    for size in [1, 2, 3, 7, 64, whole.len()] {
        let mut pieces: Vec<Piece> = whole
            .as_bytes()
            .chunks(size)
            .map(|chunk| Piece::Data(Bytes::copy_from_slice(chunk)))
            .collect();
        pieces.push(Piece::Data(
            r#"{"type":"DELETED","object":{"metadata":{"name":"b""#.into(),
        ));
        let run = play(vec![list("7", "", &[]), Answer::Pieces(pieces)]).await;
        assert_eq!(run.calls(), "begin end Synced +é +b", "chunks of {size}");
        assert_eq!(run.asked()[2], "9");
    }
}

#[tokio::test(start_paused = true)]
async fn an_endless_line_is_cut_and_answered_with_a_list() {
    let megabyte = Piece::Data(vec![b'x'; 1 << 20].into());
    let mut pieces = vec![megabyte; 40];
    pieces.push(Piece::Hang);
    let run = play(vec![
        list("7", "", &[]),
        Answer::Pieces(pieces),
        list("9", "", &[]),
    ])
    .await;
    assert_eq!(run.asked(), ["list", "7", "list", "9"]);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_too_large_is_asked_for_in_smaller_pieces() {
    let megabyte = Piece::Data(vec![b' '; 1 << 20].into());
    let run = play(vec![Answer::Pieces(vec![megabyte; 40]), list("7", "", &[])]).await;
    assert!(run.requests[1].1.contains("limit=62"), "{:?}", run.requests);
    assert_eq!(run.calls(), "begin end");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_list_is_a_failure() {
    let run = play(vec![
        ok("<html>"),
        ok(r#"{"items":[]}"#),
        ok(r#"{"metadata":{"resourceVersion":"3"},"items":null}"#),
    ])
    .await;
    assert_eq!(run.calls(), "begin Failing begin end");
    assert_eq!(run.asked()[3], "3");
}

#[tokio::test(start_paused = true)]
async fn can_be_spawned() {
    let service = tower::service_fn(|_: Request<Body>| {
        std::future::pending::<Result<Response<Body>, io::Error>>()
    });
    let client = Client::new(service, "default");
    let task = tokio::spawn(async move {
        let mut log = Log::default();
        run(
            client,
            Resource::all("/x"),
            &mut log,
            sleep(Duration::from_secs(1)),
        )
        .await;
        log.calls.len()
    });
    assert_eq!(task.await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn frames_of_any_layout_are_read() {
    let (a, b) = (item("a", 8), item("b", 9));
    let other = r#"{"metadata":{"name":"x","resourceVersion":"1"},"size":1}"#;
    let lines = [
        format!(r#"{{ "type": "ADDED", "object": {a} }}"#),
        format!(r#"{{"object":{a},"type":"MODIFIED"}}"#),
        format!(r#"{{"type":"ADDED","object":{a},"other":{other}}}"#),
        format!(r#"{{"type":"MODIFIED","object":{b}}}  "#),
    ];
    let pieces = lines
        .iter()
        .map(|line| Piece::Data(format!("{line}\n").into()))
        .collect();
    let run = play(vec![list("7", "", &[]), Answer::Pieces(pieces)]).await;
    assert_eq!(run.calls(), "begin end Synced +a +a +a +b");
    assert_eq!(run.asked()[2], "9");
    let unknown = Piece::Data(format!("{{\"type\":\"RENAMED\",\"object\":{a}}}\n").into());
    let run = play(vec![
        list("7", "", &[]),
        Answer::Pieces(vec![unknown]),
        list("8", "", &[]),
    ])
    .await;
    assert_eq!(
        run.asked(),
        ["list", "7", "list", "8"],
        "a list settles what nobody understands"
    );
}
