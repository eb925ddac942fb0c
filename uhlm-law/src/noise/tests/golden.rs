//! Bit patterns that every platform must give. They were computed apart, in Python, from the definitions: the noise
//! with the steps of `libm::log` in double precision, and once more with 200 bits.

use super::position;
use crate::noise::hash::mix;
use crate::noise::{Place, Tape, TokenKeys, gumbel};
use crate::token::TokenKind;

/// Makes the key of this text, or of this place among the ends, behind as many equal tokens as `index` says.
fn key(family: u8, index: usize, text: &str) -> crate::noise::TokenKey {
    let kind = if family == 0 { TokenKind::Normal } else { TokenKind::End };
    let keys = TokenKeys::new((0..=index).map(|_| (text, kind))).expect("distinct keys");
    keys.get(index as u32).expect("a key")
}

struct Golden {
    /// Seed, generation, offset, tokens without text.
    place: (u64, u32, u64, u32),
    position: u64,
    token: (u8, usize, &'static str),
    key: u64,
    bits: u64,
    uniform: u64,
    noise: u64,
    /// The noise as 200 bits give it, rounded once.
    exact: f64,
}

const GOLDEN: [Golden; 7] = [
    Golden {
        place: (0, 0, 0, 0),
        position: 0x701a_686a_40e9_f0ad,
        token: (0, 0, "a"),
        key: 0x1c57_9d90_35d9_a682,
        bits: 0x157e_633e_bbd2_112a,
        uniform: 0x3fb5_7e63_3ebb_d210,
        noise: 0xbfed_07eb_47bd_4027,
        exact: -0.9072166825444626,
    },
    Golden {
        place: (1, 0, 0, 0),
        position: 0xbd26_8876_05fb_07e6,
        token: (0, 0, " the"),
        key: 0xba29_fbbd_ccb6_2958,
        bits: 0x2849_3482_09b6_5cf6,
        uniform: 0x3fc4_249a_4104_db2c,
        noise: 0xbfe3_abf1_c932_2da6,
        exact: -0.6147393159493973,
    },
    Golden {
        place: (0, 1, 0, 0),
        position: 0x9b63_1d8d_1352_c4b9,
        token: (0, 1, "a"),
        key: 0xccd7_3f16_eb20_79e1,
        bits: 0x527b_3644_ae2f_da8b,
        uniform: 0x3fd4_9ecd_912b_8bf6,
        noise: 0xbfbf_e09c_db31_4205,
        exact: -0.12452106810929578,
    },
    Golden {
        place: (0, 0, 1, 0),
        position: 0x28fc_37fc_f212_8e3d,
        token: (0, 0, ""),
        key: 0xe16c_cfb2_c7c2_5b62,
        bits: 0xa1e1_c6a8_20bc_00af,
        uniform: 0x3fe4_3c38_d504_1780,
        noise: 0x3fe8_f779_222d_5135,
        exact: 0.7802091281433037,
    },
    Golden {
        place: (0, 0, 0, 1),
        position: 0x8b11_c5c4_94fc_6da2,
        token: (1, 0, ""),
        key: 0xb96e_e87d_b832_6686,
        bits: 0x3148_f68b_98cc_2a77,
        uniform: 0x3fc8_a47b_45cc_6614,
        noise: 0xbfdf_f46e_2a19_4d7e,
        exact: -0.49929384337630006,
    },
    Golden {
        place: (u64::MAX, u32::MAX, 1000, 3),
        position: 0xa763_c77e_1da3_f90f,
        token: (1, 1, ""),
        key: 0xc5d8_fb0a_e795_47bb,
        bits: 0x307b_7518_0603_de97,
        uniform: 0x3fc8_3dba_8c03_01ec,
        noise: 0xbfe0_4b77_1ce2_08b8,
        exact: -0.5092120708580045,
    },
    Golden {
        place: (42, 7, 12345, 0),
        position: 0xd3ca_31a4_c47b_1394,
        token: (0, 0, "é"),
        key: 0xb7fc_3282_6e92_adce,
        bits: 0x7916_3098_8a8b_6ca2,
        uniform: 0x3fde_458c_2622_a2da,
        noise: 0x3fd2_8672_1686_b37d,
        exact: 0.28945591163465406,
    },
];

#[test]
fn keys_uniforms_and_noise_have_these_bits_on_every_platform() {
    for golden in GOLDEN {
        let (seed, generation, offset, silent) = golden.place;
        let position = position(seed, generation, offset, silent);
        assert_eq!(position.to_bits(), golden.position, "{:?}", golden.place);
        let (family, index, text) = golden.token;
        let key = key(family, index, text);
        assert_eq!(key.0, golden.key, "{:?}", golden.token);
        assert_eq!(position.bits(key), golden.bits);
        assert_eq!(position.uniform(key).to_bits(), golden.uniform);
        let noise = position.noise(key);
        assert_eq!(noise.to_bits(), golden.noise, "{:#018x} for {:#018x}", noise.to_bits(), golden.noise);
        // Near 0 the inner logarithm's rounding counts as it stands.
        assert!((noise - golden.exact).abs() <= 4.5e-16 * golden.exact.abs().max(1.0), "{noise} for {}", golden.exact);
    }
}

/// Noise of all sizes: at each place the complement of the bits is moved down by up to 49 places.
#[test]
fn the_noise_of_a_hundred_thousand_places_has_this_hash_on_every_platform() {
    let key = super::numbered(1).as_slice()[0];
    let hash = (0..100_000).fold(0, |hash, i| {
        let bits = position(0, 0, i, 0).bits(key);
        mix(hash ^ gumbel::noise(!(!bits >> (i % 50))).to_bits())
    });
    assert_eq!(hash, 0xf8f4_8811_3db2_8dd1, "{hash:#018x}");
}

#[test]
fn uniforms_stay_inside_the_unit_interval_and_the_noise_is_finite_at_its_ends() {
    for (bits, uniform, noise) in [
        (0, 1.0 / 9_007_199_254_740_992.0, 0xc00c_d48a_14a6_8f37),
        (1 << 11, 1.0 / 9_007_199_254_740_992.0, 0xc00c_d48a_14a6_8f37),
        (1 << 63, 0.5, 0x3fd7_74f2_9bdd_6b9f),
        (u64::MAX - (1 << 11), 1.0 - 2.0 / 9_007_199_254_740_992.0, 0x4042_0596_6f2b_4f12),
        (u64::MAX, 1.0 - 1.0 / 9_007_199_254_740_992.0, 0x4042_5e4f_7b27_37fa_u64),
    ] {
        assert_eq!(gumbel::uniform(bits), uniform);
        let found = gumbel::noise(bits).to_bits();
        assert_eq!(found, noise, "{found:#018x} for {noise:#018x}");
    }
}

#[test]
fn a_place_counts_bytes_and_starts_the_count_of_silent_tokens_over_at_each_text() {
    let start = Place::START;
    assert_eq!(start, Place { offset: 0, silent: 0 });
    assert_eq!(start.after(3), Place { offset: 3, silent: 0 });
    assert_eq!(start.after(3).after(0).after(0), Place { offset: 3, silent: 2 });
    assert_eq!(start.after(3).after(0).after(2), Place { offset: 5, silent: 0 });
    // Where the text is the same, the way it was cut into tokens does not matter.
    assert_eq!(start.after(2).after(4), start.after(6));
    let tape = Tape::new(1, 2);
    assert_ne!(tape.at(start.after(1)), tape.at(start.after(0)));
}
