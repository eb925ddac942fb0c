//! Bearer tokens, which decide which requests are let in and which owner a session belongs to.
//!
//! Tokens are compared as SHA-256 values in constant time, all of them at each request, so that neither content nor
//! position of a match shows in the time taken.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

use crate::owner::{MAX_LABEL_BYTES, Owner};

/// Smallest length of a token: 16 characters, so that a guess is hopeless at any request rate.
pub const MIN_TOKEN_LENGTH: usize = 16;

/// The reason why the tokens are not usable.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The file of tokens cannot be read.
    #[error("cannot read the tokens in {}: {source}", path.display())]
    Unreadable {
        /// Path of the file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file holds no token.
    #[error("there is no token in {}", path.display())]
    Empty {
        /// Path of the file.
        path: PathBuf,
    },
    /// A token is too short or not printable ASCII.
    #[error("token number {number} is not usable: at least {MIN_TOKEN_LENGTH} printable ASCII characters, no spaces")]
    Invalid {
        /// Number of the token, from 1; the token itself is not repeated.
        number: usize,
    },
    /// Without tokens everybody could use the server at a public address.
    #[error("{address} can be reached from elsewhere: set a token, or allow anonymous use explicitly")]
    Open {
        /// Address that the server was to listen on.
        address: SocketAddr,
    },
}

/// Separator between a token and the label of the device that uses it.
const LABEL: u8 = b'~';

/// The tokens that are let in; an empty set means that everybody is let in.
#[derive(Clone, Default)]
pub struct Tokens(Vec<[u8; 32]>);

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} tokens", self.0.len())
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

impl Tokens {
    /// Checks and hashes tokens; the plain ones are not kept.
    ///
    /// # Errors
    /// [`AuthError::Invalid`].
    pub fn new<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Result<Self, AuthError> {
        let hashes = tokens.into_iter().enumerate().map(|(i, token)| {
            let usable = token.len() >= MIN_TOKEN_LENGTH && token.bytes().all(|b| b.is_ascii_graphic());
            if usable { Ok(hash(token)) } else { Err(AuthError::Invalid { number: i + 1 }) }
        });
        hashes.collect::<Result<_, _>>().map(Self)
    }

    /// Reads tokens from a file, one per line; empty lines and lines that begin with `#` are skipped.
    ///
    /// # Errors
    /// [`AuthError`].
    pub fn read(path: &Path) -> Result<Self, AuthError> {
        let text = std::fs::read_to_string(path)
            .map(Zeroizing::new)
            .map_err(|source| AuthError::Unreadable { path: path.to_path_buf(), source })?;
        let tokens = Self::new(text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')))?;
        if tokens.is_empty() { Err(AuthError::Empty { path: path.to_path_buf() }) } else { Ok(tokens) }
    }

    /// Adds the tokens of `other`.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Tells whether there are no tokens.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses to leave a public address open by oversight.
    pub(crate) fn check_exposure(&self, address: SocketAddr, allow_anonymous: bool) -> Result<(), AuthError> {
        if self.is_empty() && !allow_anonymous && !address.ip().is_loopback() {
            return Err(AuthError::Open { address });
        }
        Ok(())
    }

    /// Returns the owner for whom a request from `peer` with an `Authorization` value is done. With `labels`, what
    /// follows a token and a `~` tells apart the devices that share it.
    ///
    /// # Errors
    /// [`Unknown`] where the value does not let in.
    pub(crate) fn admit(&self, authorization: Option<&[u8]>, peer: IpAddr, labels: bool) -> Result<Owner, Unknown> {
        if self.is_empty() {
            return Ok(Owner::of_address(peer));
        }
        let token = authorization
            .and_then(|value| value.split_at_checked(7))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "))
            .map_or(&[][..], |(_, token)| token.trim_ascii());
        if let Some(token) = self.known(token) {
            return Ok(Owner::of_token(token));
        }
        let at = token.iter().rposition(|byte| *byte == LABEL).filter(|_| labels).ok_or(Unknown)?;
        let (token, label) = (&token[..at], &token[at + 1..]);
        let token = self.known(token).filter(|_| (1..=MAX_LABEL_BYTES).contains(&label.len())).ok_or(Unknown)?;
        Ok(Owner::of_device(token, label))
    }

    /// Returns the SHA-256 value of a token that is let in.
    fn known(&self, token: &[u8]) -> Option<[u8; 32]> {
        let given: [u8; 32] = Sha256::digest(token).into();
        let known = self.0.iter().fold(Choice::from(0), |known, hash| known | hash.ct_eq(&given));
        bool::from(known).then_some(given)
    }
}

/// The error that the request carries no known token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unknown;

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0123456789abcdef";
    const B: &str = "fedcba9876543210";
    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn only_known_tokens_are_let_in_and_each_is_its_own_owner() {
        let tokens = Tokens::new([A, B]).expect("valid");
        let admit = |value: &str| tokens.admit(Some(value.as_bytes()), PEER, false);
        let a = admit(&format!("Bearer {A}")).expect("known");
        let b = admit(&format!("bearer {B}")).expect("known");
        assert_ne!(a, b);
        for wrong in ["", "Bearer", "Bearer ", "Basic 0123456789abcdef", "Bearer 0123456789abcdeF", A] {
            assert_eq!(admit(wrong), Err(Unknown), "{wrong}");
        }
        assert_eq!(tokens.admit(None, PEER, true), Err(Unknown));
    }

