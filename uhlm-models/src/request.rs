//! The model that a download is to bring, and the names that it may get.

use sha2::{Digest as _, Sha256};
use uhlm_law::digest::Digest;
use uhlm_llama::split::PartName;

use crate::error::DownloadError;
use crate::source::Source;

/// Length of the longest name, in bytes; what stands behind it while it is loaded has room up to the 255 of a file
/// system.
const MAX_NAME: usize = 200;
/// Length of the longest name that is made of a source's, in bytes, so that a mark still has room.
const MAX_DERIVED: usize = 160;

/// The model that is wanted, and the facts known about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DownloadRequest {
    /// Sources of the model: mirrors are tried in this order. Of a split model any of its parts will do; all are
    /// loaded.
    pub sources: Vec<Source>,
    /// Name to keep it under, ending in `.gguf`; `None` for the first source's, with a mark of its own where that name
    /// is another model's already.
    pub name: Option<String>,
    /// SHA-256 that it must have; of a split model that of its first part. With it, any mirror may continue what
    /// another began.
    pub sha256: Option<Digest>,
    /// SHA-256 that the parts after the first must have, in order, for a split model; empty where nobody knows it.
    pub further_sha256: Vec<Digest>,
    /// Number of bytes that it must have; nothing for a split model.
    pub bytes: Option<u64>,
    /// Whether the download may use a metered network.
    pub allow_metered: bool,
    /// Whether a file that neither the request nor the repository gives a hash of is refused, before anything of it is
    /// loaded.
    pub require_sha256: bool,
}

impl DownloadRequest {
    /// Makes a request for one source.
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self { sources: vec![source], ..Self::default() }
    }

    /// Returns the part that the first source names; `None` for a whole model.
    pub(crate) fn part(&self) -> Option<PartName> {
        self.sources.first()?.part()
    }

    /// Returns the name that was asked for, or that follows from the first source.
    pub(crate) fn file_name(&self) -> Result<String, DownloadError> {
        let part = self.part();
        let name = match &self.name {
            Some(name) => name.clone(),
            None => derived(&self.sources.first().and_then(Source::file_name).unwrap_or_default()),
        };
        if !check_name(&name) {
            return Err(DownloadError::InvalidName { name });
        }
        Ok(match (part, PartName::parse(&name)) {
            (None, _) => name,
            // llama.cpp finds the parts by their names.
            (Some(part), Some(named)) => PartName { prefix: named.prefix, ..part.clone() }.of(part.number),
            (Some(part), None) => {
                let prefix = name.strip_suffix(".gguf").unwrap_or(&name).to_owned();
                PartName { prefix, ..part.clone() }.of(part.number)
            }
        })
    }

    /// Returns the names to try, in this order: one that was asked for, and no other; else the source's, and then the
    /// same with a mark that follows from the source.
    pub(crate) fn candidates(&self) -> Result<Vec<String>, DownloadError> {
        let name = self.file_name()?;
        if self.name.is_some() {
            return Ok(vec![name]);
        }
        let source = self.sources.first().map(Source::kept).unwrap_or_default();
        let mark: String = Sha256::digest(source).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let marked = match PartName::parse(&name) {
            Some(part) => PartName { prefix: format!("{}.{mark}", part.prefix), ..part }.of(part.number),
            None => format!("{}.{mark}.gguf", name.strip_suffix(".gguf").unwrap_or(&name)),
        };
        Ok(vec![name, marked])
    }

    /// Tells whether a file that came from `source` and should hash, or hashes, to `sha256` is the one that is wanted.
    pub(crate) fn is_for(&self, source: &str, sha256: Option<Digest>) -> bool {
        match (self.sha256, sha256) {
            (Some(wanted), Some(found)) if wanted == found => true,
            _ => self.sources.iter().any(|known| known.kept() == source),
        }
    }

    /// Tells whether a model whose first part came from `source` is the one that is wanted, whichever part the request
    /// names.
    pub(crate) fn is_for_any_part(&self, source: &str) -> bool {
        self.sources.iter().any(|known| known.beside(1).kept() == source)
    }

    /// Makes the request for a part of the same model alone, which is to have this name.
    pub(crate) fn for_part(&self, number: u32, name: Option<String>) -> Self {
        let sha256 = match number {
            1 => self.sha256,
            _ => self.further_sha256.get(number as usize - 2).copied(),
        };
        Self {
            sources: self.sources.iter().map(|source| source.beside(number)).collect(),
            name,
            sha256,
            further_sha256: Vec::new(),
            bytes: None,
            allow_metered: self.allow_metered,
            require_sha256: self.require_sha256,
        }
    }
}

