//! Bytes of requests and frames, which a phone pays for.

use super::super::super::{Advance, Encoding, EndReason, Frame, Grants, Labelling, Labels, PrefixHash, Text};
use crate::sampling::TokenId;

/// The longest number of tokens in the budget, and the greatest id.
const LONG: u32 = (1 << 14) - 1;
const GREAT: TokenId = (1 << 21) - 1;

fn request(draft: usize) -> usize {
    Encoding::Binary
        .encode(&Advance {
            generation: LONG,
            seq: LONG,
            have: LONG - 127,
            base: LONG,
            check: PrefixHash::of(&[1, 2, 3]),
            stand: vec![],
            draft: vec![GREAT; draft],
            grants: Grants::UNLIMITED,
            labels: Labelling::NONE,
            begin: None,
            deadline_ms: None,
        })
        .len()
}

fn text(ids: usize) -> Text {
    Text {
        pos: LONG,
        check: PrefixHash::of(&[1, 2, 3]).short(),
        ids: vec![GREAT; ids],
        passes: LONG,
        pass_us: None,
        queue_us: None,
        rows: None,
        labels: None,
    }
}

fn frame(text: Text) -> usize {
    Encoding::Binary.encode_frame(&Frame::Text(text)).len()
}

#[test]
fn a_request_takes_nineteen_bytes_and_three_for_each_drafted_token() {
    assert_eq!(request(0), 19);
    for draft in [1, 8, 127, 256] {
        let bytes = request(draft);
        assert!(bytes <= 20 + 3 * draft, "{bytes} bytes for {draft} tokens");
    }
}

#[test]
fn a_frame_takes_ten_bytes_with_its_length_and_three_for_each_token() {
    for ids in [1, 2, 8, 39] {
        assert_eq!(frame(text(ids)), 10 + 3 * ids);
    }
    // A long text, as after a broken connection, takes a byte more for its number of ids, and one more for its length.
    for ids in [62, 63, 190] {
        let body = Encoding::Binary.encode(&Frame::Text(text(ids))).len();
        assert!(body <= 10 + 3 * ids, "{body} bytes for {ids} tokens");
    }
    assert_eq!(Encoding::Binary.encode_frame(&Frame::End(EndReason::Granted)), [1, 0x05]);
}

#[test]
fn times_take_four_bytes_each_rows_two_and_labels_four_for_each_probability() {
    let timed = Text { pass_us: Some(120_000), queue_us: Some(1_500), rows: Some(5), ..text(4) };
    assert_eq!(frame(timed) - frame(text(4)), 4 + 3 + 2);
    let labels = Labels { pos: LONG, matched: vec![true; 8], p: vec![] };
    assert_eq!(frame(Text { labels: Some(labels.clone()), ..text(4) }) - frame(text(4)), 6);
    let labels = Labels { p: vec![0.5; 8], ..labels };
    assert_eq!(frame(Text { labels: Some(labels), ..text(4) }) - frame(text(4)), 6 + 4 * 8);
}
