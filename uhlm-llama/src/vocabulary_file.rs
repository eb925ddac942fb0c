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
/// Types of values, as GGUF numbers them.
const UNSIGNED: u32 = 4;
const SIGNED: u32 = 5;
const FLAG: u32 = 7;
const STRING: u32 = 8;
const ARRAY: u32 = 9;
/// Kinds of tokens, as llama.cpp numbers them.
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;

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
        Self::written(&entries(path)?)
    }

    /// Makes a file of the model at `path` whose tokens carry conversations in another form: `marks` are control tokens
    /// behind its own, the last of which ends a reply, and `template` is its chat template. Texts have the tokens that
    /// they have in the model, without BOS, EOS, or a space before them.
    ///
    /// # Errors
    /// [`HeaderError`], also where the file would be longer than [`MAX_VOCABULARY_FILE`].
    pub fn with_marks(path: &Path, marks: &[&str], template: &str) -> Result<Self, HeaderError> {
        let mut entries = entries(path)?;
        let without = |name: &str| HeaderError::Damaged(format!("no {name}"));
        let tokens = value_of(&mut entries, "tokenizer.ggml.tokens").ok_or_else(|| without("tokens"))?;
        let own = count(tokens).ok_or_else(|| without("list of tokens"))?;
        append(tokens, marks.iter().map(|mark| text(mark)));
        if value_of(&mut entries, "tokenizer.ggml.token_type").is_none() {
            let mut kinds = [ARRAY.to_le_bytes(), SIGNED.to_le_bytes()].concat();
            kinds.extend(own.to_le_bytes());
            kinds.extend((0..own).flat_map(|_| NORMAL.to_le_bytes()));
            entries.push(("tokenizer.ggml.token_type".into(), kinds));
        }
        let kind = |_: &&str| CONTROL.to_le_bytes().to_vec();
        let score = |_: &&str| 0f32.to_le_bytes().to_vec();
        if let Some(kinds) = value_of(&mut entries, "tokenizer.ggml.token_type") {
            append(kinds, marks.iter().map(kind));
        }
        if let Some(scores) = value_of(&mut entries, "tokenizer.ggml.scores") {
            append(scores, marks.iter().map(score));
        }
        // Its own ends and templates belong to another form.
        let is_other = |key: &str| {
            key.starts_with("tokenizer.chat_template") || key.ends_with("eot_token_id") || key.ends_with("eom_token_id")
        };
        entries.retain(|(key, _)| !is_other(key));
        let end = u32::try_from(own + marks.len() as u64 - 1).map_err(|_| without("room for tokens"))?;
        let mut set = |key: &str, kind: u32, value: &[u8]| {
            entries.retain(|(other, _)| other != key);
            entries.push((key.to_owned(), [&kind.to_le_bytes()[..], value].concat()));
        };
        set("tokenizer.ggml.eos_token_id", UNSIGNED, &end.to_le_bytes());
        for key in ["add_bos_token", "add_eos_token", "add_space_prefix"] {
            set(&format!("tokenizer.ggml.{key}"), FLAG, &[0]);
        }
        set("tokenizer.chat_template", STRING, &text(template));
        Self::written(&entries)
    }

    /// Writes a file of these entries.
    fn written(entries: &[(String, Vec<u8>)]) -> Result<Self, HeaderError> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3u32.to_le_bytes());
        bytes.extend(0u64.to_le_bytes());
        bytes.extend((entries.len() as u64).to_le_bytes());
        for (key, value) in entries {
            bytes.extend(text(key));
            bytes.extend(value);
        }
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

/// Reads the entries of a model's language: keys, each with the bytes of its type and value.
fn entries(path: &Path) -> Result<Vec<(String, Vec<u8>)>, HeaderError> {
    let (mut header, _, pairs) = Header::open(&split::first_part(path))?;
    // No device needs to know the target's architecture to read its vocabulary.
    let architecture = [&STRING.to_le_bytes()[..], &text("llama")].concat();
    let mut entries = vec![("general.architecture".to_owned(), architecture)];
    for _ in 0..pairs {
        let key = header.string()?;
        header.kept = (key == "general.name" || key.starts_with(KEPT)).then(Vec::new);
        let value: Value = header.value()?;
        drop(value);
        if let Some(bytes) = header.kept.take() {
            entries.push((key, bytes));
        }
    }
    Ok(entries)
}

fn value_of<'a>(entries: &'a mut [(String, Vec<u8>)], key: &str) -> Option<&'a mut Vec<u8>> {
    entries.iter_mut().find(|(name, _)| name == key).map(|(_, value)| value)
}

/// Place of an array's length, behind the types of the value and of its elements.
const LENGTH: std::ops::Range<usize> = 8..16;

/// Returns the length of a value that is an array.
fn count(value: &[u8]) -> Option<u64> {
    let is_array = value.get(..4)? == ARRAY.to_le_bytes();
    let length = value.get(LENGTH)?.try_into().ok()?;
    is_array.then(|| u64::from_le_bytes(length))
}

/// Adds elements to a value that is an array; any other stays as it is.
fn append(value: &mut Vec<u8>, elements: impl ExactSizeIterator<Item = Vec<u8>>) {
    let Some(length) = count(value) else { return };
    value[LENGTH].copy_from_slice(&(length + elements.len() as u64).to_le_bytes());
    value.extend(elements.flatten());
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
    fn marks_are_control_tokens_behind_the_model_s_own_and_text_stays_text() {
        for name in ["demo-target.gguf", "spm-1024.vocabulary.gguf"] {
            let own = VocabularyFile::of(&bundled(name)).expect("a vocabulary");
            let own = Written::new(&format!("own-{name}"), own.bytes());
            let own = Language::load(&own.0).expect("a vocabulary");
            let template = "{% for m in messages %}<|a|>{{ m.content }}{% endfor %}<|b|>";
            let file = VocabularyFile::with_marks(&bundled(name), &["<|a|>", "<|b|>"], template).expect("a vocabulary");
            let written = Written::new(&format!("marked-{name}"), file.bytes());
            let language = Language::load(&written.0).expect("a vocabulary");
            let size = own.vocabulary().size() as u32;
            assert_eq!(language.vocabulary().size() as u32, size + 2, "{name}");
            assert_ne!(language.vocabulary_hash(), own.vocabulary_hash());
            assert!(language.vocabulary().is_end(size + 1) && !language.vocabulary().is_end(size));
            let said = "caf\u{e9} <|a|> <|im_end|> 12\u{1f600}\n";
            let prompt = language.prompt(&[Message::user(said)]).expect("renders");
            assert_eq!((prompt.first(), prompt.last()), (Some(&size), Some(&(size + 1))), "{name}");
            let content = &prompt[1..prompt.len() - 1];
            assert!(content.iter().all(|id| *id < size), "{name}");
            let pieces: Vec<u8> = content.iter().flat_map(|&id| language.vocabulary().piece(id)).copied().collect();
            assert_eq!(String::from_utf8_lossy(&pieces), said, "{name}");
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
