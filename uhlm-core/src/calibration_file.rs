//! The calibration of a pair as a small JSON file beside its models.
//!
//! Decides what a missing, damaged or too new file looks like to the caller, and that a reader sees either the old file
//! or the new one. Its content is the business of [`Calibration`].

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use uhlm_law::calibration::{CALIBRATION_VERSION, Calibration, InvalidCalibration, MAX_CALIBRATION_BYTES};

use crate::whole_file;

/// The reason that a calibration could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationFileError {
    /// There is no such file: the pair has not been calibrated.
    #[error("no calibration at {}", path.display())]
    Missing {
        /// The path that was tried.
        path: PathBuf,
    },
    /// The file is not a calibration.
    #[error("the calibration at {} is damaged: {reason}", path.display())]
    Damaged {
        /// The path of the file.
        path: PathBuf,
        /// The error that was found in the file, in words.
        reason: String,
    },
    /// The file was written by another version of this library.
    #[error(
        "the calibration at {} has version {found}, this library reads up to {CALIBRATION_VERSION}",
        path.display()
    )]
    WrongVersion {
        /// The path of the file.
        path: PathBuf,
        /// The version that the file states.
        found: u32,
    },
    /// The file could not be read or written.
    #[error("cannot access the calibration at {}", path.display())]
    Io {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

/// Reads a calibration; blocks on the file.
///
/// # Errors
/// [`CalibrationFileError`].
pub fn load(path: &Path) -> Result<Calibration, CalibrationFileError> {
    let text = read(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => CalibrationFileError::Missing { path: path.into() },
        _ => CalibrationFileError::Io { path: path.into(), source },
    })?;
    Calibration::from_json(&text).map_err(|error| match error {
        InvalidCalibration::Damaged { reason } => CalibrationFileError::Damaged { path: path.into(), reason },
        InvalidCalibration::WrongVersion { found } => CalibrationFileError::WrongVersion { path: path.into(), found },
    })
}

/// Reads no more of a file than shows that it is too long to be a calibration.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_CALIBRATION_BYTES as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

/// Writes a calibration so that a reader sees either the old file or the new one; blocks on the file.
///
/// # Errors
/// [`CalibrationFileError::Io`].
pub fn save(calibration: &Calibration, path: &Path) -> Result<(), CalibrationFileError> {
    let written = whole_file::write(path, &[&calibration.to_json()]);
    written.map_err(|source| CalibrationFileError::Io { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_saved_calibration_is_read_back_and_no_temporary_file_is_left() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("pair.calibration.json");
        let calibration = Calibration::generic();
        save(&calibration, &path).expect("a writable folder");
        save(&calibration, &path).expect("a second time, over the first");
        assert_eq!(load(&path).expect("what was saved"), calibration);
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1);
    }

    #[test]
    fn files_that_are_missing_damaged_or_of_another_version_are_told_apart() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("pair.json");
        assert!(matches!(load(&path), Err(CalibrationFileError::Missing { .. })));
        fs::write(&path, "{\"version\": 99, \"later\": true}").expect("a writable folder");
        assert!(matches!(load(&path), Err(CalibrationFileError::WrongVersion { found: 99, .. })));
        fs::write(&path, "{\"version\": 2").expect("a writable folder");
        assert!(matches!(load(&path), Err(CalibrationFileError::Damaged { .. })));
        assert!(matches!(load(folder.path()), Err(CalibrationFileError::Io { .. })));
    }

    #[test]
    fn a_file_of_a_gigabyte_is_refused_by_its_first_megabyte() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("pair.json");
        save(&Calibration::generic(), &path).expect("a writable folder");
        // What was never written of it takes no room on the disk, and reads as zeros.
        File::options().write(true).open(&path).and_then(|file| file.set_len(1 << 30)).expect("a long file");
        let refused = load(&path);
        assert!(matches!(&refused, Err(CalibrationFileError::Damaged { reason, .. }) if reason.contains("longer")));
        assert_eq!(read(&path).expect("it is there").len(), MAX_CALIBRATION_BYTES + 1);
    }
}
