//! From random bits to the noise, and how far bits reach without computing it.
//!
//! Decides the rounding of `U` and `G`, and a bound on `G` that needs no logarithm. It leaves to its callers where bits
//! come from and what the bound saves.

/// Distance between two neighbouring uniform numbers: `2^-53`.
const UNIT: f64 = 1.0 / 9_007_199_254_740_992.0;

/// Turns 64 bits into a uniform number `k 2^-53` with `k` from 1 to `2^53 - 1`: the upper 53 bits, and 1 where they are
/// 0. The number is exact.
#[inline(always)]
pub(super) fn uniform(bits: u64) -> f64 {
    (bits >> 11).max(1) as f64 * UNIT
}

/// Turns 64 bits into the noise `-ln(-ln U)`.
#[inline(always)]
pub(crate) fn noise(bits: u64) -> f64 {
    -libm::log(-libm::log(uniform(bits)))
}

/// Returns the greatest complement `!bits` of bits that may make a noise of at least `floor`. Bits with a greater one
/// certainly make a lower noise, as [`noise`] computes it. `None` where no bits reach `floor`.
///
/// # Why it is a bound
/// Let `U = k 2^-53` be the uniform of `bits`, `c = 1 - U`, and `n = !bits`. Where the upper 53 bits are not all 0,
/// `2^53 - k = floor(n / 2^11) + 1`, so `c > n 2^-64`. Where they are all 0, `c > 1/2`, and 1/2 is as far as the bound
/// is used.
///
/// Since `-ln U >= 1 - U`, exactly computed noise is at most `-ln c`. The computed noise exceeds the exact one by less
/// than `2^-46`: `libm::log` errs by less than one unit in the last place, a relative `2^-52`, so the inner logarithm
/// shifts the outer one by at most `2^-52` and the outer one adds at most `37 x 2^-52`. So bits with
/// `c >= exp(SLACK - floor)` stay below `floor`, as long as `SLACK` covers that and the rounding below.
///
/// With `y = (SLACK - floor) / ln 2`, `2^y` is replaced by the chord of the exponential between the integers around
/// `y`, which lies above it as the exponential is convex; the chord is what reading `y + 1023` as the bits of a number
/// gives. For `y` from -64 to -1, rounding moves `y` by less than `2^-43`. That, the cut to whole bits and the `2^-46`
/// above amount to less than `2^-42`, a quarter of `SLACK`. So `n > 2^64 x chord` implies `c > exp(-floor)` with room
/// to spare.
///
/// The chord is at most 6 % too high, and `-ln(-ln U)` is close to `-ln c` where it matters, so about 1 in 20 bits that
/// pass fail to reach `floor`.
#[inline(always)]
pub(crate) fn reach(floor: f64) -> Option<u64> {
    /// Amount by which `floor` is lowered against rounding: `2^-40`.
    const SLACK: f64 = 1.0 / 1_099_511_627_776.0;
    /// `2^52`, the place of the exponent in a number's bits.
    const EXPONENT: f64 = 4_503_599_627_370_496.0;
    /// `2^64`.
    const WHOLE: f64 = 18_446_744_073_709_551_616.0;
    /// Smallest limit that reaches any bits: the least `c` is `2^-53`, which any lower limit excludes.
    const LEAST: u64 = 1 << 11;
    let y = (SLACK - floor) * std::f64::consts::LOG2_E;
    // NaN is not below: who does not know the floor looks at everything.
    if !matches!(y.partial_cmp(&-1.0), Some(std::cmp::Ordering::Less)) {
        return Some(u64::MAX);
    }
    let chord = f64::from_bits(((y.max(-64.0) + 1023.0) * EXPONENT) as u64);
    let limit = (chord * WHOLE) as u64;
    (limit >= LEAST).then_some(limit)
}
