//! The deletion of the kind FederatedWorkspace: a named cause before the first object goes.

use federation_health_core::{
    effect::{CauseKind, Effect},
    facts::{Change, Desired, Feed, FeedState},
    federation::{LiveKind, LiveWish},
};

use crate::bed::{
    Bed, FW, RELEASE_AFTER_MS, cluster_key, desired, namespace, text, uid, workspace,
};

fn deleting(n: u128) -> Desired {
    Desired {
        deleting: true,
        ..desired(n, &["host"])
    }
}

fn definition(bed: &mut Bed, terminating: Option<bool>) -> Vec<Effect> {
    bed.apply(Change::Definition(text(FW), terminating))
}

fn federated_feed() -> Feed {
    Feed::Federated(text(FW))
}

/// `orders`' FederatedWorkspace goes although its template stands.
fn bereft(kind: LiveKind) -> LiveWish {
    LiveWish {
        federated: Some(deleting(20)),
        template: Some(desired(10, &["host"])),
        kind,
    }
}

#[test]
fn the_definitions_deletion_holds_at_once_before_the_first_object_goes() {
    let mut bed = Bed::quiet();
    let effects = definition(&mut bed, Some(true));
    assert!(matches!(effects[0], Effect::Raise(_)), "{effects:?}");
    assert_eq!(bed.holds(), (true, true));
    assert_eq!(bed.durable(), (true, true));
    assert_eq!(bed.causes(), [CauseKind::FederatedKindDeleted]);
    assert_eq!(bed.codes(), ["FH011"]);
    let radius = bed.assess().radius;
    assert_eq!((radius.workspaces, radius.namespaces), (1, 1));
}

#[test]
fn the_deletions_that_the_kind_brings_belong_to_its_cause() {
    let mut bed = Bed::quiet();
    definition(&mut bed, Some(true));
    bed.federated("orders", Some(deleting(20)));
    bed.dying("orders", 30);
    bed.dying_namespace("orders-dev", 40, "orders", 30);
    assert_eq!(bed.left, [], "nothing to verify");
    assert_eq!(bed.causes(), [CauseKind::FederatedKindDeleted]);
    assert_eq!(bed.federation.ledger().unexpected_total(), 1);
    assert_eq!(bed.federation.ledger().lost_total(), 1);
}

#[test]
fn a_kind_that_goes_after_its_tenants_holds_nothing() {
    let mut bed = Bed::quiet();
    bed.template("orders", Some(deleting(10)));
    definition(&mut bed, Some(true));
    bed.federated("orders", Some(deleting(20)));
    bed.dying("orders", 30);
    assert_eq!((bed.holds(), bed.left.len()), ((false, false), 0));
}

#[test]
fn facts_that_come_after_the_definition_raise_its_hold_as_well() {
    // The template is known last.
    let mut bed = Bed::quiet();
    bed.template("orders", None);
    definition(&mut bed, Some(true));
    assert_eq!(bed.holds(), (false, false));
    bed.template("orders", Some(desired(10, &["host"])));
    bed.federated("orders", Some(deleting(20)));
    assert_eq!(bed.causes(), [CauseKind::FederatedKindDeleted]);
    // Templates that may not be read may stand.
    let mut bed = Bed::quiet();
    bed.template("orders", None);
    bed.feed(Feed::Templates, FeedState::Forbidden);
    definition(&mut bed, Some(true));
    assert_eq!(bed.causes(), [CauseKind::FederatedKindDeleted]);
}

#[test]
fn objects_that_go_in_bulk_are_the_kinds_end_whatever_is_known_of_the_definition() {
    let mut bed = Bed::quiet();
    bed.feed(Feed::Definitions, FeedState::Forbidden);
    for (n, name) in [(50, "a"), (51, "b")] {
        bed.template(name, Some(desired(n, &["host"])));
        bed.federated(name, Some(desired(n + 50, &["host"])));
    }
    bed.federated("a", Some(deleting(100)));
    bed.federated("b", Some(deleting(101)));
    assert_eq!(bed.holds(), (false, false), "two may be a person's");
    bed.federated("orders", Some(deleting(20)));
    assert_eq!(bed.holds(), (true, true));
    assert_eq!(bed.causes(), [CauseKind::FederatedKindDeleted]);
    for (n, name) in [(100, "a"), (101, "b"), (20, "orders")] {
        bed.federated(name, Some(desired(n, &["host"])));
    }
    bed.pass(100 * RELEASE_AFTER_MS);
    assert_eq!(bed.left, [], "its end cannot be seen");
    bed.feed(Feed::Definitions, FeedState::Synced);
    bed.pass(1);
    bed.pass(RELEASE_AFTER_MS);
    assert_eq!(bed.left, [Effect::ConfirmRelease]);
}

