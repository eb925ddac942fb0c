//! The words of a GGUF header: numbers, texts, values and tensors, one after the other, and why one is refused.
//!
//! Allocates nothing by a number that the file only claims. What the values mean is decided by
//! [`gguf`](crate::gguf) and [`architecture`](crate::architecture).

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// Why a header was refused.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// It does not begin as a GGUF file does.
    #[error("it is not a GGUF file")]
    NotGguf,
    /// The file ends early.
    #[error("{found} bytes of at least {expected}")]
    Truncated {
        /// Bytes that it must have at least.
        expected: u64,
        /// Bytes that it has.
        found: u64,
    },
    /// The header contradicts itself.
    #[error("{0}")]
    Damaged(String),
    /// The file is sound, and llama.cpp cannot run it, or not as a model that writes text.
    #[error("{reason} (architecture {architecture})")]
    Unsupported {
        /// `general.architecture`, if it was read before that became clear.
        architecture: String,
        /// Why.
        reason: String,
    },
    /// A part of a split model is not there.
    #[error("its part {} is missing", path.display())]
    MissingPart {
        /// Where the part should be.
        path: PathBuf,
    },
    /// Another part of the split model is refused.
    #[error("its part {}: {error}", path.display())]
    Part {
        /// The part.
        path: PathBuf,
        /// Why it is refused.
        error: Box<HeaderError>,
    },
}

/// Largest number of tensors: models of hundreds of layers with all experts apart have fewer.
const MAX_TENSORS: u64 = 1 << 17;
const MAX_PAIRS: u64 = 1 << 16;
/// Arrays and texts longer than this are damage, not data.
const MAX_ELEMENTS: u64 = 1 << 24;
const MAX_STRING: u64 = 1 << 24;
/// The largest vocabularies have a quarter of so many tokens.
const MAX_TOKENS: u64 = 1 << 20;
/// Texts of all tokens together.
const MAX_VOCABULARY_BYTES: usize = 1 << 26;

/// A header that is being read.
pub(crate) struct Header<R> {
    pub(crate) reader: R,
    pub(crate) position: u64,
    pub(crate) file_bytes: u64,
    /// Bytes that were read since keeping began; `None` while nothing is kept.
    pub(crate) kept: Option<Vec<u8>>,
}

/// A metadata value, as far as it is of interest.
pub(crate) enum Value {
    Text(String),
    Unsigned(u64),
    Real(f32),
    Bool(bool),
    /// A short array of numbers.
    Numbers(Vec<u64>),
    /// How many there are.
    Texts(u64),
    Other,
}

/// The part of a tensor's description that is kept.
pub(crate) struct Tensor {
    pub(crate) name: String,
    /// Where its data end, relative to the data section; 0 for types that we cannot size.
    pub(crate) end: u64,
    /// Its bytes, if llama.cpp keeps them a second time.
    pub(crate) repacked: u64,
}

/// An array of numbers longer than this is none of the sizes of a model.
const MOST_NUMBERS: u64 = 1024;

impl Header<BufReader<File>> {
    /// Opens a file and reads up to its metadata; returns the number of tensors and that of metadata entries too.
    pub(crate) fn open(path: &Path) -> Result<(Self, u64, u64), HeaderError> {
        Self::of(File::open(path)?)
    }

    /// Does the same for a file that is open.
    pub(crate) fn of(file: File) -> Result<(Self, u64, u64), HeaderError> {
        let file_bytes = file.metadata()?.len();
        let reader = BufReader::with_capacity(1 << 16, file);
        let mut header = Self { reader, position: 0, file_bytes, kept: None };
        let mut magic = [0; 4];
        match header.bytes(&mut magic) {
            Ok(()) if &magic == b"GGUF" => {}
            Ok(()) | Err(HeaderError::Truncated { .. }) => return Err(HeaderError::NotGguf),
            Err(error) => return Err(error),
        }
        let version = header.u32()?;
        if !(2..=3).contains(&version) {
            return Err(HeaderError::Damaged(format!("GGUF version {version}, known are 2 and 3")));
        }
        let tensors = header.u64()?;
        let pairs = header.u64()?;
        if tensors > MAX_TENSORS || pairs > MAX_PAIRS {
            return Err(HeaderError::Damaged(format!("{tensors} tensors and {pairs} metadata entries")));
        }
        Ok((header, tensors, pairs))
    }
}