    #[test]
    fn a_label_tells_apart_the_devices_of_one_token_where_that_is_switched_on() {
        let tokens = Tokens::new([A, B, "with~a~tilde~in~it"]).expect("valid");
        let admit = |value: &str, labels| tokens.admit(Some(format!("Bearer {value}").as_bytes()), PEER, labels);
        let owner = |value: &str| admit(value, true).expect("known");
        assert_ne!(owner(&format!("{A}~phone")), owner(A));
        assert_ne!(owner(&format!("{A}~phone")), owner(&format!("{A}~tablet")));
        assert_ne!(owner(&format!("{A}~phone")), owner(&format!("{B}~phone")));
        assert_eq!(owner("with~a~tilde~in~it"), admit("with~a~tilde~in~it", false).expect("known"));
        assert_ne!(owner("with~a~tilde~in~it~phone"), owner("with~a~tilde~in~it"));
        assert_eq!(admit(&format!("{A}~phone"), false), Err(Unknown));
        for wrong in [format!("{A}~"), format!("{A}~{}", "x".repeat(65)), "~phone".into()] {
            assert_eq!(admit(&wrong, true), Err(Unknown), "{wrong}");
        }
    }

    #[test]
    fn without_tokens_everybody_is_let_in_by_address() {
        let admit = |peer: IpAddr| Tokens::default().admit(None, peer, false).expect("let in");
        assert_eq!(admit(PEER), Owner::of_address(PEER));
        assert_ne!(admit(PEER), admit("192.0.2.2".parse().expect("an address")));
    }

    #[test]
    fn a_public_address_is_not_left_open_by_oversight() {
        let public: SocketAddr = "0.0.0.0:1".parse().expect("address");
        let loopback: SocketAddr = "[::1]:1".parse().expect("address");
        let none = Tokens::default();
        assert!(none.check_exposure(loopback, false).is_ok());
        assert!(none.check_exposure(public, false).is_err());
        assert!(none.check_exposure(public, true).is_ok());
        assert!(Tokens::new([A]).expect("valid").check_exposure(public, false).is_ok());
    }

    #[test]
    fn short_tokens_and_empty_files_are_refused() {
        assert!(matches!(Tokens::new([A, "short"]), Err(AuthError::Invalid { number: 2 })));
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("tokens");
        std::fs::write(&path, "# nothing\n\n").expect("written");
        assert!(matches!(Tokens::read(&path), Err(AuthError::Empty { .. })));
        std::fs::write(&path, format!("# two\n{A}\n {B} \n")).expect("written");
        assert_eq!(Tokens::read(&path).expect("valid").0.len(), 2);
        assert!(matches!(Tokens::read(&dir.path().join("none")), Err(AuthError::Unreadable { .. })));
    }
}
