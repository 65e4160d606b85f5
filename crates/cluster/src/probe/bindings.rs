//! Which token belongs to which endpoint.

use std::collections::HashMap;

use federation_health_core::id::Uid;
use federation_health_index::endpoint::Endpoint;

use super::{ProbeError, Probed, SecretVersion, Site};

/// Remembers where each registration's token was sent first.
///
/// Whoever may change a KubeFedCluster but not read Secrets could point it at a server of his own and wait for the
/// token. So a token that was once sent to one endpoint goes to no other until the Secret changes too: its writer is
/// somebody who may have it anyway. Lives in memory; after a restart the first endpoint seen counts.
#[derive(Debug, Default)]
pub struct Bindings {
    bound: HashMap<Uid, Binding>,
}

#[derive(Debug, PartialEq, Eq)]
struct Binding {
    endpoint: Endpoint,
    ca: Option<u128>,
    secret: SecretVersion,
}

impl Bindings {
    /// Whether the token of `secret` may be sent to `site` for the registration with this UID.
    pub fn may_send(&self, registration: Uid, site: &Site, secret: &SecretVersion) -> bool {
        self.bound.get(&registration).is_none_or(|bound| {
            bound.secret != *secret
                || (bound.endpoint == site.endpoint && bound.ca == site.ca_fingerprint)
        })
    }

    /// Takes note of a probe that was permitted. One that failed before the token was sent binds nothing, so that
    /// a mistyped endpoint can be corrected.
    pub fn record(
        &mut self,
        registration: Uid,
        site: &Site,
        secret: &SecretVersion,
        outcome: &Result<Probed, ProbeError>,
    ) {
        if !outcome
            .as_ref()
            .err()
            .is_none_or(|error| error.token_was_sent())
        {
            return;
        }
        let binding = Binding {
            endpoint: site.endpoint.clone(),
            ca: site.ca_fingerprint,
            secret: secret.clone(),
        };
        self.bound.insert(registration, binding);
    }

    /// Forgets registrations that are gone; bounds the memory by the number of those that are.
    pub fn retain(&mut self, exists: impl Fn(Uid) -> bool) {
        self.bound.retain(|registration, _| exists(*registration));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use federation_health_index::endpoint::normalize;

    use super::*;

    fn uid(text: &str) -> Uid {
        Uid::parse(text).unwrap()
    }

    fn site(endpoint: &str, ca: u128) -> Site {
        Site {
            endpoint: normalize(endpoint).unwrap(),
            ca: BTreeSet::new(),
            ca_fingerprint: Some(ca),
        }
    }

    fn secret(uid: &str, version: &str) -> SecretVersion {
        SecretVersion {
            uid: uid.into(),
            resource_version: version.into(),
        }
    }

    fn probed() -> Probed {
        Probed {
            kube_system_uid: "u".into(),
            leases: Vec::new(),
            leases_error: None,
            accounts: None,
        }
    }

    #[test]
    fn a_token_follows_an_endpoint_only_when_the_secret_changes() {
        let (home, other) = (site("a:6443", 1), site("b:6443", 1));
        let mut bindings = Bindings::default();
        assert!(bindings.may_send(uid("1"), &home, &secret("s", "1")));
        bindings.record(uid("1"), &home, &secret("s", "1"), &Ok(probed()));
        assert!(bindings.may_send(uid("1"), &site("https://A:6443/", 1), &secret("s", "1")));
        assert!(!bindings.may_send(uid("1"), &other, &secret("s", "1")));
        assert!(!bindings.may_send(uid("1"), &site("a:6443", 2), &secret("s", "1")));
        assert!(
            bindings.may_send(uid("1"), &other, &secret("s", "2")),
            "the secret was written again"
        );
        assert!(
            bindings.may_send(uid("1"), &other, &secret("t", "1")),
            "the secret is another one"
        );
        assert!(
            bindings.may_send(uid("2"), &other, &secret("s", "1")),
            "another registration"
        );
        bindings.record(
            uid("1"),
            &other,
            &secret("s", "2"),
            &Err(ProbeError::Timeout),
        );
        assert!(
            !bindings.may_send(uid("1"), &home, &secret("s", "2")),
            "a server that timed out has the token"
        );
    }

    #[test]
    fn what_was_not_sent_binds_nothing() {
        let mut bindings = Bindings::default();
        for error in [
            ProbeError::Unresolvable,
            ProbeError::Unreachable,
            ProbeError::TlsUntrusted,
        ] {
            bindings.record(uid("1"), &site("typo:1", 1), &secret("s", "1"), &Err(error));
        }
        assert!(bindings.may_send(uid("1"), &site("right:1", 1), &secret("s", "1")));
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let mut bindings = Bindings::default();
        bindings.record(uid("1"), &site("a:1", 1), &secret("s", "1"), &Ok(probed()));
        bindings.record(uid("2"), &site("a:1", 1), &secret("s", "1"), &Ok(probed()));
        bindings.retain(|kept| kept == uid("2"));
        assert!(bindings.may_send(uid("1"), &site("b:1", 1), &secret("s", "1")));
        assert!(!bindings.may_send(uid("2"), &site("b:1", 1), &secret("s", "1")));
    }
}
