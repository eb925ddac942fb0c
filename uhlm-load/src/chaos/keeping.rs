//! The files that a phone keeps: its session, its calibration and a model, on a disk that is full at random.
//!
//! Decides what must hold after each write: it is whole, or fails as one on a full disk does and leaves the file that
//! was there as it was, and nothing beside it. When the disk is full is `disk`'s.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use uhlm_core::calibration_file::{self, CalibrationFileError};
use uhlm_core::{Message, Mode, SavedSessionError, Session, SessionOptions};
use uhlm_law::chat::DraftModel;
use uhlm_law::rng::{Rng, Stream};
use uhlm_models::{DownloadError, DownloadRequest, ModelStore, StoreConfig};

use super::disk::{Disk, Rooms};
use super::files::FileServer;
use super::outcome::{FULL_DISK, Met, Written};
use crate::error::LoadTestError;

const SESSION: &str = "chat.uhlm";
const CALIBRATION: &str = "pair.calibration.json";
const MODEL: &str = "small.gguf";
/// Beside the model there may be the facts about it, and the beginning of a download with its state.
const BESIDE_MODEL: [&str; 3] = ["small.gguf.json", "small.gguf.part", "small.gguf.part.json"];
/// Number of bytes that a file is thought to have before the first one is there.
const USUAL: u64 = 4096;
/// Longest time that a session takes to be at rest after its reply has ended.
const REST: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(1);
/// First of the dice of the phones' disks; those of the phones themselves are below it.
const DICE: u64 = 2 << 32;

/// The storage of all phones: they share the disk, and each has a folder.
#[derive(Debug)]
pub(crate) struct Storage {
    folder: TempDir,
    pub(crate) disk: Disk,
    files: FileServer,
}

impl Storage {
    /// Makes an empty one, in a temporary folder that goes with it.
    pub(crate) fn new(seed: u64) -> Result<Self, LoadTestError> {
        let failed = |error| LoadTestError::Settings(format!("no storage for the phones: {error}"));
        let folder = tempfile::tempdir().map_err(failed)?;
        Ok(Self { folder, disk: Disk::new().map_err(failed)?, files: FileServer::start(seed)? })
    }
}

/// The reason why something was not written.
#[derive(Debug)]
enum Refused {
    /// The disk is full.
    Full,
    /// Anything else, in words.
    Other(String),
}

impl Refused {
    fn of(kind: ErrorKind, error: &dyn std::fmt::Debug) -> Self {
        match kind {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Self::Full,
            _ => Self::Other(format!("{error:?}")),
        }
    }
}

impl From<SavedSessionError> for Refused {
    fn from(error: SavedSessionError) -> Self {
        match &error {
            SavedSessionError::Io { source, .. } => Self::of(source.kind(), &error),
            _ => Self::Other(format!("{error:?}")),
        }
    }
}

impl From<CalibrationFileError> for Refused {
    fn from(error: CalibrationFileError) -> Self {
        match &error {
            CalibrationFileError::Io { source, .. } => Self::of(source.kind(), &error),
            _ => Self::Other(format!("{error:?}")),
        }
    }
}

impl From<DownloadError> for Refused {
    fn from(error: DownloadError) -> Self {
        match error {
            DownloadError::DiskFull { .. } => Self::Full,
            error => Self::Other(format!("{error:?}")),
        }
    }
}

/// Judges the write of a file by the room that it had, what was in the file's place before, and what is there now.
///
/// # Errors
/// The promise that was broken, in words.
fn judged(
    room: Option<u64>,
    before: Option<&[u8]>,
    after: Option<&[u8]>,
    result: Result<(), Refused>,
) -> Result<Written, String> {
    match (result, room) {
        (Err(Refused::Other(error)), _) => Err(error),
        (Err(Refused::Full), None) => Err("the disk is full although there is room".into()),
        (Err(Refused::Full), Some(_)) if after != before => Err("a write that failed has changed the file".into()),
        (Err(Refused::Full), Some(_)) => Ok(Written::Full),
        (Ok(()), room) => match after {
            None => Err("what was written is not there".into()),
            Some(file) if room.is_some_and(|room| file.len() as u64 > room) => {
                Err("more is there than has room".into())
            }
            Some(_) => Ok(Written::Whole),
        },
    }
}

