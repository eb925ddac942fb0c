//! The vocabularies of targets that the device's model does not share: files that a verifier offers, kept by their
//! hash.
//!
//! Decides what is believed of such a file, and for how long it is kept. Fetching it is the session's business.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use std::time::SystemTime;

use uhlm_law::advance::VocabularyOffer;
use uhlm_law::digest::Digest;
use uhlm_law::model::LanguageModel as _;
use uhlm_llama::{Language, VocabularyFile};

use crate::state::locked;

/// Largest number of files that are kept in a folder; the oldest go first.
const MAX_KEPT: usize = 4;
/// Beginning of the names of files.
const PREFIX: &str = "vocabulary-";

/// Why a target's vocabulary cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VocabularyError {
    /// The bytes are others than those that were offered.
    #[error("its vocabulary came with another hash than it was offered by")]
    OtherBytes,
    /// The file has another vocabulary than the one that the target has by its own word.
    #[error("the file that it offers has another vocabulary than its own")]
    OtherVocabulary,
    /// The file cannot be loaded.
    #[error("its vocabulary cannot be read: {0}")]
    Unreadable(String),
    /// There is no place to write it to.
    #[error("its vocabulary cannot be stored: {0}")]
    Storage(#[from] io::Error),
}

/// The vocabularies that are in memory, by the hashes of their files; sessions share them.
static LOADED: Mutex<Option<HashMap<Digest, Weak<Language>>>> = Mutex::new(None);

