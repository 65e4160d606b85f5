//! The operator behind a proxy that writes down every request: what it asks on the wire, beside what the audit log has.

use federation_health_core::remedy::experiment::CANARY;
use federation_health_testbed::{
    Federation, FederationOptions,
    error::{Error, Result},
    proxy::{Asked, Proxy, Trouble},
};

use super::bed::Bed;
use crate::guarded::{self, Guarded, NAME, NAMESPACE, Options};

/// A federation whose operator speaks through a proxy that writes everything down; every judgement of its acts asks that
/// too.
///
/// # Errors
/// Something did not start.
pub async fn start(federation: FederationOptions, guard: Options) -> Result<Bed> {
    let bed = install(Bed::federation(federation).await?, guard).await?;
    bed.calm().await?;
    Ok(bed)
}

/// The same on a federation that stands, whatever goes on there.
///
/// # Errors
/// Something did not start.
pub async fn install(federation: Federation, guard: Options) -> Result<Bed> {
    // The operator's account exists only once it is installed; until then there is nothing to pass on.
    let nothing = Options {
        operator: false,
        spec: None,
        ..guard.clone()
    };
    Guarded::install(federation.host(), nothing).await?;
    let client = guarded::operator_client(federation.host()).await?;
    let proxy = Proxy::start(client, &[], Trouble::default()).await?;
    let through = Options {
        server: Some(proxy.url()),
        ..guard
    };
    let mut bed = Bed::install(federation, through).await?;
    bed.wire = Some(proxy);
    Ok(bed)
}

/// Every write on the wire to what is not the operator's own carried uid and resourceVersion, which a creation cannot, and came
/// after a read of the lease and of its target, with no other such write between. Gives how many came after the first
/// `before` requests.
///
/// # Errors
/// One of them did not.
pub fn fenced(asked: &[Asked], before: usize) -> Result<usize> {
    let writes: Vec<usize> = (0..asked.len())
        .filter(|at| is_foreign(&asked[*at]))
        .collect();
    let mut since = 0;
    for at in &writes {
        let write = &asked[*at];
        let lacks = |what: &str| Error::refused(format!("a write without {what}: {write:?}"));
        let at_what = match write.method.as_str() {
            "DELETE" => "preconditions",
            _ => "metadata",
        };
        let said = |field: &str| write.body[at_what][field].is_string();
        let creates = write.method == "POST";
        let stated = said("uid") && said("resourceVersion");
        if !creates && !stated {
            return Err(lacks("uid and resourceVersion"));
        }
        let target = match creates {
            // Nothing else is made.
            true => format!("{}/{CANARY}", write.path),
            false => write.path.trim_end_matches("/scale").to_owned(),
        };
        let lease = format!("/namespaces/{NAMESPACE}/leases/{NAME}");
        let read = |path: &str| {
            let earlier = asked[since..*at].iter();
            let mut reads = earlier.filter(|a| a.method == "GET" && a.path.ends_with(path));
            reads.any(|a| !a.query.contains("watch="))
        };
        if !read(&lease) {
            return Err(lacks("a read of the lease before it"));
        }
        if !read(&target) {
            return Err(lacks("a read of its target before it"));
        }
        since = *at + 1;
    }
    Ok(writes.iter().filter(|at| **at >= before).count())
}

/// A write, and no dry run, to what belongs to somebody else.
pub(super) fn is_foreign(asked: &Asked) -> bool {
    let own = asked.path.contains("/apis/federationhealth.io/")
        || asked.path.contains(&format!("/namespaces/{NAMESPACE}/"))
        || asked.path.contains("/validatingadmissionpolicybindings/")
        || asked.path.contains("/events");
    let dry = asked.query.contains("dryRun=") || asked.body["dryRun"].is_array();
    asked.method != "GET" && !own && !dry
}
