//! The server's certificate: given as PEM files that are read again when they change, or made at the start.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::InconsistentKeys;
use rustls::crypto::ring::default_provider;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert, ServerSessionMemoryCache};
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};
use uhlm_law::digest::Digest;
use zeroize::Zeroizing;

/// Source of the certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsSource {
    /// PEM files: the certificate with its chain, and its key.
    Files {
        /// The certificate, then its intermediates.
        certificate: PathBuf,
        /// The private key: PKCS#8, PKCS#1 or SEC1.
        key: PathBuf,
    },
    /// A self-signed certificate made at the start, for development: valid for `localhost`, `127.0.0.1`, `::1` and
    /// these names.
    SelfSigned {
        /// Further host names or IP addresses.
        names: Vec<String>,
    },
    /// A self-signed certificate that is made at the first start and kept, so that phones that trust it by its hash go
    /// on doing so: for a server of one's own.
    Kept {
        /// Folder of `certificate.pem` and `key.pem`, which only the server's user may read.
        folder: PathBuf,
        /// Further host names or IP addresses, for a certificate that is made now.
        names: Vec<String>,
    },
    /// No TLS, for a proxy on the same host; refused on any address but loopback.
    Off,
}

impl Default for TlsSource {
    fn default() -> Self {
        Self::SelfSigned { names: Vec::new() }
    }
}

/// The reason why certificate or key are not usable.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Path of the file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file is not PEM or holds something else.
    #[error("{} holds no {wanted} in PEM form: {reason}", path.display())]
    NotPem {
        /// Path of the file.
        path: PathBuf,
        /// Name of what the file should hold.
        wanted: &'static str,
        /// The parser's message.
        reason: String,
    },
    /// The key does not belong to the certificate, or one of the two is not usable.
    #[error("certificate and key are not usable together: {reason}")]
    Unusable {
        /// The message of rustls.
        reason: String,
    },
    /// The certificate that was made cannot be kept.
    #[error("cannot keep the certificate in {}: {source}", folder.display())]
    Unkept {
        /// The folder.
        folder: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// No certificate could be made for a name.
    #[error("cannot make a certificate for {names}: {reason}")]
    SelfSigned {
        /// Names that the certificate was to be valid for.
        names: String,
        /// The message of rcgen.
        reason: String,
    },
    /// Without TLS only loopback is listened on.
    #[error("without TLS only a loopback address can be listened on")]
    PlainOnPublicAddress,
}

/// The certificate and its hashes, by which a device trusts the server without a public authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate, PEM. As a root it is good only for a self-signed one.
    pub pem: String,
    /// SHA-256 of the certificate.
    pub fingerprint: Digest,
    /// SHA-256 of its public key (SubjectPublicKeyInfo): the pin that outlives a renewal with the same key.
    pub spki: Digest,
    /// Whether no other certificate comes with it: no authority vouches for it then, and a client has to know its hash.
    pub is_alone: bool,
}

fn unusable(error: impl std::fmt::Display) -> TlsError {
    TlsError::Unusable { reason: error.to_string() }
}

impl Certificate {
    fn of(key: &CertifiedKey) -> Result<Self, TlsError> {
        let der = key.end_entity_cert().map_err(unusable)?;
        let parsed = ParsedCertificate::try_from(der).map_err(unusable)?;
        let sha256 = |bytes: &[u8]| Digest(Sha256::digest(bytes).into());
        let text = ::pem::encode(&::pem::Pem::new("CERTIFICATE", der.as_ref()));
        Ok(Self {
            pem: text,
            fingerprint: sha256(der),
            spki: sha256(&parsed.subject_public_key_info()),
            is_alone: key.cert.len() == 1,
        })
    }
}

/// The TLS configuration of one server.
#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) config: Arc<rustls::ServerConfig>,
    pub(crate) certificate: Certificate,
    current: Arc<Current>,
    files: Option<WatchedFiles>,
}

#[derive(Debug)]
struct WatchedFiles {
    certificate: PathBuf,
    key: PathBuf,
    seen: [Option<SystemTime>; 2],
}

