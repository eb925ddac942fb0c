//! Models whose file was split into parts: `NAME-00001-of-00003.gguf` and so on, as `llama-gguf-split` names them.
//!
//! Decides which files belong to a model, whether all of them are there, and what they come to together. llama.cpp is
//! given the first part and finds the others by the same rule.

use std::io;
use std::path::{Path, PathBuf};

use crate::gguf::{self, GgufSummary, HeaderError, PartHeader};

/// The name of a part: `PREFIX-00001-of-00003.gguf`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartName {
    /// Text before the numbers.
    pub prefix: String,
    /// Number of the part, from 1.
    pub number: u32,
    /// Number of parts, at least 2.
    pub count: u32,
}

impl PartName {
    /// Reads a file's name; `None` for one that is not of a split model.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (rest, count) = name.strip_suffix(".gguf")?.rsplit_once("-of-")?;
        let (prefix, number) = rest.rsplit_once('-')?;
        let digits = |text: &str| {
            let plain = text.len() >= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| text.parse::<u32>().ok()).flatten()
        };
        let (number, count) = (digits(number)?, digits(count)?);
        let known = !prefix.is_empty() && (2..=u32::from(u16::MAX)).contains(&count) && (1..=count).contains(&number);
        let name_again = Self { prefix: prefix.into(), number, count };
        // Zeros too many would be another file for llama.cpp.
        (known && name_again.of(number) == name).then_some(name_again)
    }

    /// Returns the name of another part of the same model.
    #[must_use]
    pub fn of(&self, number: u32) -> String {
        self.prefix.clone() + &self.suffix(number)
    }

    /// Returns the text that follows the prefix in the name of a part.
    #[must_use]
    pub fn suffix(&self, number: u32) -> String {
        format!("-{number:05}-of-{:05}.gguf", self.count)
    }
}

/// Returns the part that llama.cpp wants to be given: the first one of the model that `path` is a part of, else `path`
/// itself.
#[must_use]
pub fn first_part(path: &Path) -> PathBuf {
    match name_of(path) {
        Some(name) => path.with_file_name(name.of(1)),
        None => path.to_path_buf(),
    }
}

fn name_of(path: &Path) -> Option<PartName> {
    PartName::parse(path.file_name()?.to_str()?)
}

/// Reads and checks the headers of all parts of the model whose first part is at `path`, and sums up what they need.
/// For a file that is a whole model, this is its own header. Blocks on the files.
///
/// # Errors
/// [`HeaderError`].
pub fn read(path: &Path) -> Result<GgufSummary, HeaderError> {
    let mut whole = gguf::read_part(path)?;
    let Some(first) = whole.part else { return Ok(whole) };
    let Some(name) = name_of(path).filter(|name| is_part(name, name.number, &first)) else {
        return Err(HeaderError::Damaged(format!(
            "it is part {} of {} of a split model and is not named so, NAME-00001-of-{:05}.gguf",
            first.number.saturating_add(1),
            first.count,
            first.count
        )));
    };
    if name.number != 1 {
        let first = first_part(path);
        return read(&first).map_err(|error| in_part(first, error));
    }
    let (mut has_output, mut embedding) = (first.has_output, first.embedding_repacked);
    for number in 2..=name.count {
        let path = path.with_file_name(name.of(number));
        let part = gguf::read_part(&path).map_err(|error| in_part(path.clone(), error))?;
        let header = part.part.filter(|header| is_part(&name, number, header));
        let Some(header) = header else {
            let wrong = HeaderError::Damaged(format!("its header does not say that it is part {number}"));
            return Err(HeaderError::Part { path, error: Box::new(wrong) });
        };
        has_output |= header.has_output;
        embedding = embedding.saturating_add(header.embedding_repacked);
        whole.tensors = whole.tensors.saturating_add(part.tensors);
        whole.required_bytes = whole.required_bytes.saturating_add(part.required_bytes);
        whole.file_bytes = whole.file_bytes.saturating_add(part.file_bytes);
        if let Some(shape) = &mut whole.shape {
            shape.repacked_bytes = shape.repacked_bytes.saturating_add(part.repacked_bytes());
        }
        whole.further_parts.push(path);
    }
    if let (true, Some(shape)) = (has_output, &mut whole.shape) {
        // The embedding is then only looked up, never multiplied with.
        shape.repacked_bytes = shape.repacked_bytes.saturating_sub(embedding);
    }
    Ok(whole)
}

fn is_part(name: &PartName, number: u32, header: &PartHeader) -> bool {
    header.count == u64::from(name.count) && header.number.saturating_add(1) == u64::from(number)
}

fn in_part(path: PathBuf, error: HeaderError) -> HeaderError {
    match error {
        HeaderError::Io(error) if error.kind() == io::ErrorKind::NotFound => HeaderError::MissingPart { path },
        error @ (HeaderError::MissingPart { .. } | HeaderError::Part { .. }) => error,
        error => HeaderError::Part { path, error: Box::new(error) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_part_is_read_and_leads_to_the_others() {
        let name = PartName::parse("big model-Q4-00002-of-00010.gguf").expect("a part");
        assert_eq!((name.prefix.as_str(), name.number, name.count), ("big model-Q4", 2, 10));
        assert_eq!(name.of(10), "big model-Q4-00010-of-00010.gguf");
        assert_eq!(first_part(Path::new("/m/x-00002-of-00003.gguf")), Path::new("/m/x-00001-of-00003.gguf"));
        assert_eq!(first_part(Path::new("/m/x.gguf")), Path::new("/m/x.gguf"));
    }

    #[test]
    fn names_that_llama_cpp_would_not_find_are_names_of_whole_models() {
        for name in [
            "x.gguf",
            "x-1-of-2.gguf",
            "x-00003-of-00002.gguf",
            "x-00000-of-00002.gguf",
            "x-00001-of-00001.gguf",
            "x-000001-of-000002.gguf",
            "x-0000a-of-00002.gguf",
            "x-00001-of-99999.gguf",
            "-00001-of-00002.gguf",
            "x-00001-of-00002.bin",
        ] {
            assert_eq!(PartName::parse(name), None, "{name}");
        }
    }
}
