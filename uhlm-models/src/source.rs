//! The place that a model file comes from: an HTTPS address, or a file of a Hugging Face repository.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uhlm_llama::split::PartName;

/// A place where a file can be had. Written as its address, or as `hf:owner/repo/path/file.gguf`, with
/// `hf:owner/repo@revision/...` for a branch, tag or commit other than `main`: `@refs/pr/1` for a pull request, other
/// names with a slash as `%2F`. The address of a file's page or of the file at huggingface.co is the repository's file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Source {
    /// An `https://` address.
    Url(String),
    /// A file of a repository on Hugging Face, or on a mirror of it.
    HuggingFace {
        /// Name of the user or the organisation.
        owner: String,
        /// Name of the repository.
        repo: String,
        /// Name of the branch, tag or commit.
        revision: String,
        /// Path within the repository.
        file: String,
    },
}

/// The text names no source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a source of a model: {reason}")]
pub struct InvalidSource {
    /// Reason why it names none.
    pub reason: String,
}

fn invalid(reason: impl Into<String>) -> InvalidSource {
    InvalidSource { reason: reason.into() }
}

/// Characters that are encoded in an address; a `+` is one, because some servers take it for a space.
const IN_ADDRESS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The hosts of Hugging Face's own pages.
const HUB_HOSTS: [&str; 3] = ["huggingface.co", "www.huggingface.co", "hf.co"];

/// Tells whether a text may name an owner or a repository: these have plain names.
fn is_plain(part: &str) -> bool {
    !part.is_empty() && !part.starts_with('.') && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// Tells whether a text may name a folder or file of a repository: spaces and other letters will do, what leads
/// elsewhere will not.
fn is_name(part: &str) -> bool {
    !part.is_empty() && !part.starts_with('.') && !part.contains(|c: char| c.is_control() || matches!(c, '/' | '\\'))
}

fn decoded(text: &str) -> Result<String, InvalidSource> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| invalid("a name that is not UTF-8"))?;
    Ok(text.into_owned())
}

/// Splits `REVISION/path` where the revision ends: after three parts for `refs/pr/1` and its like, else after one.
fn split_revision(text: &str) -> Option<(&str, &str)> {
    let slash = if text.starts_with("refs/") { 2 } else { 0 };
    let (at, _) = text.match_indices('/').nth(slash)?;
    Some((&text[..at], &text[at + 1..]))
}

/// Returns the revision as it is written in a source: a slash that does not say by itself where it ends is encoded.
fn written(revision: &str) -> String {
    let parts = revision.split('/').count();
    let plain = parts == 1 || (parts == 3 && revision.starts_with("refs/"));
    let revision = revision.replace('%', "%25");
    if plain { revision } else { revision.replace('/', "%2F") }
}

impl FromStr for Source {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        let Some(path) = text.strip_prefix("hf:") else {
            let source = Self::Url(text.to_owned());
            let mut url = source.address("https://unused.invalid")?;
            url.set_fragment(None);
            // It is one address, however it was typed.
            return Ok(Self::of_page(&url).unwrap_or_else(|| Self::Url(url.into())));
        };
        let wrong = || invalid("expected hf:owner/repo/file.gguf or hf:owner/repo@revision/file.gguf");
        let (owner, rest) = path.split_once('/').ok_or_else(wrong)?;
        let at = rest.find(['@', '/']).ok_or_else(wrong)?;
        let (repo, rest) = (&rest[..at], &rest[at..]);
        let (revision, file) = match rest.strip_prefix('@') {
            Some(rest) => split_revision(rest).ok_or_else(wrong)?,
            None => ("main", &rest[1..]),
        };
        Self::hugging_face(owner, repo, &decoded(revision)?, &decoded(file)?).ok_or_else(wrong)
    }
}

impl Source {
    /// Makes a file of a repository, if the names can be those of one.
    fn hugging_face(owner: &str, repo: &str, revision: &str, file: &str) -> Option<Self> {
        let valid =
            [owner, repo].into_iter().all(is_plain) && revision.split('/').all(is_name) && file.split('/').all(is_name);
        let [owner, repo, revision, file] = [owner, repo, revision, file].map(str::to_owned);
        valid.then_some(Self::HuggingFace { owner, repo, revision, file })
    }