impl<R: Read> Header<R> {
    pub(crate) fn bytes(&mut self, buffer: &mut [u8]) -> Result<(), HeaderError> {
        self.reader.read_exact(buffer).map_err(|error| {
            if error.kind() == std::io::ErrorKind::UnexpectedEof {
                HeaderError::Truncated { expected: self.position + buffer.len() as u64, found: self.file_bytes }
            } else {
                error.into()
            }
        })?;
        self.position += buffer.len() as u64;
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(buffer);
        }
        Ok(())
    }

    fn skip(&mut self, bytes: u64) -> Result<(), HeaderError> {
        let mut passed = self.reader.by_ref().take(bytes);
        let skipped = match &mut self.kept {
            Some(kept) => std::io::copy(&mut passed, kept)?,
            None => std::io::copy(&mut passed, &mut std::io::sink())?,
        };
        if skipped < bytes {
            return Err(HeaderError::Truncated { expected: self.position + bytes, found: self.file_bytes });
        }
        self.position += bytes;
        Ok(())
    }

    fn u16(&mut self) -> Result<u16, HeaderError> {
        let mut buffer = [0; 2];
        self.bytes(&mut buffer)?;
        Ok(u16::from_le_bytes(buffer))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, HeaderError> {
        let mut buffer = [0; 4];
        self.bytes(&mut buffer)?;
        Ok(u32::from_le_bytes(buffer))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, HeaderError> {
        let mut buffer = [0; 8];
        self.bytes(&mut buffer)?;
        Ok(u64::from_le_bytes(buffer))
    }

    pub(crate) fn string(&mut self) -> Result<String, HeaderError> {
        Ok(String::from_utf8_lossy(&self.raw_string()?).into_owned())
    }

    fn raw_string(&mut self) -> Result<Vec<u8>, HeaderError> {
        let length = self.u64()?;
        if length > MAX_STRING {
            return Err(HeaderError::Damaged(format!("a string of {length} bytes")));
        }
        if self.position + length > self.file_bytes {
            return Err(HeaderError::Truncated { expected: self.position + length, found: self.file_bytes });
        }
        let mut buffer = vec![0; length as usize];
        self.bytes(&mut buffer)?;
        Ok(buffer)
    }

    pub(crate) fn value(&mut self) -> Result<Value, HeaderError> {
        let kind = self.u32()?;
        self.value_of(kind)
    }

    fn value_of(&mut self, kind: u32) -> Result<Value, HeaderError> {
        const STRING: u32 = 8;
        const ARRAY: u32 = 9;
        match kind {
            2 => Ok(Value::Unsigned(self.u16()?.into())),
            4 => Ok(Value::Unsigned(self.u32()?.into())),
            6 => Ok(Value::Real(f32::from_bits(self.u32()?))),
            10 => Ok(Value::Unsigned(self.u64()?)),
            // Signed numbers count where they are none below zero.
            5 => Ok(i32::from_le_bytes(self.u32()?.to_le_bytes()).try_into().map_or(Value::Other, Value::Unsigned)),
            11 => Ok(i64::from_le_bytes(self.u64()?.to_le_bytes()).try_into().map_or(Value::Other, Value::Unsigned)),
            7 => {
                let mut byte = [0];
                self.bytes(&mut byte)?;
                Ok(Value::Bool(byte != [0]))
            }
            STRING => Ok(Value::Text(self.string()?)),
            ARRAY => {
                let element = self.u32()?;
                let count = self.u64()?;
                if count > MAX_ELEMENTS {
                    return Err(HeaderError::Damaged(format!("an array of {count} elements")));
                }
                match scalar_size(element) {
                    // u32 and i32.
                    Some(4) if element != 6 && count <= MOST_NUMBERS => {
                        let numbers = (0..count).map(|_| self.u32().map(u64::from)).collect::<Result<_, _>>()?;
                        return Ok(Value::Numbers(numbers));
                    }
                    Some(size) => self.skip(size * count)?,
                    None if element == STRING => {
                        for _ in 0..count {
                            let length = self.u64()?;
                            if length > MAX_STRING {
                                return Err(HeaderError::Damaged(format!("a string of {length} bytes")));
                            }
                            self.skip(length)?;
                        }
                        return Ok(Value::Texts(count));
                    }
                    None => return Err(HeaderError::Damaged(format!("an array of type {element}"))),
                }
                Ok(Value::Other)
            }
            _ => {
                let size = scalar_size(kind).ok_or_else(|| HeaderError::Damaged(format!("a value of type {kind}")))?;
                self.skip(size)?;
                Ok(Value::Other)
            }
        }
    }

    pub(crate) fn vocabulary(&mut self) -> Result<Tokens, HeaderError> {
        let (kind, element, count) = (self.u32()?, self.u32()?, self.u64()?);
        if (kind, element) != (9, 8) || count > MAX_TOKENS {
            return Err(HeaderError::Damaged(format!("a vocabulary of type {kind}, {element} and length {count}")));
        }
        let mut tokens = Tokens::default();
        for id in 0..count {
            let token = self.raw_string()?;
            match token.as_slice() {
                // llama.cpp names them so.
                [] => tokens.bytes.extend(format!("[EMPTY_{id}]").bytes()),
                token => tokens.bytes.extend(token),
            }
            if tokens.bytes.len() > MAX_VOCABULARY_BYTES {
                return Err(HeaderError::Damaged(format!("a vocabulary of over {MAX_VOCABULARY_BYTES} bytes")));
            }
            tokens.ends.push(tokens.bytes.len() as u32);
        }
        Ok(tokens)
    }

    pub(crate) fn tensor(&mut self) -> Result<Tensor, HeaderError> {
        let name = self.string()?;
        let dimensions = self.u32()?;
        if dimensions > 8 {
            return Err(HeaderError::Damaged(format!("a tensor of {dimensions} dimensions")));
        }
        let (mut elements, mut rows) = (1u64, 1);
        for dimension in 0..dimensions {
            let length = self.u64()?;
            rows = if dimension == 1 { length } else { rows };
            elements = elements
                .checked_mul(length)
                .ok_or_else(|| HeaderError::Damaged(format!("the size of tensor {name} overflows")))?;
        }
        let kind = self.u32()?;
        let offset = self.u64()?;
        let size = block(kind).map_or(0, |(per_block, bytes)| elements.div_ceil(per_block).saturating_mul(bytes));
        let repacked = if dimensions == 2 && rows % 8 == 0 && is_repacked(kind) { size } else { 0 };
        Ok(Tensor { name, end: offset.saturating_add(size), repacked })
    }
}

/// The texts of a vocabulary, one after the other.
#[derive(Default)]
pub(crate) struct Tokens {
    pub(crate) bytes: Vec<u8>,
    pub(crate) ends: Vec<u32>,
}

impl Tokens {
    /// A text that two tokens have, which llama.cpp does not allow.
    pub(crate) fn repeated(&self) -> Option<String> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let mut texts: Vec<&[u8]> =
            starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start as usize..end as usize]).collect();
        texts.sort_unstable();
        let twice = texts.windows(2).find(|pair| pair[0] == pair[1])?;
        Some(String::from_utf8_lossy(&twice[0][..twice[0].len().min(64)]).into_owned())
    }
}