/// Makes a file name of a source's, which may have what no file system or terminal likes.
fn derived(name: &str) -> String {
    let suffix = name.len().checked_sub(5).filter(|at| name.is_char_boundary(*at));
    let Some((stem, true)) = suffix.map(|at| (&name[..at], name[at..].eq_ignore_ascii_case(".gguf"))) else {
        return name.to_owned();
    };
    let part = PartName::parse(name);
    let (stem, end) = match &part {
        Some(part) => (part.prefix.as_str(), part.suffix(part.number)),
        None => (stem, ".gguf".to_owned()),
    };
    let plain: String = stem.trim_start_matches('.').chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let cut = (0..=MAX_DERIVED.min(plain.len())).rev().find(|at| plain.is_char_boundary(*at)).unwrap_or(0);
    plain[..cut].to_owned() + &end
}

/// Tells whether a character may stand in a name: none that moves a cursor, turns the writing round or leads elsewhere.
fn is_plain(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}');
    !c.is_control() && !turns && !matches!(c, '/' | '\\' | ':' | '\u{feff}')
}

/// Tells whether a name is that of a model: one part of a path, not hidden, ending in `.gguf`.
pub(crate) fn check_name(name: &str) -> bool {
    let length = (6..=MAX_NAME).contains(&name.len());
    length && !name.starts_with('.') && name.ends_with(".gguf") && name.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(source: &str) -> DownloadRequest {
        DownloadRequest::new(source.parse().expect("a source"))
    }

    #[test]
    fn the_name_is_the_readable_one_of_the_source() {
        let name = |source: &str| request(source).file_name();
        assert_eq!(name("hf:o/r/sub/my model+1.gguf"), Ok("my model+1.gguf".into()));
        assert_eq!(name("https://host/a/Model.GGUF?x=1"), Ok("Model.gguf".into()));
        assert_eq!(name("https://host/a%3Ab%E2%80%AE.gguf"), Ok("a_b_.gguf".into()));
        assert_eq!(name(&format!("https://host/{}.gguf", "x".repeat(300))).map(|name| name.len()), Ok(165));
        for source in ["https://host/download?id=5", "https://host/", "https://host/.gguf"] {
            assert!(matches!(name(source), Err(DownloadError::InvalidName { .. })), "{source}");
        }
    }

    #[test]
    fn two_sources_of_one_name_have_two_second_names_and_a_name_that_was_asked_for_has_none() {
        let candidates = |source: &str| request(source).candidates().expect("names");
        let (one, two) = (candidates("https://a/x.gguf"), candidates("https://b/x.gguf"));
        assert_eq!((one[0].as_str(), two[0].as_str()), ("x.gguf", "x.gguf"));
        assert_ne!(one[1], two[1]);
        assert!(one[1].starts_with("x.") && one[1].len() == "x.12345678.gguf".len() && check_name(&one[1]));
        let split = candidates("https://a/x-00002-of-00003.gguf");
        assert_eq!(split[0], "x-00002-of-00003.gguf");
        assert!(split[1].ends_with("-00002-of-00003.gguf") && split[1] != split[0]);
        let named = DownloadRequest { name: Some("y.gguf".into()), ..request("https://a/x.gguf") };
        assert_eq!(named.candidates(), Ok(vec!["y.gguf".into()]));
    }

    #[test]
    fn the_parts_of_a_split_model_have_names_by_which_they_find_each_other() {
        let named = |name: &str| {
            let request = DownloadRequest { name: Some(name.into()), ..request("https://a/x-00002-of-00003.gguf") };
            request.for_part(1, request.name.clone()).file_name()
        };
        assert_eq!(named("big.gguf"), Ok("big-00001-of-00003.gguf".into()));
        assert_eq!(named("big-00002-of-00007.gguf"), Ok("big-00001-of-00003.gguf".into()));
    }
}
