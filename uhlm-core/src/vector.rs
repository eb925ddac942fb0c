//! Loops over a row of logits at the speed of memory.
//!
//! Decides which instructions such a loop is compiled for, and how a power of two is computed inside it. The loops are
//! plain Rust that the compiler vectorises: for NEON on phones, for AVX2 and FMA on an x86-64 CPU that has them (found
//! out at run time), for SSE2 otherwise.

/// Elements that are worked on side by side: two AVX2 registers, four NEON ones.
pub(crate) const LANES: usize = 16;

/// A loop, compiled once for each set of instructions. `run` and all it calls must be `#[inline(always)]`.
pub(crate) trait Kernel {
    /// What it computes.
    type Output;

    /// `FUSED` says whether the target has fused multiply-add; without one, `mul_add` would be a slow library call.
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

/// `a b + c`, fused where the target can.
#[inline(always)]
pub(crate) fn mul_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// The greater of two numbers, `b` where `a` is NaN: one instruction, where `f32::max` takes three.
#[inline(always)]
pub(crate) fn max(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// `2^y` for `y` in [-126, 126], relative error at most 2e-7; exactly 1 at 0.
///
/// `y` is split into the nearest integer, which goes into the exponent, and a rest in [-1/2, 1/2], for which a
/// polynomial of degree five stands (least greatest relative error 9.2e-8 under the constraint of being 1 at 0, found
/// by reweighted least squares).
#[inline(always)]
pub(crate) fn exp2<const FUSED: bool>(y: f32) -> f32 {
    /// Adding 1.5 * 2^23 leaves the nearest integer in the low bits of the mantissa.
    const ROUND: f32 = 12_582_912.0;
    let shifted = y + ROUND;
    let f = y - (shifted - ROUND);
    let mut p = 0.001_326_473;
    for c in [0.009_671_513, 0.055_507_337, 0.240_222_42, 0.693_146_98, 1.0] {
        p = mul_add::<FUSED>(p, f, c);
    }
    f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_are_right_to_the_last_bits() {
        let mut worst = 0.0f64;
        for i in -126_000..=126_000 {
            let y = i as f32 / 1000.0;
            let exact = f64::from(y).exp2();
            for value in [exp2::<false>(y), exp2::<true>(y)] {
                worst = worst.max((f64::from(value) / exact - 1.0).abs());
            }
        }
        assert!(worst < 2.5e-7, "{worst}");
        assert_eq!(exp2::<false>(0.0), 1.0);
    }

    #[test]
    fn the_maximum_passes_over_nan() {
        assert_eq!(max(f32::NAN, 1.0), 1.0);
        assert_eq!(max(2.0, 1.0), 2.0);
    }
}
