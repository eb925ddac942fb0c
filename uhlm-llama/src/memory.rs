//! The memory that a draft model will take, estimated before it is loaded, and whether the device has it.
//!
//! The estimate is made from the header of the file alone. It is what the process grows by at its peak: the mapped
//! file, which the system can drop and read again at a price, and what only the process has. `uhlm bench memory` puts
//! it beside the measured peak.
//!
//! A model on a GPU is counted as one on the CPU. On a phone and with Metal that is what it takes, as the GPU's memory
//! is the system's. A GPU with memory of its own takes weights and cache out of the system's memory, and the check then
//! asks for more than is needed; nothing checks the GPU's memory but the load itself. It stays so because
//! [`Accelerator::Auto`](crate::Accelerator::Auto) may come back to the CPU. Where it is too strict,
//! [`MemoryNeed::available`](crate::MemoryNeed::available) says what there is.

use std::path::Path;

use serde::{Deserialize, Serialize};
use uhlm_law::model::CacheSize;

use crate::gguf::{GgufSummary, Shape};
use crate::split;

pub use crate::gguf::{GgufSummary as Summary, Shape as ModelShape};

/// Number of tokens in one pass of the draft model.
const BATCH: u64 = 256;
/// Step to which llama.cpp rounds contexts up, in tokens.
const CONTEXT_STEP: u64 = 256;
/// Longest context that nobody asked for by length, in tokens: a model that was trained for 32,768 would take gigabytes
/// for them, and a chat seldom comes so far.
pub const MAX_FIT: u32 = 4096;
// The four numbers below were set from measurements with `uhlm bench memory`.
/// Bytes of the graphs, their allocator and scheduler: this for any model, and a further amount for each layer.
const GRAPHS: u64 = 7 << 20;
const GRAPHS_PER_LAYER: u64 = 96 << 10;
/// Bytes of a token: its text in llama.cpp's two tables and in ours, its entry in the hash, and its share of the
/// sampling's buffers.
const PER_TOKEN: u64 = 160;
/// Bytes of a saved cache beside its keys and values: the places of its tokens, and the lengths of its layers.
const BESIDE_CACHE: u64 = 1 << 20;
const BESIDE_TOKEN: u64 = 32;
/// Bytes of a merge rule in llama.cpp's hash: two strings and a rank.
const PER_MERGE: u64 = 96;

/// The memory that a model takes, each part in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryEstimate {
    /// Length of the context that it is for, in tokens.
    pub context: u32,
    /// Length of the file, which is mapped.
    pub weights: u64,
    /// Size of the matrices that llama.cpp keeps a second time in an order of its own.
    pub repacked: u64,
    /// Size of the keys and values of the whole context, in 16 bits each.
    pub cache: u64,
    /// Size of the activations of one pass, of masks and logits.
    pub compute: u64,
    /// Size of the vocabulary and its merge rules.
    pub vocabulary: u64,
    /// Size of llama.cpp's graphs.
    pub graphs: u64,
}

impl MemoryEstimate {
    /// Returns the sum of all parts, in bytes.
    #[must_use]
    pub fn total(&self) -> u64 {
        let parts = [self.weights, self.repacked, self.cache, self.compute, self.vocabulary, self.graphs];
        parts.into_iter().fold(0, u64::saturating_add)
    }
}

/// The reason why a model should not be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// The file cannot be read or is no model; [`Model::load`](crate::Model::load) says why.
    #[error("the model's header cannot be read: {reason}")]
    Unreadable {
        /// Description of the fault.
        reason: String,
    },
    /// The header does not say what the model takes.
    #[error("the header does not say what a model of architecture {architecture} takes")]
    Unknown {
        /// Architecture by the header, `general.architecture`.
        architecture: String,
    },
    /// The device has too little memory for this context.
    #[error("a context of {context} tokens takes {needed} bytes, {available} are free")]
    NotEnough {
        /// Length of the context, in tokens.
        context: u32,
        /// Memory that it takes with the model, in bytes.
        needed: u64,
        /// Memory that is free, in bytes.
        available: u64,
        /// Length of the longest context that fits, in tokens; `None` if the model does not fit at all.
        fits: Option<u32>,
    },
}

/// Estimates the memory for a file with a context of `context` tokens; 0 for what it was trained for, at most
/// [`MAX_FIT`].
///
/// # Errors
/// [`MemoryError::Unreadable`], [`MemoryError::Unknown`].
pub fn estimate(path: &Path, context: u32) -> Result<MemoryEstimate, MemoryError> {
    let summary = split::read(path).map_err(|error| MemoryError::Unreadable { reason: error.to_string() })?;
    of_summary(&summary, context)
}

