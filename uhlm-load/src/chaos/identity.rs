//! A certificate of loopback with its key, and the trust in it alone.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use rcgen::{Certificate, CertificateParams, KeyPair};
use sha2::{Digest as _, Sha256};
use uhlm_law::digest::Digest;
use uhlm_net::TrustPolicy;

use crate::error::LoadTestError;

/// A certificate that is signed by itself.
pub(crate) struct Identity {
    pub(crate) certificate: Certificate,
    pub(crate) key: KeyPair,
    pub(crate) trust: TrustPolicy,
}

fn failed(error: &dyn Display) -> LoadTestError {
    LoadTestError::Settings(format!("no certificate: {error}"))
}

impl Identity {
    pub(crate) fn generate() -> Result<Self, LoadTestError> {
        let key = KeyPair::generate().map_err(|error| failed(&error))?;
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).map_err(|error| failed(&error))?;
        let certificate = params.self_signed(&key).map_err(|error| failed(&error))?;
        let trust = TrustPolicy::Fingerprint(Digest(Sha256::digest(certificate.der()).into()));
        Ok(Self { certificate, key, trust })
    }
}

/// Writes a certificate for the loopback addresses and its key into a folder, so that a server has the same one after
/// each start. Returns both files, and the trust in the certificate alone.
///
/// # Errors
/// [`LoadTestError::Settings`] with the reason.
pub fn certificate(folder: &Path) -> Result<(PathBuf, PathBuf, TrustPolicy), LoadTestError> {
    let Identity { certificate, key, trust } = Identity::generate()?;
    let paths = (folder.join("certificate.pem"), folder.join("key.pem"));
    for (path, text) in [(&paths.0, certificate.pem()), (&paths.1, key.serialize_pem())] {
        std::fs::write(path, text).map_err(|error| failed(&error))?;
    }
    Ok((paths.0, paths.1, trust))
}
