//! The link that pairs an app with a verifier: what a QR code on the operator's screen holds.
//!
//! `uhlm://verifier?url=https%3A%2F%2F192.0.2.5%3A8443&sha256=...&token=...`: the address, the SHA-256 of a self-signed
//! certificate, and a bearer token, the last two where there are any. It is a link, so that a phone's own camera opens
//! the app with it. Whoever reads it can use the verifier: it is shown to people who may.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use reqwest::Url;
use uhlm_law::digest::Digest;
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::token::BearerToken;
use crate::trust::TrustPolicy;

const SCHEME: &str = "uhlm";
const HOST: &str = "verifier";
const START: &str = "uhlm://verifier?";
/// Characters that are encoded in a value.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');
/// Length of the longest link that is read, in bytes: a QR code holds 2,953.
const MAX_LINK: usize = 4096;

/// A verifier that an app may be paired with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairingLink {
    /// Address of the verifier, `https://host[:port][/path]`.
    pub endpoint: String,
    /// SHA-256 of the certificate that alone is trusted; `None` for one that a root authority vouches for.
    pub fingerprint: Option<Digest>,
    /// Bearer token of the verifier.
    pub token: Option<Secret>,
}

/// The text is no link that pairs an app with a verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a link to a verifier: {reason}")]
pub struct InvalidLink {
    /// The rule that it breaks. The text itself is not in it, which may hold a token.
    pub reason: &'static str,
}

impl PairingLink {
    /// Returns whom a client of the verifier trusts.
    #[must_use]
    pub fn trust(&self) -> TrustPolicy {
        self.fingerprint.map_or(TrustPolicy::BundledRoots, TrustPolicy::Fingerprint)
    }

    /// Returns the link as text. It holds the token.
    #[must_use]
    pub fn to_link(&self) -> Zeroizing<String> {
        let fingerprint = self.fingerprint.map(|digest| digest.to_string());
        let token = self.token.as_ref().map(Secret::expose);
        let pairs = [("url", Some(self.endpoint.as_str())), ("sha256", fingerprint.as_deref()), ("token", token)];
        let written = pairs.iter().filter_map(|(key, value)| Some((key, (*value)?)));
        // With room from the start for all of it, so that no piece of a token stays behind where the text was before.
        let mut link = Zeroizing::new(String::with_capacity(MAX_LINK));
        for (key, value) in written {
            let before = if link.is_empty() { START } else { "&" };
            link.push_str(before);
            link.push_str(key);
            link.push('=');
            link.extend(utf8_percent_encode(value, ENCODED));
        }
        link
    }
}

impl FromStr for PairingLink {
    type Err = InvalidLink;

    fn from_str(text: &str) -> Result<Self, InvalidLink> {
        let invalid = |reason| InvalidLink { reason };
        if text.len() > MAX_LINK {
            return Err(invalid("it is too long"));
        }
        // What is behind the `?` may hold a token, so no `Url` is made of it: that would keep a copy.
        let text = text.split_once('#').map_or(text, |(before, _)| before).trim();
        let (place, query) = text.split_once('?').unwrap_or((text, ""));
        let link = Url::parse(place).map_err(|_| invalid("it cannot be read"))?;
        if link.scheme() != SCHEME || link.host_str() != Some(HOST) {
            return Err(invalid("it does not begin with uhlm://verifier"));
        }
        let (mut endpoint, mut fingerprint, mut token) = (None, None, None);
        for pair in query.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(value)?;
            let twice = match key {
                "url" => endpoint.replace(check_endpoint(value.expose())?).is_some(),
                "sha256" => {
                    let digest =
                        value.expose().parse::<Digest>().map_err(|_| invalid("its fingerprint is no SHA-256"))?;
                    fingerprint.replace(digest).is_some()
                }
                "token" => {
                    BearerToken::new(value.expose())
                        .map_err(|_| invalid("its token has characters that no token has"))?;
                    token.replace(value).is_some()
                }
                // Later versions may say more.
                _ => false,
            };
            if twice {
                return Err(invalid("it says something twice"));
            }
        }
        let endpoint = endpoint.ok_or(invalid("it names no address"))?;
        Ok(Self { endpoint, fingerprint, token })
    }
}

