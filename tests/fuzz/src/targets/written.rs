//! GGUF files as the targets write them: those to begin with, and each input.

use std::cell::RefCell;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use tempfile::NamedTempFile;

thread_local! {
    /// The file that inputs are written to, one after the other.
    static FILE: RefCell<NamedTempFile> =
        RefCell::new(NamedTempFile::with_suffix(".gguf").expect("a temporary file"));
}

/// Writes an input into a file, and has it read; returns what that comes to.
pub(super) fn in_file<T>(bytes: &[u8], read: impl FnOnce(&Path) -> T) -> T {
    FILE.with_borrow_mut(|file| {
        let written = file.as_file().set_len(0).and_then(|()| file.seek(SeekFrom::Start(0)));
        written.and_then(|_| file.write_all(bytes)).expect("a temporary file can be written");
        read(file.path())
    })
}

/// A header that is being written.
pub(super) struct Writer {
    /// What is written of it.
    pub(super) bytes: Vec<u8>,
}

impl Writer {
    /// Begins the header of a file with so many tensors, and so many keys with values.
    pub(super) fn new(tensors: u64, pairs: u64) -> Self {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3u32.to_le_bytes());
        bytes.extend(tensors.to_le_bytes());
        bytes.extend(pairs.to_le_bytes());
        Self { bytes }
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.bytes.extend((text.len() as u64).to_le_bytes());
        self.bytes.extend(text.bytes());
        self
    }

    fn number(&mut self, number: u32) -> &mut Self {
        self.bytes.extend(number.to_le_bytes());
        self
    }

    /// Writes a key with a number.
    pub(super) fn pair(&mut self, key: &str, value: u32) {
        self.text(key).number(4).number(value);
    }

    /// Writes a key with a number that has a fraction.
    pub(super) fn fraction_pair(&mut self, key: &str, value: f32) {
        self.text(key).number(6).number(value.to_bits());
    }

    /// Writes a key with a text.
    pub(super) fn text_pair(&mut self, key: &str, value: &str) {
        self.text(key).number(8).text(value);
    }

    /// Writes a key with a list of texts.
    pub(super) fn texts(&mut self, key: &str, values: &[&str]) {
        self.text(key).number(9).number(8);
        self.bytes.extend((values.len() as u64).to_le_bytes());
        for value in values {
            self.text(value);
        }
    }

    /// Writes a key with a list of numbers that may be negative.
    pub(super) fn numbers(&mut self, key: &str, values: &[i32]) {
        self.text(key).number(9).number(5);
        self.bytes.extend((values.len() as u64).to_le_bytes());
        values.iter().for_each(|value| self.bytes.extend(value.to_le_bytes()));
    }

    /// Writes the place and shape of a tensor of a `kind` as ggml numbers them; `offset` counts from where data begins.
    pub(super) fn tensor(&mut self, name: &str, dimensions: &[u64], kind: u32, offset: u64) {
        self.text(name).number(dimensions.len() as u32);
        dimensions.iter().for_each(|length| self.bytes.extend(length.to_le_bytes()));
        self.number(kind);
        self.bytes.extend(offset.to_le_bytes());
    }
}
