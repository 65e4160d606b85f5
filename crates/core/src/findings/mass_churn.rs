//! FH028: many Workspaces begin to be deleted against their owners' wish at once: one cause, not many (the fleet's term of F1).

use super::{About, Finding, Place, Scenario, Severity, count, some_names, workspace_churn};
use crate::{
    federation::Federation,
    id::Text,
    time::Time,
    words::{ConditionType, Reason},
};

/// So many Workspaces do not begin by chance together: in the storms that were recorded all of a placement began within seconds.
const MANY: usize = 10;
/// First signs this close to each other have one cause: a health check of KubeFed comes every 10 s, its retries within a minute.
const TOGETHER_MS: i64 = 60_000;

pub(super) const ABOUT: About = About {
    code: "FH028",
    title: "Many Workspaces began to be deleted at once",
    severity: "High",
    condition: ConditionType::WorkspacesStable,
    reason: Reason::MassChurn,
    meaning: "Ten Workspaces or more began to be deleted or recreated (FH001) within one minute. That is one cause and not \
              many: a second name of their cluster, a restore, an upgrade, a script.",
    evidence: "The first signs of the open incidents, which lie within 60 s of each other.",
    risk: "What FH001 puts at risk, in each of them.",
    action: "Look for what happened in that minute before looking at any Workspace by itself: a new KubeFedCluster (FH004), \
             a restore, a release. Nothing is done for this finding by itself.",
    next: "kubectl federation-health timeline",
    false_alarm: "The exemptions of FH001 hold here too: Workspaces that a restore makes anew together with their templates \
                  count in neither.",
    raised: &[
        Scenario(
            Place::Core,
            "many_workspaces_that_begin_together_have_one_cause",
        ),
        Scenario(
            Place::Simulated,
            "a_dozen_workspaces_that_loop_are_told_as_one_cause",
        ),
        Scenario(
            Place::Real,
            "without_holds_all_is_lost_and_named_and_with_them_the_contents_are_kept_too",
        ),
    ],
    spared: &[
        Scenario(
            Place::Core,
            "many_workspaces_that_begin_together_have_one_cause",
        ),
        Scenario(Place::Core, "a_restore_of_many_workspaces_is_no_mass_churn"),
    ],
};

pub(super) fn check(federation: &Federation, now: Time) -> Vec<Finding> {
    let mut begun: Vec<(Time, &Text)> = workspace_churn::open(federation, now)
        .map(|(name, incident)| (incident.first, name))
        .collect();
    begun.sort();
    let together = |from: usize| {
        let (first, _) = begun[from];
        begun[from..].partition_point(|(at, _)| at.since_ms(first) < TOGETHER_MS)
    };
    let most = (0..begun.len())
        .map(|from| (together(from), from))
        .max_by_key(|(n, from)| (*n, std::cmp::Reverse(*from)));
    most.filter(|(n, _)| *n >= MANY)
        .map(|(n, from)| finding(&begun[from..from + n]))
        .into_iter()
        .collect()
}

fn finding(begun: &[(Time, &Text)]) -> Finding {
    let seconds = begun[begun.len() - 1].0.since_ms(begun[0].0) / 1000;
    let message = format!(
        "{} began to be deleted against their owners' wish within {seconds} s: that is one cause and not many.",
        count(begun.len(), "Workspace")
    );
    Finding {
        evidence: vec![some_names(begun.iter().map(|(_, name)| *name))],
        ..ABOUT.finding(Severity::High, "Workspaces".to_owned(), message)
    }
}
