//! The membership graph: names on the left, real clusters on the right, the doubled one thick and labelled.

use federation_health_api::v1alpha1::ClusterGroup;
use serde::Serialize;

use super::svg::Svg;
use crate::federation::{Overview, Registration};

const WIDTH: f64 = 820.0;
const ROW: f64 = 30.0;
const BOX: f64 = 260.0;
/// Names drawn; those of groups come first, the others are counted.
const SHOWN: usize = 40;
/// Characters that fit a box.
const NAME: usize = 38;

/// What a registration's cluster has to do with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Bond {
    /// A cluster of its own.
    Single,
    /// Certainly one with others.
    Doubled,
    /// Perhaps.
    Suspected,
}

/// A name.
#[derive(Clone, Debug, Serialize)]
pub struct Name {
    /// Namespace and name.
    pub label: String,
    /// Index of its cluster.
    pub cluster: usize,
    /// What its cluster has to do with others.
    pub bond: Bond,
}

/// Who is registered where.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Membership {
    /// Names, those of groups first.
    pub names: Vec<Name>,
    /// Labels of clusters.
    pub clusters: Vec<String>,
    /// Names that are not listed, each a cluster of its own.
    pub more: usize,
}

impl Membership {
    /// Of a federation as it is now.
    pub fn of(overview: &Overview) -> Self {
        let groups = overview.status().cluster_groups;
        let mut membership = Self::default();
        let all = overview
            .planes
            .iter()
            .flat_map(|p| p.registrations.iter().map(move |r| (&p.namespace, r)));
        let (grouped, single): (Vec<_>, Vec<_>) = all.partition(|(_, r)| r.group.is_some());
        let mut of_group = vec![None; groups.len()];
        for (plane, registration) in grouped.into_iter().chain(single) {
            if membership.names.len() >= SHOWN {
                membership.more += 1;
                continue;
            }
            let group = registration.group.and_then(|g| Some((g, groups.get(g)?)));
            let known = group.and_then(|(g, _)| of_group[g]);
            let cluster = known.unwrap_or_else(|| {
                membership
                    .clusters
                    .push(label(registration, group.map(|(_, g)| g)));
                membership.clusters.len() - 1
            });
            if let Some((g, _)) = group {
                of_group[g] = Some(cluster);
            }
            membership.names.push(Name {
                label: format!("{plane}/{}", registration.name),
                cluster,
                bond: bond(group.map(|(_, g)| g)),
            });
        }
        membership
    }

    /// The same in words, one line a cluster.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .clusters
            .iter()
            .enumerate()
            .map(|(i, cluster)| {
                let names: Vec<&str> = self
                    .names
                    .iter()
                    .filter(|n| n.cluster == i)
                    .map(|n| n.label.as_str())
                    .collect();
                format!("{} → {cluster}", names.join(" and "))
            })
            .collect();
        if self.more > 0 {
            lines.push(format!("{} more names", self.more));
        }
        lines
    }
}

fn bond(group: Option<&ClusterGroup>) -> Bond {
    match group {
        None => Bond::Single,
        Some(group) if group.certain => Bond::Doubled,
        Some(_) => Bond::Suspected,
    }
}

fn label(registration: &Registration, group: Option<&ClusterGroup>) -> String {
    match group {
        Some(group) if group.host => format!("this server, {} names", group.members.len()),
        Some(group) if group.certain => format!("one cluster, {} names", group.members.len()),
        Some(_) => "perhaps one cluster".to_owned(),
        None if registration.endpoint.is_empty() => "unreadable endpoint".to_owned(),
        None => registration
            .endpoint
            .trim_start_matches("https://")
            .to_owned(),
    }
}

/// Draws it; None without registrations.
pub fn draw(membership: &Membership) -> Option<String> {
    if membership.names.is_empty() {
        return None;
    }
    let mut svg = Svg::new("fh-graph", WIDTH);
    let rows = membership.names.len() + usize::from(membership.more > 0);
    let middle = |row: f64| 26.0 + row * ROW + ROW / 2.0;
    svg.text((8.0, 16.0), "start", "Names (KubeFedClusters)");
    svg.text((WIDTH - 8.0, 16.0), "end", "Real clusters");
    // A cluster stands at the height of its names' middle, so that edges do not cross within a group.
    for (i, cluster) in membership.clusters.iter().enumerate() {
        let own: Vec<usize> = (0..membership.names.len())
            .filter(|n| membership.names[*n].cluster == i)
            .collect();
        let y = middle(own.iter().sum::<usize>() as f64 / own.len().max(1) as f64);
        let bond = own
            .first()
            .map_or(Bond::Single, |n| membership.names[*n].bond);
        let says = says(membership, &own, cluster);
        svg.open(&says);
        for n in &own {
            let (from, to) = (middle(*n as f64), y);
            let class = class(bond);
            let (x1, x2) = (8.0 + BOX, WIDTH - 8.0 - BOX);
            let d = format!(
                "M {x1:.1} {from:.1} C {:.1} {from:.1} {:.1} {to:.1} {x2:.1} {to:.1}",
                x1 + 90.0,
                x2 - 90.0
            );
            svg.path(class, &d, &says);
            name(&mut svg, 8.0, from, &membership.names[*n].label, bond);
        }
        name(&mut svg, WIDTH - 8.0 - BOX, y, cluster, bond);
        if bond == Bond::Doubled {
            svg.text((WIDTH - 8.0 - BOX / 2.0, y - 16.0), "middle", "✗ doubled");
        }
        svg.close();
    }
    if membership.more > 0 {
        let text = format!("and {} more, each a cluster of its own", membership.more);
        svg.text((8.0, middle(rows as f64 - 1.0) + 4.0), "start", &text);
    }
    let height = 34.0 + rows as f64 * ROW;
    let description = membership.lines().join(". ");
    Some(svg.finish(height, "Which name leads to which cluster", &description))
}

fn class(bond: Bond) -> &'static str {
    match bond {
        Bond::Single => "edge",
        Bond::Doubled => "double",
        Bond::Suspected => "maybe",
    }
}

fn name(svg: &mut Svg, x: f64, middle: f64, text: &str, bond: Bond) {
    let class = if bond == Bond::Single {
        "box"
    } else {
        class(bond)
    };
    svg.rect(class, (x, middle - 11.0), (BOX, 22.0), text);
    let fits: String = if text.chars().count() > NAME {
        // The end of a name tells more than its namespace.
        let skip = text.chars().count() - (NAME - 1);
        std::iter::once('…')
            .chain(text.chars().skip(skip))
            .collect()
    } else {
        text.to_owned()
    };
    svg.text((x + BOX / 2.0, middle + 4.0), "middle", &fits);
}

fn says(membership: &Membership, own: &[usize], cluster: &str) -> String {
    let names: Vec<&str> = own
        .iter()
        .map(|n| membership.names[*n].label.as_str())
        .collect();
    format!("{} lead to {cluster}", names.join(" and "))
}
