//! TLS of the client: which certificates pass, and why one does not.
//!
//! Signatures, chains and names are rustls' and webpki's work; this adds the pin and the fingerprint around them. The
//! provider is always passed explicitly, so nothing depends on a process-wide default.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _};
use rustls::server::ParsedCertificate;
use rustls::version::{TLS12, TLS13};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};
use sha2::{Digest as _, Sha256};
use uhlm_law::digest::Digest;

use crate::trust::{TrustError, TrustPolicy};

/// Makes the settings of TLS 1.3 under a trust policy, offering HTTP/2 and then HTTP/1.1. `tls12` lets in servers that
/// lack TLS 1.3: nobody between can choose the older version where a server has both, but it shows the server's
/// certificate to whoever listens.
///
/// # Errors
/// [`TrustError`] where the policy holds nothing that a certificate could be checked against.
pub fn client_config(trust: &TrustPolicy, tls12: bool) -> Result<ClientConfig, TrustError> {
    let provider = Arc::new(ring::default_provider());
    let verifier = verifier(trust, &provider)?;
    let versions: &[&SupportedProtocolVersion] = if tls12 { &[&TLS13, &TLS12] } else { &[&TLS13] };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|error| refuse(&error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn verifier(trust: &TrustPolicy, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, TrustError> {
    Ok(match trust {
        TrustPolicy::BundledRoots => chain_verifier(bundled_roots(), provider)?,
        TrustPolicy::Pem(pem) => chain_verifier(pem_roots(pem)?, provider)?,
        TrustPolicy::Pins { pins, .. } if pins.is_empty() => return Err(refuse("no pin is given")),
        TrustPolicy::Pins { pins, roots } => {
            let roots = roots.as_deref().map_or_else(|| Ok(bundled_roots()), pem_roots)?;
            Arc::new(Pinned { chain: chain_verifier(roots, provider)?, pins: pins.clone() })
        }
        TrustPolicy::Fingerprint(fingerprint) => {
            Arc::new(KnownCertificate { fingerprint: *fingerprint, provider: Arc::clone(provider) })
        }
    })
}

fn chain_verifier(
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, TrustError> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| refuse(&error.to_string()))
}

fn bundled_roots() -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    store
}

fn pem_roots(pem: &[u8]) -> Result<RootCertStore, TrustError> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| refuse(&format!("unreadable PEM: {error}")))?;
        store.add(certificate).map_err(|error| refuse(&format!("unusable certificate: {error}")))?;
    }
    if store.is_empty() { Err(refuse("no certificate in the PEM text")) } else { Ok(store) }
}

fn refuse(reason: &str) -> TrustError {
    TrustError { reason: reason.into() }
}

/// A certificate that passes every usual check but is not the one that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Mismatch {
    #[error("pin mismatch: the server's key is none of the pinned ones")]
    Pin,
    #[error("fingerprint mismatch: this is another certificate")]
    Fingerprint,
}

impl From<Mismatch> for Error {
    fn from(mismatch: Mismatch) -> Self {
        CertificateError::Other(OtherError(Arc::new(mismatch))).into()
    }
}

/// The usual verification, after which the server's key must be a pinned one.
#[derive(Debug)]
struct Pinned {
    chain: Arc<WebPkiServerVerifier>,
    pins: Vec<Digest>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        let key = ParsedCertificate::try_from(end_entity)?.subject_public_key_info();
        if self.pins.contains(&sha256(&key)) { Ok(verified) } else { Err(Mismatch::Pin.into()) }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// The verification of exactly one certificate. The handshake's signature is still verified: it proves that the server
/// holds the key.
#[derive(Debug)]
struct KnownCertificate {
    fingerprint: Digest,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for KnownCertificate {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if sha256(end_entity) == self.fingerprint {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Mismatch::Fingerprint.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn sha256(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// Returns why a handshake failed over the certificate, for people; `None` where the certificate is not the reason.
pub(crate) fn distrust(error: &Error) -> Option<String> {
    use CertificateError as C;
    let Error::InvalidCertificate(reason) = error else {
        return matches!(error, Error::NoCertificatesPresented).then(|| "the server has no certificate".into());
    };
    Some(match reason {
        C::Expired | C::ExpiredContext { .. } => "expired".into(),
        C::NotValidYet | C::NotValidYetContext { .. } => "not valid yet".into(),
        C::NotValidForName | C::NotValidForNameContext { .. } => "issued for another host".into(),
        C::UnknownIssuer => "unknown issuer".into(),
        C::BadSignature => "a wrong signature".into(),
        C::Revoked => "revoked".into(),
        C::Other(OtherError(other)) => other.to_string(),
        other => other.to_string(),
    })
}
