use proptest::prelude::*;

use super::*;

fn text(text: &str) -> Text {
    text.into()
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs
        .iter()
        .map(|(key, value)| (text(key), text(value)))
        .collect()
}

fn term(key: &str, op: Op, values: &[&str]) -> Term {
    Term::new(text(key), op, values.iter().map(|value| text(value)))
}

fn selector(terms: impl IntoIterator<Item = Term>) -> Placement {
    Placement::Selector(Selector::new(terms).unwrap())
}

#[test]
fn the_incident_loops_a_selector_of_both_names_does_not() {
    let listed = Placement::names([text("host")]);
    let everywhere = selector([]);
    let aliases = |placement: &Placement| {
        ["host", "produce-trt"].map(|name| Alias {
            selected: placement.selects(name, &Labels::new()),
            ready: true,
        })
    };
    assert_eq!(fate(&aliases(&listed)), Fate::Loop { imminent: true });
    assert_eq!(fate(&aliases(&everywhere)), Fate::Stays);
    assert_eq!(
        fate(&aliases(&Placement::Nowhere)),
        Fate::Lost { imminent: true }
    );
    assert_eq!(
        fate(&aliases(&Placement::names([]))),
        Fate::Lost { imminent: true }
    );
}

#[test]
fn a_registration_that_is_not_ready_yet_only_threatens() {
    let host = Alias {
        selected: true,
        ready: true,
    };
    let stale = Alias {
        selected: false,
        ready: false,
    };
    assert_eq!(fate(&[host, stale]), Fate::Loop { imminent: false });
    assert_eq!(fate(&[stale]), Fate::Lost { imminent: false });
    assert_eq!(fate(&[]), Fate::Stays);
}

#[test]
fn a_name_is_selected_whole() {
    let placement = Placement::names(["host-2", "a", "host-2"].map(text));
    assert_eq!(placement, Placement::names(["a", "host-2"].map(text)));
    assert!(placement.selects("host-2", &Labels::new()));
    assert!(!placement.selects("host", &Labels::new()));
}

#[test]
fn operators_follow_kubernetes_on_absent_and_empty_labels() {
    let empty = labels(&[]);
    let prod = labels(&[("env", "prod")]);
    let blank = labels(&[("env", "")]);
    for (op, values, on_empty, on_prod, on_blank) in [
        (Op::In, &["prod", "qa"][..], false, true, false),
        (Op::In, &[""][..], false, false, true),
        (Op::NotIn, &["prod"][..], true, false, true),
        (Op::Exists, &[][..], false, true, true),
        (Op::DoesNotExist, &[][..], true, false, false),
    ] {
        let placement = selector([term("env", op, values)]);
        let got = [&empty, &prod, &blank].map(|labels| placement.selects("any", labels));
        assert_eq!(got, [on_empty, on_prod, on_blank], "{op:?} {values:?}");
    }
}

#[test]
fn every_term_must_hold() {
    let both = selector([
        Term::equals(text("env"), text("prod")),
        term("topology.kubernetes.io/region", Op::Exists, &[]),
    ]);
    assert!(!both.selects("any", &labels(&[("env", "prod")])));
    let region = ("topology.kubernetes.io/region", "eu");
    assert!(both.selects("any", &labels(&[("env", "prod"), region])));
    assert!(!both.selects("any", &labels(&[("env", "qa"), region])));
}

#[test]
fn what_kubernetes_refuses_is_refused_with_the_label_named() {
    let long = "x".repeat(64);
    let refused = [
        term("env", Op::In, &[]),
        term("env", Op::NotIn, &[]),
        term("env", Op::Exists, &["a"]),
        term("env", Op::DoesNotExist, &["a"]),
        term("", Op::Exists, &[]),
        term("/env", Op::Exists, &[]),
        term("Example.com/env", Op::Exists, &[]),
        term("a..b/env", Op::Exists, &[]),
        term("a/b/env", Op::Exists, &[]),
        term("-env", Op::Exists, &[]),
        term(&long, Op::Exists, &[]),
        term("env", Op::In, &[&long]),
        term("env", Op::In, &["a b"]),
        term("env", Op::In, &["prod", "-"]),
    ];
    for term in refused {
        let error = Selector::new([term.clone()]).expect_err("Kubernetes refuses it");
        assert!(error.to_string().contains(&*term.key), "{error}");
    }
    let accepted = [
        term(&"x".repeat(63), Op::Exists, &[]),
        term("a.b-c/D_e.f", Op::In, &["", "A_1.b-2", &"y".repeat(63)]),
    ];
    Selector::new(accepted).unwrap();
}

