//! Two bounded reads over an open connection, and what may be taken from their answers.

use std::{fmt, future::Future, marker::PhantomData};

use federation_health_core::text::is_name;
use http::{
    HeaderValue, Request, StatusCode,
    header::{ACCEPT, AUTHORIZATION, HOST, USER_AGENT},
};
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Incoming, client::conn::http1::SendRequest};
use k8s_openapi::jiff::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny, SeqAccess, Visitor},
};
use tokio::time::{Instant, timeout_at};
use tokio_util::bytes::Bytes;

use super::{LeaseRead, ProbeError, Probed, Target};

/// Twenty Leases with managedFields have about 30 KB; a namespace 2 KB.
const BODY_BYTES: usize = 1 << 20;
/// API names end at 253 bytes; holders are made of host names and UUIDs.
const MAX_IDENTIFIER: usize = 253;
/// A UUID has 36; a foreign server's odd UID may be longer.
const MAX_UID: usize = 64;
const NAMESPACE: &str = "/api/v1/namespaces/kube-system";
/// Leases that a probe gives, as many as it asks for.
const MAX_LEASES: usize = 20;
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases?limit=20";
/// Every cluster has them and renews them every two seconds: the best to recognize one by.
const BEST_LEASES: [&str; 2] = ["kube-controller-manager", "kube-scheduler"];

/// KubeSphere has some three hundred.
const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles?limit=1000";
/// Without their rules, of a few hundred bytes each.
const NAMES_ONLY: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
/// How KubeFed names the ClusterRole of an account.
const ROLE_OF: &str = "kubefed-controller-manager:";
/// Accounts taken from one cluster, which must not fill our memory with them.
const MAX_ACCOUNTS: usize = 16;

/// Leases read of a server that ignores the limit, the best of which are taken: kube-system has some dozens.
const LEASES_READ: usize = 256;

/// One item of somebody else's list.
trait Item: DeserializeOwned {
    /// What is taken of it.
    type Kept;
    /// How many are taken of one list.
    const MAX: usize;
    /// What it is worth; none if that is nothing.
    fn keep(self) -> Option<Self::Kept>;
}

#[derive(Deserialize)]
#[serde(bound = "")]
struct List<T: Item> {
    items: Option<Few<T>>,
}

/// What is kept of a list. Each item is looked at before the next is read, and those past the limit are skipped: a body has
/// room for 350,000 empty ones, which as a list of ours would take a hundred times its size.
struct Few<T: Item>(Vec<T::Kept>);

impl<'de, T: Item> Deserialize<'de> for Few<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Sifting(PhantomData))
    }
}

struct Sifting<T>(PhantomData<fn() -> T>);

impl<'de, T: Item> Visitor<'de> for Sifting<T> {
    type Value = Few<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Few<T>, A::Error> {
        let mut kept = Vec::new();
        while kept.len() < T::MAX {
            match items.next_element::<T>()? {
                Some(item) => kept.extend(item.keep()),
                None => return Ok(Few(kept)),
            }
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Few(kept))
    }
}

#[derive(Deserialize)]
struct Role {
    #[serde(default)]
    metadata: Meta,
}

#[derive(Deserialize)]
struct Namespace {
    kind: String,
    metadata: Meta,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    name: String,
    uid: String,
    resource_version: String,
}

#[derive(Deserialize)]
struct Lease {
    #[serde(default)]
    metadata: Meta,
    #[serde(default)]
    spec: Option<LeaseSpec>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct LeaseSpec {
    holder_identity: Option<String>,
    renew_time: Option<String>,
}

/// Reads the cluster behind an open connection.
pub(super) async fn cluster(
    sender: &mut SendRequest<Empty<Bytes>>,
    target: &Target,
    accounts: bool,
    deadline: Instant,
) -> Result<Probed, ProbeError> {
    let namespace: Namespace = in_time(deadline, get(sender, target, NAMESPACE)).await?;
    let uid = namespace.metadata.uid;
    let named = namespace.kind == "Namespace" && namespace.metadata.name == "kube-system";
    let spelled = uid
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !named || uid.is_empty() || uid.len() > MAX_UID || !spelled {
        return Err(ProbeError::NotKubernetes);
    }
    let (leases, leases_error) = match in_time(deadline, get(sender, target, LEASES)).await {
        Ok(list) => (leases(list), None),
        Err(error) => (Vec::new(), Some(error)),
    };
    // The last read, so that a list that is too large or too slow costs no identity.
    let accounts = match accounts {
        true => in_time(deadline, get(sender, target, ROLES))
            .await
            .ok()
            .map(|list: List<Role>| list.items.map_or_else(Vec::new, |few| few.0)),
        false => None,
    };
    Ok(Probed {
        kube_system_uid: uid,
        leases,
        leases_error,
        accounts,
    })
}

async fn in_time<T>(
    deadline: Instant,
    work: impl Future<Output = Result<T, ProbeError>>,
) -> Result<T, ProbeError> {
    timeout_at(deadline, work)
        .await
        .unwrap_or(Err(ProbeError::Timeout))
}

async fn get<T: DeserializeOwned>(
    sender: &mut SendRequest<Empty<Bytes>>,
    target: &Target,
    path: &str,
) -> Result<T, ProbeError> {
    let request = request(target, path).ok_or(ProbeError::BadCredentials)?;
    sender.ready().await.map_err(|error| classify(&error))?;
    let answer = sender
        .send_request(request)
        .await
        .map_err(|error| classify(&error))?;
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED => return Err(ProbeError::Unauthorized),
        StatusCode::FORBIDDEN => return Err(ProbeError::Forbidden),
        StatusCode::TOO_MANY_REQUESTS => return Err(ProbeError::Unavailable),
        status if status.is_server_error() => return Err(ProbeError::Unavailable),
        _ => return Err(ProbeError::NotKubernetes),
    }
    let body = whole(answer.into_body()).await?;
    serde_json::from_slice(&body).map_err(|_| ProbeError::NotKubernetes)
}

