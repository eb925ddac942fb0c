//! Bearer tokens that the app gives.

use std::sync::Arc;

use uhlm_net::{BearerToken, Secret, TokenFuture};

/// The error of an app that gives no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum TokenError {
    /// There is no token, because the person signed out or it was revoked. The generation fails with `Unauthorized`.
    #[error("{reason}")]
    Denied {
        /// Description, for developers.
        reason: String,
    },
    /// There is no token now, because the service that issues it cannot be reached. That is as if the verifier could
    /// not be reached.
    #[error("{reason}")]
    Unavailable {
        /// Description, for developers.
        reason: String,
    },
}

/// Takes anything else that a foreign implementation throws, which says nothing about the person's rights. Its words
/// may hold a credential, so no error repeats them.
impl From<uniffi::UnexpectedUniFFICallbackError> for TokenError {
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Unavailable { reason: "the app's token provider failed".into() }
    }
}

/// Gives bearer tokens. It is asked when the first request needs a token. That token is used until the verifier refuses
/// it (401), and then it is asked once more. Requests that wait share one question.
#[uniffi::export(with_foreign)]
#[async_trait::async_trait]
pub trait TokenProvider: Send + Sync {
    /// Returns a token; `refresh` is true if the verifier refused the one that was given last.
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
            let token = Secret::from(token);
            let invalid =
                |error: uhlm_net::InvalidToken| uhlm_net::TokenError::Unavailable { reason: error.to_string() };
            BearerToken::new(token.expose()).map_err(invalid)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_provider_throws_that_is_no_token_error_is_not_repeated() {
        let error = TokenError::from(uniffi::UnexpectedUniFFICallbackError::new("signed with k-123"));
        assert!(matches!(error, TokenError::Unavailable { .. }));
        assert!(!format!("{error} {error:?}").contains("k-123"), "{error:?}");
    }
}