/// KubeFed's table of `syncToClusters` on one object in one cluster: what happened in so many rounds over the Ready
/// aliases, in the given order.
#[derive(Debug, PartialEq)]
struct Run {
    deletions: usize,
    creations: usize,
    present: bool,
}

fn run(aliases: &[Alias], order: &[usize], rounds: usize) -> Run {
    let mut run = Run {
        deletions: 0,
        creations: 0,
        present: true,
    };
    for _ in 0..rounds {
        for alias in order
            .iter()
            .map(|at| aliases[*at])
            .filter(|alias| alias.ready)
        {
            match (run.present, alias.selected) {
                (false, true) => {
                    run.creations += 1;
                    run.present = true;
                }
                (true, false) => {
                    run.deletions += 1;
                    run.present = false;
                }
                (true, true) | (false, false) => {}
            }
        }
    }
    run
}

const ROUNDS: usize = 20;

fn some_aliases() -> impl Strategy<Value = (Vec<Alias>, Vec<usize>)> {
    let alias =
        (any::<bool>(), any::<bool>()).prop_map(|(selected, ready)| Alias { selected, ready });
    prop::collection::vec(alias, 0..6).prop_flat_map(|aliases| {
        let order: Vec<usize> = (0..aliases.len()).collect();
        (Just(aliases), Just(order).prop_shuffle())
    })
}

proptest! {
    #[test]
    fn fate_is_what_kubefeds_table_does((aliases, order) in some_aliases()) {
        let now = run(&aliases, &order, ROUNDS);
        let all_ready: Vec<Alias> =
            aliases.iter().map(|alias| Alias { ready: true, ..*alias }).collect();
        let worst = run(&all_ready, &order, ROUNDS);
        // In every round of an endless loop there is a deletion, the first round perhaps excepted.
        let for_ever = |run: &Run| run.deletions >= ROUNDS - 1;
        let kind_holds = match fate(&aliases) {
            Fate::Stays => worst.deletions == 0,
            Fate::Loop { .. } => for_ever(&worst),
            Fate::Lost { .. } => worst == Run { deletions: 1, creations: 0, present: false },
        };
        prop_assert!(kind_holds, "{:?} but {worst:?}", fate(&aliases));

        let imminent = matches!(
            fate(&aliases),
            Fate::Loop { imminent: true } | Fate::Lost { imminent: true }
        );
        prop_assert_eq!(imminent, now.deletions > 0);
        let selected_and_ready = aliases.iter().any(|alias| alias.selected && alias.ready);
        prop_assert_eq!(imminent && selected_and_ready, for_ever(&now));
        if imminent && !selected_and_ready {
            prop_assert_eq!(now, Run { deletions: 1, creations: 0, present: false });
        }
    }

    #[test]
    fn fate_does_not_depend_on_order((aliases, order) in some_aliases()) {
        let shuffled: Vec<Alias> = order.iter().map(|at| aliases[*at]).collect();
        prop_assert_eq!(fate(&aliases), fate(&shuffled));
    }

    #[test]
    fn not_in_is_the_complement_of_in(
        values in prop::collection::vec("[a-c]", 1..4),
        label in prop::option::of("[a-d]"),
    ) {
        let labels: Labels = label.iter().map(|value| (text("k"), text(value))).collect();
        let selects = |op| {
            selector([Term::new(text("k"), op, values.iter().map(|value| text(value)))])
                .selects("any", &labels)
        };
        prop_assert_ne!(selects(Op::In), selects(Op::NotIn));
        prop_assert_eq!(selects(Op::In), label.is_some_and(|label| values.contains(&label)));
    }

    #[test]
    fn a_list_selects_its_names_and_nothing_else(
        names in prop::collection::vec("[a-d]{1,2}", 0..6),
        asked in "[a-d]{1,2}",
    ) {
        let placement = Placement::names(names.iter().map(|name| text(name)));
        prop_assert_eq!(placement.selects(&asked, &Labels::new()), names.contains(&asked));
    }
}
