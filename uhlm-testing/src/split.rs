//! Splits a GGUF file into parts as `llama-gguf-split` does: the first part has the metadata, and each has its share of
//! the tensors.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::gguf_reader::Reader;

/// Alignment of the tensors in bytes, unless the file says otherwise; ours do not.
const ALIGNMENT: usize = 32;

/// A tensor as the header lists it: the bytes of its description up to its offset, and its data.
struct Listed<'a> {
    description: &'a [u8],
    data: &'a [u8],
}

/// Writes the model at `source` into `folder` as `count` parts named after `prefix`; returns them, the first one first.
///
/// # Errors
/// The errors of the file system, and an error for a file that is no GGUF of version 3.
pub fn split(source: &Path, folder: &Path, prefix: &str, count: u16) -> io::Result<Vec<PathBuf>> {
    let bytes = fs::read(source)?;
    let (metadata, entries, tensors) = read(&bytes).ok_or_else(|| io::Error::other("not a GGUF file of version 3"))?;
    let share = tensors.len().div_ceil(usize::from(count)).max(1);
    let empty: &[Listed<'_>] = &[];
    let mut shares: Vec<_> = tensors.chunks(share).collect();
    shares.resize(usize::from(count), empty);
    let mut paths = Vec::new();
    for (number, share) in shares.into_iter().enumerate() {
        let path = folder.join(format!("{prefix}-{:05}-of-{count:05}.gguf", number + 1));
        let kept = if number == 0 { (metadata, entries) } else { (&[][..], 0) };
        fs::write(&path, part(kept, (number as u16, count), tensors.len() as i32, share))?;
        paths.push(path);
    }
    Ok(paths)
}

/// Returns the size in bytes of the header of a GGUF file, without the padding before its data; `None` for another
/// file.
#[must_use]
pub fn header_bytes(bytes: &[u8]) -> Option<usize> {
    let mut reader = Reader::new(bytes);
    header(&mut reader).map(|_| reader.at)
}

/// Returns one part: its header, and the data of its tensors.
fn part((metadata, entries): (&[u8], u64), place: (u16, u16), total: i32, tensors: &[Listed<'_>]) -> Vec<u8> {
    let mut out = b"GGUF".to_vec();
    out.extend(3u32.to_le_bytes());
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((entries + 3).to_le_bytes());
    out.extend(metadata);
    for (key, number) in [("split.no", place.0), ("split.count", place.1)] {
        entry(&mut out, key, 2);
        out.extend(number.to_le_bytes());
    }
    entry(&mut out, "split.tensors.count", 5);
    out.extend(total.to_le_bytes());
    let mut offset = 0u64;
    for tensor in tensors {
        out.extend(tensor.description);
        out.extend(offset.to_le_bytes());
        offset += tensor.data.len().next_multiple_of(ALIGNMENT) as u64;
    }
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
    for tensor in tensors {
        out.extend(tensor.data);
        out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
    }
    out
}

/// Appends the key and the type of an entry.
fn entry(out: &mut Vec<u8>, key: &str, kind: u32) {
    out.extend((key.len() as u64).to_le_bytes());
    out.extend(key.as_bytes());
    out.extend(kind.to_le_bytes());
}

/// Returns the bytes of the metadata, its number of entries, and the tensors.
fn read(bytes: &[u8]) -> Option<(&[u8], u64, Vec<Listed<'_>>)> {
    let mut reader = Reader::new(bytes);
    let (metadata, entries, listed) = header(&mut reader)?;
    let data = bytes.get(reader.at.next_multiple_of(ALIGNMENT)..)?;
    let ends: Vec<usize> = listed.iter().map(|(_, offset)| *offset).chain([data.len()]).collect();
    // A tensor reaches to the next one that begins behind it; the padding up to there does no harm.
    let end = |offset: usize| ends.iter().copied().filter(|end| *end > offset).min().unwrap_or(data.len());
    let tensors = listed
        .into_iter()
        .map(|(description, offset)| Some(Listed { description, data: data.get(offset..end(offset))? }))
        .collect::<Option<_>>()?;
    Some((metadata, entries, tensors))
}

/// The bytes of the metadata, its number of entries, and each tensor's description with the offset of its data.
type Header<'a> = (&'a [u8], u64, Vec<(&'a [u8], usize)>);

/// Reads the header; `None` for a file that is no GGUF of version 3.
fn header<'a>(reader: &mut Reader<'a>) -> Option<Header<'a>> {
    if reader.take(4)? != b"GGUF" || reader.u32()? != 3 {
        return None;
    }
    let (tensors, entries) = (reader.u64()?, reader.u64()?);
    let begin = reader.at;
    for _ in 0..entries {
        reader.text()?;
        let kind = reader.u32()?;
        reader.skip(kind)?;
    }
    let metadata = &reader.bytes[begin..reader.at];
    let mut listed = Vec::new();
    for _ in 0..tensors {
        let begin = reader.at;
        reader.text()?;
        let dimensions = reader.u32()?;
        reader.take(dimensions as usize * 8 + 4)?;
        let description = &reader.bytes[begin..reader.at];
        listed.push((description, reader.u64()? as usize));
    }
    Some((metadata, entries, listed))
}