fn request(target: &Target, path: &str) -> Option<Request<Empty<Bytes>>> {
    let endpoint = &target.site.endpoint;
    let mut authorization =
        HeaderValue::from_str(&format!("Bearer {}", target.token.expose())).ok()?;
    authorization.set_sensitive(true);
    Request::get(format!("{}{path}", endpoint.path()))
        .header(HOST, format!("{}:{}", endpoint.host(), endpoint.port()))
        .header(AUTHORIZATION, authorization)
        .header(
            ACCEPT,
            if path == ROLES {
                NAMES_ONLY
            } else {
                "application/json"
            },
        )
        .header(
            USER_AGENT,
            concat!("federation-health/", env!("CARGO_PKG_VERSION")),
        )
        .body(Empty::new())
        .ok()
}

/// Copied together as it comes: a server may send each byte as a piece of its own, and pieces cost more than they hold.
async fn whole(mut body: Incoming) -> Result<Vec<u8>, ProbeError> {
    // All of the room at once: pages that nothing is written to cost nothing, and what is grown by doubling takes three
    // times the limit while it is copied, in each of the probes under way.
    let mut whole = Vec::with_capacity(BODY_BYTES);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| classify(&error))?;
        // What is no data are trailers, which say nothing to us.
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if whole.len() + data.len() > BODY_BYTES {
            return Err(ProbeError::BodyTooLarge);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole)
}

/// A connection that breaks after TLS stood is told apart from one that never came about: the token was sent.
fn classify(error: &hyper::Error) -> ProbeError {
    if error.is_parse() {
        ProbeError::NotKubernetes
    } else {
        ProbeError::Unavailable
    }
}

fn leases(list: List<Lease>) -> Vec<LeaseRead> {
    let mut leases = list.items.map_or_else(Vec::new, |few| few.0);
    // A server may ignore the limit; the order puts what is worth comparing in front.
    leases.sort_by(|a, b| {
        rank(&a.name)
            .cmp(&rank(&b.name))
            .then_with(|| a.name.cmp(&b.name))
    });
    leases.truncate(MAX_LEASES);
    leases
}

fn rank(name: &str) -> usize {
    BEST_LEASES
        .iter()
        .position(|best| *best == name)
        .unwrap_or(BEST_LEASES.len())
}

impl Item for Role {
    type Kept = String;
    const MAX: usize = MAX_ACCOUNTS;

    /// Names of ServiceAccounts, and nothing that is spelled otherwise.
    fn keep(self) -> Option<String> {
        let account = self.metadata.name.strip_prefix(ROLE_OF)?;
        is_name(account).then(|| account.to_owned())
    }
}

impl Item for Lease {
    type Kept = LeaseRead;
    const MAX: usize = LEASES_READ;

    /// Leaves out what is not spelled as the API spells it: it would be foreign text in our evidence.
    fn keep(self) -> Option<LeaseRead> {
        let spec = self.spec.unwrap_or_default();
        let holder = spec.holder_identity.unwrap_or_default();
        let name = self.metadata.name;
        if !is_name(&name) {
            return None;
        }
        if holder.len() > MAX_IDENTIFIER || !holder.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let renewed = spec
            .renew_time
            .and_then(|text| text.parse::<Timestamp>().ok());
        Some(LeaseRead {
            name,
            holder,
            resource_version: self.metadata.resource_version.parse().ok()?,
            renew_time_us: renewed.map_or(0, Timestamp::as_microsecond),
        })
    }
}
