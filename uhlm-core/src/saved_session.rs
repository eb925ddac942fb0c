//! A conversation in a file, with the draft model's cache of it.
//!
//! Decides the bytes of the file, and how one that cannot be used looks to the caller. What a session does with its
//! content is decided in [`session`](crate::session).
//!
//! ```text
//! magic (8 bytes) | version | fingerprint of the model (32) | length, head in JSON | number of tokens, tokens
//! | number of them in the cache | length (8), cache | SHA-256 of everything before (32)
//! ```
//! Numbers are little-endian, of 4 bytes where nothing else is said. Nothing after the version is believed before the
//! SHA-256 value is the right one. Whoever may write the file can write that value too: it finds damage, and the sizes
//! are bounded all the same.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uhlm_law::digest::Digest;
use uhlm_law::model::{CacheSize, ModelError};
use uhlm_law::sampling::{SamplingError, TokenId};

use crate::privacy::Conversation;
use crate::whole_file;

const MAGIC: [u8; 8] = *b"uhlmchat";
/// Version of the form that this library writes; it reads no other.
const VERSION: u32 = 1;
/// Size of the SHA-256 value at the end, in bytes.
const DIGEST: usize = 32;
/// Largest head, in bytes: the text of millions of tokens, as no context holds.
const MAX_HEAD: usize = 16 << 20;
/// Largest number of tokens of the conversation, which a target's context may have more of than the draft model's.
const MAX_TOKENS: usize = 1 << 20;
/// Largest number of bytes beside the cache.
const MAX_BESIDE: u64 = (12 + 32 + 4 + MAX_HEAD + 4 + 4 * MAX_TOKENS + 4 + 8 + DIGEST) as u64;

/// The reason that a session could not be saved or restored.
#[derive(Debug, thiserror::Error)]
pub enum SavedSessionError {
    /// A generation of the session is running.
    #[error("the session is generating")]
    Busy,
    /// The session was closed, or its thread ended.
    #[error("the session is closed")]
    SessionClosed,
    /// There is no such file.
    #[error("no saved session at {}", path.display())]
    Missing {
        /// Path that was tried.
        path: PathBuf,
    },
    /// The file is not a saved session, was cut, or was changed since it was written.
    #[error("the saved session at {} is damaged: {reason}", path.display())]
    Damaged {
        /// Path of the file.
        path: PathBuf,
        /// Error that was found in the file, in words.
        reason: String,
    },
    /// The file was written by another version of this library.
    #[error("the saved session at {} has version {found}, this library reads {VERSION}", path.display())]
    WrongVersion {
        /// Path of the file.
        path: PathBuf,
        /// Version that the file states.
        found: u32,
    },
    /// The session was one with another model.
    #[error("the session at {} was saved with the model {found}", path.display())]
    AnotherModel {
        /// Path of the file.
        path: PathBuf,
        /// Fingerprint of the model that it was saved with.
        found: Digest,
    },
    /// The cache has more tokens than the context.
    #[error("the saved cache has {tokens} tokens, but the context holds {capacity}")]
    TooLong {
        /// Number of tokens in the cache.
        tokens: usize,
        /// Number of tokens that the context holds.
        capacity: usize,
    },
    /// The engine does not take the cache, which another version of it wrote, or one with other settings.
    #[error("the saved cache does not fit the engine: {reason}")]
    Cache {
        /// Message of the engine.
        reason: String,
    },
    /// The file could not be read or written.
    #[error("cannot access the saved session at {}", path.display())]
    Io {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The draft model failed, or there is no memory for its context.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The options of the session have a sampling parameter outside its range.
    #[error(transparent)]
    Sampling(#[from] SamplingError),
}

/// The parts of a session that are kept as JSON.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Head {
    /// Seed of the replies that have none of their own.
    pub(crate) seed: u64,
    /// Number of generations so far.
    pub(crate) generations: u64,
    /// Length of the conversation in tokens, as it was known.
    #[serde(default)]
    pub(crate) context: usize,
    pub(crate) conversation: Conversation,
}

/// A session as it is saved.
#[derive(Debug)]
pub(crate) struct SavedSession {
    /// Fingerprint of the draft model.
    pub(crate) model: Digest,
    pub(crate) head: Head,
    /// Tokens of the conversation.
    pub(crate) tokens: Vec<TokenId>,
    /// Number of those that the cache is of.
    pub(crate) cached: usize,
    /// Cache in the engine's own form; empty where there is none.
    pub(crate) cache: Vec<u8>,
}

impl SavedSession {
    /// Writes the session to a file, which is replaced as a whole; blocks on it.
    ///
    /// # Errors
    /// [`SavedSessionError::Io`].
    pub(crate) fn write(&self, path: &Path) -> Result<(), SavedSessionError> {
        let io = |source| SavedSessionError::Io { path: path.into(), source };
        let head = serde_json::to_vec(&self.head).map_err(|error| io(error.into()))?;
        if head.len() > MAX_HEAD || self.tokens.len() > MAX_TOKENS {
            // It would not be read again.
            return Err(io(ErrorKind::FileTooLarge.into()));
        }
        let mut front = [&MAGIC[..], &VERSION.to_le_bytes(), &self.model.0].concat();
        put_length(&mut front, head.len());
        front.extend(head);
        put_length(&mut front, self.tokens.len());
        front.extend(self.tokens.iter().flat_map(|id| id.to_le_bytes()));
        put_length(&mut front, self.cached);
        front.extend((self.cache.len() as u64).to_le_bytes());
        let mut hash = Sha256::new();
        hash.update(&front);
        hash.update(&self.cache);
        whole_file::write(path, &[&front, &self.cache, &hash.finalize()]).map_err(io)
    }

