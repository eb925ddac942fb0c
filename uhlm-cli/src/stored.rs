//! Finds the folder of pulled models, and the model that a name means.

use std::path::{Path, PathBuf};

use uhlm_models::catalogue::catalogue;
use uhlm_models::{ModelStore, StoreConfig};

use crate::failure::Failure;

/// Returns the folder of pulled models: the one that is named, or that of `UHLM_STORE`, or `uhlm/models` in the user's
/// data folder.
pub(crate) fn folder(named: Option<&Path>) -> Result<PathBuf, Failure> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = named.map(Path::to_path_buf).or_else(|| variable("UHLM_STORE")) {
        return Ok(folder);
    }
    variable("XDG_DATA_HOME")
        .or_else(|| Some(variable("HOME")?.join(".local/share")))
        .map(|data| data.join("uhlm/models"))
        .ok_or_else(|| Failure::usage("no folder for models").hint("give one with --folder"))
}

/// Returns the file that a person means by `--model` or `--target`: a path, or the name of a pulled model, as `uhlm
/// models ls` shows it or as the catalogue calls it. A path that leads nowhere is returned as it is, so that the error
/// names it.
pub(crate) fn located(named: &Path) -> Result<PathBuf, Failure> {
    let name = named.to_str().filter(|name| !name.contains(['/', '\\']) && !named.exists());
    match (name.and_then(pulled), name) {
        (Some(path), _) => Ok(path),
        (None, Some(name)) if catalogue().model(name).is_some_and(|model| model.request().is_some()) => {
            let hint = format!("`uhlm models pull {name}` downloads it");
            Err(Failure::new(format!("{name} is in the catalogue and not here yet")).hint(hint))
        }
        (None, _) => Ok(named.to_path_buf()),
    }
}

fn pulled(name: &str) -> Option<PathBuf> {
    let store = ModelStore::new(StoreConfig::new(folder(None).ok()?));
    let found = match catalogue().model(name) {
        // The model is kept under its own name, or under a second one where that was taken.
        Some(model) => {
            let request = model.request()?;
            let unnamed = uhlm_models::DownloadRequest { name: None, ..request };
            store.find_for(&unnamed)
        }
        None => store.find(name),
    };
    Some(found.ok()??.path)
}
