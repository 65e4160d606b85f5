//! What a CA bundle says, apart from how it is written.

use std::collections::BTreeSet;

use base64::{
    Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::STANDARD_NO_PAD,
};
use rustls_pki_types::{
    CertificateDer,
    pem::{self, PemObject as _},
};
use sha2::{Digest as _, Sha256};

/// An object of the API cannot be larger (etcd's request limit is 1.5 MiB).
const MAX_BASE64: usize = 2 << 20;

/// Why a bundle says nothing.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// Nothing there.
    #[error("the CA bundle is empty: write the base64 of a PEM bundle")]
    Empty,
    /// Larger than an object can be.
    #[error("the CA bundle is larger than {MAX_BASE64} bytes")]
    TooLarge,
    /// Not base64.
    #[error("decode the CA bundle from base64")]
    Base64(#[source] base64::DecodeError),
    /// Not PEM.
    #[error("read the certificates of the CA bundle")]
    Pem(#[source] pem::Error),
    /// PEM without a certificate.
    #[error("the CA bundle holds no certificate: write the base64 of a PEM bundle")]
    NoCertificate,
}

/// The certificates of `KubeFedCluster.spec.caBundle` (base64 of PEM) in DER, sorted and each once.
pub fn ca_certificates(ca_bundle_base64: &str) -> Result<BTreeSet<Vec<u8>>, CaError> {
    if ca_bundle_base64.len() > MAX_BASE64 {
        return Err(CaError::TooLarge);
    }
    let text: Vec<u8> = ca_bundle_base64
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    if text.is_empty() {
        return Err(CaError::Empty);
    }
    let engine = if text.ends_with(b"=") {
        STANDARD
    } else {
        STANDARD_NO_PAD
    };
    let pem = engine.decode(&text).map_err(CaError::Base64)?;
    let certificates = CertificateDer::pem_slice_iter(&pem)
        .map(|one| one.map(|der| der.to_vec()))
        .collect::<Result<BTreeSet<_>, _>>()
        .map_err(CaError::Pem)?;
    if certificates.is_empty() {
        return Err(CaError::NoCertificate);
    }
    Ok(certificates)
}

/// The first half of the SHA-256 over the bundle's certificates: equal for every way to write the same set of them.
pub fn ca_fingerprint(ca_bundle_base64: &str) -> Result<u128, CaError> {
    let mut hash = Sha256::new();
    for der in ca_certificates(ca_bundle_base64)? {
        // With the length before each, no two sets give the same stream of bytes.
        hash.update((der.len() as u64).to_be_bytes());
        hash.update(&der);
    }
    let digest = hash.finalize();
    Ok(digest
        .iter()
        .take(16)
        .fold(0, |value, byte| (value << 8) | u128::from(*byte)))
}

/// The part of a bundle's text that the join guard's policy compares: CEL has no hash and a whole bundle is too long for its
/// list. 32 characters of base64, that end 68 characters before the bundle does, lie before the last certificate's closing
/// line (26 bytes of PEM, 36 characters) and within its signature (64 bytes or more, 88 of PEM): no two CAs share them.
pub fn authority(ca_bundle_base64: &str) -> Option<&str> {
    let length = ca_bundle_base64.len();
    ca_bundle_base64.get(length.checked_sub(100)?..length - 68)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(der: &[u8], width: usize, newline: &str) -> String {
        let body = STANDARD.encode(der);
        let lines: Vec<&str> = body
            .as_bytes()
            .chunks(width)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        format!(
            "-----BEGIN CERTIFICATE-----{newline}{}{newline}-----END CERTIFICATE-----",
            lines.join(newline)
        )
    }

    fn bundle(text: &str) -> String {
        STANDARD.encode(text)
    }

    #[test]
    fn the_same_certificates_have_one_fingerprint() {
        let (a, b) = (vec![1_u8; 700], vec![2_u8; 300]);
        let plain = bundle(&format!("{}\n{}\n", pem(&a, 64, "\n"), pem(&b, 64, "\n")));
        let expected = ca_fingerprint(&plain).unwrap();
        let spellings = [
            format!("{}\n{}", pem(&b, 64, "\n"), pem(&a, 64, "\n")),
            format!("{}\r\n{}\r\n", pem(&a, 76, "\r\n"), pem(&b, 64, "\r\n")),
            format!(
                "# root\nsubject=/CN=x\n{}\n\n\ntext\n{}\n",
                pem(&a, 48, "\n"),
                pem(&b, 2000, "\n")
            ),
            format!("{0}\n{1}\n{0}\n", pem(&a, 64, "\n"), pem(&b, 64, "\n")),
        ];
        for spelling in spellings {
            assert_eq!(
                ca_fingerprint(&bundle(&spelling)).unwrap(),
                expected,
                "{spelling}"
            );
        }
        let (head, tail) = plain.split_at(76);
        assert_eq!(
            ca_fingerprint(&format!("{head}\n{tail}\n")).unwrap(),
            expected
        );
        assert_eq!(
            ca_fingerprint(plain.trim_end_matches('=')).unwrap(),
            expected
        );
    }

    #[test]
    fn other_certificates_have_another() {
        let one = ca_fingerprint(&bundle(&pem(&[1; 40], 64, "\n"))).unwrap();
        let longer = ca_fingerprint(&bundle(&pem(&[1; 41], 64, "\n"))).unwrap();
        let two = ca_fingerprint(&bundle(&format!(
            "{}\n{}",
            pem(&[1; 40], 64, "\n"),
            pem(&[1; 41], 64, "\n")
        )))
        .unwrap();
        assert!(one != longer && one != two && longer != two);
    }

    #[test]
    fn a_fingerprint_never_changes_between_releases() {
        // sha256(00 00 00 00 00 00 00 03 01 02 03), first 16 bytes, as coreutils' sha256sum gives it.
        let value = ca_fingerprint(&bundle(&pem(&[1, 2, 3], 64, "\n"))).unwrap();
        assert_eq!(format!("{value:032x}"), "b070698d25c7754918e53fd317b4fe4f");
    }

    #[test]
    fn what_is_no_bundle_is_an_error_of_its_kind() {
        assert!(matches!(ca_fingerprint(" \n"), Err(CaError::Empty)));
        assert!(matches!(ca_fingerprint("!!!!"), Err(CaError::Base64(_))));
        assert!(matches!(
            ca_fingerprint(&bundle("no certificate here")),
            Err(CaError::NoCertificate)
        ));
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert!(matches!(ca_fingerprint(&bundle(cut)), Err(CaError::Pem(_))));
        assert!(matches!(
            ca_fingerprint(&"A".repeat(MAX_BASE64 + 1)),
            Err(CaError::TooLarge)
        ));
    }
}
