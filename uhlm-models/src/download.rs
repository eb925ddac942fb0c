//! One file's download: which source, which part of it, when to try again, and when the file is whole.
//!
//! It runs on a thread of its own, because writing and hashing gigabytes has no place on the network's.

use std::path::PathBuf;
use std::time::Instant;

use uhlm_law::digest::Digest;

use crate::client::{Answer, Part, Wanted, cause};
use crate::error::DownloadError;
use crate::manifest::{Manifest, now};
use crate::pace::Pace;
use crate::partial::Partial;
use crate::progress::Phase;
use crate::request::DownloadRequest;
use crate::shared::Shared;
use crate::source::Source;
use crate::stored::StoredModel;

/// Number of bytes beyond what any attempt had before that make one a success of its own: the count of failures begins
/// anew. Bytes that are thrown away and come again are no progress.
const PROGRESS: u64 = 256 << 10;
/// Number of times that a file may be replaced on the server before it is given up.
const MAX_CHANGES: u32 = 2;
/// Number of bytes after which the room on the disk is looked at again: others write to it, too.
const LOOK_AT_DISK: u64 = 8 << 20;
const MAGIC: &[u8] = b"GGUF";

/// The download of one file under way.
pub(super) struct Download<'a> {
    shared: &'a mut Shared,
    request: &'a DownloadRequest,
    name: String,
    path: PathBuf,
    /// Number of times that the file was found replaced at the present source.
    changes: u32,
    /// Largest number of bytes of the present version of the file that an attempt at the present source ended with.
    furthest: u64,
}

impl<'a> Download<'a> {
    pub(super) fn new(shared: &'a mut Shared, request: &'a DownloadRequest, name: String, path: PathBuf) -> Self {
        Self { shared, request, name, path, changes: 0, furthest: 0 }
    }

    /// Loads the rest of the file and gives it its name.
    pub(super) fn run(mut self, mut partial: Partial) -> Result<StoredModel, DownloadError> {
        let (mut failures, request) = (Vec::new(), self.request);
        for (index, source) in request.sources.iter().enumerate() {
            (self.shared.progress.source, self.changes, self.furthest) = (index, 0, 0);
            match self.load_from(source, &mut partial) {
                Ok(()) => return self.finish(source, partial),
                Err(error) if error.is_ours() => {
                    partial.let_go();
                    return Err(error);
                }
                Err(error) => failures.push((source.kept(), error)),
            }
        }
        partial.let_go();
        match failures.pop() {
            Some((_, only)) if failures.is_empty() => Err(only),
            Some((source, last)) => {
                failures.push((source, last.clone()));
                Err(DownloadError::EverySource { failures, last: Box::new(last) })
            }
            None => Err(crate::source::InvalidSource { reason: "there is none".into() }.into()),
        }
    }

