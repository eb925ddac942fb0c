//! Rewrites entries of a GGUF header and leaves the tensors as they are. It makes files of the bundled model that no
//! converter writes, and others that publishers do write.

use std::path::Path;

use crate::gguf::{Value, text};
use crate::gguf_reader::{ARRAY, Reader, STRING};

/// Alignment of a file's data, in bytes.
const ALIGNMENT: usize = 32;

/// A GGUF file, taken apart.
#[derive(Clone, Debug)]
pub struct GgufEdit {
    version: u32,
    /// Keys of the metadata, each with the bytes of its type and value.
    entries: Vec<(String, Vec<u8>)>,
    tensor_count: u64,
    /// Bytes of the tensors' names, shapes and offsets.
    tensors: Vec<u8>,
    data: Vec<u8>,
}

impl GgufEdit {
    /// Takes a sound file apart.
    ///
    /// # Panics
    /// If it is no GGUF file.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::read(bytes).expect("a GGUF file")
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.take(4)? != b"GGUF" {
            return None;
        }
        let (version, tensor_count, pairs) = (reader.u32()?, reader.u64()?, reader.u64()?);
        let entries = (0..pairs).map(|_| {
            let key = String::from_utf8(reader.text()?.to_vec()).ok()?;
            let start = reader.at;
            let kind = reader.u32()?;
            reader.skip(kind)?;
            Some((key, bytes[start..reader.at].to_vec()))
        });
        let entries = entries.collect::<Option<_>>()?;
        let start = reader.at;
        for _ in 0..tensor_count {
            reader.text()?;
            let dimensions = reader.u32()? as usize;
            reader.take(8 * dimensions + 4 + 8)?;
        }
        let tensors = bytes[start..reader.at].to_vec();
        // A file without tensors may end with its header.
        let data = bytes.get(reader.at.next_multiple_of(ALIGNMENT)..).unwrap_or_default().to_vec();
        Some(Self { version, entries, tensor_count, tensors, data })
    }

    /// Takes the bundled draft model apart.
    ///
    /// # Panics
    /// If it is not there.
    #[must_use]
    pub fn demo() -> Self {
        Self::of(&std::fs::read(crate::pair::file("demo-draft.gguf")).expect("the bundled draft model"))
    }

    /// Sets the value of an entry; a new entry comes at the end.
    #[must_use]
    pub fn with(mut self, key: &str, value: &Value) -> Self {
        let mut bytes = Vec::new();
        value.write(&mut bytes);
        match self.entries.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = bytes,
            None => self.entries.push((key.to_owned(), bytes)),
        }
        self
    }

    /// Removes an entry.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.entries.retain(|(name, _)| name != key);
        self
    }

    /// Replaces the tokenizer and the chat template by those of another file.
    #[must_use]
    pub fn with_tokenizer_of(mut self, other: &Self) -> Self {
        let is_tokenizer = |key: &str| key.starts_with("tokenizer.");
        self.entries.retain(|(key, _)| !is_tokenizer(key));
        self.entries.extend(other.entries.iter().filter(|(key, _)| is_tokenizer(key)).cloned());
        self
    }

    /// Changes the name of the model's architecture, in the keys of the architecture's entries too.
    #[must_use]
    pub fn architecture(mut self, name: &str) -> Self {
        for (key, _) in &mut self.entries {
            if let Some(rest) = key.strip_prefix("llama.") {
                *key = format!("{name}.{rest}");
            }
        }
        self.with("general.architecture", &Value::Text(name.to_owned()))
    }

    /// Returns the texts of an entry.
    ///
    /// # Panics
    /// If there is no such entry or it has no texts.
    #[must_use]
    pub fn texts(&self, key: &str) -> Vec<String> {
        let (_, bytes) = self.entries.iter().find(|(name, _)| name == key).expect("an entry");
        let mut reader = Reader::new(bytes);
        assert_eq!((reader.u32(), reader.u32()), (Some(ARRAY), Some(STRING)), "texts");
        let count = reader.u64().expect("a number of texts");
        (0..count).map(|_| String::from_utf8_lossy(reader.text().expect("a text")).into_owned()).collect()
    }

    /// Changes the texts of the tokens.
    #[must_use]
    pub fn tokens(self, change: impl FnOnce(&mut Vec<String>)) -> Self {
        let mut tokens = self.texts("tokenizer.ggml.tokens");
        change(&mut tokens);
        self.with("tokenizer.ggml.tokens", &Value::Texts(tokens))
    }

    /// Returns the header, padded to where the data begin.
    #[must_use]
    pub fn header(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend(self.tensor_count.to_le_bytes());
        out.extend((self.entries.len() as u64).to_le_bytes());
        for (key, value) in &self.entries {
            text(&mut out, key);
            out.extend(value);
        }
        out.extend(&self.tensors);
        out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
        out
    }

    /// Returns the bytes of the whole file.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        [self.header(), self.data.clone()].concat()
    }

    /// Writes the file.
    ///
    /// # Panics
    /// If that fails.
    pub fn write(&self, path: &Path) {
        std::fs::write(path, self.bytes()).expect("written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_taken_apart_and_put_together_is_the_same() {
        let whole = std::fs::read(crate::pair::file("demo-draft.gguf")).expect("bundled");
        assert!(GgufEdit::of(&whole).bytes() == whole);
        let edited = GgufEdit::of(&whole).with("general.name", &Value::Text("another name".into()));
        assert_eq!(GgufEdit::of(&edited.bytes()).texts("tokenizer.ggml.tokens").len(), 1024);
    }
}
