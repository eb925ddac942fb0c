//! The command-line flags that name engines behind HTTP.

use std::path::PathBuf;

use crate::error::ServerError;
use crate::upstream::{DEFAULT_PARALLEL, EngineAddress, EngineKind, UpstreamOptions};

/// Flags of engines that run the target.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
pub struct UpstreamArgs {
    /// Kind of the engines that run the target: llama-server, vllm or sglang; once for all, or once for each URL
    #[arg(
        long = "upstream",
        env = "UHLM_UPSTREAM",
        value_name = "KIND",
        value_delimiter = ',',
        requires = "upstream_url",
        help_heading = "Engines behind HTTP"
    )]
    pub upstream: Vec<EngineKind>,
    /// URL of an engine; more of the same model share the work
    #[arg(
        long = "upstream-url",
        env = "UHLM_UPSTREAM_URL",
        value_name = "URL",
        value_delimiter = ',',
        requires_all = ["upstream", "upstream_vocabulary"],
        help_heading = "Engines behind HTTP"
    )]
    pub upstream_url: Vec<String>,
    /// GGUF file with the vocabulary of the engines' model; weights in it are not read
    #[arg(
        long,
        env = "UHLM_UPSTREAM_VOCABULARY",
        value_name = "GGUF",
        requires = "upstream_url",
        help_heading = "Engines behind HTTP"
    )]
    pub upstream_vocabulary: Option<PathBuf>,
    /// File with the key that the engines are asked with
    #[arg(
        long,
        env = "UHLM_UPSTREAM_KEY_FILE",
        value_name = "FILE",
        requires = "upstream_url",
        help_heading = "Engines behind HTTP"
    )]
    pub upstream_key_file: Option<PathBuf>,
    /// Certificates of authorities, PEM, that engines behind HTTPS are trusted by, in place of the usual ones
    #[arg(
        long,
        env = "UHLM_UPSTREAM_CA",
        value_name = "PEM",
        requires = "upstream_url",
        help_heading = "Engines behind HTTP"
    )]
    pub upstream_ca: Option<PathBuf>,
    /// Most tokens that a row lists; 0 for what the engines allow
    #[arg(
        long,
        env = "UHLM_UPSTREAM_TOP",
        value_name = "N",
        default_value_t = 0,
        help_heading = "Engines behind HTTP"
    )]
    pub upstream_top: usize,
    /// Questions that one engine is asked at the same time
    #[arg(
        long,
        env = "UHLM_UPSTREAM_PARALLEL",
        value_name = "N",
        default_value_t = DEFAULT_PARALLEL,
        help_heading = "Engines behind HTTP"
    )]
    pub upstream_parallel: usize,
    /// Tell devices that the engines' rows do not depend on what shares a batch
    #[arg(long, env = "UHLM_UPSTREAM_BATCH_INVARIANT", help_heading = "Engines behind HTTP")]
    pub upstream_batch_invariant: bool,
}

impl UpstreamArgs {
    /// Returns the settings that these flags mean; `None` where no engine is named.
    ///
    /// # Errors
    /// [`ServerError::Config`] for a URL that is none, and for more kinds than URLs.
    pub fn into_options(self) -> Result<Option<UpstreamOptions>, ServerError> {
        let (Some(vocabulary), false) = (self.upstream_vocabulary, self.upstream_url.is_empty()) else {
            return Ok(None);
        };
        let (kinds, urls) = (self.upstream, self.upstream_url);
        let kinds = match kinds[..] {
            [kind] => vec![kind; urls.len()],
            _ => kinds,
        };
        if kinds.len() != urls.len() {
            let reason = format!("{} kinds of engines for {} URLs: one for all, or one each", kinds.len(), urls.len());
            return Err(ServerError::Config(reason));
        }
        let address = |(kind, url): (EngineKind, &String)| EngineAddress::new(kind, url);
        let engines = kinds.into_iter().zip(&urls).map(address).collect::<Result<Vec<_>, _>>();
        let engines = engines.map_err(|error| ServerError::Config(error.to_string()))?;
        Ok(Some(UpstreamOptions {
            key_file: self.upstream_key_file,
            authority: self.upstream_ca,
            top: self.upstream_top,
            parallel: self.upstream_parallel,
            batch_invariant: self.upstream_batch_invariant,
            ..UpstreamOptions::new(engines, vocabulary)
        }))
    }
}