#[test]
fn an_object_that_goes_while_its_template_stands_is_held_until_live_reads_say_why() {
    let live = |kind| {
        let mut bed = Bed::quiet();
        bed.federated("orders", Some(deleting(20)));
        bed.dying("orders", 30);
        assert_eq!(bed.holds(), (true, false), "the caches cannot tell");
        assert_eq!(bed.left, [Effect::Verify(text("orders"), uid(30))]);
        bed.verified("orders", Some(bereft(kind)));
        bed
    };
    let mut repaired = live(LiveKind::Stands);
    assert_eq!(repaired.holds(), (false, false), "a person's own");
    assert_eq!(repaired.codes(), [] as [&str; 0]);
    assert_eq!(
        live(LiveKind::Goes).causes(),
        [CauseKind::FederatedKindDeleted]
    );
    assert_eq!(
        live(LiveKind::Unread).causes(),
        [CauseKind::UnexpectedDeletion]
    );
    // The object was gone first; nobody says that its kind stands.
    let mut bed = live(LiveKind::Goes);
    let gone = LiveWish {
        federated: None,
        ..bereft(LiveKind::Goes)
    };
    bed.workspace("shop", Some(workspace(60)));
    bed.template("shop", Some(desired(61, &["host"])));
    bed.dying("shop", 60);
    bed.verified("shop", Some(gone));
    assert_eq!(bed.holds(), (true, true));
}

#[test]
fn the_cause_ends_with_the_last_object_and_its_hold_by_itself() {
    let mut bed = Bed::quiet();
    definition(&mut bed, Some(true));
    bed.federated("orders", Some(deleting(20)));
    bed.pass(100 * RELEASE_AFTER_MS);
    assert_eq!(bed.left, [], "KubeFed is still refused");
    // Annotated, KubeFed lets the Workspace go and its object, and the definition follows.
    bed.federated("orders", None);
    definition(&mut bed, None);
    bed.feed(federated_feed(), FeedState::NotInstalled);
    bed.pass(RELEASE_AFTER_MS);
    assert_eq!(bed.left, [Effect::ConfirmRelease]);
    let armed = namespace(40, "orders", 31);
    bed.confirm(&[("orders-dev", armed)], &[("orders", 30)]);
    assert_eq!(bed.holds(), (true, true), "something would be collected");
    bed.confirm(
        &[("orders-dev", namespace(40, "orders", 30))],
        &[("orders", 30)],
    );
    assert_eq!(bed.holds(), (false, false));
}

#[test]
fn a_definition_that_is_back_ends_the_cause() {
    let mut bed = Bed::quiet();
    definition(&mut bed, Some(true));
    definition(&mut bed, Some(false));
    bed.pass(RELEASE_AFTER_MS);
    assert_eq!(bed.left, [Effect::ConfirmRelease]);
    // Not while the watch that would tell is silent.
    let mut bed = Bed::quiet();
    definition(&mut bed, Some(true));
    bed.feed(Feed::Definitions, FeedState::Failing);
    definition(&mut bed, Some(false));
    bed.pass(100 * RELEASE_AFTER_MS);
    assert_eq!((bed.left.len(), bed.holds()), (0, (true, true)));
}

#[test]
fn the_kinds_absence_is_believed_only_when_nothing_of_it_is_left() {
    let mut bed = Bed::quiet();
    definition(&mut bed, Some(true));
    definition(&mut bed, None);
    bed.feed(federated_feed(), FeedState::NotInstalled);
    bed.pass(100 * RELEASE_AFTER_MS);
    assert_eq!(bed.left, [], "the objects' own deletions were not seen");
    bed.apply(Change::Federated(text(FW), cluster_key("orders"), None));
    bed.pass(1);
    assert_eq!(bed.left, [Effect::ConfirmRelease]);
}
