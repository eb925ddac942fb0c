//! Writes GGUF files like a given one, but with rows that stand for no token, and with other end tokens.
//!
//! A row without a token is made as likely as a test needs: its weights are those of a token, doubled, so that wherever
//! that token has a positive logit the row has a larger one. A model that could draw the row would draw it.

use std::fs;
use std::io;
use std::path::Path;

use crate::gguf_reader::Reader;

/// Alignment of the tensors in the file, in bytes.
const ALIGNMENT: usize = 32;
/// Type code of 16-bit floats, which the bundled models have.
const F16: u32 = 1;

/// The token that ends a turn, then a name of the same length.
const END: &[u8; 10] = b"<|im_end|>";
const RENAMED_END: &[u8; 10] = b"<|xm_end|>";

/// The mark of a row without a token in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The mark that today's converter gives a row without a token.
    Unused,
    /// The mark that the converter gave before July 2024.
    UserDefined,
    /// The mark of an ordinary token.
    Normal,
}

impl Mark {
    /// Returns the token type that the file has for the mark.
    fn code(self) -> i32 {
        match self {
            Self::Normal => 1,
            Self::UserDefined => 4,
            Self::Unused => 5,
        }
    }
}

/// The changes to a file.
#[derive(Clone, Debug)]
pub struct Changes {
    /// Mark of the new rows.
    pub mark: Mark,
    /// Rows after the last one: for each the token whose weights it doubles.
    pub after: Vec<u32>,
    /// Tokens that become rows without one: each with the token whose weights it doubles.
    pub holes: Vec<(u32, u32)>,
    /// Token that ends a turn from now on; `None` keeps the present one.
    pub end: Option<u32>,
    /// Whether `<|im_end|>` gets a name, in the template too, that llama.cpp does not take for an end by itself.
    pub rename_end: bool,
}

impl Default for Changes {
    fn default() -> Self {
        Self { mark: Mark::Unused, after: Vec::new(), holes: Vec::new(), end: None, rename_end: false }
    }
}

/// Writes the changed model.
///
/// # Errors
/// The errors of reading and writing, and an error where the file is not of the form that this module knows.
pub fn write(source: &Path, target: &Path, changes: &Changes) -> io::Result<()> {
    let mut bytes = fs::read(source)?;
    if changes.rename_end {
        let is_end = |(at, text): (usize, &[u8])| (text == END).then_some(at);
        let places: Vec<usize> = bytes.windows(END.len()).enumerate().filter_map(is_end).collect();
        places.into_iter().for_each(|at| bytes[at..at + END.len()].copy_from_slice(RENAMED_END));
    }
    let changed = changed(&bytes, changes).ok_or_else(|| io::Error::other("not a GGUF file with 16-bit embeddings"))?;
    fs::write(target, changed)
}

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text);
}

/// Returns the name that the converter gives a row without a token.
fn filler(id: usize) -> String {
    format!("[PAD{id}]")
}

/// Returns the changed file; `None` where it is not of the form that this module knows.
fn changed(bytes: &[u8], changes: &Changes) -> Option<Vec<u8>> {
    let mut reader = Reader::new(bytes);
    let mut out = reader.take(8)?.to_vec();
    let (tensors, pairs) = (reader.u64()?, reader.u64()?);
    out.extend([tensors.to_le_bytes(), pairs.to_le_bytes()].concat());
    for _ in 0..pairs {
        pair(&mut reader, &mut out, changes)?;
    }
    let infos: Vec<Info> = (0..tensors).map(|_| Info::read(&mut reader)).collect::<Option<_>>()?;
    let data = bytes.get(reader.at.next_multiple_of(ALIGNMENT)..)?;
    let mut bodies = Vec::new();
    for info in &infos {
        let (dimensions, body) = info.body(data, changes)?;
        put_text(&mut out, info.name);
        out.extend((dimensions.len() as u32).to_le_bytes());
        dimensions.iter().for_each(|n| out.extend(n.to_le_bytes()));
        out.extend(info.kind.to_le_bytes());
        out.extend((bodies.len() as u64).to_le_bytes());
        bodies.extend(body);
        bodies.resize(bodies.len().next_multiple_of(ALIGNMENT), 0);
    }
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
    out.extend(bodies);
    Some(out)
}

