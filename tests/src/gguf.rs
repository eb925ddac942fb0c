//! GGUF files made for tests: one that says a given text, one whose decode step takes milliseconds.
//!
//! Only what a `llama` model with a byte-level vocabulary needs; real models come from `models/`.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::{fs, io};

use uhlm_core::rng::{Rng, Stream};

/// Tensors begin at multiples of this.
const ALIGNMENT: usize = 32;

/// Elements of a tensor, innermost dimension first.
struct Tensor {
    name: String,
    shape: Vec<usize>,
    values: Values,
}

enum Values {
    F32(Vec<f32>),
    /// Bit patterns.
    F16(Vec<u16>),
}

impl Values {
    fn bytes(&self) -> usize {
        match self {
            Self::F32(values) => 4 * values.len(),
            Self::F16(values) => 2 * values.len(),
        }
    }

    fn code(&self) -> u32 {
        match self {
            Self::F32(_) => 0,
            Self::F16(_) => 1,
        }
    }

    fn write(&self, file: &mut impl Write) -> io::Result<()> {
        match self {
            Self::F32(values) => values.iter().try_for_each(|value| file.write_all(&value.to_le_bytes())),
            Self::F16(values) => values.iter().try_for_each(|value| file.write_all(&value.to_le_bytes())),
        }
    }
}

/// The metadata section, as it is written.
#[derive(Default)]
struct Metadata {
    entries: u64,
    bytes: Vec<u8>,
}

impl Metadata {
    fn key(&mut self, key: &str, kind: u32) {
        self.entries += 1;
        put_text(&mut self.bytes, key.as_bytes());
        self.bytes.extend(kind.to_le_bytes());
    }

    fn number(&mut self, key: &str, value: usize) {
        self.key(key, 4);
        self.bytes.extend((value as u32).to_le_bytes());
    }

    fn float(&mut self, key: &str, value: f32) {
        self.key(key, 6);
        self.bytes.extend(value.to_le_bytes());
    }

    fn text(&mut self, key: &str, value: &str) {
        self.key(key, 8);
        put_text(&mut self.bytes, value.as_bytes());
    }

    fn array(&mut self, key: &str, kind: u32, length: usize) {
        self.key(key, 9);
        self.bytes.extend(kind.to_le_bytes());
        self.bytes.extend((length as u64).to_le_bytes());
    }

    fn texts(&mut self, key: &str, values: &[String]) {
        self.array(key, 8, values.len());
        values.iter().for_each(|value| put_text(&mut self.bytes, value.as_bytes()));
    }

    fn numbers(&mut self, key: &str, values: &[u32]) {
        self.array(key, 5, values.len());
        values.iter().for_each(|value| self.bytes.extend(value.to_le_bytes()));
    }
}

fn put_text(bytes: &mut Vec<u8>, text: &[u8]) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text);
}

fn write(path: &Path, metadata: &Metadata, tensors: &[Tensor]) -> io::Result<()> {
    let mut header = b"GGUF".to_vec();
    header.extend(3u32.to_le_bytes());
    header.extend((tensors.len() as u64).to_le_bytes());
    header.extend(metadata.entries.to_le_bytes());
    header.extend(&metadata.bytes);
    let mut offset = 0;
    for tensor in tensors {
        put_text(&mut header, tensor.name.as_bytes());
        header.extend((tensor.shape.len() as u32).to_le_bytes());
        tensor.shape.iter().for_each(|&n| header.extend((n as u64).to_le_bytes()));
        header.extend(tensor.values.code().to_le_bytes());
        header.extend((offset as u64).to_le_bytes());
        offset += tensor.values.bytes().next_multiple_of(ALIGNMENT);
    }
    let padding = |length: usize| [0u8; ALIGNMENT][..length.next_multiple_of(ALIGNMENT) - length].to_vec();
    let mut file = BufWriter::new(fs::File::create(path)?);
    file.write_all(&header)?;
    file.write_all(&padding(header.len()))?;
    for tensor in tensors {
        tensor.values.write(&mut file)?;
        file.write_all(&padding(tensor.values.bytes()))?;
    }
    file.flush()
}

