//! Where a model file comes from: an HTTPS address, or a file of a Hugging Face repository.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;
use serde::{Deserialize, Serialize};

/// Where a file can be had. Written as its address, or as `hf:owner/repo/path/file.gguf`, with
/// `hf:owner/repo@revision/...` for a branch, tag or commit other than `main`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Source {
    /// An `https://` address.
    Url(String),
    /// A file of a repository on Hugging Face, or on a mirror of it.
    HuggingFace {
        /// User or organisation.
        owner: String,
        /// Repository.
        repo: String,
        /// Branch, tag or commit.
        revision: String,
        /// Path within the repository.
        file: String,
    },
}

/// The text names no source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a source of a model: {reason}")]
pub struct InvalidSource {
    /// What is wrong with it.
    pub reason: String,
}

fn invalid(reason: impl Into<String>) -> InvalidSource {
    InvalidSource { reason: reason.into() }
}

/// Parts of paths end up in addresses and file names, so nothing but plain names passes.
fn is_plain(part: &str) -> bool {
    !part.is_empty() && !part.starts_with('.') && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

impl FromStr for Source {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        let Some(path) = text.strip_prefix("hf:") else {
            let source = Self::Url(text.to_owned());
            source.address("https://unused.invalid")?;
            return Ok(source);
        };
        let wrong = || invalid("expected hf:owner/repo/file.gguf");
        let (owner, rest) = path.split_once('/').ok_or_else(wrong)?;
        let (repo, file) = rest.split_once('/').ok_or_else(wrong)?;
        let (repo, revision) = repo.split_once('@').unwrap_or((repo, "main"));
        if ![owner, repo, revision].into_iter().chain(file.split('/')).all(is_plain) {
            return Err(wrong());
        }
        Ok(Self::HuggingFace { owner: owner.into(), repo: repo.into(), revision: revision.into(), file: file.into() })
    }
}

impl TryFrom<String> for Source {
    type Error = InvalidSource;

    fn try_from(text: String) -> Result<Self, InvalidSource> {
        text.parse()
    }
}

impl From<Source> for String {
    fn from(source: Source) -> Self {
        source.to_string()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.write_str(url),
            Self::HuggingFace { owner, repo, revision, file } if revision == "main" => {
                write!(f, "hf:{owner}/{repo}/{file}")
            }
            Self::HuggingFace { owner, repo, revision, file } => write!(f, "hf:{owner}/{repo}@{revision}/{file}"),
        }
    }
}

impl Source {
    /// The name of the file, as the source has it; none if the address ends in a slash.
    #[must_use]
    pub fn file_name(&self) -> Option<String> {
        let name = match self {
            Self::Url(url) => Url::parse(url).ok()?.path_segments()?.next_back()?.to_owned(),
            Self::HuggingFace { file, .. } => file.rsplit('/').next()?.to_owned(),
        };
        (!name.is_empty()).then_some(name)
    }

    /// Whether the Hugging Face token belongs to it.
    pub(super) fn is_hugging_face(&self) -> bool {
        matches!(self, Self::HuggingFace { .. })
    }

    /// The address to ask; `endpoint` is where the repositories lie.
    pub(super) fn address(&self, endpoint: &str) -> Result<Url, InvalidSource> {
        let text = match self {
            Self::Url(url) => url.clone(),
            Self::HuggingFace { owner, repo, revision, file } => {
                format!("{}/{owner}/{repo}/resolve/{revision}/{file}", endpoint.trim_end_matches('/'))
            }
        };
        let url = Url::parse(&text).map_err(|error| invalid(error.to_string()))?;
        if url.scheme() != "https" {
            return Err(invalid("https is required"));
        }
        if !url.has_host() || !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("an address has a host and no credentials"));
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_repository_becomes_its_address() {
        let address = |text: &str| text.parse::<Source>().map(|s| s.address("https://hub.example/").map(String::from));
        assert_eq!(
            address("hf:owner/repo-GGUF/model.q8_0.gguf"),
            Ok(Ok("https://hub.example/owner/repo-GGUF/resolve/main/model.q8_0.gguf".into()))
        );
        assert_eq!(
            address("hf:owner/repo@v1.0/sub/model.gguf"),
            Ok(Ok("https://hub.example/owner/repo/resolve/v1.0/sub/model.gguf".into()))
        );
    }

    #[test]
    fn what_is_written_is_what_was_read() {
        for text in ["hf:a/b/c.gguf", "hf:a/b@rev/d/c.gguf", "https://host/c.gguf?download=1"] {
            assert_eq!(text.parse::<Source>().map(|source| source.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn nothing_leaves_its_folder_or_goes_without_tls() {
        for text in [
            "hf:a/b",
            "hf:a/b/",
            "hf:a/../c.gguf",
            "hf:a/b/../../c.gguf",
            "hf:a/b/.hidden",
            "hf:a b/c/d.gguf",
            "hf:a/b@/c.gguf",
            "http://host/c.gguf",
            "file:///etc/passwd",
            "https://user:secret@host/c.gguf",
            "c.gguf",
        ] {
            assert!(text.parse::<Source>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_file_name_leaves_the_query_behind() {
        let name = |text: &str| text.parse::<Source>().ok().and_then(|source| source.file_name());
        assert_eq!(name("https://host/a/b.gguf?download=true").as_deref(), Some("b.gguf"));
        assert_eq!(name("hf:a/b/c/d.gguf").as_deref(), Some("d.gguf"));
        assert_eq!(name("https://host/a/"), None);
    }
}
