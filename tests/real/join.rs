//! The join guard on a real API server: whoever asks, the second registration of one endpoint is refused by name.

use std::{process::Output, time::Duration};

use federation_health_api::names::SHARED_ENDPOINT_ANNOTATION;
use federation_health_testbed::{
    ControlPlane, FederationOptions, apply,
    join::JoinOptions,
    kinds::{self, KUBEFED_NAMESPACE},
    kubefed::KubefedVersion,
    pki::Authority,
    wait::{self, Look},
};
use federation_health_tests::{
    guarded::{Options, condition},
    scenarios::{
        bed::{ALIAS, Bed, SOON},
        kubefedctl,
        registered::under,
    },
};
use k8s_openapi::ByteString;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

/// Longer than KubeFed needs for its first deletion (10 to 21 s after a join).
const RAGE: Duration = Duration::from_secs(25);

/// What is said of an endpoint that could be anything.
const NOT_COMPARED: &str = "cannot be compared with those that are registered";

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A KubeFedCluster, tried by dry run with kubectl, which prints the server's warnings.
async fn tried(bed: &Bed, name: &str, spec: &Value, annotations: Value) -> Output {
    let object = json!({
        "apiVersion": "core.kubefed.io/v1beta1", "kind": "KubeFedCluster",
        "metadata": {"name": name, "namespace": KUBEFED_NAMESPACE, "annotations": annotations},
        "spec": spec,
    });
    let host = bed.federation.host();
    let file = host.dir().join("tried.json");
    std::fs::write(&file, object.to_string()).unwrap();
    let file = file.display().to_string();
    host.kubectl(&["create", "--dry-run=server", "-f", &file])
        .await
        .unwrap()
}

async fn registration(bed: &Bed, name: &str) -> DynamicObject {
    kinds::within(
        &bed.federation.client(),
        &kinds::kubefed_cluster(),
        KUBEFED_NAMESPACE,
    )
    .get(name)
    .await
    .unwrap()
}

async fn patched(bed: &Bed, name: &str, patch: Value) -> Result<DynamicObject, kube::Error> {
    kinds::within(
        &bed.federation.client(),
        &kinds::kubefed_cluster(),
        KUBEFED_NAMESPACE,
    )
    .patch(name, &PatchParams::default(), &Patch::Merge(patch))
    .await
}

fn names_the_other(message: &str) {
    for part in [
        "registered already, as KubeFedCluster host.",
        SHARED_ENDPOINT_ANNOTATION,
        "patch federationhealth default",
    ] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
}

