//! Certificates of one control plane: made for the run, trusted by nobody else.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::error::{Attempt, Result};

/// A certificate and its private key, both PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The private key (PKCS#8).
    pub key: String,
}

/// A certificate authority. Control planes that share one differ in everything else.
#[derive(Clone, Debug)]
pub struct Authority {
    name: String,
    /// The certificate that clients trust, PEM.
    pub certificate: String,
    key: String,
}

impl Authority {
    /// Makes a fresh authority of this name.
    pub fn generate(name: &str) -> Result<Self> {
        let key = new_key()?;
        let certificate = describe(name)?
            .self_signed(&key)
            .attempt(|| "sign the authority's certificate")?
            .pem();
        Ok(Self {
            name: name.to_owned(),
            certificate,
            key: key.serialize_pem(),
        })
    }

    fn issuer(&self) -> Result<Issuer<'static, KeyPair>> {
        let key = KeyPair::from_pem(&self.key).attempt(|| "read the authority's key")?;
        Ok(Issuer::new(describe(&self.name)?, key))
    }
}

fn describe(name: &str) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new()).attempt(|| "describe the authority")?;
    params
        .distinguished_name
        .push(DnType::CommonName, format!("{name} test authority"));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// Everything a control plane signs and is signed with.
#[derive(Clone, Debug)]
pub struct Pki {
    /// The authority that clients trust, PEM.
    pub ca: String,
    /// Serves 127.0.0.1 and localhost.
    pub server: Identity,
    /// User `admin` of group `system:masters`.
    pub admin: Identity,
    /// User `system:kube-controller-manager`.
    pub controller_manager: Identity,
    /// Signs ServiceAccount tokens, PEM.
    pub service_account_key: String,
    /// Verifies them, PEM.
    pub service_account_public_key: String,
}

impl Pki {
    /// Makes a fresh authority named after the control plane, and all it signs.
    pub fn generate(name: &str) -> Result<Self> {
        Self::signed_by(&Authority::generate(name)?)
    }

    /// Makes everything under an authority that may serve other control planes too.
    pub fn signed_by(authority: &Authority) -> Result<Self> {
        let issuer = authority.issuer()?;
        let tokens = new_key()?;
        Ok(Self {
            ca: authority.certificate.clone(),
            server: server(&issuer)?,
            admin: client(&issuer, "admin", Some("system:masters"))?,
            controller_manager: client(&issuer, "system:kube-controller-manager", None)?,
            service_account_key: tokens.serialize_pem(),
            service_account_public_key: tokens.public_key_pem(),
        })
    }
}

fn new_key() -> Result<KeyPair> {
    KeyPair::generate().attempt(|| "generate a key")
}

fn server(issuer: &Issuer<'_, KeyPair>) -> Result<Identity> {
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let mut params =
        CertificateParams::new(names).attempt(|| "describe the server's certificate")?;
    params
        .distinguished_name
        .push(DnType::CommonName, "kube-apiserver");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    sign(&params, issuer)
}

fn client(issuer: &Issuer<'_, KeyPair>, user: &str, group: Option<&str>) -> Result<Identity> {
    let mut params =
        CertificateParams::new(Vec::new()).attempt(|| format!("describe {user}'s certificate"))?;
    params.distinguished_name.push(DnType::CommonName, user);
    if let Some(group) = group {
        params
            .distinguished_name
            .push(DnType::OrganizationName, group);
    }
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    sign(&params, issuer)
}

fn sign(params: &CertificateParams, issuer: &Issuer<'_, KeyPair>) -> Result<Identity> {
    let key = new_key()?;
    let certificate = params
        .signed_by(&key, issuer)
        .attempt(|| "sign a certificate")?
        .pem();
    Ok(Identity {
        certificate,
        key: key.serialize_pem(),
    })
}
