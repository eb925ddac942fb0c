//! The servers that a client trusts.

use uhlm_law::digest::Digest;

/// The server certificates that a client accepts.
///
/// The platform's trust store is not among them: on Android it can only be asked through the Java side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TrustPolicy {
    /// A valid certificate for the host from one of Mozilla's root authorities, compiled in.
    #[default]
    BundledRoots,
    /// A valid certificate for the host from one of these authorities, and no other.
    Pem(Vec<u8>),
    /// A valid certificate for the host whose key, moreover, is one of those named.
    Pins {
        /// SHA-256 over the DER of the certificate's `SubjectPublicKeyInfo`. Name the key in use and at least one
        /// backup that is kept offline, or losing the first locks every installed app out. Only the server's own key
        /// is looked at: which of the other certificates it sends belong to the verified chain is not known here. To
        /// pin an authority, give it as the only one of [`TrustPolicy::Pem`].
        pins: Vec<Digest>,
        /// PEM certificates of the authorities to verify against first; `None` for the bundled ones.
        roots: Option<Vec<u8>>,
    },
    /// Exactly the certificate with this SHA-256 over its DER, for a self-signed one in development. The server must
    /// prove that it holds the certificate's key; host name, dates and issuer are not looked at, because the
    /// certificate is known in full.
    Fingerprint(Digest),
}

/// A trust policy that holds no certificate or pin, or one that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct TrustError {
    /// Reason why the policy cannot be used.
    pub reason: String,
}