/// Returns the vocabulary of an offer if it is in memory or in `folder`; it has the hash `vocabulary`.
pub(crate) fn kept(offer: &VocabularyOffer, vocabulary: Digest, folder: Option<&Path>) -> Option<Arc<Language>> {
    let loaded = locked(&LOADED).as_ref().and_then(|loaded| loaded.get(&offer.sha256)?.upgrade());
    if let Some(language) = loaded.filter(|language| language.vocabulary_hash() == vocabulary) {
        return Some(language);
    }
    let path = path_in(folder?, offer.sha256);
    // Another file may have taken its place; only one of the right length is read at all.
    fs::metadata(&path).ok().filter(|found| found.is_file() && found.len() == u64::from(offer.bytes))?;
    if VocabularyFile::from_bytes(fs::read(&path).ok()?).digest() != offer.sha256 {
        return None;
    }
    let language = Language::load(&path).ok().filter(|language| language.vocabulary_hash() == vocabulary)?;
    // The oldest file goes first where there are too many; a folder that may only be read loses none.
    let _ = fs::File::options().append(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
    remember(offer.sha256, &language);
    Some(language)
}

/// Takes the bytes of a file that was offered, checks them, loads the vocabulary, and keeps the file in `folder`.
/// Without a folder it stays in memory for as long as a session uses it.
pub(crate) fn taken(
    bytes: Vec<u8>,
    offer: &VocabularyOffer,
    vocabulary: Digest,
    folder: Option<&Path>,
) -> Result<Arc<Language>, VocabularyError> {
    let file = VocabularyFile::from_bytes(bytes);
    if file.digest() != offer.sha256 {
        return Err(VocabularyError::OtherBytes);
    }
    // A folder that cannot be written to is no reason to do without: the file is read once and goes.
    let in_folder = folder.and_then(|folder| Written::new(&file, folder).ok());
    let (written, folder) = match in_folder {
        Some(written) => (written, folder),
        None => (Written::new(&file, &std::env::temp_dir())?, None),
    };
    let language = Language::load(&written.path).map_err(|error| VocabularyError::Unreadable(error.to_string()))?;
    if language.vocabulary_hash() != vocabulary {
        return Err(VocabularyError::OtherVocabulary);
    }
    written.keep(folder);
    remember(offer.sha256, &language);
    Ok(language)
}

/// Has other sessions find the vocabulary for as long as one uses it.
fn remember(sha256: Digest, language: &Arc<Language>) {
    let mut loaded = locked(&LOADED);
    let loaded = loaded.get_or_insert_default();
    loaded.retain(|_, language| language.strong_count() > 0);
    loaded.insert(sha256, Arc::downgrade(language));
}

fn path_in(folder: &Path, sha256: Digest) -> PathBuf {
    folder.join(format!("{PREFIX}{sha256}.gguf"))
}

/// A file that goes unless it is kept.
struct Written {
    path: PathBuf,
    sha256: Digest,
    is_kept: bool,
}

impl Written {
    /// Writes the file under a name of its own.
    fn new(file: &VocabularyFile, folder: &Path) -> io::Result<Self> {
        static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("{PREFIX}{}-{number}.part", std::process::id()));
        let written = Self { path, sha256: file.digest(), is_kept: false };
        // A folder for temporary files may be everybody's: what lies under the name is not written through.
        let _ = fs::remove_file(&written.path);
        fs::OpenOptions::new().write(true).create_new(true).open(&written.path)?.write_all(file.bytes())?;
        Ok(written)
    }

    /// Keeps the file under the name of its hash, and no more files than there may be.
    fn keep(mut self, folder: Option<&Path>) {
        let Some(folder) = folder else { return };
        // What cannot be kept is fetched again.
        self.is_kept = fs::rename(&self.path, path_in(folder, self.sha256)).is_ok();
        let mut files: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let is_ours = name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(".gguf"));
            let changed = entry.metadata().and_then(|facts| facts.modified());
            if let (true, Ok(changed)) = (is_ours, changed) {
                files.push((changed, entry.path()));
            }
        }
        files.sort();
        let excess = files.len().saturating_sub(MAX_KEPT);
        for (_, path) in files.into_iter().take(excess) {
            let _ = fs::remove_file(path);
        }
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> (VocabularyFile, VocabularyOffer) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models").join(name);
        let file = VocabularyFile::of(&path).expect("a bundled model");
        let offer = VocabularyOffer { sha256: file.digest(), bytes: file.bytes().len() as u32 };
        (file, offer)
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder").flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_file_is_kept_by_its_hash_and_found_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, offer) = file("demo-target.gguf");
        let whole = |bytes: Vec<u8>| taken(bytes, &offer, hash(&file), Some(folder.path()));
        let language = whole(file.bytes().to_vec()).expect("a vocabulary");
        assert_eq!(names(folder.path()), [format!("vocabulary-{}.gguf", offer.sha256)]);
        let again = kept(&offer, language.vocabulary_hash(), Some(folder.path())).expect("kept");
        assert!(Arc::ptr_eq(&again, &language), "it is in memory");
        let vocabulary = language.vocabulary_hash();
        drop((again, language));
        assert!(kept(&offer, vocabulary, Some(folder.path())).is_some(), "it is in the folder");
        assert!(kept(&offer, Digest([1; 32]), Some(folder.path())).is_none(), "it is another vocabulary");
    }

    fn hash(file: &VocabularyFile) -> Digest {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("it.gguf");
        fs::write(&path, file.bytes()).expect("written");
        Language::load(&path).expect("a vocabulary").vocabulary_hash()
    }

    #[test]
    fn other_bytes_and_other_vocabularies_are_refused_and_leave_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, offer) = file("prose-target.gguf");
        let refused = |bytes: Vec<u8>, offer: &VocabularyOffer, vocabulary| {
            taken(bytes, offer, vocabulary, Some(folder.path())).err()
        };
        let mut other = file.bytes().to_vec();
        other[40] ^= 1;
        assert!(matches!(refused(other.clone(), &offer, hash(&file)), Some(VocabularyError::OtherBytes)));
        let lie = VocabularyOffer { sha256: VocabularyFile::from_bytes(b"GGUF".to_vec()).digest(), bytes: 4 };
        assert!(matches!(refused(b"GGUF".to_vec(), &lie, hash(&file)), Some(VocabularyError::Unreadable(_))));
        let wrong = refused(file.bytes().to_vec(), &offer, Digest([7; 32]));
        assert!(matches!(wrong, Some(VocabularyError::OtherVocabulary)));
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_file_that_took_the_place_of_a_kept_one_is_not_used() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, offer) = file("demo-target.gguf");
        let vocabulary = hash(&file);
        drop(taken(file.bytes().to_vec(), &offer, vocabulary, Some(folder.path())).expect("a vocabulary"));
        let path = path_in(folder.path(), offer.sha256);
        let kept = || kept(&offer, vocabulary, Some(folder.path())).is_some();
        assert!(kept(), "it is there");
        let mut other = file.bytes().to_vec();
        other[100] ^= 1;
        fs::write(&path, other).expect("written");
        assert!(!kept(), "other bytes");
        fs::OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(1 << 32)).expect("a long file");
        assert!(!kept(), "a longer file, of which nothing is read");
        fs::remove_file(&path).and_then(|()| fs::create_dir(&path)).expect("a folder");
        assert!(!kept(), "a folder");
    }

    #[test]
    fn no_more_files_are_kept_than_there_may_be() {
        let folder = tempfile::tempdir().expect("a folder");
        for n in 0..MAX_KEPT + 2 {
            fs::write(folder.path().join(format!("vocabulary-{n}.gguf")), b"old").expect("written");
        }
        let (file, offer) = file("prose-draft.gguf");
        taken(file.bytes().to_vec(), &offer, hash(&file), Some(folder.path())).expect("a vocabulary");
        let names = names(folder.path());
        assert_eq!(names.len(), MAX_KEPT);
        assert!(names.contains(&format!("vocabulary-{}.gguf", offer.sha256)));
    }
}