/// Whether llama.cpp keeps matrices of this type a second time, rearranged for the processor (`ggml-cpu/repack.cpp`):
/// `Q4_0`, `Q4_K` and `IQ4_NL` with AVX2, `Q2_K` with AVX-512, which is counted without it too; with ARM's dot products
/// `Q5_K`, `Q6_K` and `Q8_0`.
fn is_repacked(kind: u32) -> bool {
    let everywhere = matches!(kind, 2 | 12 | 20);
    let here =
        (cfg!(target_arch = "aarch64") && matches!(kind, 8 | 13 | 14)) || (cfg!(target_arch = "x86_64") && kind == 10);
    everywhere || here
}

/// Bytes of a metadata scalar.
fn scalar_size(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

/// Elements and bytes of one block of a ggml tensor type.
fn block(kind: u32) -> Option<(u64, u64)> {
    Some(match kind {
        0 | 26 => (1, 4),
        1 | 25 | 30 => (1, 2),
        24 => (1, 1),
        27 | 28 => (1, 8),
        2 | 20 => (32, 18),
        3 => (32, 20),
        6 => (32, 22),
        7 => (32, 24),
        8 => (32, 34),
        9 => (32, 36),
        10 => (256, 84),
        11 | 21 => (256, 110),
        12 => (256, 144),
        13 => (256, 176),
        14 => (256, 210),
        15 => (256, 292),
        16 | 35 => (256, 66),
        17 => (256, 74),
        18 => (256, 98),
        19 => (256, 50),
        22 => (256, 82),
        23 => (256, 136),
        29 => (256, 56),
        34 => (256, 54),
        39 => (32, 17),
        _ => return None,
    })
}
