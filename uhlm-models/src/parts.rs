//! The whole model: its only file, or all parts of a split one, which are looked for before the first is loaded.

use uhlm_law::digest::Digest;
use uhlm_llama::split::PartName;

use crate::client::{Answer, Wanted};
use crate::download::Download;
use crate::error::DownloadError;
use crate::naming::{Claim, Place, claim};
use crate::partial::bytes_begun;
use crate::request::DownloadRequest;
use crate::shared::Shared;
use crate::source::{InvalidSource, Source};
use crate::stored::StoredModel;

/// Loads the model, or finds it there.
pub(super) fn load(shared: &mut Shared, request: &DownloadRequest) -> Result<StoredModel, DownloadError> {
    if request.sources.is_empty() {
        return Err(InvalidSource { reason: "there is none".into() }.into());
    }
    match request.part() {
        None => load_file(shared, request),
        Some(part) => load_parts(shared, request, &part),
    }
}

fn load_file(shared: &mut Shared, request: &DownloadRequest) -> Result<StoredModel, DownloadError> {
    match claim(shared, request)? {
        Claim::There(model) => Ok(model),
        Claim::Missing(place) => {
            if shared.progress.parts == 0 {
                shared.progress.resumed_from = place.partial.len();
            }
            run(shared, request, place)
        }
    }
}

fn run(shared: &mut Shared, request: &DownloadRequest, place: Place) -> Result<StoredModel, DownloadError> {
    Download::new(shared, request, place.name, place.path).run(place.partial)
}

/// Loads one part after the other; each is checked as a file of its own, so that a broken download costs one part at
/// most.
fn load_parts(shared: &mut Shared, request: &DownloadRequest, part: &PartName) -> Result<StoredModel, DownloadError> {
    shared.progress.parts = part.count;
    let (name, mut place) = match claim(shared, &request.for_part(1, request.name.clone()))? {
        Claim::There(model) => (model.name, None),
        Claim::Missing(place) => (place.name.clone(), Some(place)),
    };
    // The first part's name is every part's.
    let Some(named) = PartName::parse(&name) else { return Err(DownloadError::InvalidName { name }) };
    let parts: Vec<_> = (1..=named.count).map(|number| request.for_part(number, Some(named.of(number)))).collect();
    if let Err(error) = look_ahead(shared, &parts) {
        place.into_iter().for_each(|place| place.partial.let_go());
        return Err(error);
    }
    for (number, part) in (1..).zip(&parts) {
        shared.progress.part = number;
        let loaded = match place.take() {
            Some(place) => run(shared, part, place),
            None => load_file(shared, part),
        };
        shared.before += loaded.map_err(|error| in_part(part, error))?.bytes;
    }
    let found = shared
        .store
        .find(&name)
        .map_err(|error| DownloadError::Storage { what: "look into the folder".into(), reason: error.to_string() })?;
    // Nobody but somebody who takes a part away again can make it so.
    found.ok_or(DownloadError::Changed)
}

/// Asks for every part that is not there before the first is loaded: one that does not exist is told at once, and the
/// room is that for all of them.
fn look_ahead(shared: &mut Shared, parts: &[DownloadRequest]) -> Result<(), DownloadError> {
    let (mut whole, mut there) = (Some(0u64), 0u64);
    for part in parts {
        shared.check_network()?;
        let name = part.name.as_deref().unwrap_or_default();
        let ours = |model: &StoredModel| model.source.as_ref().is_some_and(|source| part.is_for(source, model.sha256));
        if let Some(model) = shared.store.file(name).ok().flatten().filter(ours) {
            there += model.bytes;
            whole = whole.map(|sum| sum.saturating_add(model.bytes));
            continue;
        }
        there += bytes_begun(&shared.config().folder.join(name));
        match ask(shared, part) {
            Ok(Remote { bytes, .. }) => whole = whole.zip(bytes).map(|(sum, bytes)| sum.saturating_add(bytes)),
            Err(error @ (DownloadError::NotFound | DownloadError::Unauthorized)) => return Err(in_part(part, error)),
            // What fails for now is tried again when its turn comes.
            Err(_) => whole = None,
        }
    }
    (shared.whole, shared.progress.resumed_from) = (whole, there);
    shared.check_space(whole.unwrap_or(0).saturating_sub(there))
}

/// What a source says of a file.
pub(super) struct Remote {
    pub(super) source: Source,
    /// Length of the file, in bytes.
    pub(super) bytes: Option<u64>,
    /// SHA-256 of the file.
    pub(super) sha256: Option<Digest>,
}

/// Returns what the first source says that has the file of the request. Nothing of the file is loaded.
pub(super) fn ask(shared: &Shared, request: &DownloadRequest) -> Result<Remote, DownloadError> {
    let mut failure = InvalidSource { reason: "there is none".into() }.into();
    for source in &request.sources {
        let asked = shared.client.get(shared.config(), source, Wanted { from: 0, if_range: None });
        match shared.wait(asked) {
            Some(Ok(Answer { total, sha256, .. })) => {
                return Ok(Remote { source: source.clone(), bytes: total, sha256 });
            }
            Some(Err(error)) => failure = error,
            None if shared.cancel.is_cancelled() => return Err(DownloadError::Cancelled),
            None => failure = DownloadError::Stalled { silence: shared.config().silence, received: 0 },
        }
    }
    Err(failure)
}

fn in_part(request: &DownloadRequest, error: DownloadError) -> DownloadError {
    if error.is_ours() {
        return error;
    }
    DownloadError::Part { name: request.name.clone().unwrap_or_default(), failure: Box::new(error) }
}
