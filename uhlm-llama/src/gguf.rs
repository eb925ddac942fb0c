//! Reads a GGUF header before llama.cpp does, so that a missing, foreign, truncated or damaged file is a typed error,
//! and so that what the model will need is known before it is loaded.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>, versions 2 and 3, little-endian.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use crate::split::{self, PartHeader};
use crate::support::Facts;

/// The facts that a header states; of a split model those of the headers of all parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GgufSummary {
    /// Architecture of the model, `general.architecture`, for example `llama`.
    pub architecture: String,
    /// Name of the model, `general.name`, where present.
    pub name: Option<String>,
    /// Number of tensors.
    pub tensors: u64,
    /// Smallest length that the file must have, in bytes.
    pub required_bytes: u64,
    /// Length that it has, in bytes.
    pub file_bytes: u64,
    /// Sizes from which its memory follows; `None` where the header does not say them.
    pub shape: Option<Shape>,
    /// Name of the way in which text is split before it becomes tokens, `tokenizer.ggml.pre`, where present.
    pub pre_tokenizer: Option<String>,
    /// Place of the file in a split model, as the header says; `None` for a whole one.
    pub part: Option<PartHeader>,
    /// The files of the parts after the first, in order, for a split model.
    pub further_parts: Vec<PathBuf>,
}

impl GgufSummary {
    /// Tells whether a model of this architecture has been run with this library by its authors. Others load where
    /// llama.cpp runs them.
    #[must_use]
    pub fn is_tried(&self) -> bool {
        crate::support::is_tried(&self.architecture)
    }

    /// Returns the size of the tensors that are kept a second time, in bytes.
    pub(crate) fn repacked_bytes(&self) -> u64 {
        self.shape.as_ref().map_or(0, |shape| shape.repacked_bytes)
    }
}

/// The sizes of a model, as its header has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Number of layers.
    pub layers: u64,
    /// Width of the embedding.
    pub width: u64,
    /// Width of the widest feed-forward layer.
    pub feed_forward: u64,
    /// Largest number of query heads of a layer.
    pub heads: u64,
    /// Count of the numbers that a token adds to the cache, keys and values of all layers.
    pub cache_per_token: u64,
    /// Length of the context that it was trained for, in tokens.
    pub context: u64,
    /// Number of tokens in the vocabulary.
    pub vocabulary: u64,
    /// Length of their texts together, in bytes.
    pub vocabulary_bytes: u64,
    /// Number of rules of a byte-pair tokenizer.
    pub merges: u64,
    /// Size of the tensors that llama.cpp keeps a second time in an order of its own on this kind of processor, in
    /// bytes.
    pub repacked_bytes: u64,
}

/// The reason why a header was refused.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The file does not begin as a GGUF file does.
    #[error("it is not a GGUF file")]
    NotGguf,
    /// The file ends early.
    #[error("{found} bytes of at least {expected}")]
    Truncated {
        /// Smallest length that it must have, in bytes.
        expected: u64,
        /// Length that it has, in bytes.
        found: u64,
    },
    /// The header contradicts itself.
    #[error("{0}")]
    Damaged(String),
    /// The file is sound, and llama.cpp cannot run it, or not as a model that writes text.
    #[error("{reason} (architecture {architecture})")]
    Unsupported {
        /// Architecture, `general.architecture`, if it was read before the refusal became clear.
        architecture: String,
        /// Reason of the refusal.
        reason: String,
    },
    /// A part of a split model is not there.
    #[error("its part {} is missing", path.display())]
    MissingPart {
        /// Path where the part should be.
        path: PathBuf,
    },
    /// Another part of the split model is refused.
    #[error("its part {}: {error}", path.display())]
    Part {
        /// Path of the part.
        path: PathBuf,
        /// Reason why it is refused.
        error: Box<HeaderError>,
    },
}

/// Largest number of elements of an array: longer arrays and texts are damage, not data.
const MAX_ELEMENTS: u64 = 1 << 24;
const MAX_STRING: u64 = 1 << 24;
/// Largest number of tokens: the largest vocabularies have a quarter of it.
const MAX_TOKENS: u64 = 1 << 20;
/// Largest number of tensors: models of hundreds of layers with all experts apart have fewer.
const MAX_TENSORS: u64 = 1 << 17;
const MAX_PAIRS: u64 = 1 << 16;
/// Largest length of the texts of all tokens together, in bytes.
const MAX_VOCABULARY_BYTES: usize = 1 << 26;
const DEFAULT_ALIGNMENT: u64 = 32;

struct Header<R> {
    reader: R,
    position: u64,
    file_bytes: u64,
}

/// Reads and checks a header, and for a split model those of all its parts; blocks on the files.
///
/// # Errors
/// [`HeaderError`].
pub fn read(path: &Path) -> Result<GgufSummary, HeaderError> {
    split::read(path)
}

