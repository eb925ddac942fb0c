//! Reads and writes the file of a trace.
//!
//! Decides the bytes of the file: a magic, a version, then sections, each with its kind, its length, its content and a
//! check over it. The header and the vocabulary come first. Each reply is a section that is appended once it is
//! complete, so that an interrupted recording goes on where it stopped.

use std::path::Path;

use super::bytes::{Bytes, put_ids, put_text};
use super::rows::{decode_row, put_row};
use super::sections::{SectionFile, framed, section};
use super::{Header, RecordedReply, Trace, TraceError, TraceVocabulary};

const MAGIC: &[u8; 8] = b"UHLMTRC\n";
/// Version of the format that is written and read.
pub const VERSION: u32 = 1;

const HEADER: u8 = 1;
const VOCABULARY: u8 = 2;
const REPLY: u8 = 3;
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

fn encode_reply(reply: &RecordedReply) -> Vec<u8> {
    let mut out = Vec::new();
    put_text(&mut out, &reply.category);
    put_text(&mut out, &reply.question);
    out.extend_from_slice(&reply.seed.to_le_bytes());
    put_ids(&mut out, &reply.prompt);
    put_ids(&mut out, &reply.tokens);
    for row in reply.draft.iter().chain(&reply.target) {
        put_row(&mut out, row);
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

/// A trace that is being written.
#[derive(Debug)]
pub struct TraceFile {
    file: SectionFile,
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
        let bytes = SectionFile::bytes(path)?;
        let found = match decode_whole(&bytes) {
            // The start itself was interrupted, so nothing is lost by beginning again.
            Err(TraceError::Truncated { .. }) => None,
            other => Some(other?),
        };
        if let Some((trace, _)) = &found {
            check_same(&trace.header, header)?;
        }
        let (replies, whole) = found.map_or((Vec::new(), 0), |(trace, whole)| (trace.replies, whole));
        let mut file = SectionFile::open(path, whole)?;
        if whole == 0 {
            let json = serde_json::to_vec(header).map_err(|error| damaged(error.to_string()))?;
            let version = VERSION.to_le_bytes();
            let start = [&MAGIC[..], &version, &framed(HEADER, &json), &framed(VOCABULARY, &vocabulary.encode())];
            file.write(&start.concat())?;
        }
        Ok(Self { file, replies })
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
        self.file.write(&framed(REPLY, &encode_reply(reply)))
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
