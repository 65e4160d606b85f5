//! The documents promise only what there is: pages, links, commands, and what the commands print.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::split;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
        .to_owned()
}

/// Pages of a folder, folders below it left out, by their path from the root of the tree.
pub(crate) fn pages(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    entries
        .map(|entry| Path::new(folder).join(entry.unwrap().file_name()))
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .collect()
}

/// Every document of the book and the READMEs.
fn documents() -> Vec<(PathBuf, String)> {
    let mut paths = vec!["README.md".into(), "README.zh.md".into()];
    for folder in ["docs", "docs/runbooks", "docs/zh", "docs/zh/runbooks"] {
        paths.extend(pages(folder));
    }
    paths.sort();
    let read = |p: PathBuf| {
        let p = root().join(p);
        let text = std::fs::read_to_string(&p).unwrap();
        (p, text)
    };
    paths.into_iter().map(read).collect()
}

/// Fenced blocks: the words after the fence, and the lines.
pub(crate) fn blocks(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut blocks: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        let bare = line.trim_start();
        match (bare.strip_prefix("```"), inside) {
            (Some(mark), false) => {
                blocks.push((mark, Vec::new()));
                inside = true;
            }
            (Some(_), true) => inside = false,
            (None, true) => blocks.last_mut().unwrap().1.push(line),
            (None, false) => {}
        }
    }
    blocks
}

/// Targets of links and their anchors; those to other sites left out. An empty target is the page itself.
fn links(text: &str) -> Vec<(&str, Option<&str>)> {
    let parts = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let local = parts.filter(|link| !link.contains("://") && !link.contains(' '));
    local
        .map(|link| match link.split_once('#') {
            Some((target, anchor)) => (target, Some(anchor)),
            None => (link, None),
        })
        .collect()
}

/// The anchor that mdBook and GitHub make of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c.to_ascii_lowercase()),
        _ => None,
    });
    kept.collect()
}

#[test]
fn every_link_leads_somewhere() {
    let book = root().join("docs").canonicalize().unwrap();
    for (path, text) in documents() {
        for (link, at) in links(&text) {
            let target = match link {
                "" => path.clone(),
                link => path.parent().unwrap().join(link),
            };
            assert!(target.exists(), "{} links to {link}", path.display());
            // The book has its own pages alone.
            let within = |path: &Path| path.canonicalize().unwrap().starts_with(&book);
            assert!(
                within(&target) || !within(&path),
                "{} links to {link}, which is not in the book",
                path.display()
            );
            let Some(at) = at else { continue };
            let page = std::fs::read_to_string(target).unwrap();
            let headings = page.lines().filter(|line| line.starts_with('#'));
            let found = headings
                .map(|line| anchor(line.trim_start_matches('#').trim()))
                .any(|made| made == at);
            assert!(found, "{} links to {link}#{at}", path.display());
        }
    }
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let summary = std::fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap();
    let listed: BTreeSet<PathBuf> = links(&summary)
        .iter()
        .map(|(page, _)| root().join("docs").join(page))
        .collect();
    for (path, _) in documents() {
        if path.starts_with(root().join("docs")) && !path.ends_with("SUMMARY.md") {
            assert!(
                listed.contains(&path),
                "{} is not in docs/SUMMARY.md",
                path.display()
            );
        }
    }
}

#[test]
fn every_block_says_what_it_is_so_that_no_command_goes_untried() {
    for (path, text) in documents() {
        for (mark, lines) in blocks(&text) {
            assert!(!mark.is_empty(), "{}: {lines:?}", path.display());
        }
    }
}

#[test]
fn every_command_of_the_plugin_is_one_that_it_understands() {
    let mut seen = 0;
    for (path, text) in documents() {
        let shell = blocks(&text)
            .into_iter()
            .filter(|(mark, _)| mark.starts_with("sh") || mark.starts_with("console"));
        for line in shell.flat_map(|(_, lines)| lines) {
            let line = line.trim().trim_start_matches("$ ");
            let Some(rest) = line.strip_prefix("kubectl federation-health") else {
                continue;
            };
            let rest = rest.split("   #").next().unwrap().trim();
            let words = std::iter::once("kubectl federation-health".to_owned()).chain(split(rest));
            let parsed = federation_health_plugin::command().try_get_matches_from(words);
            assert!(
                parsed.is_ok(),
                "{}: {line}\n{}",
                path.display(),
                parsed.unwrap_err()
            );
            seen += 1;
        }
    }
    assert!(
        seen > 30,
        "only {seen} commands were found: is the form of the blocks another?"
    );
}

#[test]
fn what_a_console_block_shows_is_what_a_transcript_has() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let transcripts: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| std::fs::read_to_string(e.unwrap().path()).unwrap())
        .collect();
    // A command with what it prints, or the part of the demonstration that ends well.
    let beginnings = ["$ kubectl federation-health", "With the hold"];
    let mut seen = 0;
    for (path, text) in documents() {
        for (mark, lines) in blocks(&text) {
            if mark == "console" && beginnings.iter().any(|b| lines[0].starts_with(b)) {
                let shown = lines.join("\n");
                let same = transcripts.iter().any(|t| t.contains(&shown));
                assert!(
                    same,
                    "{} shows what no transcript has:\n{shown}",
                    path.display()
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 0);
}
