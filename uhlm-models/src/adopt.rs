//! Files that something else brings into the store: a download that the system does in the background, or a person who
//! picks a file. What such a download needs to know beforehand is [`ModelStore::files`]; what it brought,
//! [`ModelStore::adopt`] checks and takes.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use tokio::sync::watch;
use uhlm_law::cancel::Cancel;
use uhlm_law::digest::Digest;
use uhlm_llama::split::PartName;

use crate::error::DownloadError;
use crate::held::{self, Held};
use crate::manifest::{Manifest, now};
use crate::naming::vacant;
use crate::partial::Partial;
use crate::parts::{Remote, ask};
use crate::progress::{Progress, Reporter};
use crate::request::{DownloadRequest, check_name};
use crate::shared::Shared;
use crate::source::{InvalidSource, Source};
use crate::store::ModelStore;
use crate::stored::{StoreError, StoredModel};
use crate::whole::readable;

/// A file that a download of a model would load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// Name that it has in the store.
    pub name: String,
    /// Source that has it.
    pub source: Source,
    /// Address of the file, which may redirect. A private repository asks for the store's token as well, which is not
    /// part of it.
    pub url: String,
    /// Length in bytes, where the request or the server says it.
    pub bytes: Option<u64>,
    /// SHA-256 that it must have, where the request or the repository says it.
    pub sha256: Option<Digest>,
}

/// The facts about a file that is to be taken into the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// Name to keep it under, ending in `.gguf`; for a part of a split model that part's.
    pub name: String,
    /// SHA-256 that it must have; `None` where nobody knows it, and then it must read as GGUF.
    pub sha256: Option<Digest>,
    /// Source that it was loaded from; `None` for one that a person had.
    pub source: Option<Source>,
}

impl ModelStore {
    /// Asks for the files that a download of this request would load, in the order of the parts, and loads none. The
    /// first source that has a file is the one that is named. Blocks on the network.
    ///
    /// # Errors
    /// Those of a download that has not begun: [`DownloadError::InvalidSource`], [`DownloadError::InvalidName`],
    /// [`DownloadError::NameTaken`], [`DownloadError::NoChecksum`], [`DownloadError::Metered`],
    /// [`DownloadError::Cancelled`], and those of the server and of the way to it.
    pub fn files(&self, request: &DownloadRequest, cancel: &Cancel) -> Result<Vec<RemoteFile>, DownloadError> {
        if request.sources.is_empty() {
            return Err(InvalidSource { reason: "there is none".into() }.into());
        }
        let reporter = Reporter::new(watch::channel(Progress::default()).0);
        let shared = Shared::new(self.clone(), request.allow_metered, cancel.clone(), reporter)?;
        let Some(part) = request.part() else {
            let name = vacant(self, request)?;
            return Ok(vec![remote_file(&shared, request, name)?]);
        };
        // The first part's name is every part's.
        let first = vacant(self, &request.for_part(1, request.name.clone()))?;
        let Some(named) = PartName::parse(&first) else { return Err(DownloadError::InvalidName { name: first }) };
        let file = |number| remote_file(&shared, &request.for_part(number, None), named.of(number));
        (1..=part.count).map(file).collect()
    }

