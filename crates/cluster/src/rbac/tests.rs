use super::*;

#[test]
fn a_right_with_names_covers_these_alone() {
    let right = HOLDER.rights[0];
    let (group, resource) = (
        "admissionregistration.k8s.io",
        "validatingadmissionpolicybindings",
    );
    assert!(right.covers("patch", group, resource, COLLECTION_DURABLE));
    assert!(!right.covers("patch", group, resource, "somebody-elses"));
    assert!(!right.covers("patch", group, resource, ""));
    assert!(!right.covers("delete", group, resource, COLLECTION_DURABLE));
    assert!(!right.covers("patch", "", resource, COLLECTION_DURABLE));
}

#[test]
fn no_right_is_a_wildcard_and_no_collection_of_secrets_is_read() {
    for right in ROLES.iter().flat_map(|role| role.rights) {
        let words = right.resources.iter().chain(right.names);
        assert!(
            words.chain([&right.group]).all(|word| !word.contains('*')),
            "{right:?}"
        );
        assert!(!right.resources.contains(&"federatedsecrets"), "{right:?}");
        if right.resources.contains(&"secrets") {
            assert_eq!(right.verbs, [Verb::Get], "{right:?}");
        }
    }
}

#[test]
fn what_can_be_limited_to_names_is() {
    for right in ROLES.iter().flat_map(|role| role.rights) {
        if right.resources.iter().any(|r| r.starts_with("configmaps")) {
            assert_eq!(
                right.names.is_empty(),
                right.verbs == [Verb::Create],
                "{right:?}"
            );
        }
    }
}
