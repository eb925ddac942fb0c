//! Reads and writes the file of a memory: a magic, a version, a section that names the models, and a section a row,
//! appended as soon as the row is known.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use uhlm_law::advance::PrefixHash;
use uhlm_law::digest::Digest;

use super::{Side, TOP};
use crate::trace::bytes::Bytes;
use crate::trace::rows::{decode_row, put_row};
use crate::trace::sections::{SectionFile, framed, section};
use crate::trace::{Row, TraceError};

const MAGIC: &[u8; 8] = b"UHLMMEM\n";
const VERSION: u32 = 1;
const MODELS: u8 = 1;
const ROW: u8 = 2;

type Rows = HashMap<(Side, PrefixHash), Arc<Row>>;

/// A file that rows are appended to.
#[derive(Debug)]
pub(super) struct MemoryFile(SectionFile);

impl MemoryFile {
    /// Opens the file of two models, given by their fingerprints, and returns its rows; a row that an interrupted run
    /// left half is dropped.
    pub(super) fn open(path: &Path, models: [Digest; 2]) -> Result<(Self, Rows), TraceError> {
        let bytes = SectionFile::bytes(path)?;
        let front = front(models);
        let is_begun = !front.starts_with(&bytes);
        let (rows, whole) = if is_begun { read(&bytes, &front)? } else { (Rows::new(), 0) };
        let mut file = SectionFile::open(path, whole)?;
        if whole == 0 {
            file.write(&front)?;
        }
        Ok((Self(file), rows))
    }

    pub(super) fn append(&mut self, side: Side, prefix: PrefixHash, row: &Row) -> Result<(), TraceError> {
        let mut content = vec![u8::from(side == Side::Target)];
        content.extend_from_slice(&prefix.to_bytes());
        put_row(&mut content, row);
        self.0.write(&framed(ROW, &content))
    }
}

/// Returns the bytes that a file of these models begins with.
fn front([draft, target]: [Digest; 2]) -> Vec<u8> {
    let models = [&draft.0[..], &target.0[..], &(TOP as u64).to_le_bytes()].concat();
    [&MAGIC[..], &VERSION.to_le_bytes(), &framed(MODELS, &models)].concat()
}

/// Reads all whole rows; returns them with the number of bytes up to the end of the last one.
fn read(bytes: &[u8], front: &[u8]) -> Result<(Rows, usize), TraceError> {
    if !bytes.starts_with(MAGIC) {
        return Err(TraceError::Strange);
    }
    if !bytes.starts_with(front) {
        return Err(TraceError::Other { what: "the models or the version".into() });
    }
    let (mut rows, mut at) = (Rows::new(), front.len());
    while let Some((content, end)) = section(bytes, at, ROW)? {
        let mut bytes = Bytes(content);
        let side = match bytes.take(1)? {
            [0] => Side::Draft,
            [1] => Side::Target,
            _ => return Err(TraceError::Damaged { what: "a row of neither model".into() }),
        };
        let prefix = PrefixHash::from_bytes(bytes.u64()?.to_le_bytes());
        let row = decode_row(&mut bytes)?;
        bytes.end()?;
        rows.insert((side, prefix), Arc::new(row));
        at = end;
    }
    Ok((rows, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(first: f32) -> Row {
        Row { ids: vec![3, 900], logits: vec![first, -1.0], log_normaliser: 2.0 }
    }

    const MODELS: [Digest; 2] = [Digest([1; 32]), Digest([2; 32])];

    #[test]
    fn rows_come_back_and_half_a_row_is_dropped() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pair.memory");
        let (of, [a, b]) = (PrefixHash::of, [[1, 2], [1, 3]]);
        let (mut file, rows) = MemoryFile::open(&path, MODELS).expect("a new file");
        assert!(rows.is_empty());
        file.append(Side::Draft, of(&a), &row(1.0)).expect("room");
        file.append(Side::Target, of(&a), &row(2.0)).expect("room");
        let two = std::fs::read(&path).expect("there").len();
        file.append(Side::Target, of(&b), &row(3.0)).expect("room");
        let whole = std::fs::read(&path).expect("there");
        for cut in two..whole.len() {
            std::fs::write(&path, &whole[..cut]).expect("room");
            let (mut file, rows) = MemoryFile::open(&path, MODELS).expect("a file to go on with");
            let found = |side, ids: &[u32]| rows.get(&(side, of(ids))).map(|row| row.logits[0]);
            assert_eq!([found(Side::Draft, &a), found(Side::Target, &a)], [Some(1.0), Some(2.0)], "{cut}");
            assert_eq!(found(Side::Target, &b), None, "{cut}");
            file.append(Side::Target, of(&b), &row(3.0)).expect("room");
            drop(file);
            assert_eq!(std::fs::read(&path).expect("there"), whole, "{cut}");
        }
        let front = front(MODELS).len();
        for cut in 0..=front {
            std::fs::write(&path, &whole[..cut]).expect("room");
            assert!(MemoryFile::open(&path, MODELS).expect("begun again").1.is_empty());
            assert_eq!(std::fs::read(&path).expect("there").len(), front, "{cut}");
        }
    }

    #[test]
    fn the_memory_of_other_models_and_another_file_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pair.memory");
        MemoryFile::open(&path, MODELS).expect("a new file");
        let other = MemoryFile::open(&path, [MODELS[0], Digest([3; 32])]);
        assert!(matches!(other, Err(TraceError::Other { .. })), "{other:?}");
        std::fs::write(&path, "something of the person's").expect("room");
        assert!(matches!(MemoryFile::open(&path, MODELS), Err(TraceError::Strange)));
        assert_eq!(std::fs::read(&path).expect("there"), b"something of the person's");
    }
}
