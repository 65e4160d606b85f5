//! The operator behind a proxy that writes down every request: what it asks on the wire, beside what the audit log has.

use federation_health_testbed::{
    Federation, FederationOptions,
    error::{Error, Result},
    proxy::{Asked, Proxy, Trouble},
};

use super::{
    acts,
    bed::{Bed, Record},
};
use crate::guarded::{self, Guarded, NAME, NAMESPACE, Options};

/// A federation whose operator speaks through the proxy.
///
/// # Errors
/// Something did not start.
pub async fn start(mut federation: FederationOptions) -> Result<(Bed, Proxy)> {
    federation.control_plane.audited_readers = vec![NAMESPACE.to_owned()];
    let federation = Federation::start(federation).await?;
    // The operator's account exists only once it is installed; until then there is nothing to pass on.
    let nothing = Options {
        operator: false,
        ..Options::default()
    };
    Guarded::install(federation.host(), nothing).await?;
    let client = guarded::operator_client(federation.host()).await?;
    let proxy = Proxy::start(client, &[], Trouble::default()).await?;
    let options = Options {
        server: Some(proxy.url()),
        ..Options::default()
    };
    let bed = Bed::install(federation, options).await?;
    bed.calm().await?;
    Ok((bed, proxy))
}

/// Every write on the wire to what is not the operator's own carried uid and resourceVersion and came after a read of the lease
/// and of its target, with no other such write between; the audit log has as many. Gives their number.
///
/// # Errors
/// One of them did not, or the two logs differ.
pub fn fenced(proxy: &Proxy, record: &Record<'_>) -> Result<usize> {
    let asked = proxy.asked();
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
        if !said("uid") || !said("resourceVersion") {
            return Err(lacks("uid and resourceVersion"));
        }
        let target = write.path.trim_end_matches("/scale");
        let lease = format!("/namespaces/{NAMESPACE}/leases/{NAME}");
        let read = |path: &str| {
            let before = asked[since..*at].iter();
            let mut reads = before.filter(|a| a.method == "GET" && a.path.ends_with(path));
            reads.any(|a| !a.query.contains("watch="))
        };
        if !read(&lease) {
            return Err(lacks("a read of the lease before it"));
        }
        if !read(target) {
            return Err(lacks("a read of its target before it"));
        }
        since = *at + 1;
    }
    let logged = acts::fenced(record)?.len();
    match writes.len() == logged && logged > 0 {
        true => Ok(logged),
        false => Err(Error::refused(format!(
            "{} writes on the wire, {logged} in the audit log",
            writes.len()
        ))),
    }
}

/// A write, and no dry run, to what belongs to somebody else.
fn is_foreign(asked: &Asked) -> bool {
    let own = asked.path.contains("/apis/federationhealth.io/")
        || asked.path.contains(&format!("/namespaces/{NAMESPACE}/"))
        || asked.path.contains("/validatingadmissionpolicybindings/")
        || asked.path.contains("/events");
    let dry = asked.query.contains("dryRun=") || asked.body["dryRun"].is_array();
    asked.method != "GET" && !own && !dry
}
