//! Writes GGUF files: headers, and models of the llama architecture with random weights. Such models load and run like
//! trained ones, but their text means nothing; they serve to test sizes, memory and faults.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>, version 3.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Alignment of the tensors in the file, in bytes.
const ALIGNMENT: u64 = 32;

/// The value of a metadata entry.
#[derive(Clone, Debug)]
pub enum Value {
    /// An unsigned 32-bit number.
    U32(u32),
    /// A signed 32-bit number.
    I32(i32),
    /// A truth value.
    Bool(bool),
    /// A 32-bit floating-point number.
    F32(f32),
    /// A text.
    Text(String),
    /// An array of texts.
    Texts(Vec<String>),
    /// An array of signed 32-bit numbers.
    I32s(Vec<i32>),
}

impl Value {
    /// Appends the value's type and the value.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::U32(n) => out.extend([4u32.to_le_bytes(), n.to_le_bytes()].concat()),
            Self::I32(n) => out.extend([5u32.to_le_bytes(), n.to_le_bytes()].concat()),
            Self::Bool(yes) => {
                out.extend(7u32.to_le_bytes());
                out.push(u8::from(*yes));
            }
            Self::F32(x) => out.extend([6u32.to_le_bytes(), x.to_le_bytes()].concat()),
            Self::Text(value) => {
                out.extend(8u32.to_le_bytes());
                text(out, value);
            }
            Self::Texts(values) => {
                out.extend([9u32.to_le_bytes(), 8u32.to_le_bytes()].concat());
                out.extend((values.len() as u64).to_le_bytes());
                values.iter().for_each(|value| text(out, value));
            }
            Self::I32s(values) => {
                out.extend([9u32.to_le_bytes(), 5u32.to_le_bytes()].concat());
                out.extend((values.len() as u64).to_le_bytes());
                values.iter().for_each(|value| out.extend(value.to_le_bytes()));
            }
        }
    }
}

/// The format in which a tensor's numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// 8-bit numbers, in blocks of 32 with a scale (Q8_0).
    Q8,
    /// 4-bit numbers, in blocks of 32 with a scale (Q4_0).
    Q4,
}

impl Kind {
    /// Returns the code of the format in the file.
    fn code(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4 => 2,
            Self::Q8 => 8,
        }
    }

    /// Returns the number of numbers in a block and its size in bytes.
    fn block(self) -> (u64, u64) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 => (1, 2),
            Self::Q4 => (32, 18),
            Self::Q8 => (32, 34),
        }
    }
}

/// A tensor's name, dimensions and storage.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Name of the tensor.
    pub name: String,
    /// Dimensions of the tensor, the contiguous one first.
    pub dimensions: Vec<u64>,
    /// Format of its numbers.
    pub kind: Kind,
}

impl Tensor {
    fn new(name: impl Into<String>, dimensions: &[u64], kind: Kind) -> Self {
        Self { name: name.into(), dimensions: dimensions.to_vec(), kind }
    }

    /// Returns the size of the tensor's data, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let (numbers, bytes) = self.kind.block();
        self.dimensions.iter().product::<u64>() / numbers * bytes
    }
}

/// Appends a text with its length.
pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// Returns the header of a file, padded to where the data begin.
#[must_use]
pub fn header(metadata: &[(&str, Value)], tensors: &[Tensor]) -> Vec<u8> {
    let mut out = b"GGUF".to_vec();
    out.extend(3u32.to_le_bytes());
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        text(&mut out, key);
        value.write(&mut out);
    }
    let mut offset = 0u64;
    for tensor in tensors {
        text(&mut out, &tensor.name);
        out.extend((tensor.dimensions.len() as u32).to_le_bytes());
        tensor.dimensions.iter().for_each(|n| out.extend(n.to_le_bytes()));
        out.extend(tensor.kind.code().to_le_bytes());
        out.extend(offset.to_le_bytes());
        offset += tensor.bytes().next_multiple_of(ALIGNMENT);
    }
    out.resize(out.len().next_multiple_of(ALIGNMENT as usize), 0);
    out
}

/// The shape of a model of the llama architecture.
#[derive(Clone, Debug)]
pub struct RandomModel {
    /// Number of layers.
    pub layers: u32,
    /// Width of the embedding, in numbers.
    pub width: u32,
    /// Number of query heads.
    pub heads: u32,
    /// Number of heads of keys and values.
    pub kv_heads: u32,
    /// Width between the two matrices of a feed-forward layer, in numbers.
    pub feed_forward: u32,
    /// Number of tokens in the vocabulary.
    pub vocabulary: u32,
    /// Length of the context that the model claims to be trained for, in tokens.
    pub context: u32,
    /// Format of the matrices.
    pub kind: Kind,
    /// Whether the output layer is the embedding.
    pub tied: bool,
}

impl RandomModel {
    /// Returns the metadata of the model itself.
    pub(crate) fn architecture(&self, name: &str) -> Vec<(&'static str, Value)> {
        vec![
            ("general.architecture", Value::Text("llama".into())),
            ("general.name", Value::Text(name.into())),
            ("llama.context_length", Value::U32(self.context)),
            ("llama.embedding_length", Value::U32(self.width)),
            ("llama.block_count", Value::U32(self.layers)),
            ("llama.feed_forward_length", Value::U32(self.feed_forward)),
            ("llama.attention.head_count", Value::U32(self.heads)),
            ("llama.attention.head_count_kv", Value::U32(self.kv_heads)),
            ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
            ("llama.rope.dimension_count", Value::U32(self.width / self.heads)),
            ("llama.vocab_size", Value::U32(self.vocabulary)),
        ]
    }

