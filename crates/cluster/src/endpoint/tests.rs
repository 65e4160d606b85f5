//! Every address that must not be dialled, in every dress.

use federation_health_index::endpoint::normalize;

use super::*;

fn policy(allowed: &[&str]) -> EndpointPolicy {
    EndpointPolicy::parse(allowed).unwrap()
}

fn check(policy: &EndpointPolicy, address: &str) -> Result<(), Refusal> {
    policy.check(address.parse().unwrap())
}

#[test]
fn special_addresses_are_refused_in_every_dress() {
    for (address, refusal) in [
        ("127.0.0.1", Refusal::Loopback),
        ("127.255.255.254", Refusal::Loopback),
        ("::1", Refusal::Loopback),
        ("::ffff:127.0.0.1", Refusal::Loopback),
        ("::127.0.0.1", Refusal::Loopback),
        ("64:ff9b::127.0.0.1", Refusal::Loopback),
        ("64:ff9b:1::7f00:1", Refusal::Loopback),
        ("2002:7f00:1::", Refusal::Loopback),
        ("0.0.0.0", Refusal::Unspecified),
        ("0.1.2.3", Refusal::Unspecified),
        ("::", Refusal::Unspecified),
        ("::ffff:0.0.0.0", Refusal::Unspecified),
        ("169.254.169.254", Refusal::LinkLocal),
        ("::ffff:169.254.169.254", Refusal::LinkLocal),
        ("64:ff9b::a9fe:a9fe", Refusal::LinkLocal),
        ("2002:a9fe:a9fe::1", Refusal::LinkLocal),
        ("fe80::1", Refusal::LinkLocal),
        ("febf::1", Refusal::LinkLocal),
        ("fd00:ec2::254", Refusal::Metadata),
        ("100.100.100.200", Refusal::Metadata),
        ("192.0.0.192", Refusal::Metadata),
        ("168.63.129.16", Refusal::Metadata),
        ("224.0.0.1", Refusal::Multicast),
        ("239.255.255.255", Refusal::Multicast),
        ("ff02::1", Refusal::Multicast),
        ("255.255.255.255", Refusal::Reserved),
        ("240.0.0.1", Refusal::Reserved),
    ] {
        assert_eq!(check(&policy(&[]), address), Err(refusal), "{address}");
    }
}

#[test]
fn ordinary_addresses_are_dialled() {
    for address in [
        "10.96.0.1",
        "192.168.0.2",
        "172.16.0.1",
        "8.8.8.8",
        "100.64.0.1",
        "fd00::1",
        "2001:db8::1",
        "fec0::1",
    ] {
        assert_eq!(check(&policy(&[]), address), Ok(()), "{address}");
    }
}

#[test]
fn a_list_is_the_whole_truth() {
    let listed = policy(&["127.0.0.0/8", "10.1.0.0/16", "fd00::/8", "192.0.2.7/32"]);
    for address in [
        "127.0.0.1",
        "::ffff:127.9.9.9",
        "10.1.255.255",
        "fdff::1",
        "192.0.2.7",
    ] {
        assert_eq!(check(&listed, address), Ok(()), "{address}");
    }
    for address in [
        "10.2.0.0",
        "8.8.8.8",
        "::1",
        "192.0.2.6",
        "fe80::1",
        "::7f00:1",
    ] {
        assert_eq!(
            check(&listed, address),
            Err(Refusal::NotAllowed),
            "{address}"
        );
    }
    let all = policy(&["0.0.0.0/0"]);
    assert_eq!(check(&all, "127.0.0.1"), Ok(()));
    assert_eq!(check(&all, "::1"), Err(Refusal::NotAllowed));
}

#[test]
fn blocks_are_read_strictly() {
    for bad in [
        "",
        "10.0.0.0",
        "10.0.0.0/33",
        "10.0.0.1/8",
        "::/129",
        "fd00::1/8",
        "10.0.0.0/+8",
        "10.0.0.0/",
        "a/8",
        "10.0.0.0/8/8",
        "010.0.0.0/8",
    ] {
        assert!(bad.parse::<Network>().is_err(), "{bad}");
    }
    for good in [
        "0.0.0.0/0",
        "::/0",
        "10.0.0.0/8",
        "127.0.0.1/32",
        "::1/128",
        "10.128.0.0/9",
    ] {
        assert!(good.parse::<Network>().is_ok(), "{good}");
    }
}

#[tokio::test]
async fn resolves_once_and_judges_what_came_out() {
    let literal = normalize("[::ffff:10.0.0.1]:6443").unwrap();
    assert_eq!(
        policy(&[]).resolve(&literal).await,
        Ok("10.0.0.1:6443".parse().unwrap())
    );
    let here = normalize("LOCALHOST:8443").unwrap();
    assert_eq!(
        policy(&[]).resolve(&here).await,
        Err(ResolveError::Refused(Refusal::Loopback))
    );
    let address = policy(&["127.0.0.0/8"]).resolve(&here).await.unwrap();
    assert_eq!(address, "127.0.0.1:8443".parse().unwrap());
}

#[test]
fn the_first_permitted_address_is_taken() {
    let addresses = ["127.0.0.1", "10.0.0.5", "10.0.0.6"].map(|text| text.parse().unwrap());
    assert_eq!(
        policy(&[]).choose(addresses.into_iter(), 1),
        Ok("10.0.0.5:1".parse().unwrap())
    );
    assert_eq!(
        policy(&[]).choose(std::iter::empty(), 1),
        Err(ResolveError::Unresolvable)
    );
}
