//! Reads and writes the file of a trace.
//!
//! Decides the bytes of the file: a magic, a version, then sections, each with its kind, its length, its content and a
//! check over it. The header and the vocabulary come first. Each reply is a section that is appended once it is
//! complete, so that an interrupted recording goes on where it stopped.

use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::bytes::{Bytes, put_ids, put_number, put_text};
use super::{Header, RecordedReply, Row, Trace, TraceError, TraceVocabulary};

const MAGIC: &[u8; 8] = b"UHLMTRC\n";
/// Version of the format that is written and read.
pub const VERSION: u32 = 1;

const HEADER: u8 = 1;
const VOCABULARY: u8 = 2;
const REPLY: u8 = 3;
/// Number of bytes before the content of a section: kind, length and check.
const FRAME: usize = 1 + 8 + 8;

fn damaged(what: impl Into<String>) -> TraceError {
    TraceError::Damaged { what: what.into() }
}

/// Reads a trace; blocks on the file.
///
/// # Errors
/// [`TraceError`]; a file that ends within a section is refused, so that a recording under way is not taken for one
/// that is complete.
pub fn read(path: &Path) -> Result<Trace, TraceError> {
    let bytes = std::fs::read(path).map_err(|error| TraceError::File { path: path.into(), error })?;
    decode(&bytes)
}

/// Reads a trace from the bytes of its file.
///
/// # Errors
/// [`TraceError`], except [`TraceError::File`].
pub fn decode(bytes: &[u8]) -> Result<Trace, TraceError> {
    let (trace, whole) = decode_whole(bytes)?;
    if whole == bytes.len() { Ok(trace) } else { Err(TraceError::Truncated { whole: whole as u64 }) }
}

/// Reads all whole sections; returns the trace with the number of bytes that it takes.
fn decode_whole(bytes: &[u8]) -> Result<(Trace, usize), TraceError> {
    let start = MAGIC.len() + 4;
    let Some((front, _)) = bytes.split_at_checked(start) else {
        let is_cut = bytes.len() < start && MAGIC.starts_with(&bytes[..bytes.len().min(MAGIC.len())]);
        return Err(if is_cut { TraceError::Truncated { whole: 0 } } else { TraceError::Strange });
    };
    if !front.starts_with(MAGIC) {
        return Err(TraceError::Strange);
    }
    let found = u32::from_le_bytes([front[8], front[9], front[10], front[11]]);
    if found != VERSION {
        return Err(TraceError::Version { found });
    }
    let mut at = start;
    let mut next = |kind: u8| -> Result<Option<&[u8]>, TraceError> {
        let Some((content, end)) = section(bytes, at, kind)? else { return Ok(None) };
        at = end;
        Ok(Some(content))
    };
    let cut = || TraceError::Truncated { whole: 0 };
    let header = next(HEADER)?.ok_or_else(cut)?;
    let header: Header = serde_json::from_slice(header).map_err(|error| damaged(format!("header: {error}")))?;
    let vocabulary = TraceVocabulary::decode(next(VOCABULARY)?.ok_or_else(cut)?)?;
    let mut replies = Vec::new();
    while let Some(content) = next(REPLY)? {
        replies.push(decode_reply(content)?);
    }
    Ok((Trace { header, vocabulary, replies }, at))
}

/// Returns the content of the section at `at` and where the section ends; `None` if it is not whole.
fn section(bytes: &[u8], at: usize, kind: u8) -> Result<Option<(&[u8], usize)>, TraceError> {
    let rest = &bytes[at..];
    if rest.first().is_some_and(|&found| found != kind) {
        return Err(damaged(format!("a section of kind {} where {kind} was expected", rest[0])));
    }
    let Some((front, rest)) = rest.split_at_checked(FRAME) else { return Ok(None) };
    let mut front = Bytes(&front[1..]);
    let (len, check) = (usize::try_from(front.u64()?).unwrap_or(usize::MAX), front.u64()?);
    let Some(content) = rest.get(..len) else { return Ok(None) };
    if check_of(content) != check {
        return Err(damaged("the check of a section does not agree with it"));
    }
    Ok(Some((content, at + FRAME + len)))
}

