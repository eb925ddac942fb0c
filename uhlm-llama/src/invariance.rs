//! Rows that do not depend, to the bit, on how many share their pass.
//!
//! llama.cpp has several kernels for one operation and chooses by the number of rows. They add numbers up in different
//! orders, so the same row has other logits in another pass. On a CPU four of its choices do that, and with all four
//! out of the way no logit differed any more (`uhlm bench noise --batch-invariant`):
//!
//! - llamafile's matrix kernels, which a build leaves out with `GGML_LLAMAFILE=OFF` in its environment,
//! - weights laid out anew for several rows at once, which [`LoadOptions::batch_invariant`] leaves as they are,
//! - tiled matrix kernels for eight rows or more, which llama.cpp does not use with [`TILED_KERNELS`] set to 0,
//! - flash attention, which has another kernel for 64 rows or more and one for long caches; contexts do without.
//!
//! The attention of a row also adds up in the order in which the cache was filled, so each sequence has a part of its
//! own. What all that costs stands in `docs/results.md`. `micro_batch = 1` has the same effect in any build, on any
//! device, by giving each row a pass of its own.
//!
//! [`LoadOptions::batch_invariant`]: crate::LoadOptions::batch_invariant

use crate::options::CachePrecision;
use crate::{backend, native};

/// Name of the environment variable that turns llama.cpp's tiled matrix kernels off. llama.cpp reads it once, at its
/// first pass.
pub const TILED_KERNELS: &str = "GGML_CPU_TILED_MM";

/// A reason why rows depend on their batch here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// llamafile's kernels are in this build.
    #[error("llama.cpp was built with llamafile's kernels; build with GGML_LLAMAFILE=OFF in the environment")]
    Llamafile,
    /// The tiled kernels are not turned off.
    #[error("llama.cpp's tiled kernels are on; set {TILED_KERNELS}=0 in the environment")]
    TiledKernels,
    /// A GPU was asked for, where kernels are others.
    #[error("it was found on a CPU only, and the model is to be put on a GPU")]
    Gpu,
    /// The cache is to be kept in 8 bits, which flash attention alone reads.
    #[error("a cache of 8 bits is read by flash attention alone, whose rows depend on their batch")]
    QuantisedCache,
}

/// Checks that nothing stands in the way on the CPU; [`Obstacle::Gpu`] is found where the model is placed.
pub(crate) fn check(cache: CachePrecision) -> Result<(), Obstacle> {
    if cache == CachePrecision::Q8 {
        return Err(Obstacle::QuantisedCache);
    }
    backend::start();
    let tiled = std::env::var(TILED_KERNELS).ok();
    obstacle(&native::system_info(), tiled.as_deref()).map_or(Ok(()), Err)
}

/// Returns what stands in the way, by llama.cpp's list of features and the value of [`TILED_KERNELS`].
fn obstacle(system_info: &str, tiled: Option<&str>) -> Option<Obstacle> {
    if system_info.contains("LLAMAFILE = 1") {
        Some(Obstacle::Llamafile)
    } else if tiled != Some("0") {
        Some(Obstacle::TiledKernels)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_obstacle_is_named_and_none_is_left_out() {
        let (with, without) = ("CPU : AVX2 = 1 | LLAMAFILE = 1 | ", "CPU : AVX2 = 1 | REPACK = 1 | ");
        assert_eq!(obstacle(with, Some("0")), Some(Obstacle::Llamafile));
        assert_eq!(obstacle(without, None), Some(Obstacle::TiledKernels));
        assert_eq!(obstacle(without, Some("1")), Some(Obstacle::TiledKernels));
        assert_eq!(obstacle(without, Some("0")), None);
    }

    #[test]
    fn llama_cpp_says_what_it_was_built_with() {
        backend::start();
        assert!(native::system_info().contains("CPU :"), "{}", native::system_info());
    }
}
