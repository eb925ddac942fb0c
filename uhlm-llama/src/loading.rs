//! The load of a file by llama.cpp, whole or its vocabulary alone, with what stops it and why it failed.

use std::path::Path;

use crate::backend;
use crate::error::LoadError;
use crate::log::capturing_errors;
use crate::native::{self, Device, LoadFailure, Loading};
use crate::options::LoadOptions;

/// Has llama.cpp load the file, or only its vocabulary, on these GPUs; without one on the CPU alone.
pub(crate) fn open(
    path: &Path,
    options: &LoadOptions,
    vocabulary_only: bool,
    gpus: &[Device],
    unsupported: &dyn Fn(String) -> LoadError,
) -> Result<native::Model, LoadError> {
    let mut go_on = |share| {
        if let Some(progress) = &options.progress {
            progress(share);
        }
        !options.cancel.is_cancelled()
    };
    backend::start();
    let loading = Loading {
        gpus,
        gpu_layers: options.gpu_layers.unwrap_or(u32::MAX),
        repack: !options.batch_invariant,
        vocabulary_only,
        mmap: options.mmap,
        go_on: &mut go_on,
    };
    let (loaded, log) = capturing_errors(|| native::Model::load(path, loading));
    loaded.map_err(|failure| match failure {
        LoadFailure::Panicked(reason) => LoadError::Callback { reason },
        _ if options.cancel.is_cancelled() => LoadError::Cancelled,
        LoadFailure::Thrown(thrown) => unsupported(thrown.0),
        LoadFailure::Refused if log.is_empty() => unsupported("llama.cpp did not load it".into()),
        LoadFailure::Refused => unsupported(log),
        LoadFailure::Path => unsupported("a path with a zero in it".into()),
    })
}