    /// Reads a file that was saved with the model of this fingerprint, if its cache can be one of at most the size of
    /// `largest`; blocks on it.
    ///
    /// # Errors
    /// [`SavedSessionError::Missing`], [`SavedSessionError::Damaged`], [`SavedSessionError::WrongVersion`],
    /// [`SavedSessionError::AnotherModel`], [`SavedSessionError::TooLong`], [`SavedSessionError::Io`], also where there
    /// is no memory for it.
    pub(crate) fn read(path: &Path, model: Digest, largest: Option<CacheSize>) -> Result<Self, SavedSessionError> {
        let failed = |source: io::Error| match source.kind() {
            ErrorKind::NotFound => SavedSessionError::Missing { path: path.into() },
            ErrorKind::UnexpectedEof => damaged(path, "it ends early"),
            _ => SavedSessionError::Io { path: path.into(), source },
        };
        let (mut file, bytes) = open(path).map_err(failed)?;
        let (mut magic, mut version) = ([0; 8], [0; 4]);
        file.read_exact(&mut magic).map_err(failed)?;
        file.read_exact(&mut version).map_err(failed)?;
        if magic != MAGIC {
            return Err(damaged(path, "it is no saved session"));
        }
        let found = u32::from_le_bytes(version);
        if found != VERSION {
            return Err(SavedSessionError::WrongVersion { path: path.into(), found });
        }
        if let Some(largest) = largest.filter(|largest| bytes > largest.bytes.saturating_add(MAX_BESIDE)) {
            return Err(match claims(&mut file) {
                // One that was saved with a larger model or a longer context is no damage.
                Ok((found, _)) if found != model => SavedSessionError::AnotherModel { path: path.into(), found },
                Ok((_, tokens)) if tokens > largest.tokens => {
                    SavedSessionError::TooLong { tokens, capacity: largest.tokens }
                }
                _ => damaged(path, "it is longer than any session of this context"),
            });
        }
        let (left, mut rest) = (bytes.saturating_sub(12), Vec::new());
        let room = usize::try_from(left).ok().and_then(|left| rest.try_reserve_exact(left).ok());
        room.ok_or_else(|| failed(ErrorKind::OutOfMemory.into()))?;
        file.take(left).read_to_end(&mut rest).map_err(failed)?;
        let body = rest.len().checked_sub(DIGEST).ok_or_else(|| damaged(path, "it ends early"))?;
        let mut hash = Sha256::new();
        hash.update([&magic[..], &version].concat());
        hash.update(&rest[..body]);
        if hash.finalize()[..] != rest[body..] {
            return Err(damaged(path, "its SHA-256 value is another one"));
        }
        rest.truncate(body);
        let saved = Self::parse(rest).ok_or_else(|| damaged(path, "its parts do not fit together"))?;
        if saved.model != model {
            return Err(SavedSessionError::AnotherModel { path: path.into(), found: saved.model });
        }
        Ok(saved)
    }