/// The letters in which byte-level vocabularies write bytes: printable ones as they are, the others from U+0100 on.
fn letters(bytes: &[u8]) -> String {
    let printable = |byte: u8| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let letter = |&byte: &u8| match printable(byte) {
        true => char::from(byte),
        false => char::from_u32(256 + (0..byte).filter(|&b| !printable(b)).count() as u32).expect("below U+0200"),
    };
    bytes.iter().map(letter).collect()
}

/// A vocabulary: the end token, the 256 bytes, then `pieces`.
fn vocabulary(metadata: &mut Metadata, pieces: &[Vec<u8>]) -> usize {
    let bytes = (0..=255u8).map(|byte| letters(&[byte]));
    let tokens: Vec<String> =
        std::iter::once("<|end|>".to_owned()).chain(bytes).chain(pieces.iter().map(|piece| letters(piece))).collect();
    metadata.text("tokenizer.ggml.model", "gpt2");
    metadata.text("tokenizer.ggml.pre", "gpt-2");
    metadata.texts("tokenizer.ggml.tokens", &tokens);
    const NORMAL: u32 = 1;
    const CONTROL: u32 = 3;
    let kinds: Vec<u32> = (0..tokens.len()).map(|id| if id == 0 { CONTROL } else { NORMAL }).collect();
    metadata.numbers("tokenizer.ggml.token_type", &kinds);
    metadata.texts("tokenizer.ggml.merges", &["\u{120} \u{120}".to_owned()]);
    metadata.number("tokenizer.ggml.bos_token_id", 0);
    metadata.number("tokenizer.ggml.eos_token_id", 0);
    tokens.len()
}

/// Sizes of a model.
struct Shape {
    width: usize,
    layers: usize,
    hidden: usize,
    vocabulary: usize,
}

fn architecture(metadata: &mut Metadata, name: &str, shape: &Shape) {
    const HEAD: usize = 32;
    metadata.text("general.architecture", "llama");
    metadata.text("general.name", name);
    metadata.number("general.alignment", ALIGNMENT);
    metadata.number("llama.vocab_size", shape.vocabulary);
    metadata.number("llama.context_length", 2048);
    metadata.number("llama.embedding_length", shape.width);
    metadata.number("llama.block_count", shape.layers);
    metadata.number("llama.feed_forward_length", shape.hidden);
    metadata.number("llama.attention.head_count", shape.width / HEAD);
    metadata.number("llama.attention.head_count_kv", shape.width / HEAD);
    metadata.number("llama.rope.dimension_count", HEAD);
    metadata.float("llama.rope.freq_base", 10_000.0);
    metadata.float("llama.attention.layer_norm_rms_epsilon", 1e-5);
}

/// The tensors of a model whose matrices `fill` makes.
fn tensors(shape: &Shape, mut fill: impl FnMut(&str, usize, usize) -> Values) -> Vec<Tensor> {
    let mut all = Vec::new();
    let mut matrix = |name: String, inputs: usize, outputs: usize| {
        let values = fill(&name, inputs, outputs);
        all.push(Tensor { name, shape: vec![inputs, outputs], values });
    };
    let (width, hidden) = (shape.width, shape.hidden);
    matrix("token_embd.weight".into(), width, shape.vocabulary);
    matrix("output.weight".into(), width, shape.vocabulary);
    for layer in 0..shape.layers {
        for part in ["attn_q", "attn_k", "attn_v", "attn_output"] {
            matrix(format!("blk.{layer}.{part}.weight"), width, width);
        }
        matrix(format!("blk.{layer}.ffn_gate.weight"), width, hidden);
        matrix(format!("blk.{layer}.ffn_up.weight"), width, hidden);
        matrix(format!("blk.{layer}.ffn_down.weight"), hidden, width);
    }
    let norms = (0..shape.layers).flat_map(|layer| ["attn_norm", "ffn_norm"].map(|part| format!("blk.{layer}.{part}.weight")));
    for name in norms.chain(["output_norm.weight".to_owned()]) {
        all.push(Tensor { name, shape: vec![width], values: Values::F32(vec![1.0; width]) });
    }
    all
}