    fn load_from(&mut self, source: &Source, partial: &mut Partial) -> Result<(), DownloadError> {
        let (mut failures, mut again) = (0, true);
        loop {
            let outcome = self.attempt(source, partial).and_then(|()| self.check(partial));
            let error = match outcome {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            match &error {
                // Put together from several answers, it may have been replaced in between: once more, in one piece.
                DownloadError::WrongHash { .. } if partial.pieces > 1 && again => {
                    (again, self.furthest) = (false, 0);
                    partial.restart()?;
                    continue;
                }
                DownloadError::WrongHash { .. }
                | DownloadError::WrongLength { .. }
                | DownloadError::NotAModel { .. }
                | DownloadError::Changed => {
                    partial.restart()?;
                    return Err(error);
                }
                // What is wrong already matters more than that it cannot be written down.
                error if error.is_ours() => drop(partial.checkpoint()),
                _ => partial.checkpoint()?,
            }
            if !error.is_passing() {
                return Err(error);
            }
            let gained = partial.len().saturating_sub(self.furthest);
            self.furthest += gained;
            failures = if gained >= PROGRESS { 1 } else { failures + 1 };
            if failures >= self.shared.config().attempts.max(1) {
                return Err(error);
            }
            self.shared.pause(failures, &error)?;
        }
    }

    /// Makes one request, and takes what it brings until it ends.
    fn attempt(&mut self, source: &Source, partial: &mut Partial) -> Result<(), DownloadError> {
        self.shared.check_network()?;
        let name = source.kept();
        let same_file = partial.state.source == name && partial.state.validator.is_some();
        let expected = self.request.sha256.or(partial.state.sha256);
        // Bytes of another source, or of a file that cannot be told from its successor, count only if the hash decides.
        if partial.len() > 0 && !same_file && expected.is_none() {
            partial.restart()?;
        }
        if partial.is_whole() {
            return Ok(());
        }
        self.shared.tell(Phase::Connecting, partial);
        let answer = {
            let if_range = partial.state.validator.as_deref().filter(|_| same_file);
            let wanted = Wanted { from: partial.len(), if_range };
            let silence = self.shared.config().silence;
            let asked = self.shared.client.get(self.shared.config(), source, wanted);
            self.shared.wait(asked).unwrap_or(Err(DownloadError::Stalled { silence, received: partial.len() }))?
        };
        let Some(answer) = self.reconcile(&name, same_file, answer, partial)? else { return Ok(()) };
        self.receive(answer, partial)
    }

    /// Checks whether the answer continues the file that is there, or begins it anew; `None` if nothing is missing.
    fn reconcile(
        &mut self,
        source: &str,
        same_source: bool,
        answer: Answer,
        partial: &mut Partial,
    ) -> Result<Option<Answer>, DownloadError> {
        let known = partial.state.total;
        let other_file = (same_source && answer.validator.is_some() && answer.validator != partial.state.validator)
            || matches!((answer.sha256, partial.state.sha256), (Some(a), Some(b)) if a != b);
        if answer.part == Part::Nothing {
            return match (answer.total, known) {
                (Some(total), None) if total == partial.len() && !other_file => Ok(None),
                // The server said before that there is more.
                (Some(found), Some(expected)) if found != expected && !other_file => {
                    Err(DownloadError::WrongLength { expected, found })
                }
                _ => {
                    self.count_change()?;
                    partial.restart()?;
                    Err(DownloadError::Interrupted { received: 0, reason: "the file was replaced".into() })
                }
            };
        }
        if let (Some(expected), Some(found)) = (self.request.bytes, answer.total)
            && expected != found
        {
            return Err(DownloadError::WrongLength { expected, found });
        }
        let replaced = other_file || matches!((known, answer.total), (Some(a), Some(b)) if a != b);
        match answer.part {
            // The answer is the rest of another file.
            Part::From(_) if replaced => {
                self.count_change()?;
                partial.restart()?;
                return Err(DownloadError::Interrupted { received: 0, reason: "the file was replaced".into() });
            }
            Part::Whole if partial.len() > 0 => {
                if replaced {
                    self.count_change()?;
                }
                partial.restart()?;
            }
            _ => {}
        }
        let total = answer.total.or(self.request.bytes);
        partial.state.source = source.to_owned();
        partial.state.validator.clone_from(&answer.validator);
        partial.state.sha256 = self.request.sha256.or(answer.sha256).or(partial.state.sha256);
        partial.state.total = total.or(known.filter(|_| !replaced));
        partial.pieces += 1;
        if self.request.require_sha256 && partial.state.sha256.is_none() {
            return Err(DownloadError::NoChecksum { bytes: partial.state.total });
        }
        self.check_room(partial)?;
        Ok(Some(answer))
    }

    fn count_change(&mut self) -> Result<(), DownloadError> {
        self.changes += 1;
        self.furthest = 0;
        if self.changes > MAX_CHANGES { Err(DownloadError::Changed) } else { Ok(()) }
    }

    /// Writes the body as it comes.
    fn receive(&mut self, mut answer: Answer, partial: &mut Partial) -> Result<(), DownloadError> {
        let (mut looked, mut pace) = (partial.len(), Pace::new(Instant::now(), partial.len()));
        loop {
            let silence = self.shared.config().silence;
            let received = partial.len();
            let chunk = match self.shared.wait(answer.response.chunk()) {
                None if self.shared.cancel.is_cancelled() => return Err(DownloadError::Cancelled),
                None => return Err(DownloadError::Stalled { silence, received }),
                Some(Err(error)) => return Err(DownloadError::Interrupted { received, reason: cause(&error) }),
                Some(Ok(chunk)) => chunk,
            };
            self.shared.check_network()?;
            let Some(chunk) = chunk else { break };
            check_magic(received, &chunk)?;
            let found = received + chunk.len() as u64;
            let limit = self.shared.config().max_unknown_length;
            match partial.state.total {
                Some(expected) if found > expected => return Err(DownloadError::WrongLength { expected, found }),
                None if found > limit => return Err(DownloadError::NoLength { limit }),
                _ => {}
            }
            partial.write(&chunk)?;
            let received = partial.len();
            pace.note(Instant::now(), received).map_err(|reason| DownloadError::Interrupted { received, reason })?;
            if partial.len() - looked >= LOOK_AT_DISK {
                looked = partial.len();
                self.check_room(partial)?;
            }
            self.shared.tell(Phase::Loading, partial);
        }
        match partial.state.total {
            Some(total) if partial.len() < total => {
                let reason = "the answer ended early".into();
                Err(DownloadError::Interrupted { received: partial.len(), reason })
            }
            _ => Ok(()),
        }
    }

    /// Checks that what is missing has room; where nobody says how much that is, that the reserve is untouched.
    fn check_room(&self, partial: &Partial) -> Result<(), DownloadError> {
        let missing = partial.state.total.map_or(0, |total| total.saturating_sub(partial.len()));
        self.shared.check_space(missing)
    }

    /// Checks that the whole file is what it should be.
    fn check(&mut self, partial: &mut Partial) -> Result<(), DownloadError> {
        self.shared.tell(Phase::Checking, partial);
        let found = partial.sha256();
        match self.request.sha256.or(partial.state.sha256) {
            Some(expected) if expected != found => Err(DownloadError::WrongHash { expected, found }),
            // It is the file that was asked for; whether it can be run is for whoever loads it to say.
            Some(_) => Ok(()),
            None if self.request.require_sha256 => Err(DownloadError::NoChecksum { bytes: Some(partial.len()) }),
            None => partial.check_readable(),
        }
    }

    fn finish(self, source: &Source, partial: Partial) -> Result<StoredModel, DownloadError> {
        let (bytes, sha256): (u64, Digest) = (partial.len(), partial.sha256());
        let manifest = Manifest { sha256, bytes, source: Some(source.kept()), loaded_at: now() };
        // Before the file gets its name: a manifest without a file says nothing, a file without one could not be
        // verified.
        manifest.write(&self.path).map_err(|e| DownloadError::storage("write the manifest", bytes, &e))?;
        partial.finish(&self.path)?;
        let (sha256, source) = (Some(sha256), Some(source.kept()));
        Ok(StoredModel { name: self.name, path: self.path, bytes, sha256, source, further_parts: Vec::new() })
    }
}

/// Checks the first bytes of a file before it is kept: a login page of a hotel's network, which answers 200 to
/// everything, is told by them.
fn check_magic(at: u64, chunk: &[u8]) -> Result<(), DownloadError> {
    let Some(rest) = usize::try_from(at).ok().and_then(|at| MAGIC.get(at..)) else { return Ok(()) };
    let seen = rest.len().min(chunk.len());
    if rest[..seen] == chunk[..seen] {
        Ok(())
    } else {
        Err(DownloadError::NotAModel { reason: "it does not begin as one".into() })
    }
}
