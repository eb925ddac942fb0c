//! The command-line flags that name a chat service to which whole replies are handed.

use std::path::PathBuf;

use crate::hand_off::{DEFAULT_REPLIES, HandOffOptions};

/// Flags of a chat service.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
pub struct HandOffArgs {
    /// Base URL of a chat service (OpenAI's chat completions), with the version: https://host/v1. It writes whole
    /// replies, for sessions in `remote_only`; no draft can be judged by it
    #[arg(
        long,
        env = "UHLM_HAND_OFF_URL",
        value_name = "URL",
        requires = "hand_off_vocabulary",
        conflicts_with_all = ["model", "upstream_url", "system_prompt", "no_vocabulary"],
        help_heading = "A chat service behind HTTP"
    )]
    pub hand_off_url: Option<String>,
    /// Model that the service is asked for; the only one that it has, if not given
    #[arg(
        long,
        env = "UHLM_HAND_OFF_MODEL",
        value_name = "NAME",
        requires = "hand_off_url",
        help_heading = "A chat service behind HTTP"
    )]
    pub hand_off_model: Option<String>,
    /// GGUF file with a vocabulary, by whose tokens text is carried and counted; one that is near the service's own
    #[arg(
        long,
        env = "UHLM_HAND_OFF_VOCABULARY",
        value_name = "GGUF",
        requires = "hand_off_url",
        help_heading = "A chat service behind HTTP"
    )]
    pub hand_off_vocabulary: Option<PathBuf>,
    /// File with the key that the service is asked with
    #[arg(
        long,
        env = "UHLM_HAND_OFF_KEY_FILE",
        value_name = "FILE",
        requires = "hand_off_url",
        help_heading = "A chat service behind HTTP"
    )]
    pub hand_off_key_file: Option<PathBuf>,
    /// Certificates of authorities, PEM, that the service is trusted by, in place of the usual ones
    #[arg(
        long,
        env = "UHLM_HAND_OFF_CA",
        value_name = "PEM",
        requires = "hand_off_url",
        help_heading = "A chat service behind HTTP"
    )]
    pub hand_off_ca: Option<PathBuf>,
    /// Replies under way at the same time
    #[arg(
        long,
        env = "UHLM_HAND_OFF_PARALLEL",
        value_name = "N",
        default_value_t = DEFAULT_REPLIES,
        help_heading = "A chat service behind HTTP"
    )]
    pub hand_off_parallel: usize,
}

impl HandOffArgs {
    /// Returns the settings that these flags mean; `None` where no service is named.
    #[must_use]
    pub fn into_options(self) -> Option<HandOffOptions> {
        let (url, vocabulary) = self.hand_off_url.zip(self.hand_off_vocabulary)?;
        Some(HandOffOptions {
            model: self.hand_off_model,
            key_file: self.hand_off_key_file,
            authority: self.hand_off_ca,
            parallel: self.hand_off_parallel,
            ..HandOffOptions::new(url, vocabulary)
        })
    }
}
