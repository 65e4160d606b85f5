//! Pictures, drawn by ourselves: lanes are rectangles, and a graph of two columns needs no layout engine. Readable in black
//! and white (form and pattern say what colour repeats), reachable by keyboard, with text beside them. No script.

pub mod graph;
mod svg;
pub mod text;
pub mod timeline;

pub use svg::escape;

/// The style of every picture: put once into the document. Colours follow the reader's light or dark setting; patterns and
/// outlines carry the meaning alone when printed.
pub const STYLE: &str = "
.fh { font: 12px system-ui, 'DejaVu Sans', 'Noto Sans CJK SC', sans-serif; color: var(--ink, #1b1f24); }
.fh text { fill: currentColor; }
.fh .faint { opacity: .65; }
.fh .axis { stroke: currentColor; stroke-opacity: .25; }
.fh .lane { stroke: currentColor; stroke-opacity: .12; }
.fh .is { fill: #4477aa; }
.fh .dies { fill: #cc3311; }
.fh .held { fill: #b8860b; }
.fh .edge { stroke: currentColor; stroke-width: 1.2; fill: none; }
.fh .double { stroke: #cc3311; stroke-width: 4; fill: none; }
.fh .cross { stroke: #cc3311; stroke-width: 2.5; fill: none; }
.fh .maybe { stroke: #b8860b; stroke-width: 2; stroke-dasharray: 6 4; fill: none; }
.fh .box { fill: none; stroke: currentColor; stroke-width: 1.2; }
.fh .flag { fill: var(--paper, #fff); stroke: currentColor; }
.fh .moment { stroke: currentColor; stroke-dasharray: 3 3; stroke-opacity: .6; }
.fh :focus { outline: 2px solid #4477aa; }
@media (prefers-color-scheme: dark) {
  .fh .is { fill: #77aadd; } .fh .dies { fill: #ff7755; } .fh .held { fill: #e0b040; }
  .fh .double, .fh .cross { stroke: #ff7755; } .fh .maybe { stroke: #e0b040; }
}
";
