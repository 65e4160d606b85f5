//! The little of SVG that the pictures need, escaped in one place.

use std::fmt::Write as _;

/// A picture under construction.
pub struct Svg {
    id: &'static str,
    body: String,
    width: f64,
}

/// Text for an element or an attribute.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Characters that XML forbids even when escaped.
            c if c.is_control() && c != '\n' && c != '\t' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

impl Svg {
    /// An empty picture. Its id is before every other id in it, since a page has several pictures.
    pub fn new(id: &'static str, width: f64) -> Self {
        Self {
            id,
            body: String::new(),
            width,
        }
    }

    /// A rectangle; its title is read out and shown on hover.
    pub fn rect(&mut self, class: &str, at: (f64, f64), size: (f64, f64), title: &str) {
        let ((x, y), (w, h)) = (at, size);
        let _ = writeln!(
            self.body,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\">{}</rect>",
            title_of(title)
        );
    }

    /// The same, filled with the pattern of this name.
    pub fn patterned(&mut self, pattern: &str, at: (f64, f64), size: (f64, f64), title: &str) {
        let ((x, y), (w, h)) = (at, size);
        let _ = writeln!(
            self.body,
            "<rect fill=\"url(#{}-{pattern})\" stroke=\"currentColor\" stroke-width=\".6\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\">{}</rect>",
            self.id,
            title_of(title)
        );
    }

    /// A straight line.
    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = writeln!(
            self.body,
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        );
    }

    /// A path.
    pub fn path(&mut self, class: &str, d: &str, title: &str) {
        let _ = writeln!(
            self.body,
            "<path class=\"{class}\" d=\"{d}\">{}</path>",
            title_of(title)
        );
    }

    /// Text; `anchor` is start, middle or end.
    pub fn text(&mut self, at: (f64, f64), anchor: &str, text: &str) {
        let (x, y) = at;
        let _ = writeln!(
            self.body,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
            escape(text)
        );
    }

    /// Opens a group that the keyboard reaches and that says this.
    pub fn open(&mut self, says: &str) {
        let _ = writeln!(
            self.body,
            "<g tabindex=\"0\" role=\"img\" aria-label=\"{}\">",
            escape(says)
        );
    }

    /// Closes it.
    pub fn close(&mut self) {
        self.body.push_str("</g>\n");
    }

    /// The picture, with a title and a description for those who do not see it.
    pub fn finish(self, height: f64, title: &str, description: &str) -> String {
        let id = self.id;
        let patterns = patterns(id);
        format!(
            "<svg class=\"fh\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0} {height:.0}\" width=\"{:.0}\" height=\"{height:.0}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\n<title id=\"{id}-t\">{}</title>\n<desc id=\"{id}-d\">{}</desc>\n{patterns}{}</svg>\n",
            self.width,
            self.width,
            escape(title),
            escape(description),
            self.body
        )
    }
}

fn title_of(title: &str) -> String {
    if title.is_empty() {
        String::new()
    } else {
        format!("<title>{}</title>", escape(title))
    }
}

/// Hatching for what is deleted again and again, dots for what is held.
fn patterns(id: &str) -> String {
    format!(
        "<defs>
<pattern id=\"{id}-churn\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect class=\"dies\" width=\"3\" height=\"6\"/></pattern>
<pattern id=\"{id}-held\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\"><circle class=\"held\" cx=\"2.5\" cy=\"2.5\" r=\"1.7\"/></pattern>
</defs>
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_cannot_leave_their_place() {
        assert_eq!(
            escape("</title><script>\"x\" & 'y'\u{0}"),
            "&lt;/title&gt;&lt;script&gt;&quot;x&quot; &amp; &#39;y&#39;\u{fffd}"
        );
    }
}