    /// Reads what stands between the version and the SHA-256 value.
    fn parse(mut bytes: Vec<u8>) -> Option<Self> {
        let (model, rest) = bytes.split_first_chunk::<32>()?;
        let model = Digest(*model);
        let (length, rest) = number(rest).filter(|(length, _)| *length <= MAX_HEAD)?;
        let (head, rest) = rest.split_at_checked(length)?;
        let head: Head = serde_json::from_slice(head).ok().filter(|head: &Head| head.conversation.is_sound())?;
        let (length, rest) = number(rest).filter(|(length, _)| *length <= MAX_TOKENS)?;
        let (tokens, rest) = rest.split_at_checked(length.checked_mul(4)?)?;
        let tokens: Vec<TokenId> = tokens.as_chunks().0.iter().map(|id| TokenId::from_le_bytes(*id)).collect();
        let (cached, rest) = number(rest)?;
        let (length, rest) = rest.split_first_chunk::<8>()?;
        if u64::from_le_bytes(*length) != rest.len() as u64 || cached > tokens.len() {
            return None;
        }
        let front = bytes.len() - rest.len();
        bytes.drain(..front);
        Some(Self { model, head, tokens, cached, cache: bytes })
    }
}

/// Opens a plain file, and returns its length in bytes. A pipe is not waited for.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // The bits are those of the system's own flag, whose sign they may use.
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    let file = options.open(path)?;
    let found = file.metadata()?;
    if found.is_file() { Ok((file, found.len())) } else { Err(io::Error::other("it is no plain file")) }
}

/// Reads on from the version to the number of tokens in the cache; returns it with the model's fingerprint. Nothing
/// vouches for either.
fn claims(file: &mut File) -> io::Result<(Digest, usize)> {
    let mut model = [0; 32];
    file.read_exact(&mut model)?;
    let mut number = |skipped: i64| {
        let mut number = [0; 4];
        file.seek(SeekFrom::Current(skipped)).and_then(|_| file.read_exact(&mut number))?;
        Ok::<_, io::Error>(u32::from_le_bytes(number))
    };
    let head = number(0)?;
    let tokens = number(head.into())?;
    let cached = number(i64::from(tokens) * 4)?;
    Ok((Digest(model), usize::try_from(cached).map_err(io::Error::other)?))
}

fn damaged(path: &Path, reason: &str) -> SavedSessionError {
    SavedSessionError::Damaged { path: path.into(), reason: reason.into() }
}

