//! A disk that is full at random.
//!
//! Decides how much room a file has, from a seed. The fault is the kernel's: a limit on the size of the files that this
//! process writes (`RLIMIT_FSIZE`), which needs no rights. A write is cut at the limit, and the next one fails; the
//! error is another one than a full disk's (`EFBIG` in the place of `ENOSPC`), and nothing else is.

use std::io;
use std::sync::{Mutex, PoisonError};

use uhlm_law::rng::Rng;

/// Room in which no file of a phone has its place, in bytes, at most: on most full disks there is none at all.
const NOTHING: u64 = 64;

/// The rooms that the disk has for one file, one write after the other.
#[derive(Debug)]
pub(crate) struct Rooms {
    dice: Rng,
    /// Number of rooms so far.
    drawn: u64,
}

impl Rooms {
    pub(crate) fn new(dice: Rng) -> Self {
        Self { dice, drawn: 0 }
    }

    /// Draws the room for the next write of a file that usually has `usual` bytes; `None` where there is enough. There
    /// is for the first write and none for the second, so that something is there that must be whole after it.
    pub(crate) fn draw(&mut self, usual: u64) -> Option<u64> {
        self.drawn += 1;
        let kind = self.dice.next_u64() % 4;
        let room = self.dice.next_u64();
        match (self.drawn, kind) {
            _ if !cfg!(unix) => None,
            (2, _) | (3.., 0) => Some(room % NOTHING),
            // The write ends anywhere, or just fits.
            (3.., 1) => Some(room % (2 * usual.max(NOTHING))),
            _ => None,
        }
    }
}

/// The disk of this process.
#[derive(Debug)]
pub(crate) struct Disk {
    /// Held by whoever writes: the limit is the process's.
    writing: Mutex<()>,
}

impl Disk {
    /// Makes the disk. From now on and for the life of the process, a write beyond the limit is an error and no end.
    ///
    /// # Errors
    /// Those of the system, which gives no handler for a signal.
    pub(crate) fn new() -> io::Result<Self> {
        #[cfg(unix)]
        limit::survive()?;
        Ok(Self { writing: Mutex::new(()) })
    }

    /// Does what writes files that have so much room each, in bytes; `None` where there is enough. Blocks while another
    /// thread writes.
    ///
    /// # Errors
    /// Those of the system, which sets no limit.
    pub(crate) fn with_room<T>(&self, room: Option<u64>, write: impl FnOnce() -> T) -> io::Result<T> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        #[cfg(unix)]
        let _limit = room.map(limit::Limit::set).transpose()?;
        #[cfg(not(unix))]
        let _ = room;
        Ok(write())
    }
}

#[cfg(unix)]
mod limit {
    use std::io;

    use rlimit::Resource;
    use tokio::signal::unix::{SignalKind, signal};

    /// Number of SIGXFSZ on Linux and on Apple's systems.
    const SIGXFSZ: i32 = 25;

    /// Takes the signal that ends a process which writes beyond its limit.
    pub(super) fn survive() -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // The handler stays when the stream and the runtime are gone.
        runtime.block_on(async { signal(SignalKind::from_raw(SIGXFSZ)).map(drop) })
    }

    /// A limit on the size of files, which ends when this is dropped.
    pub(super) struct Limit {
        before: u64,
    }

    impl Limit {
        pub(super) fn set(bytes: u64) -> io::Result<Self> {
            let (before, hard) = rlimit::getrlimit(Resource::FSIZE)?;
            rlimit::setrlimit(Resource::FSIZE, bytes.min(hard), hard)?;
            Ok(Self { before })
        }
    }

    impl Drop for Limit {
        fn drop(&mut self) {
            // It was the limit before, so the system lets it be one again.
            let _ = rlimit::getrlimit(Resource::FSIZE)
                .and_then(|(_, hard)| rlimit::setrlimit(Resource::FSIZE, self.before, hard));
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::File;
    use std::io::{Seek as _, SeekFrom, Write as _};

    use uhlm_law::rng::Stream;

    use super::*;

    fn rooms(seed: u64) -> Vec<Option<u64>> {
        let mut rooms = Rooms::new(Rng::new(seed, Stream::Simulation));
        (0..200).map(|_| rooms.draw(10_000)).collect()
    }

    #[test]
    fn the_first_write_has_room_the_second_none_and_the_others_follow_from_the_seed() {
        for seed in 0..20 {
            let drawn = rooms(seed);
            assert_eq!((drawn[0], drawn[1].map(|room| room < NOTHING)), (None, Some(true)));
            for kind in [None, Some(false), Some(true)] {
                let found = drawn[2..].iter().filter(|room| room.map(|room| room < NOTHING) == kind).count();
                assert!(found > 20, "seed {seed}: {found} of {kind:?}");
            }
            assert_eq!(drawn, rooms(seed));
        }
        assert_ne!(rooms(1), rooms(2));
    }

    #[test]
    fn a_write_beyond_the_room_is_cut_and_fails_and_the_next_one_has_room_again() {
        // The limit is every file's of this process: it must not be one for what the other tests write meanwhile.
        const ROOM: u64 = 1 << 36;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let write = || {
            let mut file = File::create(&path)?;
            // What lies before takes no room on the real disk.
            file.seek(SeekFrom::Start(ROOM - 10))?;
            file.write_all(&[0; 100])
        };
        let disk = Disk::new().expect("a handler");
        let full = disk.with_room(Some(ROOM), write).expect("a limit");
        assert_eq!(full.expect_err("no room").kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(std::fs::metadata(&path).expect("begun").len(), ROOM);
        disk.with_room(None, write).expect("no limit").expect("room");
    }
}