/// The certificate that new handshakes get.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Tls {
    /// Reads or makes the certificate; `None` without TLS. `tls12` also lets in clients that lack TLS 1.3.
    pub(crate) fn new(source: &TlsSource, tls12: bool) -> Result<Option<Self>, TlsError> {
        let from_files = |certificate: &Path, key: &Path| {
            let seen = [modified(certificate), modified(key)];
            let files = WatchedFiles { certificate: certificate.to_path_buf(), key: key.to_path_buf(), seen };
            Ok::<_, TlsError>((read_files(certificate, key)?, Some(files)))
        };
        let (key, files) = match source {
            TlsSource::Off => return Ok(None),
            TlsSource::SelfSigned { names } => (certified_by_itself(self_signed(names)?)?, None),
            TlsSource::Kept { folder, names } => {
                let [certificate, key] = kept(folder, names)?;
                from_files(&certificate, &key)?
            }
            TlsSource::Files { certificate, key } => from_files(certificate, key)?,
        };
        let certificate = Certificate::of(&key)?;
        let current = Arc::new(Current(RwLock::new(Arc::new(key))));
        let versions: &[_] =
            if tls12 { &[&rustls::version::TLS13, &rustls::version::TLS12] } else { &[&rustls::version::TLS13] };
        let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .map_err(unusable)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Current>::clone(&current));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // A phone reconnects often: resumption saves it the certificate. One ticket a handshake is enough, since each
        // resumed one brings the next.
        config.session_storage = ServerSessionMemoryCache::new(8192);
        config.send_tls13_tickets = 1;
        Ok(Some(Self { config: Arc::new(config), certificate, current, files }))
    }

    /// Reads the files again if they changed. A pair that is not usable (half-written, for one) leaves the old one in
    /// place.
    pub(crate) fn reload(&mut self) -> Result<bool, TlsError> {
        let Some(files) = &mut self.files else { return Ok(false) };
        let seen = [modified(&files.certificate), modified(&files.key)];
        if seen == files.seen {
            return Ok(false);
        }
        files.seen = seen;
        let key = read_files(&files.certificate, &files.key)?;
        self.certificate = Certificate::of(&key)?;
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
        Ok(true)
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|m| m.modified()).ok()
}

/// A certificate that vouches for itself, with its key.
struct SelfSigned {
    certificate: rcgen::Certificate,
    key: Zeroizing<rcgen::KeyPair>,
}

fn self_signed(names: &[String]) -> Result<SelfSigned, TlsError> {
    let mut all: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(String::from).into();
    all.extend(names.iter().filter(|name| !["localhost", "127.0.0.1", "::1"].contains(&name.as_str())).cloned());
    let failed = |error: rcgen::Error| TlsError::SelfSigned { names: names.join(", "), reason: error.to_string() };
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(all).map_err(failed)?;
    Ok(SelfSigned { certificate: cert, key: Zeroizing::new(signing_key) })
}

fn certified_by_itself(made: SelfSigned) -> Result<CertifiedKey, TlsError> {
    let key = Zeroizing::new(PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.key.serialize_der())));
    certified(vec![made.certificate.into()], &key)
}

/// Returns the files of the certificate that is kept in a folder and of its key, and makes both where one is missing.
fn kept(folder: &Path, names: &[String]) -> Result<[PathBuf; 2], TlsError> {
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.join(name));
    if !(certificate.exists() && key.exists()) {
        let made = self_signed(names)?;
        let unkept = |source| TlsError::Unkept { folder: folder.to_path_buf(), source };
        std::fs::create_dir_all(folder).map_err(unkept)?;
        // The key first: without it, the next start makes both anew.
        write_private(&key, &Zeroizing::new(made.key.serialize_pem())).map_err(unkept)?;
        write_private(&certificate, &made.certificate.pem()).map_err(unkept)?;
    }
    Ok([certificate, key])
}

/// Writes a file that its owner alone may read; one that is there is replaced.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn read_files(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let read = |path: &Path| match std::fs::read(path) {
        Ok(bytes) => Ok(Zeroizing::new(bytes)),
        Err(source) => Err(TlsError::Unreadable { path: path.to_path_buf(), source }),
    };
    let not_pem = |path: &Path, wanted, error: pem::Error| TlsError::NotPem {
        path: path.to_path_buf(),
        wanted,
        reason: match error {
            pem::Error::NoItemsFound => "nothing of the kind is in it".into(),
            other => other.to_string(),
        },
    };
    let chain = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .and_then(|chain| if chain.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(chain) })
        .map_err(|error| not_pem(certificate, "certificate", error))?;
    let key =
        PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| not_pem(key, "unencrypted private key", error))?;
    certified(chain, &Zeroizing::new(key))
}

