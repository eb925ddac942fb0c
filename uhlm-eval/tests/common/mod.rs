//! The bundled pair.

use std::path::{Path, PathBuf};

/// A file of `models/`.
pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models").join(name)
}