fn check_of(content: &[u8]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(Sha256::digest(content));
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

fn framed(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend_from_slice(&(content.len() as u64).to_le_bytes());
    out.extend_from_slice(&check_of(content).to_le_bytes());
    out.extend_from_slice(content);
    out
}

fn encode_reply(reply: &RecordedReply) -> Vec<u8> {
    let mut out = Vec::new();
    put_text(&mut out, &reply.category);
    put_text(&mut out, &reply.question);
    out.extend_from_slice(&reply.seed.to_le_bytes());
    put_ids(&mut out, &reply.prompt);
    put_ids(&mut out, &reply.tokens);
    for row in reply.draft.iter().chain(&reply.target) {
        put_number(&mut out, row.ids.len() as u64);
        let mut last = 0;
        for &id in &row.ids {
            put_number(&mut out, u64::from(id - last));
            last = id;
        }
        row.logits.iter().for_each(|z| out.extend_from_slice(&z.to_le_bytes()));
        out.extend_from_slice(&row.log_normaliser.to_le_bytes());
    }
    out
}

fn decode_reply(content: &[u8]) -> Result<RecordedReply, TraceError> {
    let mut bytes = Bytes(content);
    let (category, question, seed) = (bytes.text()?, bytes.text()?, bytes.u64()?);
    let mut ids = || -> Result<Vec<_>, TraceError> { (0..bytes.len(1)?).map(|_| bytes.id()).collect() };
    let (prompt, tokens) = (ids()?, ids()?);
    let mut rows = || (0..tokens.len()).map(|_| decode_row(&mut bytes)).collect::<Result<Vec<_>, _>>();
    let (draft, target) = (rows()?, rows()?);
    bytes.end()?;
    Ok(RecordedReply { category, question, seed, prompt, tokens, draft, target })
}

fn decode_row(bytes: &mut Bytes<'_>) -> Result<Row, TraceError> {
    let len = bytes.len(5)?;
    let (mut ids, mut last) = (Vec::with_capacity(len), 0u32);
    for place in 0..len {
        let step = bytes.id()?;
        last = last.checked_add(step).filter(|_| step > 0 || place == 0).ok_or_else(|| damaged("ids out of order"))?;
        ids.push(last);
    }
    let logits = (0..len).map(|_| bytes.f32()).collect::<Result<Vec<_>, _>>()?;
    let log_normaliser = bytes.f64()?;
    if len == 0 || !log_normaliser.is_finite() || logits.iter().any(|z| !z.is_finite()) {
        return Err(damaged("a row that is empty or not finite"));
    }
    Ok(Row { ids, logits, log_normaliser })
}

/// A trace that is being written.
#[derive(Debug)]
pub struct TraceFile {
    path: PathBuf,
    file: File,
    /// Replies that the file held when it was opened.
    replies: Vec<RecordedReply>,
}

impl TraceFile {
    /// Opens a file to go on with its recording, or makes it. The part of a reply that an interrupted recording left is
    /// dropped.
    ///
    /// # Errors
    /// [`TraceError`]; [`TraceError::Other`] if the file holds another recording than `header` describes.
    pub fn open(path: &Path, header: &Header, vocabulary: &TraceVocabulary) -> Result<Self, TraceError> {
        let failed = |error| TraceError::File { path: path.into(), error };
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(error)),
        };
        let found = match decode_whole(&bytes) {
            // The start itself was interrupted, so nothing is lost by beginning again.
            Err(TraceError::Truncated { .. }) => None,
            other => Some(other?),
        };
        if let Some((trace, _)) = &found {
            check_same(&trace.header, header)?;
        }
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(failed)?;
        let (replies, whole) = found.map_or((Vec::new(), 0), |(trace, whole)| (trace.replies, whole as u64));
        file.set_len(whole).and_then(|()| file.seek(SeekFrom::End(0))).map_err(failed)?;
        let mut opened = Self { path: path.into(), file, replies };
        if whole == 0 {
            let json = serde_json::to_vec(header).map_err(|error| damaged(error.to_string()))?;
            let version = VERSION.to_le_bytes();
            let start = [&MAGIC[..], &version, &framed(HEADER, &json), &framed(VOCABULARY, &vocabulary.encode())];
            opened.write(&start.concat())?;
        }
        Ok(opened)
    }

    /// Returns the replies that the file held when it was opened.
    #[must_use]
    pub fn replies(&self) -> &[RecordedReply] {
        &self.replies
    }

    /// Appends a reply.
    ///
    /// # Errors
    /// [`TraceError::File`].
    pub fn append(&mut self, reply: &RecordedReply) -> Result<(), TraceError> {
        self.write(&framed(REPLY, &encode_reply(reply)))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), TraceError> {
        let written = self.file.write_all(bytes).and_then(|()| self.file.flush());
        written.map_err(|error| TraceError::File { path: self.path.clone(), error })
    }
}

fn check_same(found: &Header, wanted: &Header) -> Result<(), TraceError> {
    let differing = [
        ("the models", found.draft != wanted.draft || found.target != wanted.target),
        ("the vocabularies", found.vocabulary != wanted.vocabulary),
        ("the sampling parameters", found.sampling != wanted.sampling),
        ("the seeds", found.seed != wanted.seed),
        ("the lengths", found.max_tokens != wanted.max_tokens || found.top != wanted.top),
    ];
    match differing.iter().find(|(_, differs)| *differs) {
        Some((what, _)) => Err(TraceError::Other { what: (*what).to_owned() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
