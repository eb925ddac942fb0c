//! The authorities that a person's environment names, for programs that are started from a shell.

use pem::{EncodeConfig, LineEnding, Pem, encode_many_config};
use rustls::RootCertStore;
use rustls_native_certs::load_native_certs;

use crate::trust::{TrustError, TrustPolicy};

/// Names of the variables by which OpenSSL, curl and others are told whom to trust.
const VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Returns the trust that `SSL_CERT_FILE` and `SSL_CERT_DIR` ask for: the authorities that they name and no others.
/// `None` where neither is set. Certificates that cannot be used are left out, as every other program leaves them out.
///
/// # Errors
/// [`TrustError`] where what they name holds no usable certificate.
pub fn trust_from_environment() -> Result<Option<TrustPolicy>, TrustError> {
    let named: Vec<String> = VARIABLES
        .iter()
        .filter_map(|name| {
            let value = std::env::var_os(name).filter(|value| !value.is_empty())?;
            Some(format!("{name}={}", value.to_string_lossy()))
        })
        .collect();
    if named.is_empty() {
        return Ok(None);
    }
    // This looks at the same two variables.
    let found = load_native_certs();
    let usable: Vec<Pem> = found
        .certs
        .iter()
        .filter(|certificate| RootCertStore::empty().add((*certificate).clone()).is_ok())
        .map(|certificate| Pem::new("CERTIFICATE", certificate.to_vec()))
        .collect();
    if usable.is_empty() {
        let why = found.errors.first().map_or_else(String::new, |error| format!(": {error}"));
        return Err(TrustError { reason: format!("no usable certificate in {}{why}", named.join(" and ")) });
    }
    let text = encode_many_config(&usable, EncodeConfig::new().set_line_ending(LineEnding::LF));
    Ok(Some(TrustPolicy::Pem(text.into_bytes())))
}