    /// Returns the file that an address at huggingface.co names: its page (`blob`) or the file itself (`resolve`).
    fn of_page(url: &Url) -> Option<Self> {
        if !HUB_HOSTS.contains(&url.host_str()?) || url.port().is_some() {
            return None;
        }
        let mut parts = url.path().trim_start_matches('/').splitn(4, '/');
        let (owner, repo, kind, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if !matches!(kind, "blob" | "resolve") {
            return None;
        }
        let (revision, file) = split_revision(rest)?;
        Self::hugging_face(owner, repo, &decoded(revision).ok()?, &decoded(file).ok()?)
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
                write!(f, "hf:{owner}/{repo}/{}", file.replace('%', "%25"))
            }
            Self::HuggingFace { owner, repo, revision, file } => {
                write!(f, "hf:{owner}/{repo}@{}/{}", written(revision), file.replace('%', "%25"))
            }
        }
    }
}

impl Source {
    /// Returns the name of the file, as the source has it; `None` if the address ends in a slash.
    #[must_use]
    pub fn file_name(&self) -> Option<String> {
        let name = match self {
            Self::Url(url) => decoded(Url::parse(url).ok()?.path_segments()?.next_back()?).ok()?,
            Self::HuggingFace { file, .. } => file.rsplit('/').next()?.to_owned(),
        };
        (!name.is_empty()).then_some(name)
    }

    /// Returns the source as the store writes it down and errors name it: without its query, which may hold a signature
    /// that lets in whoever reads it. A part of the query's SHA-256 stands in its place, because an address with
    /// another query is another file.
    pub(super) fn kept(&self) -> String {
        let Self::Url(text) = self else { return self.to_string() };
        let Some((place, query)) = text.split_once('?') else { return text.clone() };
        let mark: String = Sha256::digest(query).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("{place}#{mark}")
    }

    /// Returns the part of a split model that the file is by its name.
    pub(super) fn part(&self) -> Option<PartName> {
        PartName::parse(&self.file_name()?)
    }

    /// Returns another part of the same split model: the file beside it with that part's name. The file itself where
    /// its name says nothing of parts.
    pub(super) fn beside(&self, number: u32) -> Self {
        let Some(part) = self.part() else { return self.clone() };
        let (own, other) = (part.suffix(part.number), part.suffix(number));
        let renamed = |path: &str| path.strip_suffix(&own).map(|before| before.to_owned() + &other);
        match self.clone() {
            Self::Url(text) => {
                let url = Url::parse(&text).ok().and_then(|mut url| {
                    let path = renamed(url.path())?;
                    url.set_path(&path);
                    Some(url.into())
                });
                Self::Url(url.unwrap_or(text))
            }
            Self::HuggingFace { owner, repo, revision, file } => {
                let file = renamed(&file).unwrap_or(file);
                Self::HuggingFace { owner, repo, revision, file }
            }
        }
    }

    /// Tells whether the Hugging Face token belongs to it.
    pub(super) fn is_hugging_face(&self) -> bool {
        matches!(self, Self::HuggingFace { .. })
    }

