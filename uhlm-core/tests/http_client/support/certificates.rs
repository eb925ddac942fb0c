//! Authorities and server certificates, made anew for each test.

use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PublicKeyData as _, date_time_ymd,
};
use sha2::{Digest as _, Sha256};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use uhlm_law::digest::Digest;
use uhlm_net::TrustPolicy;

/// A certificate authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        // Authorities of one name would be told apart by their signatures only.
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("authority {}", MADE.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed"))
    }

    /// Trust in this authority and no other.
    pub fn trust(&self) -> TrustPolicy {
        TrustPolicy::Pem(self.pem())
    }

    pub fn pem(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    /// A valid certificate for the loopback addresses.
    pub fn issue(&self) -> Identity {
        self.issue_for(loopback())
    }

    /// A certificate for any parameters.
    pub fn issue_for(&self, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("signed");
        Identity { certificate: certificate.der().clone(), key }
    }
}

/// Parameters of a certificate for the loopback addresses.
pub fn loopback() -> CertificateParams {
    named(&["127.0.0.1", "localhost"])
}

/// Parameters of a certificate for other hosts.
pub fn named(hosts: &[&str]) -> CertificateParams {
    CertificateParams::new(hosts.iter().map(ToString::to_string).collect::<Vec<_>>()).expect("host names")
}

/// The same, with dates in the past.
pub fn expired(mut params: CertificateParams) -> CertificateParams {
    params.not_before = date_time_ymd(2001, 1, 1);
    params.not_after = date_time_ymd(2002, 1, 1);
    params
}

/// A server's certificate and key.
pub struct Identity {
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Identity {
    /// One that signs itself, as a development server makes it.
    pub fn self_signed(params: CertificateParams) -> Self {
        let key = KeyPair::generate().expect("a key");
        Self { certificate: params.self_signed(&key).expect("signed").der().clone(), key }
    }

    /// The pin of the key.
    pub fn pin(&self) -> Digest {
        Digest(Sha256::digest(self.key.subject_public_key_info()).into())
    }

    pub fn fingerprint(&self) -> Digest {
        Digest(Sha256::digest(&self.certificate).into())
    }

    /// This certificate in the hands of somebody who has only another key.
    pub fn stolen(&self) -> Self {
        Self { certificate: self.certificate.clone(), key: KeyPair::generate().expect("a key") }
    }

    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.clone()]
    }

    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.key.serialize_der().into())
    }
}
