//! Bearer tokens: where they come from, and when a new one is asked for.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::HeaderValue;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

/// A token as it goes into the `Authorization` header. It is never printed, and all clones share one piece of memory,
/// which is overwritten when the last one goes. What a connection sends is a copy, in a buffer that is not.
#[derive(Clone, PartialEq, Eq)]
pub struct BearerToken(HeaderValue);

impl BearerToken {
    /// Makes a token that can go into a header.
    ///
    /// # Errors
    /// [`InvalidToken`] for an empty one and for characters that a header cannot carry.
    pub fn new(token: &str) -> Result<Self, InvalidToken> {
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidToken);
        }
        let text = Zeroizing::new(["Bearer ", token].concat().into_bytes());
        // The value keeps this very memory, which wipes itself.
        let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(text)).map_err(|_| InvalidToken)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// Returns the value of the `Authorization` header, marked as sensitive.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl std::fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BearerToken(..)")
    }
}

/// The token is empty or holds characters other than visible ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a bearer token: empty, or characters other than visible ASCII")]
pub struct InvalidToken;

/// The reason why a provider gave no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// There is no token: signed out, revoked. The call fails as refused.
    #[error("no token")]
    Denied,
    /// There is no token now: the service that issues them cannot be reached. The call fails as out of reach.
    #[error("no token at present: {reason}")]
    Unavailable {
        /// Message of the provider.
        reason: String,
    },
}

/// A token that is still being fetched.
pub type TokenFuture<'a> = Pin<Box<dyn Future<Output = Result<BearerToken, TokenError>> + Send + 'a>>;

/// A source of bearer tokens. It is asked once, its token is used until the verifier refuses it (401), and then it is
/// asked once more; calls that wait for a token share one question, and their deadlines go on running.
pub trait TokenProvider: Send + Sync {
    /// Gets a token; `refused` is the one that the verifier no longer takes.
    fn token<'a>(&'a self, refused: Option<&'a BearerToken>) -> TokenFuture<'a>;
}

/// A fixed token: once refused, there is no other.
impl TokenProvider for BearerToken {
    fn token<'a>(&'a self, refused: Option<&'a BearerToken>) -> TokenFuture<'a> {
        Box::pin(std::future::ready(if refused.is_none() { Ok(self.clone()) } else { Err(TokenError::Denied) }))
    }
}

/// A cache of the token in use.
pub struct TokenCache {
    provider: Option<Arc<dyn TokenProvider>>,
    current: Mutex<Option<BearerToken>>,
}

impl TokenCache {
    /// Makes a cache that holds nothing yet; without a provider it never will.
    #[must_use]
    pub fn new(provider: Option<Arc<dyn TokenProvider>>) -> Self {
        Self { provider, current: Mutex::new(None) }
    }

    /// Returns the token for a request; `refused` is the one that this call was refused with. `None` without a
    /// provider.
    ///
    /// # Errors
    /// [`TokenError`] as the provider says, or [`TokenError::Denied`] where there is no provider and a token was
    /// refused.
    pub async fn token(&self, refused: Option<&BearerToken>) -> Result<Option<BearerToken>, TokenError> {
        let Some(provider) = &self.provider else {
            return if refused.is_none() { Ok(None) } else { Err(TokenError::Denied) };
        };
        let mut current = self.current.lock().await;
        match (&*current, refused) {
            // Another call has replaced the refused one meanwhile.
            (Some(token), refused) if Some(token) != refused => Ok(Some(token.clone())),
            _ => {
                *current = None;
                let token = provider.token(refused).await?;
                *current = Some(token.clone());
                Ok(Some(token))
            }
        }
    }

    /// Returns the token in use, if it is at hand.
    #[must_use]
    pub fn at_hand(&self) -> Option<BearerToken> {
        self.current.try_lock().ok()?.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_visible_ascii_and_never_printed() {
        assert_eq!(BearerToken::new("two words"), Err(InvalidToken));
        assert_eq!(BearerToken::new(""), Err(InvalidToken));
        assert_eq!(BearerToken::new("a\r\nx: y"), Err(InvalidToken));
        let token = BearerToken::new("abc.def").expect("a token");
        assert_eq!(format!("{token:?}"), "BearerToken(..)");
    }

    #[test]
    fn a_header_is_the_token_s_own_memory_and_sensitive() {
        let token = BearerToken::new("abc.def").expect("a token");
        let (one, other) = (token.header(), token.clone().header());
        assert_eq!(one.as_bytes(), b"Bearer abc.def");
        assert_eq!(one.as_bytes().as_ptr(), other.as_bytes().as_ptr(), "a copy would not be wiped");
        assert!(one.is_sensitive() && !format!("{one:?}").contains("abc"));
    }
}
