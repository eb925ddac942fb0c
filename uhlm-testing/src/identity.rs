//! Certificates for servers that a test starts again, or that no client should trust.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;
use uhlm_net::TrustPolicy;
use uhlm_server::TlsSource;

/// A certificate with its key in files, and the authority that signed it.
pub struct Identity {
    files: TempDir,
    authority: String,
}

impl Identity {
    /// Makes a valid certificate for the loopback address.
    #[must_use]
    pub fn valid() -> Self {
        Self::new("127.0.0.1", false)
    }

    /// Makes a certificate that expired long ago.
    #[must_use]
    pub fn expired() -> Self {
        Self::new("127.0.0.1", true)
    }

    /// Makes a certificate for another host.
    #[must_use]
    pub fn of_another_host() -> Self {
        Self::new("verifier.example", false)
    }

    fn new(host: &str, expired: bool) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = || KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key()).expect("signed");
        let mut params = CertificateParams::new(vec![host.to_owned()]).expect("a host name");
        if expired {
            (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
        }
        let own = key();
        let certificate = params.signed_by(&own, &authority).expect("signed");
        let files = tempfile::tempdir().expect("a directory");
        std::fs::write(files.path().join("certificate.pem"), certificate.pem()).expect("written");
        std::fs::write(files.path().join("key.pem"), own.serialize_pem()).expect("written");
        Self { files, authority: authority.pem() }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// Returns the files in the form that a server takes.
    #[must_use]
    pub fn tls(&self) -> TlsSource {
        TlsSource::Files { certificate: self.file("certificate.pem"), key: self.file("key.pem") }
    }

    /// Returns the trust in the authority and no other.
    #[must_use]
    pub fn trust(&self) -> TrustPolicy {
        TrustPolicy::Pem(self.authority.clone().into_bytes())
    }
}