/// Reads and checks the header of this one file, whether it is a whole model or a part.
///
/// # Errors
/// [`HeaderError`].
pub fn read_part(path: &Path) -> Result<GgufSummary, HeaderError> {
    let file = File::open(path)?;
    let file_bytes = file.metadata()?.len();
    let mut header = Header { reader: BufReader::with_capacity(1 << 16, file), position: 0, file_bytes };
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
    let (mut architecture, mut name, mut alignment) = (None, None, DEFAULT_ALIGNMENT);
    let mut shape = Shape::default();
    let (mut sizes, mut facts) = (HashMap::new(), Facts::default());
    for _ in 0..pairs {
        let key = header.string()?;
        if key == "tokenizer.ggml.tokens" {
            let tokens = header.vocabulary()?;
            (shape.vocabulary, shape.vocabulary_bytes) = (tokens.ends.len() as u64, tokens.bytes.len() as u64);
            facts.repeated_token = tokens.repeated();
            continue;
        }
        let value = header.value()?;
        facts.note(&key, &value);
        match (key.as_str(), value) {
            ("general.architecture", Value::Text(text)) => architecture = Some(text),
            ("general.name", Value::Text(text)) => name = Some(text),
            ("general.alignment", Value::Unsigned(n)) => alignment = n,
            ("tokenizer.ggml.merges", Value::Texts(count)) => shape.merges = count,
            (_, Value::Unsigned(n)) => drop(sizes.insert(key, vec![n])),
            (_, Value::Numbers(numbers)) => drop(sizes.insert(key, numbers)),
            _ => {}
        }
    }
    if !alignment.is_power_of_two() {
        return Err(HeaderError::Damaged(format!("alignment {alignment}")));
    }
    let mut end = 0u64;
    let mut names = HashSet::new();
    let mut embedding = 0;
    for _ in 0..tensors {
        let tensor = header.tensor()?;
        if tensor.name == "token_embd.weight" {
            embedding = tensor.repacked;
        }
        shape.repacked_bytes = shape.repacked_bytes.saturating_add(tensor.repacked);
        end = end.max(tensor.end);
        if !names.insert(tensor.name.clone()) {
            return Err(HeaderError::Damaged(format!("tensor {} twice", tensor.name)));
        }
    }
    let part = part_header(&sizes, embedding, names.contains("output.weight"));
    if part.is_none() && names.contains("output.weight") {
        // The embedding is then only looked up, never multiplied with.
        shape.repacked_bytes -= embedding;
    }
    let data = header.position.next_multiple_of(alignment);
    let required_bytes = data.checked_add(end).ok_or_else(|| HeaderError::Damaged("tensor offsets overflow".into()))?;
    if required_bytes > file_bytes {
        return Err(HeaderError::Truncated { expected: required_bytes, found: file_bytes });
    }
    let further_parts = Vec::new();
    if part.is_some_and(|part| part.number > 0) {
        // Only the first part says what the model is.
        return Ok(GgufSummary {
            architecture: String::new(),
            name,
            tensors,
            required_bytes,
            file_bytes,
            shape: Some(shape),
            pre_tokenizer: None,
            part,
            further_parts,
        });
    }
    let architecture = architecture.ok_or_else(|| HeaderError::Damaged("no general.architecture".into()))?;
    if let Err(reason) = facts.check(&architecture, &sizes) {
        return Err(HeaderError::Unsupported { architecture, reason });
    }
    let shape = complete(shape, &architecture, &sizes);
    let pre_tokenizer = facts.pre_tokenizer;
    Ok(GgufSummary {
        architecture,
        name,
        tensors,
        required_bytes,
        file_bytes,
        shape,
        pre_tokenizer,
        part,
        further_parts,
    })
}

/// Returns the place of the file in a split model, as the header says; `None` for a whole model.
fn part_header(sizes: &HashMap<String, Vec<u64>>, embedding_repacked: u64, has_output: bool) -> Option<PartHeader> {
    let one = |key: &str| sizes.get(key)?.first().copied();
    let count = one("split.count").filter(|count| *count > 1)?;
    Some(PartHeader { number: one("split.no").unwrap_or(0), count, embedding_repacked, has_output })
}

/// Fills in the sizes that the architecture's own keys state; `None` if one that is needed is missing or makes no
/// sense.
fn complete(shape: Shape, architecture: &str, sizes: &HashMap<String, Vec<u64>>) -> Option<Shape> {
    let all = |key: &str| sizes.get(&format!("{architecture}.{key}"));
    let one = |key: &str| all(key)?.iter().copied().max();
    let (layers, width, heads) = (one("block_count")?, one("embedding_length")?, one("attention.head_count")?);
    let head = width.checked_div(heads)?;
    let (key, value) = (one("attention.key_length").unwrap_or(head), one("attention.value_length").unwrap_or(head));
    // One number for all layers, or one for each.
    let kv_heads = match all("attention.head_count_kv").map(Vec::as_slice) {
        Some([same]) => layers.checked_mul(*same)?,
        Some(each) => each.iter().try_fold(0u64, |sum, heads| sum.checked_add(*heads))?,
        None => layers.checked_mul(heads)?,
    };
    let cache_per_token = kv_heads.checked_mul(key.checked_add(value)?)?;
    let (feed_forward, context) = (one("feed_forward_length")?, one("context_length")?);
    Some(Shape { layers, width, feed_forward, heads, cache_per_token, context, ..shape })
}