/// Estimates the same from a header that was read before.
///
/// # Errors
/// [`MemoryError::Unknown`].
pub fn of_summary(summary: &GgufSummary, context: u32) -> Result<MemoryEstimate, MemoryError> {
    let unknown = || MemoryError::Unknown { architecture: summary.architecture.clone() };
    let shape = summary.shape.as_ref().ok_or_else(unknown)?;
    Ok(of_shape(shape, summary.file_bytes, context))
}

/// Returns the length of the context that a model gets where memory sets no limit and nobody asks for another, in
/// tokens.
fn preferred(shape: &Shape) -> u32 {
    u32::try_from(shape.context).map_or(MAX_FIT, |trained| trained.min(MAX_FIT)).max(1)
}

fn of_shape(shape: &Shape, file_bytes: u64, context: u32) -> MemoryEstimate {
    let context = if context == 0 { preferred(shape) } else { context };
    let tokens = u64::from(context).next_multiple_of(CONTEXT_STEP);
    let pass = BATCH.min(tokens);
    // Of the buffers of a pass: the residual stream, queries, keys, values and their sum; the two halves of the
    // feed-forward layer and their product; inputs of matrix products in the weights' own format.
    let activations =
        pass.saturating_mul(shape.width.saturating_mul(24).saturating_add(shape.feed_forward.saturating_mul(14)));
    // The mask is kept in 32 bits, and in 16 for the attention.
    let mask = pass.saturating_mul(tokens).saturating_mul(6);
    let logits = shape.vocabulary.saturating_mul(8);
    MemoryEstimate {
        context,
        weights: file_bytes,
        repacked: shape.repacked_bytes,
        cache: tokens.saturating_mul(shape.cache_per_token).saturating_mul(2),
        compute: activations.saturating_add(mask).saturating_add(logits),
        // The header is refused where these numbers are absurd, so nothing overflows.
        vocabulary: shape.vocabulary * PER_TOKEN + shape.vocabulary_bytes + shape.merges * PER_MERGE,
        graphs: shape.layers.saturating_mul(GRAPHS_PER_LAYER).saturating_add(GRAPHS),
    }
}

/// Returns a bound on the saved cache of a context of `context` tokens; `None` where the header does not say what a
/// token takes.
pub(crate) fn largest_cache(summary: &GgufSummary, context: u32) -> Option<CacheSize> {
    let estimate = of_summary(summary, context).ok()?;
    let tokens = u64::from(estimate.context).next_multiple_of(CONTEXT_STEP);
    let beside = tokens.saturating_mul(BESIDE_TOKEN).saturating_add(BESIDE_CACHE);
    // An architecture may keep more than follows from the usual sizes, and what was saved must be read again.
    let bytes = estimate.cache.saturating_mul(2).saturating_add(beside);
    Some(CacheSize { tokens: usize::try_from(tokens).ok()?, bytes })
}

/// Compares the estimate with what is free: [`available`], or what the app knows better. A context of 0 tokens is as
/// long as fits, at most as [`estimate`] takes it.
///
/// # Errors
/// [`MemoryError`]; where the context is too long, it names the longest that fits.
pub fn check(path: &Path, context: u32, available: u64) -> Result<MemoryEstimate, MemoryError> {
    let summary = split::read(path).map_err(|error| MemoryError::Unreadable { reason: error.to_string() })?;
    check_summary(&summary, context, available)
}

/// Does the same for a header that was read before.
///
/// # Errors
/// [`MemoryError`].
pub fn check_summary(summary: &GgufSummary, context: u32, available: u64) -> Result<MemoryEstimate, MemoryError> {
    let estimate = of_summary(summary, context)?;
    let needed = estimate.total();
    if needed <= available {
        return Ok(estimate);
    }
    let fits = longest(summary, estimate.context, available);
    match fits {
        Some(fits) if context == 0 => of_summary(summary, fits),
        _ if context == 0 => {
            // Not even the shortest context fits.
            let needed = of_summary(summary, CONTEXT_STEP as u32)?.total();
            Err(MemoryError::NotEnough { context: CONTEXT_STEP as u32, needed, available, fits })
        }
        _ => Err(MemoryError::NotEnough { context, needed, available, fits }),
    }
}

