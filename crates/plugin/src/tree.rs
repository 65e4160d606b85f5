//! A tree whose rows have aligned columns beside it.

use crate::table::{Cell, align};

/// One node.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// What stands beside it.
    pub cells: Vec<Cell>,
    /// What hangs below it.
    pub children: Vec<Node>,
}

impl Node {
    /// A node.
    pub fn new(name: impl Into<String>, cells: Vec<Cell>) -> Self {
        Self {
            name: name.into(),
            cells,
            children: Vec::new(),
        }
    }
}

/// The tree below a headline.
pub fn render(headers: Option<&[&str]>, root: &Node, colours: bool) -> String {
    let mut rows = Vec::new();
    if let Some(headers) = headers {
        rows.push(headers.iter().map(|h| Cell::from(*h)).collect());
    }
    push(root, String::new(), "", &mut rows);
    align(&rows, colours)
}

fn push(node: &Node, stem: String, branch: &str, rows: &mut Vec<Vec<Cell>>) {
    let mut row = vec![Cell::from(format!("{stem}{branch}{}", node.name))];
    row.extend(node.cells.iter().cloned());
    rows.push(row);
    let below = match branch {
        "" => stem,
        "└─" => stem + "  ",
        _ => stem + "│ ",
    };
    for (i, child) in node.children.iter().enumerate() {
        let last = i + 1 == node.children.len();
        push(child, below.clone(), if last { "└─" } else { "├─" }, rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_reach_exactly_as_far_as_their_siblings() {
        let mut root = Node::new("a", vec!["1".into()]);
        let mut b = Node::new("b", vec!["2".into()]);
        b.children.push(Node::new("c", vec!["3".into()]));
        root.children = vec![b.clone(), b];
        assert_eq!(
            render(Some(&["NAME", "N"]), &root, false),
            "NAME    N\na       1\n├─b     2\n│ └─c   3\n└─b     2\n  └─c   3\n"
        );
    }
}