/// Cuts a text into pieces of several bytes, no two alike, wherever that is: mostly inside characters.
fn pieces(text: &str) -> Vec<Vec<u8>> {
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    let (mut rest, mut lengths) = (text.as_bytes(), [2, 3, 2, 5].iter().cycle());
    while !rest.is_empty() {
        let mut length = (*lengths.next().expect("a cycle")).min(rest.len());
        while pieces.iter().any(|piece| piece == &rest[..length]) {
            length += 1;
        }
        if rest.len() - length == 1 {
            length += 1;
        }
        pieces.push(rest[..length].to_vec());
        rest = &rest[length..];
    }
    pieces
}

/// Writes a model that continues every prompt with `text`, nearly surely at temperature 1, and then ends its reply. Each
/// token is one dimension, attention and feed-forward add nothing, and the output matrix holds who follows whom.
///
/// # Errors
/// Those of writing the file.
pub fn write_parrot(path: &Path, text: &str) -> io::Result<()> {
    let pieces = pieces(text);
    let mut metadata = Metadata::default();
    let first = 257;
    let size = first + pieces.len();
    let shape = Shape { width: size.next_multiple_of(32), layers: 1, hidden: 32, vocabulary: size };
    architecture(&mut metadata, "parrot", &shape);
    vocabulary(&mut metadata, &pieces);
    let next = |id: usize| match id {
        id if id < first => first,
        id if id + 1 < size => id + 1,
        _ => 0,
    };
    let fill = |name: &str, inputs: usize, outputs: usize| {
        let mut values = vec![0.0; inputs * outputs];
        match name {
            "token_embd.weight" => (0..size).for_each(|id| values[id * inputs + id] = 1.0),
            "output.weight" => (0..size).for_each(|id| values[next(id) * inputs + id] = 4.0),
            _ => {}
        }
        Values::F32(values)
    };
    write(path, &metadata, &tensors(&shape, fill))
}

/// Writes a model of about 57 million random weights: it says nothing, at the compute of a real small model.
///
/// # Errors
/// Those of writing the file.
pub fn write_heavy(path: &Path) -> io::Result<()> {
    let mut metadata = Metadata::default();
    let shape = Shape { width: 512, layers: 16, hidden: 1536, vocabulary: 257 };
    architecture(&mut metadata, "random weights", &shape);
    vocabulary(&mut metadata, &[]);
    let mut rng = Rng::new(1, Stream::Simulation);
    let fill = |_: &str, inputs: usize, outputs: usize| {
        // 11 random bits make a number of either sign between 2^-6 and 2^-5.
        let mut number = || {
            let bits = (rng.uniform() * 2048.0) as u16;
            (bits & 1024) << 5 | 0x2400 | bits & 1023
        };
        Values::F16((0..inputs * outputs).map(|_| number()).collect())
    };
    write(path, &metadata, &tensors(&shape, fill))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_distinct_longer_than_a_byte_and_make_up_the_text() {
        let text = "漢字漢字 🎉🎉🎉 and so on and so on";
        let pieces = pieces(text);
        assert_eq!(pieces.concat(), text.as_bytes());
        for (i, piece) in pieces.iter().enumerate() {
            assert!(piece.len() > 1 && !pieces[..i].contains(piece), "{piece:?}");
        }
        assert!(pieces.iter().any(|piece| std::str::from_utf8(piece).is_err()));
    }
}