/// Returns the longest context below `most` that fits, in whole steps.
fn longest(summary: &GgufSummary, most: u32, available: u64) -> Option<u32> {
    let shape = summary.shape.as_ref()?;
    let fits = |steps: u32| of_shape(shape, summary.file_bytes, steps * CONTEXT_STEP as u32).total() <= available;
    let (mut low, mut high) = (0, most / CONTEXT_STEP as u32 + 1);
    // It grows with the context, so the border is found by halving.
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if fits(middle) { low = middle } else { high = middle }
    }
    (low > 0).then_some(low * CONTEXT_STEP as u32)
}

/// Returns the bytes that the system can give without swapping: `MemAvailable` of Linux and Android. `None` elsewhere:
/// an iOS app asks `os_proc_available_memory` and passes that on.
#[must_use]
pub fn available() -> Option<u64> {
    parse_meminfo(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

fn parse_meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo-draft.gguf")
    }

    #[test]
    fn the_header_of_the_demo_draft_says_its_sizes() {
        let summary = split::read(&demo()).expect("bundled");
        let shape = summary.shape.expect("complete");
        // models/README.md: 2 layers of width 96, heads of 32, context 1024, 1024 tokens.
        assert_eq!((shape.layers, shape.width, shape.heads, shape.context), (2, 96, 3, 1024));
        assert_eq!((shape.cache_per_token, shape.vocabulary, shape.repacked_bytes), (2 * 2 * 96, 1024, 0));
    }

    #[test]
    fn a_longer_context_takes_its_cache_and_its_mask_more() {
        let (short, long) = (estimate(&demo(), 256).expect("a model"), estimate(&demo(), 1024).expect("a model"));
        assert_eq!(long.cache - short.cache, 768 * 2 * 2 * 96 * 2);
        assert_eq!(long.compute - short.compute, 768 * 256 * 6);
        assert_eq!(estimate(&demo(), 0), Ok(long));
        assert_eq!(estimate(&demo(), 1000).map(|estimate| estimate.total()), Ok(long.total()));
    }

    #[test]
    fn the_longest_context_that_fits_is_named() {
        let needed = |context| estimate(&demo(), context).expect("a model").total();
        assert!(check(&demo(), 1024, needed(1024)).is_ok());
        let Err(MemoryError::NotEnough { context, fits, .. }) = check(&demo(), 1024, needed(1024) - 1) else {
            panic!("one byte is missing")
        };
        assert_eq!((context, fits), (1024, Some(768)));
        let fits = |available| match check(&demo(), 1024, available) {
            Err(MemoryError::NotEnough { fits, .. }) => fits,
            other => panic!("{other:?}"),
        };
        assert_eq!((fits(needed(256)), fits(needed(256) - 1), fits(0)), (Some(256), None, None));
    }

    #[test]
    fn a_context_that_nobody_asked_for_is_as_long_as_fits() {
        let needed = |context| estimate(&demo(), context).expect("a model").total();
        let chosen = |available| check(&demo(), 0, available).map(|estimate| estimate.context);
        assert_eq!(chosen(u64::MAX), Ok(1024));
        assert_eq!(chosen(needed(1024) - 1), Ok(768));
        assert_eq!(chosen(needed(256)), Ok(256));
        let short = MemoryError::NotEnough { context: 256, needed: needed(256), available: 5, fits: None };
        assert_eq!(chosen(5), Err(short));
        // A header may claim anything.
        let summary = split::read(&demo()).expect("bundled");
        let claims = |context| {
            let shape = summary.shape.clone().map(|shape| Shape { context, ..shape });
            of_summary(&GgufSummary { shape, ..summary.clone() }, 0).map(|estimate| estimate.context)
        };
        assert_eq!([claims(1 << 20), claims(4096), claims(100)], [Ok(4096), Ok(4096), Ok(100)]);
    }

    #[test]
    fn what_is_no_model_is_no_estimate() {
        let missing = estimate(Path::new("/nowhere.gguf"), 0);
        assert!(matches!(missing, Err(MemoryError::Unreadable { .. })));
        let other = split::read(&demo()).map(|summary| GgufSummary { shape: None, ..summary }).expect("bundled");
        assert_eq!(of_summary(&other, 0), Err(MemoryError::Unknown { architecture: "llama".into() }));
    }

    #[test]
    fn what_linux_says_is_read() {
        assert_eq!(parse_meminfo("MemTotal: 5 kB\nMemAvailable:   2048 kB\nBuffers: 1 kB"), Some(2 << 20));
        for text in ["", "MemFree: 5 kB", "MemAvailable: lots kB", "MemAvailable: 5 MB"] {
            assert_eq!(parse_meminfo(text), None, "{text}");
        }
        #[cfg(target_os = "linux")]
        assert!(available().is_some_and(|bytes| bytes > 1 << 20));
    }
}
