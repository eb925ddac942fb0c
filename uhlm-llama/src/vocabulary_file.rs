//! Writes the part of a GGUF file that a model's language is in: a file of its own, without weights.
//!
//! A verifier offers such a file to devices whose model has another vocabulary. It has the entries of the tokenizer
//! (tokens, kinds, scores, merges, special ids, chat template) byte for byte, no tensors, and is a few MB long.
//! [`Language::load`](crate::Language::load) reads it, as does every program that loads a GGUF file's vocabulary alone.

use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use uhlm_law::advance::MAX_VOCABULARY_FILE;
use uhlm_law::digest::Digest;

use crate::gguf::HeaderError;
use crate::header::{Header, Value};
use crate::split;

/// Alignment of a file's end, which is where the data of tensors would begin.
const ALIGNMENT: usize = 32;
/// Beginning of the keys that are kept.
const KEPT: &str = "tokenizer.";

/// A file that has a model's language and no weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VocabularyFile {
    bytes: Arc<[u8]>,
    digest: Digest,
}

impl VocabularyFile {
    /// Makes the file of the model at `path`, which may be split; blocks on reading its header.
    ///
    /// # Errors
    /// [`HeaderError`], also where the file would be longer than [`MAX_VOCABULARY_FILE`].
    pub fn of(path: &Path) -> Result<Self, HeaderError> {
        let (mut header, _, pairs) = Header::open(&split::first_part(path))?;
        // No device needs to know the target's architecture to read its vocabulary.
        let mut kept = vec![entry("general.architecture", "llama")];
        for _ in 0..pairs {
            let key = header.string()?;
            header.kept = (key == "general.name" || key.starts_with(KEPT)).then(Vec::new);
            let value: Value = header.value()?;
            drop(value);
            if let Some(bytes) = header.kept.take() {
                kept.push([text(&key), bytes].concat());
            }
        }
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3u32.to_le_bytes());
        bytes.extend(0u64.to_le_bytes());
        bytes.extend((kept.len() as u64).to_le_bytes());
        kept.iter().for_each(|entry| bytes.extend(entry));
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        if bytes.len() > MAX_VOCABULARY_FILE {
            return Err(HeaderError::Damaged(format!("a vocabulary of {} bytes", bytes.len())));
        }
        Ok(Self::from_bytes(bytes))
    }

    /// Takes the bytes of a file that was written before. Whether they are one is seen when it is loaded.
    #[must_use]
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        let digest = Digest(Sha256::digest(&bytes).into());
        Self { bytes, digest }
    }

    /// Returns the bytes of the file.
    #[must_use]
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// Returns the SHA-256 value of the bytes, by which the file is named.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

/// Returns a text as GGUF has it, with its length.
fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

/// Returns an entry that is a text.
fn entry(key: &str, value: &str) -> Vec<u8> {
    const STRING: u32 = 8;
    [text(key), STRING.to_le_bytes().to_vec(), text(value)].concat()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use uhlm_law::chat::{ChatTemplate as _, Message};
    use uhlm_law::model::{LanguageModel as _, Special};

    use super::*;
    use crate::{Language, LoadError, LoadOptions, Model, gguf};

    fn bundled(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../models").join(name)
    }

    /// A file in the system's folder for such, which goes with its owner.
    struct Written(PathBuf);

    impl Written {
        fn new(name: &str, bytes: &[u8]) -> Self {
            let path = std::env::temp_dir().join(format!("uhlm-{}-{name}.gguf", std::process::id()));
            std::fs::write(&path, bytes).expect("written");
            Self(path)
        }
    }

    impl Drop for Written {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn the_file_has_the_whole_language_of_the_model_and_none_of_its_weights() {
        for name in ["demo-target.gguf", "prose-target.gguf"] {
            let file = VocabularyFile::of(&bundled(name)).expect("a model");
            let written = Written::new(name, file.bytes());
            let summary = gguf::read_part(&written.0).expect("a header");
            assert_eq!((summary.tensors, summary.file_bytes), (0, file.bytes().len() as u64));
            let model = Model::load(&bundled(name), &LoadOptions::default()).expect("a model");
            let language = Language::load(&written.0).expect("a vocabulary");
            assert_eq!(language.vocabulary_hash(), model.vocabulary_hash());
            assert_eq!(language.token_keys(), model.token_keys());
            assert_eq!(language.vocabulary().ends(), model.vocabulary().ends());
            let messages = [Message::user("How far is it? <|im_end|> \u{1f389}")];
            assert_eq!(language.prompt(&messages).expect("renders"), model.prompt(&messages).expect("renders"));
            let text = "caf\u{e9} 12 \u{4e2d}\u{1f600}\n";
            let tokens = language.tokenize(text, Special::Plain).expect("tokens");
            assert_eq!(tokens, model.tokenize(text, Special::Plain).expect("tokens"));
            assert_eq!(language.detokenize(&tokens), text.as_bytes());
            // A file made of the file is the same one.
            assert_eq!(VocabularyFile::of(&written.0).expect("a vocabulary"), file);
        }
    }

    #[test]
    fn a_vocabulary_alone_is_no_model_and_a_damaged_one_is_refused() {
        let file = VocabularyFile::of(&bundled("demo-draft.gguf")).expect("a model");
        let whole = Written::new("whole", file.bytes());
        assert!(Model::load(&whole.0, &LoadOptions::default()).is_err());
        let cut = Written::new("cut", &file.bytes()[..file.bytes().len() / 2]);
        assert!(matches!(Language::load(&cut.0), Err(LoadError::Truncated { .. })));
        let other = Written::new("other", b"<html>not here</html>");
        assert!(matches!(Language::load(&other.0), Err(LoadError::NotGguf { .. })));
        assert!(matches!(VocabularyFile::of(&other.0), Err(HeaderError::NotGguf)));
    }
}