    /// Returns the address to ask; `endpoint` is where the repositories lie.
    pub(super) fn address(&self, endpoint: &str) -> Result<Url, InvalidSource> {
        let text = match self {
            Self::Url(url) => url.clone(),
            Self::HuggingFace { owner, repo, revision, file } => {
                let endpoint = endpoint.trim_end_matches('/');
                let revision = utf8_percent_encode(revision, IN_ADDRESS);
                let file: Vec<_> =
                    file.split('/').map(|part| utf8_percent_encode(part, IN_ADDRESS).to_string()).collect();
                format!("{endpoint}/{owner}/{repo}/resolve/{revision}/{}", file.join("/"))
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
    fn names_with_spaces_plus_and_revisions_with_slashes_become_addresses() {
        let address = |text: &str| {
            let source = text.parse::<Source>().expect(text);
            assert_eq!(source.to_string().parse(), Ok(source.clone()), "{text} is read again from {source}");
            source.address("https://hub.example").map(String::from)
        };
        let under = |rest: &str| Ok(format!("https://hub.example/o/r/resolve/{rest}"));
        assert_eq!(address("hf:o/r/my model+v1 Q4.gguf"), under("main/my%20model%2Bv1%20Q4.gguf"));
        assert_eq!(address("hf:o/r/my%20model.gguf"), under("main/my%20model.gguf"));
        assert_eq!(address("hf:o/r/100%25/é.gguf"), under("main/100%25/%C3%A9.gguf"));
        assert_eq!(address("hf:o/r/a@b.gguf"), under("main/a%40b.gguf"));
        assert_eq!(address("hf:o/r@refs/pr/1/sub/m.gguf"), under("refs%2Fpr%2F1/sub/m.gguf"));
        assert_eq!(address("hf:o/r@refs%2Fpr%2F1/m.gguf"), under("refs%2Fpr%2F1/m.gguf"));
        assert_eq!(address("hf:o/r@feature%2Fgguf/m.gguf"), under("feature%2Fgguf/m.gguf"));
        assert_eq!(address("https://host/a b+c.gguf"), Ok("https://host/a%20b+c.gguf".into()));
    }

    #[test]
    fn what_is_written_is_what_was_read() {
        for text in [
            "hf:a/b/c.gguf",
            "hf:a/b@rev/d/c.gguf",
            "hf:a/b@refs/pr/1/c d.gguf",
            "https://host/c.gguf?download=1",
            "https://host/my%20c.gguf",
        ] {
            assert_eq!(text.parse::<Source>().map(|source| source.to_string()).as_deref(), Ok(text));
        }
        let read = |text: &str| text.parse::<Source>();
        assert_eq!(read("https://HOST:443/my c.gguf#top"), read("https://host/my%20c.gguf"));
    }

    #[test]
    fn what_is_kept_of_a_source_has_no_query_and_tells_one_query_from_another() {
        let kept = |text: &str| text.parse::<Source>().expect("a source").kept();
        let signed = kept("https://host/c.gguf?file=1&signature=quillfeather");
        assert!(signed.starts_with("https://host/c.gguf#") && !signed.contains("quillfeather"), "{signed}");
        assert_ne!(signed, kept("https://host/c.gguf?file=2&signature=quillfeather"));
        for plain in ["https://host/c.gguf", "hf:o/r/what?.gguf"] {
            assert_eq!(kept(plain), plain);
        }
    }

    #[test]
    fn a_page_of_the_hub_is_the_file_that_it_shows() {
        let read = |text: &str| text.parse::<Source>().map(|source| source.to_string());
        let page = "https://huggingface.co/o/r/blob/main/sub/m%20v1.gguf";
        assert_eq!(read(page).as_deref(), Ok("hf:o/r/sub/m v1.gguf"));
        let file = "https://huggingface.co/o/r/resolve/refs%2Fpr%2F1/m.gguf?download=true";
        assert_eq!(read(file).as_deref(), Ok("hf:o/r@refs/pr/1/m.gguf"));
        for other in ["https://huggingface.co/o/r", "https://huggingface.co.example/o/r/blob/main/m.gguf"] {
            assert_eq!(read(other).as_deref(), Ok(other));
        }
    }

    #[test]
    fn the_parts_of_a_split_model_lie_beside_each_other() {
        let beside = |text: &str| text.parse::<Source>().map(|source| source.beside(2).to_string());
        let hub = beside("hf:o/r@refs/pr/1/Q4 K/m-00001-of-00003.gguf");
        assert_eq!(hub.as_deref(), Ok("hf:o/r@refs/pr/1/Q4 K/m-00002-of-00003.gguf"));
        let url = beside("https://host/x%20y/m%20n-00001-of-00003.gguf?token=1");
        assert_eq!(url.as_deref(), Ok("https://host/x%20y/m%20n-00002-of-00003.gguf?token=1"));
        assert_eq!(beside("https://host/m.gguf").as_deref(), Ok("https://host/m.gguf"));
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
            "hf:a/b/%2E%2E/c.gguf",
            "hf:a/b/c%0Ad.gguf",
            "hf:a/b@../c.gguf",
            "hf:a/b@refs/pr/c.gguf",
            "hf:a/b/d\\c.gguf",
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
        assert_eq!(name("https://host/my%20b%2B1.gguf").as_deref(), Some("my b+1.gguf"));
        assert_eq!(name("hf:a/b/c/d.gguf").as_deref(), Some("d.gguf"));
        assert_eq!(name("https://host/a/"), None);
    }
}
