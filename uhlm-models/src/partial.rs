//! A file that is being loaded: `NAME.part` with its state in `NAME.part.json`, until it is whole and gets its name.
//!
//! The state says how many bytes are safely on the disk. After a crash nothing beyond them is believed: a file system
//! may have made a file longer without having written what it holds.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uhlm_law::digest::Digest;

use crate::error::DownloadError;
use crate::held::{self, is_at};
use crate::whole::readable;

/// Number of bytes between two states; a crash costs at most this much of what was loaded.
const CHECKPOINT: u64 = 8 << 20;
const VERSION: u32 = 1;
/// Time after taking the name within which a download has written down whose file it loads.
const SIGNED: Duration = Duration::from_millis(500);

/// The origin of the bytes so far, and the file that they belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    version: u32,
    /// Source that was asked last.
    pub(super) source: String,
    /// Strong `ETag` or `Last-Modified` of the source, for `If-Range`.
    pub(super) validator: Option<String>,
    /// Number of bytes of the whole file.
    pub(super) total: Option<u64>,
    /// SHA-256 that the whole file should have, as the request or the repository says.
    pub(super) sha256: Option<Digest>,
    /// Number of bytes that are on the disk for certain.
    durable: u64,
}

impl State {
    /// Reads the state of the partial file at `path`, if there is one that can be read.
    fn read(path: &Path) -> Option<Self> {
        let state = serde_json::from_slice::<Self>(&read_small(&json_of(path))?).ok()?;
        (state.version == VERSION).then_some(state)
    }

    /// Waits for the state of a download that is running elsewhere, which may be about to write it.
    fn of_running(path: &Path) -> Option<Self> {
        let began = Instant::now();
        loop {
            let state = Self::read(path);
            if state.is_some() || began.elapsed() > SIGNED {
                return state;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The file, locked against other downloads of the same name.
pub(super) struct Partial {
    path: PathBuf,
    file: File,
    pub(super) state: State,
    hash: Sha256,
    len: u64,
    /// Number of answers that the bytes so far come from.
    pub(super) pieces: u32,
}

/// Returns the path `NAME.part` beside `NAME`.
pub(super) fn path_of(model: &Path) -> PathBuf {
    let mut name = model.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// Returns the number of bytes that an unfinished download of `model` takes.
pub(super) fn bytes_begun(model: &Path) -> u64 {
    fs::metadata(path_of(model)).map_or(0, |found| found.len())
}

/// Returns the path `NAME.json` beside `NAME`.
pub(super) fn json_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".json");
    name.into()
}

/// Largest small file that is read, in bytes: one that is written has a source, which is mostly short, and little else.
const MAX_SMALL: u64 = 1 << 20;

/// Reads a small file; `None` where it is not there, is no file, or is not small.
pub(super) fn read_small(path: &Path) -> Option<Vec<u8>> {
    // A pipe would be waited for.
    fs::metadata(path).ok().filter(|found| found.is_file() && found.len() <= MAX_SMALL)?;
    let mut text = Vec::new();
    File::open(path).ok()?.take(MAX_SMALL + 1).read_to_end(&mut text).ok()?;
    (text.len() as u64 <= MAX_SMALL).then_some(text)
}

/// Writes a small file so that after a crash either the old or the new one is there. After an error it is the old one,
/// and nothing is left beside it: the disk may be full.
pub(super) fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    // What lies under the name is not written through: it may be a link to anywhere.
    remove(&new)?;
    write_new(&new, text).and_then(|()| fs::rename(&new, path)).inspect_err(|_| {
        // This is best effort: the error that matters is the one above.
        let _ = fs::remove_file(&new);
    })
}

fn write_new(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text)?;
    file.sync_data()
}

impl Partial {
    /// Opens what an earlier download of `model` left, or begins anew; `None` where the file that is there, or is being
    /// loaded there, is another one by what `is_ours` says of its source and hash.
    pub(super) fn claim(
        model: &Path,
        is_ours: impl Fn(&str, Option<Digest>) -> bool,
    ) -> Result<Option<Self>, DownloadError> {
        let path = path_of(model);
        let Some(file) = lock(&path)? else {
            let other = State::of_running(&path).is_some_and(|state| !is_ours(&state.source, state.sha256));
            return if other { Ok(None) } else { Err(DownloadError::AlreadyRunning) };
        };
        let mut state = State::read(&path).unwrap_or_default();
        if state.durable > 0 && !is_ours(&state.source, state.sha256) {
            return Ok(None);
        }
        let found = file.metadata().map_err(|e| DownloadError::storage("read the partial file", 0, &e))?.len();
        if found < state.durable {
            // Somebody else changed it.
            state = State::default();
        }
        let mut partial = Self { path, file, hash: Sha256::new(), len: state.durable, pieces: 0, state };
        if found > partial.len {
            partial.file.set_len(partial.len).map_err(|e| partial.failure("cut the partial file", &e))?;
        }
        if partial.len > 0 {
            partial.pieces = 1;
            partial.hash_again().map_err(|e| DownloadError::storage("read the partial file", partial.len, &e))?;
        }
        Ok(Some(partial))
    }

