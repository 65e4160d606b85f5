//! The Chinese pages say what the English ones say, as far as that can be seen without knowing Chinese: the same sections
//! with as many points and rows, the same commands, names, codes, figures and links.

use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

use crate::docs::{blocks, pages, root};

/// English pages that have a Chinese twin, from the root of the tree.
fn translated() -> Vec<PathBuf> {
    let mut all = ["README.md", "docs/quick-start.md", "docs/findings.md"]
        .map(PathBuf::from)
        .to_vec();
    all.extend(pages("docs/runbooks"));
    all
}

fn chinese(english: &Path) -> PathBuf {
    english
        .strip_prefix("docs")
        .map_or("README.zh.md".into(), |page| {
            Path::new("docs/zh").join(page)
        })
}

fn english(page: &Path) -> PathBuf {
    match page.strip_prefix("docs/zh") {
        Ok(page) => Path::new("docs").join(page),
        Err(_) if page == Path::new("README.zh.md") => "README.md".into(),
        Err(_) => page.to_owned(),
    }
}

/// What both languages must have in common between two headings.
#[derive(Debug, Default, PartialEq, Eq)]
struct Section<'a> {
    /// Number of `#`; 0 before the first heading.
    level: usize,
    points: usize,
    rows: usize,
    blocks: Vec<(&'a str, Vec<&'a str>)>,
    /// What stands between backquotes.
    code: BTreeSet<String>,
    /// Words of ASCII with a digit: figures, versions, codes.
    figures: BTreeSet<&'a str>,
    /// Targets as English paths from the root of the tree; links between the two languages left out.
    links: BTreeSet<String>,
}

/// The sections of a page, each with its title.
fn sections<'a>(page: &Path, text: &'a str) -> Vec<(&'a str, Section<'a>)> {
    let mut sections = vec![("the beginning", Section::default())];
    let mut blocks = blocks(text).into_iter();
    let mut inside = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
            if inside {
                sections.last_mut().unwrap().1.blocks.extend(blocks.next());
            }
        } else if !inside {
            let level = line.chars().take_while(|c| *c == '#').count();
            if level > 0 {
                let section = Section {
                    level,
                    ..Section::default()
                };
                sections.push((line, section));
            }
            read(page, line, &mut sections.last_mut().unwrap().1);
        }
    }
    sections
}

fn read<'a>(page: &Path, line: &'a str, section: &mut Section<'a>) {
    let bare = line.trim_start();
    let numbered = bare.trim_start_matches(|c: char| c.is_ascii_digit());
    section.points += usize::from(bare.starts_with("- "));
    section.points += usize::from(numbered != bare && numbered.starts_with(". "));
    section.rows += usize::from(bare.starts_with('|'));
    for (index, part) in line.split('`').enumerate() {
        if index % 2 == 1 {
            section.code.insert(part.replace("docs/zh/", "docs/"));
            continue;
        }
        for (index, part) in part.split("](").enumerate() {
            let (target, prose) = match part.split_once(')') {
                Some((target, prose)) if index > 0 => (Some(target), prose),
                _ => (None, part),
            };
            section
                .links
                .extend(target.and_then(|target| link(page, target)));
            let words = prose.split(|c: char| !c.is_ascii_alphanumeric() && !".,".contains(c));
            let words = words.map(|word| word.trim_matches(['.', ',']));
            section
                .figures
                .extend(words.filter(|w| w.contains(|c: char| c.is_ascii_digit())));
        }
    }
}

/// Where a link leads, as the English page would have it; None for the other language of the page itself.
fn link(page: &Path, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with('#') {
        return Some(target.to_owned());
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let mut path = PathBuf::new();
    for part in page.parent().unwrap().join(file).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{}: {target}", page.display()),
            part => path.push(part),
        }
    }
    let twin = english(&path);
    if twin == english(page) {
        return None;
    }
    let is_chinese = |p: &Path| english(p) != p;
    assert!(
        is_chinese(&path) == is_chinese(page) || !translated().contains(&twin),
        "{} links to {}, which has another page in its own language",
        page.display(),
        path.display()
    );
    Some(format!("{}#{anchor}", twin.display()))
}

#[test]
fn every_english_page_of_an_incident_has_its_chinese_twin() {
    for page in translated() {
        let twin = chinese(&page);
        let text = fs::read_to_string(root().join(&page)).unwrap();
        let translation = fs::read_to_string(root().join(&twin));
        let translation =
            translation.unwrap_or_else(|e| panic!("{} is to be translated: {e}", twin.display()));
        let (ours, theirs) = (sections(&page, &text), sections(&twin, &translation));
        for ((title, section), (their_title, their)) in ours.iter().zip(&theirs) {
            assert_eq!(
                their,
                section,
                "left {} {their_title}, right {} {title}",
                twin.display(),
                page.display()
            );
        }
        assert_eq!(theirs.len(), ours.len(), "sections of {}", twin.display());
    }
}

#[test]
fn every_chinese_page_has_an_english_twin() {
    for folder in ["docs/zh", "docs/zh/runbooks"] {
        for page in pages(folder) {
            assert!(
                translated().contains(&english(&page)),
                "{} translates nothing: delete it",
                page.display()
            );
        }
    }
}

#[test]
fn a_figure_a_name_or_a_point_that_differs_is_seen() {
    let page = Path::new("docs/runbooks/A.md");
    let of = |text: &'static str| sections(page, text);
    let text = "# A\n\n1. Wait 10 s for `X`, see [FH004](../findings.md#fh004).\n";
    let same = "# A\n\n1. 等 10 秒，直到 `X`，见[FH004](../findings.md#fh004)。\n";
    assert_eq!(of(text)[1].1, of(same)[1].1);
    for other in [
        "# A\n\n1. 等 11 秒，直到 `X`，见[FH004](../findings.md#fh004)。\n",
        "# A\n\n1. 等 10 秒，直到 `Y`，见[FH004](../findings.md#fh004)。\n",
        "# A\n\n1. 等 10 秒，直到 `X`，见[FH004](../findings.md#fh005)。\n",
        "# A\n\n等 10 秒，直到 `X`，见[FH004](../findings.md#fh004)。\n",
        "## A\n\n1. 等 10 秒，直到 `X`，见[FH004](../findings.md#fh004)。\n",
    ] {
        assert_ne!(of(text)[1].1, of(other)[1].1, "{other}");
    }
    // The other language of the page itself is no link of the text.
    let linked = "# A\n\n1. 等 10 秒，直到 `X`，见[FH004](../findings.md#fh004)。[中文](../zh/runbooks/A.md)\n";
    assert_eq!(of(text)[1].1, of(linked)[1].1);
}
