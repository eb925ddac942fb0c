//! Settings of a store and of its downloads.

use std::path::PathBuf;
use std::time::Duration;

use uhlm_net::{BearerToken, TrustPolicy};

/// Settings of a [`ModelStore`](crate::ModelStore).
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// Folder of the models; made with the first download.
    pub folder: PathBuf,
    /// Address at which Hugging Face repositories are asked for: the hub itself, or a mirror of it.
    pub hub: String,
    /// Token for the hub, for private repositories and those whose terms must be accepted. Never sent anywhere else.
    pub hub_token: Option<BearerToken>,
    /// Policy that says which server certificates are accepted.
    pub trust: TrustPolicy,
    /// Lets in servers that lack TLS 1.3.
    pub tls12: bool,
    /// Longest time for name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Longest silence of a server that is waited for.
    pub silence: Duration,
    /// Number of attempts in a row at one source that may bring next to nothing.
    pub attempts: u32,
    /// Pause after the first failure; it doubles with each further one.
    pub back_off: Duration,
    /// Number of bytes that a download leaves free on the disk.
    pub reserve: u64,
    /// Largest number of bytes that are taken of a file whose length nobody says.
    pub max_unknown_length: u64,
    /// Value of the `User-Agent` header; `None` sends none.
    pub user_agent: Option<String>,
}

impl StoreConfig {
    /// Makes the defaults for a folder.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            hub: "https://huggingface.co".into(),
            hub_token: None,
            trust: TrustPolicy::default(),
            tls12: false,
            connect_timeout: Duration::from_secs(15),
            silence: Duration::from_secs(30),
            attempts: 5,
            back_off: Duration::from_millis(500),
            reserve: 64 << 20,
            max_unknown_length: 16 << 30,
            user_agent: Some(concat!("uhlm/", env!("CARGO_PKG_VERSION")).into()),
        }
    }
}
