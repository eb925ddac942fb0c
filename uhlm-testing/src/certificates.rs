//! Authorities and server certificates, made anew for each test: valid ones, and such as no client should trust.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PublicKeyData as _,
    date_time_ymd,
};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use uhlm_law::digest::Digest;
use uhlm_net::TrustPolicy;
use uhlm_server::TlsSource;

/// A certificate authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// Makes an authority with a name and a key of its own.
    #[must_use]
    pub fn generate() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        // Authorities of one name would be told apart by their signatures only.
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("authority {}", MADE.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, new_key()).expect("signed"))
    }

    /// Returns the trust in this authority and no other.
    #[must_use]
    pub fn trust(&self) -> TrustPolicy {
        TrustPolicy::Pem(self.pem().into_bytes())
    }

    /// Returns the authority's own certificate, as PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Issues a valid certificate for the loopback addresses.
    #[must_use]
    pub fn issue(&self) -> Identity {
        self.issue_for(loopback())
    }

    /// Issues a certificate for any parameters.
    #[must_use]
    pub fn issue_for(&self, params: CertificateParams) -> Identity {
        let key = new_key();
        Identity { certificate: params.signed_by(&key, &self.0).expect("signed"), key }
    }
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

/// Returns the parameters of a certificate for the loopback addresses.
#[must_use]
pub fn loopback() -> CertificateParams {
    named(&["127.0.0.1", "localhost"])
}

/// Returns the parameters of a certificate for these hosts.
#[must_use]
pub fn named(hosts: &[&str]) -> CertificateParams {
    CertificateParams::new(hosts.iter().map(ToString::to_string).collect::<Vec<_>>()).expect("host names")
}

/// Moves the dates of a certificate into the past.
#[must_use]
pub fn expired(mut params: CertificateParams) -> CertificateParams {
    params.not_before = date_time_ymd(2001, 1, 1);
    params.not_after = date_time_ymd(2002, 1, 1);
    params
}

/// A server's certificate and key.
pub struct Identity {
    certificate: Certificate,
    key: KeyPair,
}

impl Identity {
    /// Makes a certificate that signs itself, as a development server makes it.
    #[must_use]
    pub fn self_signed(params: CertificateParams) -> Self {
        let key = new_key();
        Self { certificate: params.self_signed(&key).expect("signed"), key }
    }

    /// Returns the pin of the key.
    #[must_use]
    pub fn pin(&self) -> Digest {
        Digest(Sha256::digest(self.key.subject_public_key_info()).into())
    }

    /// Returns the fingerprint of the certificate.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        Digest(Sha256::digest(self.certificate.der()).into())
    }

    /// Returns this certificate in the hands of somebody who has only another key.
    #[must_use]
    pub fn stolen(&self) -> Self {
        Self { certificate: self.certificate.clone(), key: new_key() }
    }

    /// Returns the settings of a server that shows this certificate and offers these protocols by ALPN.
    #[must_use]
    pub fn server_config(&self, protocols: &[&[u8]]) -> ServerConfig {
        self.config_of(protocols, &[&TLS13, &TLS12])
    }

    /// Returns the same settings for a server that lacks TLS 1.3.
    #[must_use]
    pub fn old_server_config(&self, protocols: &[&[u8]]) -> ServerConfig {
        self.config_of(protocols, &[&TLS12])
    }

    fn config_of(&self, protocols: &[&[u8]], versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
        // `with_single_cert` would refuse a certificate whose key is another.
        let key = PrivateKeyDer::Pkcs8(self.key.serialize_der().into());
        let key = ring::sign::any_supported_type(&key).expect("a usable key");
        let certified = CertifiedKey::new(vec![self.certificate.der().clone()], key);
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .expect("TLS versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        config
    }
}

/// A certificate with its key in files, as an operator gives them to a server, and the trust in its authority.
pub struct CertificateFiles {
    folder: TempDir,
    trust: TrustPolicy,
}

impl CertificateFiles {
    /// Makes a valid certificate for the loopback address.
    #[must_use]
    pub fn valid() -> Self {
        Self::new(loopback())
    }

    /// Makes a certificate that expired long ago.
    #[must_use]
    pub fn expired() -> Self {
        Self::new(expired(loopback()))
    }

    /// Makes a certificate for another host.
    #[must_use]
    pub fn of_another_host() -> Self {
        Self::new(named(&["verifier.example"]))
    }

    fn new(params: CertificateParams) -> Self {
        let authority = Authority::generate();
        let identity = authority.issue_for(params);
        let folder = tempfile::tempdir().expect("a directory");
        let files = Self { folder, trust: authority.trust() };
        std::fs::write(files.path("certificate.pem"), identity.certificate.pem()).expect("written");
        std::fs::write(files.path("key.pem"), identity.key.serialize_pem()).expect("written");
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the files in the form that a server takes.
    #[must_use]
    pub fn tls(&self) -> TlsSource {
        TlsSource::Files { certificate: self.path("certificate.pem"), key: self.path("key.pem") }
    }

    /// Returns the trust in the authority that signed the certificate, and in no other.
    #[must_use]
    pub fn trust(&self) -> TrustPolicy {
        self.trust.clone()
    }
}