/// Returns a value of the link as it was before it was encoded, in memory that is wiped.
fn decoded(value: &str) -> Result<Secret, InvalidLink> {
    // It is shorter decoded, so that no piece of a token stays behind where the text was before.
    let mut bytes = Zeroizing::new(Vec::with_capacity(value.len()));
    for (i, piece) in value.split('+').enumerate() {
        // Links that a form has made have a `+` for a space.
        bytes.extend((i > 0).then_some(b' '));
        bytes.extend(percent_decode_str(piece));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| InvalidLink { reason: "it cannot be read" })?;
    Ok(Secret::from(text.to_owned()))
}

/// Checks that an address is one of a server that is reached by TLS, with nothing in it that a dialog would not show.
fn check_endpoint(text: &str) -> Result<String, InvalidLink> {
    let invalid = |reason| InvalidLink { reason };
    let url = Url::parse(text).map_err(|_| invalid("its address cannot be read"))?;
    if url.scheme() != "https" || !url.has_host() {
        return Err(invalid("its address does not begin with https://"));
    }
    let bare =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if !bare {
        return Err(invalid("its address has more than a host, a port and a path"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Shows the address, and that there is a token; not the token.
impl fmt::Display for PairingLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = if self.token.is_some() { ", with a token" } else { "" };
        write!(f, "{}{token}", self.endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<PairingLink, InvalidLink> {
        text.parse()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let token = Secret::from("s3cret+token/with=signs&more".to_owned());
        for link in [
            PairingLink { endpoint: "https://192.0.2.5:8443".into(), fingerprint: None, token: None },
            PairingLink {
                endpoint: "https://[2001:db8::5]:8443/a path".replace(' ', "%20"),
                fingerprint: Some(Digest([0xab; 32])),
                token: Some(token),
            },
        ] {
            assert_eq!(read(&link.to_link()), Ok(link.clone()), "{link}");
        }
        let link = read(" uhlm://verifier?url=https%3A%2F%2Fexample.org%2F&colour=blue#token=x ").expect("a link");
        assert_eq!(link.token, None, "a fragment is no part of it");
        assert_eq!((link.endpoint.as_str(), link.trust()), ("https://example.org", TrustPolicy::BundledRoots));
    }

    #[test]
    fn what_is_no_link_is_refused_and_what_is_said_shows_no_token() {
        for (text, part) in [
            ("", "read"),
            ("https://verifier?url=https%3A%2F%2Fa", "begin"),
            ("uhlm://other?url=https%3A%2F%2Fa", "begin"),
            ("uhlm://verifier", "no address"),
            ("uhlm://verifier?url=http%3A%2F%2Fa", "https"),
            ("uhlm://verifier?url=https%3A%2F%2Fbank%40evil.example", "more than"),
            ("uhlm://verifier?url=https%3A%2F%2Fa%3Fq", "more than"),
            ("uhlm://verifier?url=https%3A%2F%2Fa&sha256=abc", "SHA-256"),
            ("uhlm://verifier?url=https%3A%2F%2Fa&token=a%20b", "token"),
            ("uhlm://verifier?url=https%3A%2F%2Fa&token=a+b", "token"),
            ("uhlm://verifier?url=https%3A%2F%2Fa&token=", "token"),
            ("uhlm://verifier?url=https%3A%2F%2Fa&token=%ff", "read"),
            ("uhlm://verifier#?url=https%3A%2F%2Fa", "no address"),
            ("uhlm://verifier?url=https%3A%2F%2Fa&url=https%3A%2F%2Fb", "twice"),
        ] {
            let error = read(text).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(read(&format!("uhlm://verifier?url=https%3A%2F%2Fa&x={}", "y".repeat(MAX_LINK))).is_err());
        let link = read("uhlm://verifier?url=https%3A%2F%2Fa&token=very-secret").expect("a link");
        assert!(!format!("{link} {link:?}").contains("very-secret"));
    }
}