/// Appends a number of things of which there are fewer than 2^32.
fn put_length(out: &mut Vec<u8>, length: usize) {
    out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

/// Takes such a number off the front.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((usize::try_from(u32::from_le_bytes(*number)).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use uhlm_law::chat::Message;

    use super::*;

    fn saved() -> SavedSession {
        let mut conversation = Conversation::default();
        conversation.push_turn(vec![Message::user("a")], Some(vec!["b".into()]), Message::assistant("c"));
        let head = Head { seed: u64::MAX, generations: 3, context: 9, conversation };
        SavedSession { model: Digest([7; 32]), head, tokens: vec![1, 2, 70_000], cached: 2, cache: vec![5; 100] }
    }

    #[test]
    fn what_was_saved_is_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("chat.uhlm");
        saved().write(&path).expect("a writable folder");
        saved().write(&path).expect("a second time, over the first");
        let read = SavedSession::read(&path, Digest([7; 32]), None).expect("what was saved");
        assert_eq!((read.head.seed, read.head.generations), (u64::MAX, 3));
        assert_eq!((read.tokens, read.cached, read.cache), (vec![1, 2, 70_000], 2, vec![5; 100]));
        assert_eq!(read.head.conversation.messages(), [Message::user("a"), Message::assistant("c")]);
        assert_eq!(read.head.conversation.uncovered(), 0, "what was agreed to stays agreed to");
        assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 1, "no other file is left");
    }

    #[test]
    fn a_file_that_is_missing_cut_changed_anywhere_or_of_another_model_or_version_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("chat.uhlm");
        let read = || SavedSession::read(&path, Digest([7; 32]), None);
        assert!(matches!(read(), Err(SavedSessionError::Missing { .. })));
        saved().write(&path).expect("a writable folder");
        let whole = std::fs::read(&path).expect("the file");
        let other = SavedSession::read(&path, Digest([8; 32]), None);
        assert!(matches!(other, Err(SavedSessionError::AnotherModel { found, .. }) if found == Digest([7; 32])));
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            std::fs::write(&path, changed).expect("a writable folder");
            match (at, read()) {
                (8..12, Err(SavedSessionError::WrongVersion { .. })) => {}
                (0..8 | 12.., Err(SavedSessionError::Damaged { .. })) => {}
                (_, outcome) => panic!("a bit of byte {at} changed: {outcome:?}"),
            }
            std::fs::write(&path, &whole[..at]).expect("a writable folder");
            assert!(matches!(read(), Err(SavedSessionError::Damaged { .. })), "cut at {at}");
        }
        std::fs::write(&path, [&whole[..], b"x"].concat()).expect("a writable folder");
        assert!(matches!(read(), Err(SavedSessionError::Damaged { .. })), "with something behind it");
    }

    #[test]
    fn lengths_that_do_not_fit_the_file_are_damage_even_under_the_right_digest() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("chat.uhlm");
        saved().write(&path).expect("a writable folder");
        let whole = std::fs::read(&path).expect("the file");
        let body = &whole[..whole.len() - DIGEST];
        // The length of the head, and the one of the cache.
        for at in [44, body.len() - 108] {
            let mut changed = body.to_vec();
            changed[at + 2] = 0xff;
            let digest = Sha256::digest(&changed);
            std::fs::write(&path, [&changed[..], &digest].concat()).expect("a writable folder");
            let read = SavedSession::read(&path, Digest([7; 32]), None);
            assert!(matches!(read, Err(SavedSessionError::Damaged { .. })), "{at}");
        }
    }

    #[test]
    fn a_file_of_gigabytes_is_refused_by_its_length_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("chat.uhlm");
        let saved = saved();
        saved.write(&path).expect("a writable folder");
        let read_with = |model, tokens| {
            let largest = CacheSize { tokens, bytes: saved.cache.len() as u64 };
            SavedSession::read(&path, Digest([model; 32]), Some(largest))
        };
        let read = |tokens| read_with(7, tokens);
        assert!(read(saved.cached).is_ok());
        // What was never written of it takes no room on the disk.
        File::options().write(true).open(&path).and_then(|file| file.set_len(1 << 32)).expect("a long file");
        let refused = read(saved.cached);
        let longer =
            matches!(&refused, Err(SavedSessionError::Damaged { reason, .. }) if reason.contains("longer than any"));
        assert!(longer, "{refused:?}");
        let longer = read(saved.cached - 1);
        assert!(matches!(longer, Err(SavedSessionError::TooLong { tokens: 2, capacity: 1 })), "{longer:?}");
        assert!(matches!(read_with(8, 2), Err(SavedSessionError::AnotherModel { .. })));
        // What says so may lead beyond the end.
        let beginning = [&MAGIC[..], &VERSION.to_le_bytes(), &[7; 32], &[0xff; 8]].concat();
        std::fs::write(&path, beginning).expect("a writable folder");
        File::options().write(true).open(&path).and_then(|file| file.set_len(1 << 32)).expect("a long file");
        assert!(matches!(read(1), Err(SavedSessionError::Damaged { .. })));
    }

    #[test]
    fn what_would_not_be_read_again_is_not_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("chat.uhlm");
        let full = |outcome| match outcome {
            Err(SavedSessionError::Io { source, .. }) => source.kind() == ErrorKind::FileTooLarge,
            _ => false,
        };
        assert!(full(SavedSession { tokens: vec![0; MAX_TOKENS + 1], ..saved() }.write(&path)));
        let mut long = saved();
        long.head.conversation.replace(vec![Message::user("a".repeat(MAX_HEAD))]);
        assert!(full(long.write(&path)) && !path.exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_not_waited_for_and_a_folder_is_no_session() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        let status = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
        assert!(status.success());
        for path in [pipe.as_path(), folder.path()] {
            let read = SavedSession::read(path, Digest([7; 32]), None);
            assert!(matches!(read, Err(SavedSessionError::Io { .. })), "{read:?}");
        }
    }

    #[test]
    fn a_conversation_that_has_forgotten_more_than_was_said_is_damage() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("chat.uhlm");
        for (dropped, is_sound) in [(2, true), (3, false), (usize::MAX, false)] {
            let mut saved = saved();
            saved.head.conversation.set_dropped(dropped);
            saved.write(&path).expect("a writable folder");
            let read = SavedSession::read(&path, Digest([7; 32]), None);
            assert_eq!(read.is_ok(), is_sound, "{dropped}: {read:?}");
        }
    }
}
