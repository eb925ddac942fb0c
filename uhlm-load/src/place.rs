//! The server that is loaded, and the owners under whose names the phones come.

use std::sync::Arc;

use uhlm_core::verifier::Verifier;
use uhlm_core::verifier::http::{HttpConfig, HttpVerifier, RetryPolicy};
use uhlm_net::{BearerToken, TokenProvider, TrustPolicy};

use crate::attack::Attack;
use crate::error::LoadTestError;

/// The server that is loaded.
#[derive(Clone, Debug)]
pub struct Place {
    /// Address below which `/v2/...` lies.
    pub url: String,
    /// Certificates that are accepted.
    pub trust: TrustPolicy,
    /// Tokens of the owners of well-behaved phones, in turn; empty where there are no tokens.
    pub owners: Vec<BearerToken>,
    /// Tokens of the owners of hostile phones, one for each kind in turn, so that none finds what another has left;
    /// empty for the first of the others.
    pub hostile: Vec<BearerToken>,
}

impl Place {
    /// Returns the token of a well-behaved phone.
    pub(crate) fn owner(&self, phone: usize) -> Option<&BearerToken> {
        self.owners.get(phone % self.owners.len().max(1))
    }

    /// Returns the token of the owner who attacks, or of one who might where nobody does.
    pub(crate) fn neighbour(&self, attack: Option<Attack>) -> Option<&BearerToken> {
        self.hostile_owner(attack.unwrap_or(Attack::ALL[0]))
    }

    /// Returns the token of hostile phones of a kind.
    pub(crate) fn hostile_owner(&self, attack: Attack) -> Option<&BearerToken> {
        self.hostile.get(attack as usize % self.hostile.len().max(1)).or_else(|| self.owners.first())
    }

    /// Makes a client with a connection of its own. It repeats nothing by itself, so that each refusal is seen; the
    /// phones do, as the refusal says.
    pub(crate) fn client(&self, token: Option<&BearerToken>) -> Result<Arc<dyn Verifier>, LoadTestError> {
        let config = HttpConfig {
            plain_loopback: true,
            token: token.map(|token| Arc::new(token.clone()) as Arc<dyn TokenProvider>),
            trust: self.trust.clone(),
            retry: RetryPolicy { enabled: false, ..RetryPolicy::default() },
            ..HttpConfig::new(&self.url)
        };
        Ok(Arc::new(HttpVerifier::new(config)?))
    }
}
