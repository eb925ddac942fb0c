//! The download itself: which source, which part, when to try again, and when the file is whole.
//!
//! It runs on a thread of its own, because writing and hashing gigabytes has no place on the network's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;
use uhlm_law::cancel::Cancel;
use uhlm_law::protocol::Digest;
use uhlm_llama::gguf;

use crate::client::{Answer, Client, MOST_PATIENCE, Part, Wanted, cause};
use crate::disk;
use crate::error::DownloadError;
use crate::partial::Partial;
use crate::progress::{Phase, Progress, Reporter};
use crate::request::DownloadRequest;
use crate::source::Source;
use crate::store::{Manifest, ModelStore, StoredModel};

/// How often the cancel signal is looked at while nothing comes.
const LOOK: Duration = Duration::from_millis(50);
/// An attempt that brought as much is a success of its own: the count of failures begins anew.
const PROGRESS: u64 = 256 << 10;
/// How often a file may be replaced on the server before it is given up.
const MOST_CHANGES: u32 = 2;
const MAGIC: &[u8] = b"GGUF";

/// One download under way.
pub(super) struct Download {
    store: ModelStore,
    request: DownloadRequest,
    name: String,
    client: Client,
    runtime: &'static Handle,
    cancel: Cancel,
    metered: Arc<AtomicBool>,
    reporter: Reporter,
    progress: Progress,
    /// Times that the file was found replaced at the present source.
    changes: u32,
    /// Bytes that the present attempt brought.
    brought: u64,
}

impl Download {
    pub(super) fn new(
        store: ModelStore,
        request: DownloadRequest,
        cancel: Cancel,
        reporter: Reporter,
    ) -> Result<Self, DownloadError> {
        let name = request.file_name()?;
        let runtime = uhlm_net::runtime::network().map_err(|e| DownloadError::Start { reason: e.to_string() })?;
        let (client, metered) = (Client::new(store.config())?, store.metered_flag());
        let progress = Progress::default();
        Ok(Self { store, request, name, client, runtime, cancel, metered, reporter, progress, changes: 0, brought: 0 })
    }

    /// Loads the file, or finds it there.
    pub(super) fn run(mut self) -> Result<StoredModel, DownloadError> {
        if let Some(model) = self.already_there()? {
            return Ok(model);
        }
        self.check_network()?;
        let folder = self.store.config().folder.clone();
        std::fs::create_dir_all(&folder).map_err(|e| DownloadError::storage("create the folder", 0, &e))?;
        let path = folder.join(&self.name);
        let mut partial = Partial::open(&path)?;
        self.progress.resumed_from = partial.len();
        let mut failures = Vec::new();
        for (index, source) in self.request.sources.clone().iter().enumerate() {
            (self.progress.source, self.changes) = (index, 0);
            match self.load_from(source, &mut partial) {
                Ok(()) => return self.finish(source, partial),
                Err(error) if error.is_ours() => return Err(error),
                Err(error) => failures.push((source.to_string(), error)),
            }
        }
        match failures.pop() {
            Some((_, only)) if failures.is_empty() => Err(only),
            Some((source, last)) => {
                failures.push((source, last.clone()));
                Err(DownloadError::EverySource { failures, last: Box::new(last) })
            }
            None => Err(super::source::InvalidSource { reason: "there is none".into() }.into()),
        }
    }

    /// A file of this name that is what was asked for, as far as that is said.
    fn already_there(&self) -> Result<Option<StoredModel>, DownloadError> {
        let found = self.store.find(&self.name).map_err(|error| DownloadError::Storage {
            what: "look into the folder".into(),
            reason: error.to_string(),
        })?;
        Ok(found.filter(|model| {
            self.request.bytes.is_none_or(|bytes| bytes == model.bytes)
                && self.request.sha256.is_none_or(|wanted| model.sha256 == Some(wanted))
        }))
    }