/// What one phone keeps.
pub(crate) struct Keeper<'a> {
    storage: &'a Storage,
    draft: &'a DraftModel,
    folder: PathBuf,
    store: ModelStore,
    /// Conversation in the saved session.
    messages: Vec<Message>,
    /// Rooms for the session, the calibration and the model.
    rooms: [Rooms; 3],
}

impl<'a> Keeper<'a> {
    /// Makes a phone's folder.
    pub(crate) fn new(
        storage: &'a Storage,
        draft: &'a DraftModel,
        seed: u64,
        phone: u64,
    ) -> Result<Self, LoadTestError> {
        // One phone works before the others do, and leaves what it kept.
        let folder = storage.folder.path().join(phone.to_string());
        let made = if folder.exists() { fs::remove_dir_all(&folder) } else { Ok(()) };
        made.and_then(|()| fs::create_dir(&folder))
            .map_err(|error| LoadTestError::Settings(format!("no folder for a phone: {error}")))?;
        let store = ModelStore::new(StoreConfig {
            trust: storage.files.trust(),
            // The room on the real disk is not what this is about.
            reserve: 0,
            ..StoreConfig::new(folder.join("models"))
        });
        let rooms = [0, 1, 2].map(|file| Rooms::new(Rng::at(seed, Stream::Simulation, DICE | phone << 2 | file)));
        Ok(Self { storage, draft, folder, store, messages: Vec::new(), rooms })
    }

    /// Saves the session and its calibration and loads a model, and takes note of what became of each.
    pub(crate) fn keep(&mut self, session: &Session, met: &mut Met) {
        for (file, written) in
            [("session", self.session(session)), ("calibration", self.calibration(session)), ("model", self.model())]
        {
            if written == Ok(Written::Full) {
                met.weather(FULL_DISK, 1);
            }
            met.wrote(file, written);
        }
    }

    fn session(&mut self, session: &Session) -> Result<Written, String> {
        let began = Instant::now();
        // A reply has ended for its reader a moment before it has for its session.
        while session.is_generating() {
            if began.elapsed() > REST {
                return Err("a session goes on generating after its reply has ended".into());
            }
            std::thread::sleep(LOOK);
        }
        let path = self.folder.join(SESSION);
        let written = self.write(0, &path, || Ok(session.blocking_save(&path)?))?;
        if written == Written::Whole {
            self.messages = session.messages();
        }
        if path.exists() {
            let options = SessionOptions { mode: Mode::DeviceOnly, threads: 1, ..SessionOptions::default() };
            let restored = Session::restore(self.draft.clone(), None, options, &path)
                .map_err(|error| format!("it does not restore: {error}"))?;
            if restored.messages() != self.messages {
                return Err("another conversation is restored than was saved".into());
            }
        }
        Ok(written)
    }

    fn calibration(&mut self, session: &Session) -> Result<Written, String> {
        let path = self.folder.join(CALIBRATION);
        let calibration = session.calibration();
        let written = self.write(1, &path, || Ok(calibration_file::save(&calibration, &path)?))?;
        if path.exists() {
            let found = calibration_file::load(&path).map_err(|error| format!("it does not load: {error}"))?;
            if written == Written::Whole && found != calibration {
                return Err("another calibration is loaded than was saved".into());
            }
        }
        Ok(written)
    }

