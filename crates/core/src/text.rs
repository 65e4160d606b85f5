//! Text within bounds.

/// The longest beginning of at most `max` bytes that ends at a character.
pub fn clip(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len()))
        .rev()
        .find(|i| text.is_char_boundary(*i))
        .unwrap_or(0);
    &text[..end]
}

/// "once", "2 times".
pub fn times(n: impl std::fmt::Display) -> String {
    match n.to_string().as_str() {
        "1" => "once".to_owned(),
        n => format!("{n} times"),
    }
}

/// Names, and how many more there are of `total`.
pub fn listed(names: &[impl AsRef<str>], total: usize) -> String {
    let shown: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    match total.saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The name of an object as the API server takes it (RFC 1123 subdomain): no text of anybody else's, and no option of a command.
pub fn is_name(text: &str) -> bool {
    const LONGEST: usize = 253;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= LONGEST
        && bytes.iter().copied().all(plain)
        && edge(bytes.first())
        && edge(bytes.last())
}

/// At most `max` bytes; what was cut shows as three dots.
pub(crate) fn shorten(text: String, max: usize) -> String {
    if text.len() <= max {
        text
    } else {
        format!("{}...", clip(&text, max.saturating_sub(3)))
    }
}

/// Lines that together have at most `max` bytes, and how many were left out.
pub(crate) fn within(lines: Vec<String>, max: usize) -> Vec<String> {
    let total = lines.len();
    let mut used = 0;
    let mut kept = Vec::new();
    for line in lines {
        let line = shorten(line, max / 2);
        used += line.len();
        if used > max {
            break;
        }
        kept.push(line);
    }
    if kept.len() < total {
        kept.push(format!("And {} more.", total - kept.len()));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_option_and_no_path() {
        for good in ["a", "host-kubesphere", "e.east-1"] {
            assert!(is_name(good), "{good}");
        }
        let long = "a".repeat(254);
        for bad in ["", "--all", "a/b", "a b", "$(x)", "A", "a-", &long] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(clip("aé", 2), "a");
        assert_eq!(shorten("abcdef".to_owned(), 5), "ab...");
        assert_eq!(shorten("abcde".to_owned(), 5), "abcde");
    }

    #[test]
    fn a_list_that_is_cut_says_how_much_is_missing() {
        assert_eq!(listed(&["a", "b"], 2), "a, b");
        assert_eq!(listed(&["a", "b"], 2002), "a, b and 2000 more");
    }

    #[test]
    fn lines_beyond_the_budget_are_counted() {
        let lines = vec!["aaaa".to_owned(), "bbbb".to_owned(), "cccc".to_owned()];
        assert_eq!(within(lines.clone(), 8), ["aaaa", "bbbb", "And 1 more."]);
        assert_eq!(within(lines, 12).len(), 3);
    }
}
