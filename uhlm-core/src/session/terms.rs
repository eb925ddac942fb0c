//! The terms of a generation: what the app requested, as far as the device's state allows.

use std::time::Instant;

use crate::mode::Mode;
use crate::options::SessionOptions;

/// The terms of a generation.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    /// Options that the app requested, as far as the device's state allows.
    pub(super) kept: &'a SessionOptions,
    /// Mode that the app requested.
    pub(super) wanted: Mode,
    /// Mode that the device's state makes of it.
    pub(super) mode: Mode,
    /// Mode whose decisions are reported although the device writes alone.
    pub(super) dry_run: Option<Mode>,
    pub(super) started: Instant,
}
