//! The real tokens as canaries: the shipped binary, logging everything that it and its libraries can, tells none of them.

use federation_health_testbed::{
    Federation, FederationOptions, join::JoinOptions, kinds::KUBEFED_NAMESPACE, ports::free_port,
};
use federation_health_tests::{
    guarded::{Guarded, NAMESPACE, Options},
    scenarios::{
        admin,
        bed::{ALIAS, LATE, SOON},
    },
};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Api, api::ListParams};

/// Every token of the registrations, and the operator's own.
async fn tokens(bed: &Federation) -> Vec<String> {
    let mut tokens = Vec::new();
    for namespace in [KUBEFED_NAMESPACE, NAMESPACE] {
        let secrets: Api<Secret> = Api::namespaced(bed.client(), namespace);
        for secret in secrets.list(&ListParams::default()).await.unwrap() {
            let data = secret.data.unwrap_or_default();
            tokens.extend(
                data.get("token")
                    .map(|t| String::from_utf8(t.0.clone()).unwrap()),
            );
        }
    }
    let access = bed.host().access_as(NAMESPACE, "federation-health").await;
    let own: serde_json::Value = serde_json::from_str(&access.unwrap().kubeconfig()).unwrap();
    tokens.push(
        own["users"][0]["user"]["token"]
            .as_str()
            .unwrap()
            .to_owned(),
    );
    tokens
}

/// The log, the admin endpoints, and every object that the operator writes, with its events.
async fn told(bed: &Federation, address: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for path in ["/metrics", "/statusz", "/readyz?verbose"] {
        all.push((path.to_owned(), admin::get(address, path).await.unwrap().1));
    }
    let kinds = "federationhealths,federationholds,configmaps,leases,events,events.events.k8s.io";
    let output = bed
        .host()
        .kubectl(&["get", kinds, "-A", "-o", "json"])
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    all.push((
        "the objects".to_owned(),
        String::from_utf8(output.stdout).unwrap(),
    ));
    for entry in std::fs::read_dir(bed.host().dir()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("federation-health-") && path.extension().is_some_and(|e| e == "log") {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            all.push((name, text));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_told_however_much_is_logged() {
    let bed = Federation::start(FederationOptions::without_kubefed())
        .await
        .unwrap();
    let address = format!("127.0.0.1:{}", free_port().unwrap());
    let options = Options {
        log: "trace".to_owned(),
        listen: address.clone(),
        ..Options::default()
    };
    let guard = Guarded::install(bed.host(), options).await.unwrap();
    guard
        .wait_condition("HoldReady", "True", LATE)
        .await
        .unwrap();
    bed.join_alias(ALIAS, JoinOptions::default()).await.unwrap();
    let proven = |h: &federation_health_api::FederationHealth| {
        let groups = h.status.as_ref().map(|s| &s.cluster_groups);
        groups.is_some_and(|g| format!("{g:?}").contains("kube-system"))
    };
    guard
        .wait("both tokens to have been used", SOON, proven)
        .await
        .unwrap();
    bed.unregister(ALIAS).await.unwrap();
    guard
        .wait_condition("ClustersUnique", "True", SOON)
        .await
        .unwrap();

    let tokens = tokens(&bed).await;
    assert!(tokens.len() >= 3, "{} tokens", tokens.len());
    let all = told(&bed, &address).await;
    let log = &all.last().unwrap().1;
    assert!(log.contains("TRACE"), "the log has no traces");
    for (what, text) in &all {
        for token in &tokens {
            // The signature, which no two tokens share, and the form in which a Secret carries the whole.
            let signature = token.rsplit('.').next().unwrap();
            let encoded = serde_json::to_value(ByteString(token.clone().into_bytes())).unwrap();
            let encoded = encoded.as_str().unwrap();
            for form in [signature, &encoded[..encoded.len() - 4]] {
                assert!(form.len() > 40, "{} bytes are no token", form.len());
                assert!(!text.contains(form), "{what} tells a token");
            }
        }
    }
    bed.stop().await.unwrap();
}
