//! Which file a download is to bring, and the name that it gets.

use uhlm_law::protocol::Digest;

use crate::error::DownloadError;
use crate::source::Source;

/// Which file is wanted, and what is known of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DownloadRequest {
    /// Where it can be had: mirrors are tried in this order.
    pub sources: Vec<Source>,
    /// The name to keep it under, ending in `.gguf`; `None` for the first source's.
    pub name: Option<String>,
    /// What it must hash to. With it, any mirror may continue what another began.
    pub sha256: Option<Digest>,
    /// How many bytes it must have.
    pub bytes: Option<u64>,
    /// Whether a metered network will do.
    pub allow_metered: bool,
}

impl DownloadRequest {
    /// A request for one source.
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self { sources: vec![source], ..Self::default() }
    }

    pub(crate) fn file_name(&self) -> Result<String, DownloadError> {
        let name = self.name.clone().or_else(|| self.sources.first()?.file_name()).unwrap_or_default();
        if check_name(&name) { Ok(name) } else { Err(DownloadError::InvalidName { name }) }
    }
}

/// Whether a name is that of a model: one part of a path, not hidden, ending in `.gguf`.
pub(crate) fn check_name(name: &str) -> bool {
    let plain = |c: char| !c.is_control() && !matches!(c, '/' | '\\' | ':');
    name.len() <= 200 && name.len() > 5 && !name.starts_with('.') && name.ends_with(".gguf") && name.chars().all(plain)
}