/// Checks that the key can sign and belongs to the certificate. It is lent: `CertifiedKey::from_der` takes the bytes,
/// and does not wipe them.
fn certified(chain: Vec<CertificateDer<'static>>, key: &PrivateKeyDer<'_>) -> Result<CertifiedKey, TlsError> {
    let certified = CertifiedKey::new(chain, any_supported_type(key).map_err(unusable)?);
    match certified.keys_match() {
        // Of a key that does not tell its public half, the first handshake says whether it fits.
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(error) => Err(unusable(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_pair(dir: &Path) -> (PathBuf, PathBuf) {
        let made = rcgen::generate_simple_self_signed(vec!["example.test".into()]).expect("a certificate");
        let (certificate, key) = (dir.join("cert.pem"), dir.join("key.pem"));
        std::fs::write(&certificate, made.cert.pem()).expect("written");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
        (certificate, key)
    }

    #[test]
    fn files_are_checked_and_the_error_says_which_is_wrong() {
        let dir = tempfile::tempdir().expect("a directory");
        let (certificate, key) = write_pair(dir.path());
        assert!(read_files(&certificate, &key).is_ok());
        assert!(matches!(read_files(&key, &key), Err(TlsError::NotPem { wanted: "certificate", .. })));
        assert!(matches!(
            read_files(&certificate, &certificate),
            Err(TlsError::NotPem { wanted: "unencrypted private key", .. })
        ));
        assert!(matches!(read_files(&dir.path().join("none"), &key), Err(TlsError::Unreadable { .. })));
        let other = tempfile::tempdir().expect("a directory");
        let (_, other_key) = write_pair(other.path());
        assert!(matches!(read_files(&certificate, &other_key), Err(TlsError::Unusable { .. })), "another's key");
    }

    #[test]
    fn a_changed_file_is_taken_up_and_a_broken_one_is_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let (certificate, key) = write_pair(dir.path());
        let source = TlsSource::Files { certificate: certificate.clone(), key };
        let mut tls = Tls::new(&source, false).expect("usable").expect("TLS");
        let first = tls.certificate.clone();
        assert!(matches!(tls.reload(), Ok(false)));
        let touch = |seconds| {
            let file = std::fs::File::options().append(true).open(&certificate).expect("opened");
            file.set_modified(SystemTime::now() + std::time::Duration::from_secs(seconds)).expect("set");
        };
        write_pair(dir.path());
        touch(10);
        assert!(matches!(tls.reload(), Ok(true)));
        assert_ne!(tls.certificate.fingerprint, first.fingerprint);
        std::fs::write(&certificate, "half").expect("written");
        touch(20);
        assert!(tls.reload().is_err());
        assert!(!tls.current.0.read().expect("not poisoned").cert.is_empty());
    }

    #[test]
    fn a_self_signed_certificate_takes_further_names() {
        let source = TlsSource::SelfSigned { names: vec!["verifier.local".into(), "192.0.2.7".into()] };
        assert!(Tls::new(&source, true).expect("usable").is_some());
    }

    #[test]
    fn a_certificate_that_is_kept_is_the_same_after_another_start_and_its_key_is_nobody_elses() {
        let dir = tempfile::tempdir().expect("a directory");
        let folder = dir.path().join("tls");
        let source = TlsSource::Kept { folder: folder.clone(), names: vec!["verifier.local".into()] };
        let start = || Tls::new(&source, false).expect("usable").expect("TLS").certificate;
        let first = start();
        assert!(first.is_alone);
        assert_eq!(start(), first);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(folder.join("key.pem")).expect("kept").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        std::fs::remove_file(folder.join("certificate.pem")).expect("removed");
        assert_ne!(start().fingerprint, first.fingerprint, "both are made anew");
        let source = TlsSource::Kept { folder: folder.join("key.pem"), names: Vec::new() };
        assert!(matches!(Tls::new(&source, false), Err(TlsError::Unkept { .. })), "a file in the folder's place");
    }
}