    /// Returns the metadata of the model and of its made-up tokenizer.
    fn metadata(&self) -> Vec<(&'static str, Value)> {
        let tokens: Vec<String> = (0..self.vocabulary).map(token).collect();
        // Longer tokens are made as pairs of shorter ones, as many as a real tokenizer has.
        let merges = (512..self.vocabulary).map(|id| format!("{} {}", token(id / 2), token(id % 509))).collect();
        let types = (0..self.vocabulary).map(|id| if id < 3 { 3 } else { 1 }).collect();
        let tokenizer = [
            ("tokenizer.ggml.model", Value::Text("gpt2".into())),
            ("tokenizer.ggml.pre", Value::Text("smollm".into())),
            ("tokenizer.ggml.tokens", Value::Texts(tokens)),
            ("tokenizer.ggml.token_type", Value::I32s(types)),
            ("tokenizer.ggml.merges", Value::Texts(merges)),
            ("tokenizer.ggml.bos_token_id", Value::U32(1)),
            ("tokenizer.ggml.eos_token_id", Value::U32(2)),
        ];
        self.architecture("random weights").into_iter().chain(tokenizer).collect()
    }

    /// Returns the tensors of the model.
    pub(crate) fn tensors(&self) -> Vec<Tensor> {
        let [width, feed, vocabulary] = [self.width, self.feed_forward, self.vocabulary].map(u64::from);
        let kv = width / u64::from(self.heads) * u64::from(self.kv_heads);
        let mut tensors = vec![
            Tensor::new("token_embd.weight", &[width, vocabulary], self.kind),
            Tensor::new("output_norm.weight", &[width], Kind::F32),
        ];
        if !self.tied {
            tensors.push(Tensor::new("output.weight", &[width, vocabulary], self.kind));
        }
        for layer in 0..self.layers {
            let matrix = |name: &str, rows, columns| {
                Tensor::new(format!("blk.{layer}.{name}.weight"), &[rows, columns], self.kind)
            };
            tensors.extend([
                Tensor::new(format!("blk.{layer}.attn_norm.weight"), &[width], Kind::F32),
                matrix("attn_q", width, width),
                matrix("attn_k", width, kv),
                matrix("attn_v", width, kv),
                matrix("attn_output", width, width),
                Tensor::new(format!("blk.{layer}.ffn_norm.weight"), &[width], Kind::F32),
                matrix("ffn_gate", width, feed),
                matrix("ffn_up", width, feed),
                matrix("ffn_down", feed, width),
            ]);
        }
        tensors
    }

    /// Writes the model with random weights.
    ///
    /// # Errors
    /// The errors of writing the file.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut noise = Noise(1);
        write(path, &self.metadata(), &self.tensors(), |tensor, out| {
            let (numbers, _) = tensor.kind.block();
            let blocks = tensor.dimensions.iter().product::<u64>() / numbers;
            for _ in 0..blocks {
                match tensor.kind {
                    Kind::F32 => out.write_all(&noise.small().to_le_bytes())?,
                    Kind::F16 => out.write_all(&half(noise.small()).to_le_bytes())?,
                    Kind::Q8 => noise.block(out, 32)?,
                    Kind::Q4 => noise.block(out, 16)?,
                }
            }
            Ok(())
        })
    }
}

/// The file that is written.
type Out = BufWriter<File>;

/// Writes a file: the header, then each matrix as `fill` gives it; norms are all ones.
///
/// # Errors
/// The errors of writing the file.
pub(crate) fn write(
    path: &Path,
    metadata: &[(&str, Value)],
    tensors: &[Tensor],
    mut fill: impl FnMut(&Tensor, &mut Out) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    out.write_all(&header(metadata, tensors))?;
    for tensor in tensors {
        match tensor.dimensions[..] {
            [width] => out.write_all(&1f32.to_le_bytes().repeat(width as usize))?,
            _ => fill(tensor, &mut out)?,
        }
        let padding = tensor.bytes().next_multiple_of(ALIGNMENT) - tensor.bytes();
        out.write_all(&[0; ALIGNMENT as usize][..padding as usize])?;
    }
    out.flush()
}

/// Returns the text of a token, without spaces: a byte-level tokenizer has none.
fn token(id: u32) -> String {
    match id {
        0..=2 => format!("<|{id}|>"),
        id => format!("t{id:x}"),
    }
}

/// A small generator of random numbers, so that files are the same every time.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Draws a number, uniform in [-0.04, 0.04).
    fn small(&mut self) -> f32 {
        ((self.next() >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * 0.08
    }

    /// Writes a block of quantized numbers: a scale and `bytes` bytes of random numbers.
    fn block(&mut self, out: &mut impl Write, bytes: usize) -> io::Result<()> {
        let mut block = [0; 34];
        let scale = if bytes == 32 { 0.04 / 127.0 } else { 0.04 / 8.0 };
        block[..2].copy_from_slice(&half(scale).to_le_bytes());
        for chunk in block[2..2 + bytes].chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
        out.write_all(&block[..2 + bytes])
    }
}

/// Returns a small normal number as a 16-bit float, rounded towards zero.
fn half(x: f32) -> u16 {
    let bits = x.to_bits();
    let sign = (bits >> 16 & 0x8000) as u16;
    let exponent = (bits >> 23 & 0xff) as i32 - 127 + 15;
    if exponent <= 0 { sign } else { sign | (exponent as u16) << 10 | (bits >> 13 & 0x3ff) as u16 }
}