/// Copies an entry of the metadata, with the changes to it.
fn pair(reader: &mut Reader<'_>, out: &mut Vec<u8>, changes: &Changes) -> Option<()> {
    let key = reader.text()?;
    let kind = reader.u32()?;
    put_text(out, key);
    out.extend(kind.to_le_bytes());
    match key {
        b"llama.vocab_size" => out.extend((reader.u32()? + changes.after.len() as u32).to_le_bytes()),
        b"tokenizer.ggml.eos_token_id" | b"tokenizer.ggml.eot_token_id" => {
            let end = reader.u32()?;
            out.extend(changes.end.unwrap_or(end).to_le_bytes());
        }
        b"tokenizer.ggml.tokens" => {
            let (element, count) = (reader.u32()?, reader.u64()? as usize);
            out.extend(element.to_le_bytes());
            out.extend((count as u64 + changes.after.len() as u64).to_le_bytes());
            for id in 0..count {
                let name = reader.text()?;
                let is_hole = changes.holes.iter().any(|(hole, _)| *hole as usize == id);
                put_text(out, if is_hole { filler(id).into_bytes() } else { name.to_vec() }.as_slice());
            }
            (0..changes.after.len()).for_each(|row| put_text(out, filler(count + row).as_bytes()));
        }
        b"tokenizer.ggml.token_type" => {
            let (element, count) = (reader.u32()?, reader.u64()?);
            out.extend(element.to_le_bytes());
            out.extend((count + changes.after.len() as u64).to_le_bytes());
            let new = changes.mark.code().to_le_bytes();
            for id in 0..count {
                let old = reader.take(4)?;
                let is_hole = changes.holes.iter().any(|(hole, _)| u64::from(*hole) == id);
                out.extend(if is_hole { &new } else { old });
            }
            changes.after.iter().for_each(|_| out.extend(new));
        }
        _ => {
            let start = reader.at;
            reader.skip(kind)?;
            out.extend(&reader.bytes[start..reader.at]);
        }
    }
    Some(())
}

/// The file's description of a tensor.
struct Info<'a> {
    name: &'a [u8],
    dimensions: Vec<u64>,
    kind: u32,
    offset: usize,
}

impl<'a> Info<'a> {
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let name = reader.text()?;
        let count = reader.u32()?;
        let dimensions = (0..count).map(|_| reader.u64()).collect::<Option<_>>()?;
        Some(Self { name, dimensions, kind: reader.u32()?, offset: reader.u64()? as usize })
    }

    /// Returns the dimensions and the data, with the new rows if the tensor has one row for each token.
    fn body(&self, data: &[u8], changes: &Changes) -> Option<(Vec<u64>, Vec<u8>)> {
        let numbers = usize::try_from(self.dimensions.iter().product::<u64>()).ok()?;
        let size = if self.kind == F16 { 2 } else { 4 };
        let mut body = data.get(self.offset..self.offset + numbers * size)?.to_vec();
        let mut dimensions = self.dimensions.clone();
        if self.name == b"token_embd.weight" || self.name == b"output.weight" {
            let (width, rows) = (*dimensions.first()? as usize, dimensions.get_mut(1)?);
            let row = |body: &[u8], id: u32| {
                let start = id as usize * width * 2;
                Some(body.get(start..start + width * 2)?.as_chunks().0.iter().flat_map(|x| doubled(*x)).collect())
            };
            let plain = body.clone();
            for &(hole, loud) in &changes.holes {
                let (start, row): (_, Vec<u8>) = (hole as usize * width * 2, row(&plain, loud)?);
                body.get_mut(start..start + row.len())?.copy_from_slice(&row);
            }
            for &loud in &changes.after {
                body.extend(row(&plain, loud)?);
            }
            *rows += changes.after.len() as u64;
        }
        Some((dimensions, body))
    }
}

/// Returns twice a 16-bit float.
fn doubled(bytes: [u8; 2]) -> [u8; 2] {
    let bits = u16::from_le_bytes(bytes);
    let (sign, rest) = (bits & 0x8000, bits & 0x7fff);
    // Below the normal numbers the fraction is doubled; above them the exponent is one more.
    let twice = if rest < 0x400 { rest << 1 } else { rest + 0x400 };
    (sign | twice).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pair;

    #[test]
    fn without_changes_the_file_comes_out_as_it_went_in() {
        let bytes = fs::read(pair::file("demo-draft.gguf")).expect("the bundled draft model");
        let same = changed(&bytes, &Changes::default()).expect("a file that is known");
        assert_eq!(same.len(), bytes.len().next_multiple_of(ALIGNMENT));
        assert!(same.starts_with(&bytes));
    }

    #[test]
    fn halves_are_doubled() {
        // The numbers are 1.5, -0.25, 0, and the greatest of the numbers below the normal ones.
        for (one, two) in [(0x3e00, 0x4200), (0xb400, 0xb800), (0, 0), (0x03ff, 0x07fe)] {
            assert_eq!(doubled(u16::to_le_bytes(one)), u16::to_le_bytes(two), "{one:04x}");
        }
    }
}
