//! The catalogue of findings against what it names: tests, the page, the runbooks, the words of the status.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use federation_health_core::findings::{Scenario, catalogue};
use federation_health_tests::guarded::root;

/// All Rust sources of a folder, and of those in it.
fn sources(folder: &Path) -> String {
    let files = fs::read_dir(folder).unwrap();
    let read = |path: PathBuf| match path.extension() {
        _ if path.is_dir() => sources(&path),
        Some(kind) if kind == "rs" => fs::read_to_string(path).unwrap(),
        _ => String::new(),
    };
    files.map(|file| read(file.unwrap().path())).collect()
}

#[test]
fn every_scenario_of_the_catalogue_is_a_test_that_exists() {
    for about in catalogue() {
        for Scenario(place, test) in about.raised.iter().chain(about.spared) {
            let declared = format!("fn {test}(");
            assert!(
                sources(&root().join(place.folder())).contains(&declared),
                "{}: {} has no test {test}",
                about.code,
                place.folder()
            );
        }
    }
}

#[test]
fn the_page_has_a_section_for_every_code() {
    let page = fs::read_to_string(root().join("docs/findings.md")).unwrap();
    for about in catalogue() {
        assert!(page.contains(&format!("\n## {}\n\n**{}.**", about.code, about.title)));
    }
}

/// Codes in a text: FH and three digits.
fn codes(text: &str) -> BTreeSet<&str> {
    text.match_indices("FH")
        .filter_map(|(at, _)| text.get(at..at + 5))
        .filter(|code| code[2..].bytes().all(|b| b.is_ascii_digit()))
        .collect()
}

#[test]
fn documents_name_no_code_that_does_not_exist() {
    let known: BTreeSet<&str> = catalogue().map(|about| about.code).collect();
    let mut files = vec![root().join("README.md"), root().join("docs/findings.md")];
    files.push(root().join("config/prometheus/rules.yaml"));
    let runbooks = fs::read_dir(root().join("docs/runbooks")).unwrap();
    files.extend(runbooks.map(|file| file.unwrap().path()));
    let mut named = 0;
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let unknown: Vec<_> = codes(&text)
            .into_iter()
            .filter(|c| !known.contains(c))
            .collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", file.display());
        named += usize::from(!codes(&text).is_empty());
    }
    assert!(named > 1, "the runbooks name their findings");
}

#[test]
fn no_command_of_the_catalogue_deletes_without_a_dry_run() {
    for about in catalogue() {
        assert!(about.next.starts_with("kubectl "), "{}", about.code);
        if about.next.contains(" delete ") {
            assert!(about.next.contains("--dry-run=server"), "{}", about.code);
        }
    }
}
