use super::*;
use crate::speculative::Replacement;

fn sample_request() -> VerifyRequest {
    VerifyRequest {
        seq: 300,
        base: 1500,
        base_check: PrefixHash::of(&[1, 2, 3]),
        append: vec![900],
        draft: vec![5, 130, 2000, 31_999],
        levels: vec![0.25, 0.5, 1.0, 1e-9],
        bonus: true,
        pipelined: false,
    }
}

#[test]
fn both_encodings_round_trip() {
    let response = VerifyResponse {
        seq: 300,
        probs: vec![0.5, 0.25],
        outcome: Outcome::Rejected { replacement: Replacement::Draws(vec![(7, 0.125), (8, 0.5)]) },
        timing: Timing { queue_us: 10, decode_us: 3000 },
    };
    for encoding in [Encoding::Binary, Encoding::Json] {
        assert_eq!(encoding.decode::<VerifyRequest>(&encoding.encode(&sample_request())), Ok(sample_request()));
        assert_eq!(encoding.decode::<VerifyResponse>(&encoding.encode(&response)), Ok(response.clone()));
    }
}

#[test]
fn a_window_costs_at_most_eight_bytes_a_token_and_forty_a_round() {
    let window = Encoding::Binary.encode(&sample_request()).len();
    assert!(window <= 40 + 8 * 4, "{window} bytes");
}

#[test]
fn an_id_takes_the_bytes_that_it_is_said_to() {
    for id in [0, 0x7f, 0x80, 0x3fff, 0x4000, 0x1f_ffff, 0x20_0000, 0xfff_ffff, 0x1000_0000, u32::MAX] {
        assert_eq!(Encoding::Binary.encode(&id).len() as u64, id_bytes(id), "{id}");
    }
}

#[test]
fn truncated_and_overlong_bodies_are_refused() {
    let body = Encoding::Binary.encode(&sample_request());
    for cut in 0..body.len() {
        assert!(Encoding::Binary.decode::<VerifyRequest>(&body[..cut]).is_err());
    }
    let long = [body, vec![0]].concat();
    assert!(Encoding::Binary.decode::<VerifyRequest>(&long).is_err());
}

#[test]
fn digests_are_hex_in_json() {
    let digest = Digest([0xab; 32]);
    assert_eq!(Encoding::Json.encode(&digest), format!("\"{}\"", "ab".repeat(32)).into_bytes());
    assert_eq!(digest.to_string().parse(), Ok(digest));
    assert_eq!("zz".parse::<Digest>(), Err(InvalidDigest));
}