/// The guard is in force once a trial is refused: a policy takes a second.
async fn in_force(bed: &Bed, mode: &str, spec: &Value) {
    bed.set_spec(&json!({"joinGuard": mode})).await.unwrap();
    let ready = |h: &_| condition(h, "JoinGuardReady").is_some_and(|(status, _)| status == "True");
    bed.guard
        .wait("the join guard to be ready", SOON, ready)
        .await
        .unwrap();
    wait::until("a registration to be told of", SOON, || async {
        let output = tried(bed, ALIAS, spec, json!({})).await;
        Ok(
            if said(&output).contains("join guard of federation-health") {
                Look::Done(())
            } else {
                Look::Pending(said(&output))
            },
        )
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_registration_of_one_endpoint_is_refused_at_the_server_by_name() {
    let authority = Authority::generate("shared").unwrap();
    let options = FederationOptions {
        control_plane: under(&authority, "host"),
        ..FederationOptions::with_kubefed(KubefedVersion::V0_10_0)
    };
    let guard = Options {
        spec: Some(json!({})),
        ..Options::default()
    };
    let (bed, member) = tokio::join!(
        Bed::start(options, guard),
        ControlPlane::start(under(&authority, "member")),
    );
    let (bed, member) = (bed.unwrap(), member.unwrap());
    let host = registration(&bed, "host").await.data["spec"].clone();
    let output = tried(&bed, ALIAS, &host, json!({})).await;
    assert!(output.status.success(), "off by default: {}", said(&output));
    assert_eq!(said(&output), "", "no word while it is off");

    in_force(&bed, "Deny", &host).await;
    let record = bed.record().await.unwrap();
    let refused = bed
        .federation
        .join_alias(ALIAS, JoinOptions::default())
        .await
        .unwrap_err();
    names_the_other(&format!("{refused:?}"));
    let host_plane = bed.federation.host();
    let output = kubefedctl::join(host_plane, host_plane, "produce-two", "kubesphere")
        .await
        .unwrap();
    assert!(!output.status.success(), "kubefedctl joined: {output:?}");
    names_the_other(&said(&output));
    spellings(&bed, &host).await;
    what_cannot_be_compared(&bed, &host).await;
    what_passes(&bed, &member, &host).await;
    warnings(&bed, &host).await;

    tokio::time::sleep(RAGE).await;
    record.no_workspace_deleted().unwrap();
    bed.set_spec(&json!({})).await.unwrap();
    bed.guard
        .wait("the list to go with the guard", SOON, |h| {
            h.status.as_ref().is_some_and(|s| s.join_guard.is_none())
        })
        .await
        .unwrap();
    member.stop().await.unwrap();
}

/// One address has many spellings, of which KubeFed dials each.
async fn spellings(bed: &Bed, host: &Value) {
    let address = host["apiEndpoint"].as_str().unwrap();
    let bare = address.strip_prefix("https://").unwrap();
    let (ip, port) = bare.split_once(':').unwrap();
    for endpoint in [
        bare.to_owned(),
        format!("HTTPS://{bare}/"),
        format!("https://{ip}:0{port}//"),
        format!("https://{ip}.:{port}"),
        format!("https://[::ffff:{ip}]:{port}"),
        format!("https://[0:0:0:0:0:ffff:{ip}]:{port}"),
    ] {
        let mut spec = host.clone();
        spec["apiEndpoint"] = json!(endpoint);
        let output = tried(bed, ALIAS, &spec, json!({})).await;
        assert!(!output.status.success(), "{endpoint} passed");
        names_the_other(&said(&output));
    }
    let mut six = host.clone();
    six["apiEndpoint"] = json!("https://[::1]:9");
    apply::object(
        &bed.federation.client(),
        &json!({
            "apiVersion": "core.kubefed.io/v1beta1", "kind": "KubeFedCluster",
            "metadata": {"name": "six", "namespace": KUBEFED_NAMESPACE}, "spec": six,
        }),
    )
    .await
    .unwrap();
    for endpoint in ["[::1]:9", "[0:0:0:0:0:0:0:1]:09", "https://[0000::0001]:9/"] {
        six["apiEndpoint"] = json!(endpoint);
        wait::until("another spelling to be refused", SOON, || async {
            let output = tried(bed, ALIAS, &six, json!({})).await;
            let named = said(&output).contains("as KubeFedCluster six.");
            Ok(match named {
                true => Look::Done(()),
                false => Look::Pending(format!("{endpoint}: {}", said(&output))),
            })
        })
        .await
        .unwrap();
    }
    bed.federation.unregister("six").await.unwrap();
    // Behind one gateway the path tells clusters apart.
    let mut spec = host.clone();
    spec["apiEndpoint"] = json!(format!("{address}/k8s/clusters/c-1"));
    let output = tried(bed, ALIAS, &spec, json!({})).await;
    assert!(output.status.success(), "{}", said(&output));
}

/// KubeFed's client drops a query and a fragment, resolves dots and reads other alphabets as ASCII: by each of the first it
/// reaches the host.
async fn what_cannot_be_compared(bed: &Bed, host: &Value) {
    let address = host["apiEndpoint"].as_str().unwrap();
    let bare = address.strip_prefix("https://").unwrap();
    let (_, port) = bare.split_once(':').unwrap();
    for endpoint in [
        format!("{address}?x"),
        format!("{bare}?x"),
        format!("{address}#x"),
        format!("{address}/?x"),
        format!("https://user:secret@{bare}"),
        format!("https://@{bare}"),
        format!("{address}/."),
        format!("{address}/a/.."),
        format!("{address}/%2e"),
        format!("https://１２７.0.0.1:{port}"),
        format!("https://2130706433:{port}"),
        format!("https://0x7f.1:{port}"),
        format!("https://0177.0.0.1:{port}"),
        format!("http://{bare}"),
        format!("{address}{}", "/".repeat(2048)),
    ] {
        let mut spec = host.clone();
        spec["apiEndpoint"] = json!(endpoint);
        let output = tried(bed, ALIAS, &spec, json!({})).await;
        assert!(!output.status.success(), "{endpoint} passed");
        let message = said(&output);
        assert!(message.contains(NOT_COMPARED), "{endpoint}: {message}");
        assert!(!message.contains("secret@"), "{message}");
        let why = json!({SHARED_ENDPOINT_ANNOTATION: "it is another cluster"});
        let output = tried(bed, ALIAS, &spec, why).await;
        assert!(output.status.success(), "{endpoint}: {}", said(&output));
    }
    for endpoint in [
        "Api_1.Example.:",
        "https://1.2.3.4:9/k8s/c-1.2~x//",
        "a1",
        "10.0.0.1.nip.io",
    ] {
        let mut spec = host.clone();
        spec["apiEndpoint"] = json!(endpoint);
        let output = tried(bed, ALIAS, &spec, json!({})).await;
        assert!(output.status.success(), "{endpoint}: {}", said(&output));
    }
}

async fn what_passes(bed: &Bed, member: &ControlPlane, host: &Value) {
    bed.federation
        .join_member(member, "east", JoinOptions::default())
        .await
        .unwrap();
    // Its authority is the host's: a word, and no refusal.
    let mut stranger = host.clone();
    stranger["apiEndpoint"] = json!("https://192.0.2.7:6443");
    let output = tried(bed, "west", &stranger, json!({})).await;
    assert!(output.status.success(), "{}", said(&output));
    let warning = "the CA of this KubeFedCluster is that of KubeFedCluster host";
    assert!(said(&output).contains(warning), "{}", said(&output));

    let rotated = Authority::generate("rotated").unwrap();
    let rotated = ByteString(rotated.certificate.into_bytes());
    let rotated = json!({"spec": {"caBundle": rotated}});
    patched(bed, "east", rotated).await.unwrap();
    let label = json!({"metadata": {"labels": {"edited": "true"}}});
    patched(bed, "host", label).await.unwrap();
    let moved = json!({"spec": {"apiEndpoint": host["apiEndpoint"]}});
    let refused = patched(bed, "east", moved).await.unwrap_err();
    names_the_other(&refused.to_string());
    let why = json!({SHARED_ENDPOINT_ANNOTATION: "one balancer, two clusters"});
    let output = tried(bed, ALIAS, host, why).await;
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(said(&output), "", "who overrides knows");
    bed.federation.unregister("east").await.unwrap();
}

async fn warnings(bed: &Bed, host: &Value) {
    in_force(bed, "Warn", host).await;
    let output = tried(bed, ALIAS, host, json!({})).await;
    assert!(output.status.success(), "{}", said(&output));
    let warning = "is registered already, as KubeFedCluster host";
    assert!(said(&output).contains(warning), "{}", said(&output));
    let mut spec = host.clone();
    spec["apiEndpoint"] = json!(format!("{}?x", host["apiEndpoint"].as_str().unwrap()));
    let output = tried(bed, ALIAS, &spec, json!({})).await;
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains(NOT_COMPARED), "{}", said(&output));
}