    fn load_from(&mut self, source: &Source, partial: &mut Partial) -> Result<(), DownloadError> {
        let (mut failures, mut again) = (0, true);
        loop {
            self.brought = 0;
            let outcome = self.attempt(source, partial).and_then(|()| self.check(partial));
            let error = match outcome {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            match &error {
                // Put together from several answers, it may have been replaced in between: once more, in one piece.
                DownloadError::WrongHash { .. } if partial.pieces > 1 && again => {
                    again = false;
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
            failures = if self.brought >= PROGRESS { 1 } else { failures + 1 };
            if failures >= self.store.config().attempts.max(1) {
                return Err(error);
            }
            self.pause(failures, &error)?;
        }
    }

    /// One request, and what it brings until it ends.
    fn attempt(&mut self, source: &Source, partial: &mut Partial) -> Result<(), DownloadError> {
        self.check_network()?;
        let name = source.to_string();
        let same_file = partial.state.source == name && partial.state.validator.is_some();
        let expected = self.request.sha256.or(partial.state.sha256);
        // Bytes of another source, or of a file that cannot be told from its successor, count only if the hash decides.
        if partial.len() > 0 && !same_file && expected.is_none() {
            partial.restart()?;
        }
        if partial.is_whole() {
            return Ok(());
        }
        self.tell(Phase::Connecting, partial);
        let answer = {
            let if_range = partial.state.validator.as_deref().filter(|_| same_file);
            let wanted = Wanted { from: partial.len(), if_range };
            let silence = self.store.config().silence;
            let asked = self.client.get(self.store.config(), source, wanted);
            self.wait(asked).unwrap_or(Err(DownloadError::Stalled { silence, received: partial.len() }))?
        };
        let Some(answer) = self.reconcile(&name, same_file, answer, partial)? else { return Ok(()) };
        self.receive(answer, partial)
    }

    /// Compares the answer with what is there: does it continue the same file? `None` if nothing is missing.
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
                // It said before that there is more.
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
            // The rest of another file.
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
        if let Some(total) = partial.state.total {
            self.check_space(total.saturating_sub(partial.len()))?;
        }
        Ok(Some(answer))
    }

    fn count_change(&mut self) -> Result<(), DownloadError> {
        self.changes += 1;
        if self.changes > MOST_CHANGES { Err(DownloadError::Changed) } else { Ok(()) }
    }

    /// Writes the body as it comes.
    fn receive(&mut self, mut answer: Answer, partial: &mut Partial) -> Result<(), DownloadError> {
        loop {
            let silence = self.store.config().silence;
            let received = partial.len();
            let chunk = match self.wait(answer.response.chunk()) {
                None if self.cancel.is_cancelled() => return Err(DownloadError::Cancelled),
                None => return Err(DownloadError::Stalled { silence, received }),
                Some(Err(error)) => return Err(DownloadError::Interrupted { received, reason: cause(&error) }),
                Some(Ok(chunk)) => chunk,
            };
            self.check_network()?;
            let Some(chunk) = chunk else { break };
            check_magic(received, &chunk)?;
            if let Some(expected) = partial.state.total.filter(|total| received + chunk.len() as u64 > *total) {
                return Err(DownloadError::WrongLength { expected, found: received + chunk.len() as u64 });
            }
            partial.write(&chunk)?;
            self.brought += chunk.len() as u64;
            self.tell(Phase::Loading, partial);
        }
        match partial.state.total {
            Some(total) if partial.len() < total => {
                let reason = "the answer ended early".into();
                Err(DownloadError::Interrupted { received: partial.len(), reason })
            }
            _ => Ok(()),
        }
    }

    /// Whether the whole file is what it should be.
    fn check(&mut self, partial: &mut Partial) -> Result<(), DownloadError> {
        self.tell(Phase::Checking, partial);
        let found = partial.sha256();
        if let Some(expected) = self.request.sha256.or(partial.state.sha256)
            && expected != found
        {
            return Err(DownloadError::WrongHash { expected, found });
        }
        gguf::read(partial.path()).map_err(|error| DownloadError::NotAModel { reason: error.to_string() })?;
        Ok(())
    }

    fn finish(self, source: &Source, partial: Partial) -> Result<StoredModel, DownloadError> {
        let path = self.store.config().folder.join(&self.name);
        let (bytes, sha256): (u64, Digest) = (partial.len(), partial.sha256());
        let loaded_at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let manifest = Manifest { sha256, bytes, source: source.to_string(), loaded_at };
        // Before the file gets its name: a manifest without a file says nothing, a file without one could not be
        // verified.
        manifest.write(&path).map_err(|e| DownloadError::storage("write the manifest", bytes, &e))?;
        partial.finish(&path)?;
        Ok(StoredModel { name: self.name, path, bytes, sha256: Some(sha256), source: Some(source.to_string()) })
    }

    fn check_network(&self) -> Result<(), DownloadError> {
        if self.cancel.is_cancelled() {
            return Err(DownloadError::Cancelled);
        }
        let refused = self.metered.load(Ordering::Acquire) && !self.request.allow_metered;
        if refused { Err(DownloadError::Metered) } else { Ok(()) }
    }

    fn check_space(&self, missing: u64) -> Result<(), DownloadError> {
        let config = self.store.config();
        let needed = missing.saturating_add(config.reserve);
        match disk::available(&config.folder) {
            Ok(Some(available)) if available < needed => Err(DownloadError::NotEnoughSpace { needed, available }),
            // A file system that does not say is found out by writing.
            _ => Ok(()),
        }
    }

    /// Waits for the network; `None` after too much silence, or if cancelled.
    fn wait<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let (cancel, silence) = (&self.cancel, self.store.config().silence);
        self.runtime.block_on(async {
            tokio::select! {
                done = work => Some(done),
                () = tokio::time::sleep(silence) => None,
                () = raised(cancel) => None,
            }
        })
    }

    /// A pause that grows with the failures in a row, or as long as the server asks for.
    fn pause(&self, failures: u32, error: &DownloadError) -> Result<(), DownloadError> {
        let back_off = self.store.config().back_off.saturating_mul(1 << failures.saturating_sub(1).min(16));
        let pause = match error {
            DownloadError::Busy { retry_after: Some(asked) } if *asked > MOST_PATIENCE => return Err(error.clone()),
            DownloadError::Busy { retry_after: Some(asked) } => back_off.max(*asked),
            _ => back_off,
        };
        self.runtime.block_on(async {
            tokio::select! {
                () = tokio::time::sleep(pause.min(MOST_PATIENCE)) => {}
                () = raised(&self.cancel) => {}
            }
        });
        self.check_network()
    }

    fn tell(&mut self, phase: Phase, partial: &Partial) {
        self.progress.phase = phase;
        self.progress.received = partial.len();
        self.progress.total = partial.state.total;
        self.reporter.tell(self.progress);
    }
}

async fn raised(cancel: &Cancel) {
    while !cancel.is_cancelled() {
        tokio::time::sleep(LOOK).await;
    }
}

/// A login page of a hotel's network answers 200 to everything: it is told by its first bytes, before it is kept.
fn check_magic(at: u64, chunk: &[u8]) -> Result<(), DownloadError> {
    let Some(rest) = usize::try_from(at).ok().and_then(|at| MAGIC.get(at..)) else { return Ok(()) };
    let seen = rest.len().min(chunk.len());
    if rest[..seen] == chunk[..seen] {
        Ok(())
    } else {
        Err(DownloadError::NotAModel { reason: "it does not begin as one".into() })
    }
}
