//! The errors with which a server does not start, or ends by itself.

use std::net::SocketAddr;

use uhlm_law::model::ModelError;
use uhlm_llama::LoadError;
use uhlm_upstream::StartError;
use uhlm_upstream::chat::ChatStartError;

use crate::auth::AuthError;
use crate::tls::TlsError;

/// The reason why a server does not start, or ends by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The target model was not loaded.
    #[error(transparent)]
    Model(#[from] LoadError),
    /// The engine has no memory for the context that was asked for.
    #[error("the target cannot be set up: {0}")]
    Target(#[from] ModelError),
    /// The engines that are to run the target cannot be asked, or run something else.
    #[error("the target's engines cannot be used: {0}")]
    Upstream(#[from] StartError),
    /// The chat service that is to write the replies cannot be asked.
    #[error(transparent)]
    Chat(#[from] ChatStartError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Address that the server was to listen on.
        address: SocketAddr,
        /// The system's error.
        source: std::io::Error,
    },
    /// The certificate or its key is not usable.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The tokens are not usable, or a public address would be open to everybody.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// Two settings contradict each other.
    #[error("{0}")]
    Config(String),
    /// The target's thread has ended while the server ran: the process should be started anew.
    #[error("the target has failed and cannot go on")]
    TargetStopped,
    /// The server's task panicked.
    #[error("the server failed: {0}")]
    Failed(#[source] tokio::task::JoinError),
    /// The system gave no thread.
    #[error("cannot start the scheduler's thread: {0}")]
    Thread(#[source] std::io::Error),
}
