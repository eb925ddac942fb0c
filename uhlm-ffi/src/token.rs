//! Bearer tokens that the app gives.

use std::sync::Arc;

use uhlm_net::{BearerToken, TokenFuture};

/// Why the app gave no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum TokenError {
    /// There is none: signed out, revoked. The generation fails with `Unauthorized`.
    #[error("{reason}")]
    Denied {
        /// What happened.
        reason: String,
    },
    /// Not now: the service that issues them cannot be reached. That is as if the verifier could not be.
    #[error("{reason}")]
    Unavailable {
        /// What happened.
        reason: String,
    },
}

/// What a foreign implementation throws beside its two errors says nothing about the person's rights.
impl From<uniffi::UnexpectedUniFFICallbackError> for TokenError {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Unavailable { reason: error.reason }
    }
}

/// Gives bearer tokens. It is asked when the first request needs one, its token is used until the verifier refuses it
/// (401), and then it is asked once more; requests that wait share one question.
#[uniffi::export(with_foreign)]
#[async_trait::async_trait]
pub trait TokenProvider: Send + Sync {
    /// A token; `refresh` is true where the verifier refused the one given last.
    ///
    /// # Errors
    /// `TokenError`.
    async fn token(&self, refresh: bool) -> Result<String, TokenError>;
}

/// The app's provider as the core wants it.
pub(crate) struct Provider(pub(crate) Arc<dyn TokenProvider>);

impl uhlm_net::TokenProvider for Provider {
    fn token<'a>(&'a self, refused: Option<&'a BearerToken>) -> TokenFuture<'a> {
        Box::pin(async move {
            let token = self.0.token(refused.is_some()).await.map_err(|error| match error {
                TokenError::Denied { .. } => uhlm_net::TokenError::Denied,
                TokenError::Unavailable { reason } => uhlm_net::TokenError::Unavailable { reason },
            })?;
            let invalid =
                |error: uhlm_net::InvalidToken| uhlm_net::TokenError::Unavailable { reason: error.to_string() };
            BearerToken::new(&token).map_err(invalid)
        })
    }
}
