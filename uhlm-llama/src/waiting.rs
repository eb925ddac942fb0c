//! What the threads of a context do between two passes.

/// The conduct of a context's threads between two passes. What a pass computes does not depend on it.
///
/// It says nothing about threads that wait for each other within a pass: those spin, in any case. In a build with the
/// feature `openmp` nothing depends on it where llama.cpp found OpenMP, whose own threads then wait as its environment
/// variables say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Waiting {
    /// They sleep, and a pass wakes them.
    #[default]
    Sleep,
    /// They spin for so many rounds of 131,072 looks each, at most 100, and sleep then. llama.cpp's own default for
    /// threads that stay is 50.
    Poll(u8),
    /// There are none: each pass makes its threads and ends them, as llama.cpp does by itself.
    Ended,
}