    /// Takes a whole file into the store, and checks it first: its SHA-256 where one is known, else that it reads as
    /// GGUF. It is moved where the file system allows that and copied elsewhere; after success nothing is left at its
    /// old place, after an error it is still there. A file that the store has already is not taken twice. What an
    /// unfinished download of the same name left is removed. What is checked is what is taken: one that is put in its
    /// place meanwhile, or written to, is an error. Blocks; reads the whole file, and tells `progress` the number of
    /// bytes read.
    ///
    /// # Errors
    /// [`DownloadError::InvalidName`], [`DownloadError::NameTaken`] where the name is another model's,
    /// [`DownloadError::AlreadyRunning`] while a download of the name runs, [`DownloadError::WrongHash`],
    /// [`DownloadError::NotAModel`], [`DownloadError::DiskFull`], [`DownloadError::Storage`],
    /// [`DownloadError::Cancelled`].
    pub fn adopt(
        &self,
        file: &Path,
        adoption: &Adoption,
        cancel: &Cancel,
        mut progress: impl FnMut(u64),
    ) -> Result<StoredModel, DownloadError> {
        let Adoption { name, sha256, source } = adoption;
        if !check_name(name) {
            return Err(DownloadError::InvalidName { name: name.clone() });
        }
        // Held from here on: what is hashed is what gets the name, whatever is put in its place meanwhile.
        let mut held = Held::open(file).map_err(unread)?;
        let (bytes, found) = read(&mut held, cancel, &mut progress)?;
        match sha256 {
            Some(expected) if *expected != found => {
                return Err(DownloadError::WrongHash { expected: *expected, found });
            }
            Some(_) => {}
            None => readable(held.file(), bytes)?,
        }
        let storage = |what: &'static str| move |error: io::Error| DownloadError::storage(what, 0, &error);
        let path = self.config().folder.join(name);
        fs::create_dir_all(&self.config().folder).map_err(storage("create the folder"))?;
        // Locked, so that no download of the same name is under way.
        let partial = Partial::claim(&path, |_, _| true)?.ok_or(DownloadError::AlreadyRunning)?;
        let unseen = |error: StoreError| {
            let reason = error.to_string();
            DownloadError::Storage { what: "look into the folder".into(), reason }
        };
        if let Some(there) = self.file(name).map_err(unseen)? {
            let hash = || read(&mut Held::open(&there.path).ok()?, cancel, &mut |_| ()).ok().map(|(_, digest)| digest);
            let known = there.sha256.or_else(hash);
            let same_source = source.as_ref().is_some_and(|source| there.source == Some(source.kept()));
            if known != Some(found) && !same_source {
                partial.let_go();
                return Err(DownloadError::NameTaken { name: name.clone() });
            }
        }
        let source = source.as_ref().map(Source::kept);
        let before = Manifest::read(&path);
        let manifest = Manifest { sha256: found, bytes, source: source.clone(), loaded_at: now() };
        let written = manifest.write(&path).map_err(storage("write the manifest"));
        if let Err(error) = written.and_then(|()| place(file, &mut held, found, &path, partial, cancel)) {
            // What cannot be put back says another size or hash than the file has, and a check will tell.
            before.map(|before| before.write(&path)).transpose().unwrap_or_default();
            return Err(error);
        }
        Ok(StoredModel { name: name.clone(), path, bytes, sha256: Some(found), source, further_parts: Vec::new() })
    }
}

/// Gives a checked file its name in the store, by a move or else by a copy.
fn place(
    file: &Path,
    held: &mut Held,
    sha256: Digest,
    path: &Path,
    mut partial: Partial,
    cancel: &Cancel,
) -> Result<(), DownloadError> {
    match held::rename(file, path, |path| held.is_unchanged_at(path)) {
        Ok(()) => return partial.discard(),
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {}
        Err(error) => {
            partial.let_go();
            return Err(DownloadError::storage("move the file into the store", 0, &error));
        }
    }
    let copied = partial.restart().and_then(|()| copy(held, &mut partial, cancel)).and_then(|()| {
        // What was checked was copied, or somebody writes to the file meanwhile.
        let found = partial.sha256();
        if found == sha256 { Ok(()) } else { Err(DownloadError::WrongHash { expected: sha256, found }) }
    });
    if let Err(error) = copied {
        // The reason why nothing was copied matters more than that a part of it may still lie there.
        let _ = partial.discard();
        return Err(error);
    }
    partial.finish(path)?;
    let gone = |error: io::Error| DownloadError::storage("remove the file at its old place", 0, &error);
    // What somebody has put in its place is not ours to remove.
    if held::is_at(held.file(), file).map_err(gone)? { fs::remove_file(file).map_err(gone) } else { Ok(()) }
}

fn remote_file(shared: &Shared, request: &DownloadRequest, name: String) -> Result<RemoteFile, DownloadError> {
    shared.check_network()?;
    let Remote { source, bytes, sha256 } = ask(shared, request)?;
    let (bytes, sha256) = (request.bytes.or(bytes), request.sha256.or(sha256));
    if request.require_sha256 && sha256.is_none() {
        return Err(DownloadError::NoChecksum { bytes });
    }
    let url = source.address(&shared.config().hub)?.into();
    Ok(RemoteFile { name, source, url, bytes, sha256 })
}

fn unread(error: io::Error) -> DownloadError {
    DownloadError::storage("read the file", 0, &error)
}

/// Reads a file to its end; returns its length and its SHA-256.
fn read(held: &mut Held, cancel: &Cancel, progress: &mut dyn FnMut(u64)) -> Result<(u64, Digest), DownloadError> {
    let read = held.hashed(cancel, progress).map_err(unread)?.ok_or(DownloadError::Cancelled)?;
    // Its new name must not outlive a crash that its bytes do not.
    held.file().sync_all().map_err(unread)?;
    Ok(read)
}

/// Writes a file's bytes into the partial one.
fn copy(held: &mut Held, partial: &mut Partial, cancel: &Cancel) -> Result<(), DownloadError> {
    let (file, mut buffer) = (held.rewound().map_err(unread)?, vec![0; 1 << 18]);
    loop {
        if cancel.is_cancelled() {
            return Err(DownloadError::Cancelled);
        }
        match file.read(&mut buffer).map_err(unread)? {
            0 => return Ok(()),
            count => partial.write(&buffer[..count])?,
        }
    }
}

#[cfg(test)]
mod tests;