    /// Writes down whose file this will be, before anything of it is there: a download of another source then finds it
    /// taken.
    pub(super) fn sign(&mut self, source: &str, sha256: Option<Digest>) -> Result<(), DownloadError> {
        if self.len > 0 {
            return Ok(());
        }
        self.state = State { version: VERSION, source: source.to_owned(), sha256, ..State::default() };
        self.write_state()
    }

    /// Lets go of the name; a download that brought nothing leaves nothing behind.
    pub(super) fn let_go(self) {
        if self.len == 0 {
            // What cannot be removed does no harm: it is empty.
            let _ = self.remove();
        }
    }

    /// Lets go of the name, and removes what is there.
    pub(super) fn discard(self) -> Result<(), DownloadError> {
        self.remove().map_err(|error| self.failure("remove the partial file", &error))
    }

    fn remove(&self) -> io::Result<()> {
        remove(&json_of(&self.path)).and_then(|()| remove(&self.path))
    }

    /// Returns the number of bytes so far.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Checks that a file that nobody vouches for reads as a model at all.
    pub(super) fn check_readable(&mut self) -> Result<(), DownloadError> {
        let outcome = readable(&self.file, self.len);
        let there = self.file.seek(SeekFrom::Start(self.len));
        outcome.and_then(|()| there.map(drop).map_err(|error| self.failure("read the partial file", &error)))
    }

    /// Returns the SHA-256 of the bytes so far.
    pub(super) fn sha256(&self) -> Digest {
        Digest(self.hash.clone().finalize().into())
    }

    /// Tells whether all bytes are there, as far as their number is known.
    pub(super) fn is_whole(&self) -> bool {
        self.len > 0 && self.state.total == Some(self.len)
    }

    fn hash_again(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut buffer = vec![0; 1 << 18];
        let mut left = self.len;
        while left > 0 {
            let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.file.read_exact(&mut buffer[..wanted])?;
            self.hash.update(&buffer[..wanted]);
            left -= wanted as u64;
        }
        Ok(())
    }

    /// Appends bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), DownloadError> {
        self.file.write_all(bytes).map_err(|error| self.failure("write the file", &error))?;
        self.hash.update(bytes);
        self.len += bytes.len() as u64;
        if self.len - self.state.durable >= CHECKPOINT { self.checkpoint() } else { Ok(()) }
    }

    /// Puts on the disk for certain what was written, and the state.
    pub(super) fn checkpoint(&mut self) -> Result<(), DownloadError> {
        self.file.sync_data().map_err(|error| self.failure("write the file", &error))?;
        self.state.durable = self.len;
        self.state.version = VERSION;
        self.write_state()
    }

    fn write_state(&self) -> Result<(), DownloadError> {
        let text = serde_json::to_vec(&self.state).map_err(|e| self.failure("write the state", &e.into()))?;
        replace(&json_of(&self.path), &text).map_err(|error| self.failure("write the state", &error))
    }

    /// Throws the bytes away.
    pub(super) fn restart(&mut self) -> Result<(), DownloadError> {
        // The state goes first: bytes that it vouches for must not vanish before it does.
        remove(&json_of(&self.path)).map_err(|error| self.failure("remove the state", &error))?;
        self.file
            .set_len(0)
            .and_then(|()| self.file.seek(SeekFrom::Start(0)))
            .map_err(|error| self.failure("empty the partial file", &error))?;
        (self.len, self.pieces, self.hash, self.state) = (0, 0, Sha256::new(), State::default());
        Ok(())
    }

    /// Gives the whole file its name. From this moment on it can be loaded. Another file that lies at its path by now
    /// gets no name.
    pub(super) fn finish(self, model: &Path) -> Result<(), DownloadError> {
        self.file.sync_all().map_err(|error| self.failure("write the file", &error))?;
        held::rename(&self.path, model, |path| is_at(&self.file, path))
            .map_err(|error| self.failure("rename the finished file", &error))?;
        // The model is there; a state that stays behind belongs to no file and is not believed.
        let _ = remove(&json_of(&self.path));
        if let Some(folder) = model.parent().and_then(|folder| File::open(folder).ok()) {
            // Not every file system lets a folder be synchronised; the name is then safe a little later.
            let _ = folder.sync_all();
        }
        Ok(())
    }

    fn failure(&self, what: &str, error: &io::Error) -> DownloadError {
        DownloadError::storage(what, self.len, error)
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Opens and locks the file; `None` if another download holds it. A lock ends with its process, however that ends.
fn lock(path: &Path) -> Result<Option<File>, DownloadError> {
    let storage = |error: &io::Error| DownloadError::storage("open the partial file", 0, error);
    loop {
        let mut options = OpenOptions::new();
        let file = held::open(path, options.read(true).write(true).create(true).truncate(false));
        let file = file.map_err(|error| storage(&error))?;
        if !try_lock(&file).map_err(|error| storage(&error))? {
            return Ok(None);
        }
        // Between opening and locking, another download may have finished and given this very file its name.
        if is_at(&file, path).map_err(|error| storage(&error))? {
            return Ok(Some(file));
        }
    }
}

#[cfg(unix)]
fn try_lock(file: &File) -> io::Result<bool> {
    use rustix::fs::{FlockOperation, flock};
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(unix))]
fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(fs::TryLockError::WouldBlock) => Ok(false),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests;