    /// Writes one file of the phone's folder.
    fn write(
        &mut self,
        file: usize,
        path: &Path,
        write: impl FnOnce() -> Result<(), Refused>,
    ) -> Result<Written, String> {
        let before = fs::read(path).ok();
        let usual = before.as_ref().map_or(USUAL, |file| file.len() as u64);
        let room = self.rooms[file].draw(usual);
        let result = self.storage.disk.with_room(room, write).map_err(|error| format!("no limit is set: {error}"))?;
        let after = fs::read(path).ok();
        let written = judged(room, before.as_deref(), after.as_deref(), result)?;
        nothing_but(&self.folder, &[SESSION, CALIBRATION, "models"])?;
        Ok(written)
    }

    /// Loads the model, and removes it again where it has come, so that the next time it is loaded anew.
    fn model(&mut self) -> Result<Written, String> {
        let (files, folder) = (&self.storage.files, self.folder.join("models"));
        let content = files.content();
        let source = files.url(MODEL).parse().map_err(|error| format!("no source: {error}"))?;
        let request = DownloadRequest { sha256: Some(files.sha256()), ..DownloadRequest::new(source) };
        let room = self.rooms[2].draw(content.len() as u64);
        let load = || self.store.download(request).blocking_finish();
        let loaded = self.storage.disk.with_room(room, load).map_err(|error| format!("no limit is set: {error}"))?;
        let after = fs::read(folder.join(MODEL)).ok();
        let written = judged(room, None, after.as_deref(), loaded.map(drop).map_err(Refused::from))?;
        match written {
            Written::Whole if after.as_deref() != Some(content) => return Err("it is another file".into()),
            Written::Whole => {
                nothing_but(&folder, &[MODEL, BESIDE_MODEL[0]])?;
                self.store.delete(MODEL).map_err(|error| format!("it cannot be removed: {error}"))?;
            }
            Written::Full => nothing_but(&folder, &BESIDE_MODEL)?,
        }
        Ok(written)
    }
}

/// Checks that a folder has no files but these.
fn nothing_but(folder: &Path, names: &[&str]) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("a folder cannot be read: {error}"))?;
    let left = entries
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .find(|name| !names.contains(&name.as_str()));
    left.map_or(Ok(()), |name| Err(format!("{name} is left behind")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_whole_or_has_failed_on_a_full_disk_and_left_what_was_there() {
        let (old, new) = (Some(&b"old"[..]), Some(&b"newer"[..]));
        assert_eq!(judged(None, old, new, Ok(())), Ok(Written::Whole));
        assert_eq!(judged(Some(5), old, new, Ok(())), Ok(Written::Whole));
        assert_eq!(judged(Some(2), old, old, Err(Refused::Full)), Ok(Written::Full));
        assert_eq!(judged(Some(2), None, None, Err(Refused::Full)), Ok(Written::Full));
    }

    #[test]
    fn what_breaks_a_promise_is_told() {
        let (old, new) = (Some(&b"old"[..]), Some(&b"newer"[..]));
        for (room, after, result) in [
            (None, old, Err(Refused::Full)),
            (Some(2), new, Err(Refused::Full)),
            (Some(2), None, Err(Refused::Full)),
            (Some(2), old, Err(Refused::Other("of another kind".into()))),
            (Some(2), new, Ok(())),
            (None, None, Ok(())),
        ] {
            let said = format!("{room:?} {after:?} {result:?}");
            assert!(judged(room, old, after, result).is_err(), "{said}");
        }
    }

    #[test]
    fn a_full_disk_is_told_from_any_other_failure() {
        let refused = |kind: ErrorKind| {
            let source = kind.into();
            Refused::from(CalibrationFileError::Io { path: PathBuf::new(), source })
        };
        assert!(matches!(refused(ErrorKind::FileTooLarge), Refused::Full));
        assert!(matches!(refused(ErrorKind::StorageFull), Refused::Full));
        assert!(matches!(refused(ErrorKind::PermissionDenied), Refused::Other(_)));
    }

    #[test]
    fn files_that_are_left_behind_are_found() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("a"), "").expect("written");
        assert_eq!(nothing_but(folder.path(), &["a", "b"]), Ok(()));
        assert_eq!(nothing_but(folder.path(), &["b"]), Err("a is left behind".into()));
    }
}
