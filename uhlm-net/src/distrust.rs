//! The reason why a request failed, if it is the server's certificate.

use std::error::Error;
use std::io;

use crate::tls;

/// Returns why the certificate is not trusted, if that is the reason of a failure.
#[must_use]
pub fn distrust_in(error: &reqwest::Error) -> Option<String> {
    tls_error(error).and_then(tls::distrust)
}

/// Finds the TLS error in a chain of errors. `io::Error` names the source of what it wraps as its own, so it is looked
/// into.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped.and_then(|inner| tls_error(inner)).or_else(|| error.source().and_then(tls_error))
}