/// A metadata value, as far as it is of interest.
pub(crate) enum Value {
    Text(String),
    Unsigned(u64),
    Bool(bool),
    /// A short array of numbers.
    Numbers(Vec<u64>),
    /// The number of texts in an array.
    Texts(u64),
    Other,
}

/// The facts about a tensor that are kept.
struct Tensor {
    name: String,
    /// Offset of the end of its data, relative to the data section; 0 for types whose size is not known.
    end: u64,
    /// Size of its data, in bytes, if llama.cpp keeps them a second time; else 0.
    repacked: u64,
}

/// Largest length of an array of numbers that is kept: a longer one is none of the sizes of a model.
const MAX_NUMBERS: u64 = 1024;

impl<R: Read> Header<R> {
    fn bytes(&mut self, buffer: &mut [u8]) -> Result<(), HeaderError> {
        self.reader.read_exact(buffer).map_err(|error| {
            if error.kind() == std::io::ErrorKind::UnexpectedEof {
                HeaderError::Truncated { expected: self.position + buffer.len() as u64, found: self.file_bytes }
            } else {
                error.into()
            }
        })?;
        self.position += buffer.len() as u64;
        Ok(())
    }

    fn skip(&mut self, bytes: u64) -> Result<(), HeaderError> {
        let skipped = std::io::copy(&mut self.reader.by_ref().take(bytes), &mut std::io::sink())?;
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

    fn u32(&mut self) -> Result<u32, HeaderError> {
        let mut buffer = [0; 4];
        self.bytes(&mut buffer)?;
        Ok(u32::from_le_bytes(buffer))
    }

    fn u64(&mut self) -> Result<u64, HeaderError> {
        let mut buffer = [0; 8];
        self.bytes(&mut buffer)?;
        Ok(u64::from_le_bytes(buffer))
    }

    fn string(&mut self) -> Result<String, HeaderError> {
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

    fn value(&mut self) -> Result<Value, HeaderError> {
        let kind = self.u32()?;
        self.value_of(kind)
    }

    fn value_of(&mut self, kind: u32) -> Result<Value, HeaderError> {
        const STRING: u32 = 8;
        const ARRAY: u32 = 9;
        match kind {
            2 => Ok(Value::Unsigned(self.u16()?.into())),
            4 => Ok(Value::Unsigned(self.u32()?.into())),
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
                    Some(4) if element != 6 && count <= MAX_NUMBERS => {
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

    fn vocabulary(&mut self) -> Result<Tokens, HeaderError> {
        let (kind, element, count) = (self.u32()?, self.u32()?, self.u64()?);
        if (kind, element) != (9, 8) || count > MAX_TOKENS {
            return Err(HeaderError::Damaged(format!("a vocabulary of type {kind}, {element} and length {count}")));
        }
        let mut tokens = Tokens::default();
        for id in 0..count {
            let token = self.raw_string()?;
            match token.as_slice() {
                // llama.cpp names tokens without a text so.
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

    fn tensor(&mut self) -> Result<Tensor, HeaderError> {
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
struct Tokens {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Tokens {
    /// Returns a text that two tokens have, which llama.cpp does not allow.
    fn repeated(&self) -> Option<String> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let mut texts: Vec<&[u8]> =
            starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start as usize..end as usize]).collect();
        texts.sort_unstable();
        let twice = texts.windows(2).find(|pair| pair[0] == pair[1])?;
        Some(String::from_utf8_lossy(&twice[0][..twice[0].len().min(64)]).into_owned())
    }
}

/// Tells whether llama.cpp keeps matrices of this type a second time, rearranged for the processor
/// (`ggml-cpu/repack.cpp`): `Q4_0`, `Q4_K` and `IQ4_NL` with AVX2; with ARM's dot products `Q5_K`, `Q6_K` and `Q8_0`
/// too.
fn is_repacked(kind: u32) -> bool {
    let everywhere = matches!(kind, 2 | 12 | 20);
    everywhere || (cfg!(target_arch = "aarch64") && matches!(kind, 8 | 13 | 14))
}

/// Returns the size of a metadata scalar, in bytes.
fn scalar_size(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

/// Returns the numbers of elements and of bytes in one block of a ggml tensor type.
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
