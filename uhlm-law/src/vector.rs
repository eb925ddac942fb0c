//! Loops over a row of logits at the speed of memory.
//!
//! Decides which instructions such a loop is compiled for, and how a power of two is computed inside it. The loops are
//! plain Rust that the compiler vectorises: for NEON on phones, for AVX2 and FMA on an x86-64 CPU that has them (found
//! out at run time), for SSE2 otherwise.

/// Number of elements that are worked on side by side: two AVX2 registers, four NEON ones.
pub(crate) const LANES: usize = 16;

/// A loop, compiled once for each set of instructions. `run` and all it calls must be `#[inline(always)]`.
pub(crate) trait Kernel {
    /// Result of the loop.
    type Output;

    /// Runs the loop. `FUSED` says whether the target has fused multiply-add; without one, `mul_add` would be a slow
    /// library call.
    fn run<const FUSED: bool>(self) -> Self::Output;
}

/// Runs a kernel with the best instructions of this CPU.
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(v3) = pulp::x86::V3::try_new() {
            return v3.vectorize(Fused(kernel));
        }
    }
    if cfg!(target_arch = "aarch64") { kernel.run::<true>() } else { kernel.run::<false>() }
}

/// The kernel in the form that `pulp` inlines into a function compiled for AVX2.
#[cfg(target_arch = "x86_64")]
struct Fused<K>(K);

#[cfg(target_arch = "x86_64")]
impl<K: Kernel> pulp::NullaryFnOnce for Fused<K> {
    type Output = K::Output;

    #[inline(always)]
    fn call(self) -> K::Output {
        self.0.run::<true>()
    }
}

/// Returns `a b + c`, fused where the target can.
#[inline(always)]
pub(crate) fn mul_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// Returns the greater of two numbers, `b` where `a` is NaN: one instruction, where `f32::max` takes three.
#[inline(always)]
pub(crate) fn max(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// Number of elements that a loop over a row decides about together.
pub(crate) const BLOCK: usize = 4 * LANES;

/// Returns the greatest of a block; NaN is passed over.
#[inline(always)]
pub(crate) fn block_max(block: &[f32; BLOCK]) -> f32 {
    let mut top = [f32::NEG_INFINITY; LANES];
    for lanes in block.as_chunks::<LANES>().0 {
        for (top, &z) in top.iter_mut().zip(lanes) {
            *top = max(z, *top);
        }
    }
    // In halves, not one after the other: each step is one vector instruction.
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            top[i] = max(top[i + width], top[i]);
        }
        width /= 2;
    }
    top[0]
}

/// Returns `2^y` for `y` in [-126, 126], relative error at most 2e-7; exactly 1 at 0.
///
/// The polynomial has the least greatest relative error under the constraint of being 1 at 0 (9.2e-8), found by
/// reweighted least squares; so have the coefficients of [`exp2_coarse`].
#[inline(always)]
pub(crate) fn exp2<const FUSED: bool>(y: f32) -> f32 {
    exp2_by::<FUSED, 6>(
        y,
        [0.001_326_473, 0.009_671_513, 0.055_507_337, 0.240_222_42, std::f32::consts::LN_2 - 2.0e-7, 1.0],
    )
}

/// Returns `2^y` for `y` in [-126, 126], relative error at most 1.1e-4, for sums of many terms; exactly 1 at 0.
#[inline(always)]
pub(crate) fn exp2_coarse<const FUSED: bool>(y: f32) -> f32 {
    exp2_by::<FUSED, 4>(y, [0.055_008_93, 0.242_210_96, 0.693_282_9, 1.0])
}

/// Splits `y` into the nearest integer, which goes into the exponent, and a rest in [-1/2, 1/2], for which a polynomial
/// with these coefficients, the highest first, stands.
#[inline(always)]
fn exp2_by<const FUSED: bool, const N: usize>(y: f32, coefficients: [f32; N]) -> f32 {
    /// Number whose addition leaves the nearest integer in the low bits of the mantissa: 1.5 * 2^23.
    const ROUND: f32 = 12_582_912.0;
    let shifted = y + ROUND;
    let f = y - (shifted - ROUND);
    let mut p = coefficients[0];
    for c in &coefficients[1..] {
        p = mul_add::<FUSED>(p, f, *c);
    }
    f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// Returns the logarithm of a positive normal number to the base two, absolute error at most 4e-6 beside that of
/// rounding; -127 at 0, where it may be multiplied by 0.
#[inline(always)]
pub(crate) fn log2<const FUSED: bool>(x: f32) -> f32 {
    /// Bits of the root of a half: the mantissa is taken from there to the root of two, where the series below is
    /// short.
    const HALF_ROOT: u32 = std::f32::consts::FRAC_1_SQRT_2.to_bits();
    let exponent = x.to_bits().wrapping_sub(HALF_ROOT).cast_signed() >> 23;
    let mantissa = f32::from_bits(x.to_bits().wrapping_sub((exponent << 23).cast_unsigned()));
    // ln m = 2 artanh((m - 1) / (m + 1)); the first term that is left out is below 1.4e-6.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let series = mul_add::<FUSED>(mul_add::<FUSED>(0.2, s * s, 1.0 / 3.0), s * s, 1.0) * s;
    mul_add::<FUSED>(series, 2.0 * std::f32::consts::LOG2_E, exponent as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_to_the_base_two_are_right_over_all_probabilities() {
        for i in 0..=126_000 {
            let x = (-f64::from(i) / 1000.0).exp2() as f32;
            let exact = f64::from(x).log2();
            // Rounding of the sum of exponent and series: half a unit of the last place at 126.
            for value in [log2::<false>(x), log2::<true>(x)] {
                assert!((f64::from(value) - exact).abs() < 8e-6, "{x}: {value} for {exact}");
            }
        }
        assert_eq!((log2::<false>(1.0), 0.0 * log2::<false>(0.0)), (0.0, 0.0));
    }

    #[test]
    fn powers_of_two_are_right_to_the_last_bits() {
        let (mut worst, mut coarse) = (0.0f64, 0.0f64);
        for i in -126_000..=126_000 {
            let y = i as f32 / 1000.0;
            let exact = f64::from(y).exp2();
            for value in [exp2::<false>(y), exp2::<true>(y)] {
                worst = worst.max((f64::from(value) / exact - 1.0).abs());
            }
            coarse = coarse.max((f64::from(exp2_coarse::<false>(y)) / exact - 1.0).abs());
        }
        assert!(coarse < 1.1e-4, "{coarse}");
        assert!(worst < 2.5e-7, "{worst}");
        assert_eq!((exp2::<false>(0.0), exp2_coarse::<false>(0.0)), (1.0, 1.0));
    }

    #[test]
    fn the_maximum_of_a_block_is_found_wherever_it_stands() {
        for place in 0..BLOCK {
            let mut block = [-1.0; BLOCK];
            block[place] = 2.0;
            block[(place + 1) % BLOCK] = f32::NAN;
            assert_eq!(block_max(&block), 2.0);
        }
    }

    #[test]
    fn the_maximum_passes_over_nan() {
        assert_eq!(max(f32::NAN, 1.0), 1.0);
        assert_eq!(max(2.0, 1.0), 2.0);
    }
}
