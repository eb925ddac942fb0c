//! Reads a GGUF header before llama.cpp does, so that a missing, foreign, truncated or damaged file is a typed error,
//! and so that what the model will need is known before it is loaded.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>, versions 2 and 3, little-endian.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use uhlm_law::sampling::SamplingParams;

use crate::architecture::{self, Facts};
pub use crate::header::HeaderError;
use crate::header::{Header, Value};
use crate::recommended::Recommended;

/// The facts that a header states; of a split model those of the headers of all parts.
#[derive(Clone, Debug, PartialEq)]
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
    /// Sampling that the authors recommend, `general.sampling.*`, where present.
    pub recommended: Option<SamplingParams>,
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
        architecture::is_tried(&self.architecture)
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
    /// Size of what a token adds to the cache, keys and values of all layers, in numbers of 16 bits.
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

impl Shape {
    /// Takes note that keys and values are kept in blocks of 32 numbers of 8 bits with a scale of 16.
    pub(crate) fn quantise_cache(&mut self) {
        self.cache_per_token = self.cache_per_token.saturating_mul(17).div_ceil(32);
    }
}

/// The place of a part in its model, as the part's header states it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartHeader {
    /// `split.no`: the part's number, from 0.
    pub number: u64,
    /// `split.count`: the number of parts.
    pub count: u64,
    /// Bytes of the embedding that llama.cpp keeps a second time, unless another part has an output layer.
    pub(crate) embedding_repacked: u64,
    /// Whether the part has the output layer.
    pub(crate) has_output: bool,
}

const DEFAULT_ALIGNMENT: u64 = 32;

/// Reads and checks the header of this one file, whether it is a whole model or a part
/// ([`split::read`](crate::split::read) reads those of all parts); blocks on the file.
///
/// # Errors
/// [`HeaderError`].
pub fn read_part(path: &Path) -> Result<GgufSummary, HeaderError> {
    read_open_part(File::open(path)?)
}

/// Does the same for a file that is open, from where it is read next.
///
/// # Errors
/// [`HeaderError`].
pub fn read_open_part(file: File) -> Result<GgufSummary, HeaderError> {
    let (mut header, tensors, pairs) = Header::of(file)?;
    let file_bytes = header.file_bytes;
    let (mut architecture, mut name, mut alignment) = (None, None, DEFAULT_ALIGNMENT);
    let mut shape = Shape::default();
    let (mut sizes, mut facts, mut recommended) = (HashMap::new(), Facts::default(), Recommended::default());
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
        recommended.note(&key, &value);
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
    // A file without tensors ends with its header.
    let data = if tensors == 0 { header.position } else { header.position.next_multiple_of(alignment) };
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
            recommended: None,
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
        recommended: recommended.finish(),
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
