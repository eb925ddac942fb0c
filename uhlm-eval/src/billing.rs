//! Counts the bytes of a message on the wire, by the same rule for every method.
//!
//! A message is its body, the overhead of an HTTP/2 request or answer over TLS as this SDK measures it on a warm
//! connection (`docs/protocol.md`, section 5), and the headers of its packets. Ids and vectors are billed for a
//! vocabulary of [`Billing::vocabulary`], which may be larger than that of the models that run: a demo pair of 1,024
//! tokens then pays the paper's price.

use serde::{Deserialize, Serialize};
use uhlm_law::advance::{Advance, Body, Encoding, Frame};
use uhlm_law::sampling::TokenId;

use crate::channel::packet::SEGMENT;

/// Bytes of a request, and below of an answer, beside the body.
const REQUEST_OVERHEAD: u64 = 111;
const ANSWER_OVERHEAD: u64 = 47;
/// Bytes of a further part of a streamed answer beside the body: an HTTP/2 frame in a TLS record.
const FRAME_OVERHEAD: u64 = 31;
/// Bytes of headers in each packet: IPv4, and TCP with timestamps.
const PACKET_HEADERS: u64 = 52;

/// The rule by which the bytes of messages are counted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Billing {
    /// Size of the vocabulary that ids and distributions are billed for, in tokens.
    pub vocabulary: u32,
    /// Bits of one probability in an uploaded distribution: 16 in the paper.
    pub probability_bits: u32,
    /// Whether uploaded or downloaded distributions are billed at all. `false` makes the baselines' payload free: what
    /// remains is what no compression could take from them.
    pub payload: bool,
}

impl Billing {
    /// The paper's billing: 32,000 tokens, 16 bits, everything billed.
    pub const PAPER: Self = Self { vocabulary: 32_000, probability_bits: 16, payload: true };

    /// Returns the bytes on the wire of a message to the verifier whose body has `body` bytes.
    #[must_use]
    pub fn request(&self, body: u64) -> u64 {
        wire(body + REQUEST_OVERHEAD)
    }

    /// Returns the bytes on the wire of a message to the device whose body has `body` bytes.
    #[must_use]
    pub fn answer(&self, body: u64) -> u64 {
        wire(body + ANSWER_OVERHEAD)
    }

    /// Returns the bytes on the wire of one more part of a streamed answer.
    #[must_use]
    pub fn frame(&self, body: u64) -> u64 {
        wire(body + FRAME_OVERHEAD)
    }

    /// Returns the bits of one id without any coding: `ceil(log2 V)` for a vocabulary of `V` tokens.
    #[must_use]
    pub fn id_bits(&self) -> u64 {
        u64::from(u32::BITS - self.vocabulary.saturating_sub(1).leading_zeros())
    }

    /// Returns the bits of a whole distribution: none if payload is free.
    #[must_use]
    pub fn distribution_bits(&self) -> u64 {
        if self.payload { u64::from(self.vocabulary) * u64::from(self.probability_bits) } else { 0 }
    }

    /// Returns the bytes of this SDK's request body, with ids as long as those of the billed vocabulary.
    #[must_use]
    pub fn advance(&self, request: &Advance, vocabulary_size: usize) -> u64 {
        let mut request = request.clone();
        let shift = self.shift(vocabulary_size);
        request.stand.iter_mut().chain(&mut request.draft).for_each(|id| *id += shift);
        encoded(&request)
    }

    /// Returns the bytes of a frame of this SDK's answer, its length included, with ids as long as those of the billed
    /// vocabulary.
    #[must_use]
    pub fn text(&self, frame: &Frame, vocabulary_size: usize) -> u64 {
        let mut frame = frame.clone();
        if let Frame::Text(text) = &mut frame {
            let shift = self.shift(vocabulary_size);
            text.ids.iter_mut().for_each(|id| *id += shift);
        }
        Encoding::Binary.encode_frame(&frame).len() as u64
    }

    /// Returns by how much ids move to reach the upper end of the billed vocabulary, where their encoding is longest.
    fn shift(&self, vocabulary_size: usize) -> TokenId {
        self.vocabulary.saturating_sub(vocabulary_size as u32)
    }
}

/// Returns the bytes of a body in the binary encoding.
fn encoded<T: Body>(value: &T) -> u64 {
    Encoding::Binary.encode(value).len() as u64
}

fn wire(bytes: u64) -> u64 {
    bytes + bytes.div_ceil(SEGMENT) * PACKET_HEADERS
}

#[cfg(test)]
mod tests {
    use uhlm_law::advance::{Grants, Labelling, PrefixHash};

    use super::*;

    #[test]
    fn the_papers_payload_is_512_kilobits() {
        assert_eq!(Billing::PAPER.distribution_bits(), 512_000);
        assert_eq!(Billing::PAPER.id_bits(), 15);
        assert_eq!(Billing { vocabulary: 1024, ..Billing::PAPER }.id_bits(), 10);
        assert_eq!(Billing { payload: false, ..Billing::PAPER }.distribution_bits(), 0);
    }

    #[test]
    fn ids_of_a_small_vocabulary_are_billed_like_those_of_a_large_one() {
        let request = Advance {
            generation: 0,
            seq: 7,
            have: 401,
            base: 400,
            check: PrefixHash::EMPTY,
            stand: vec![3],
            draft: vec![1, 1000],
            grants: Grants::NONE,
            labels: Labelling::NONE,
            begin: None,
            deadline_ms: None,
        };
        let plain = encoded(&request);
        // Ids of one, one and two bytes become ids of three bytes.
        assert_eq!(Billing::PAPER.advance(&request, 1024), plain + 2 + 2 + 1);
        assert_eq!(Billing { vocabulary: 1024, ..Billing::PAPER }.advance(&request, 1024), plain);
    }

    #[test]
    fn a_large_body_pays_for_each_packet() {
        assert_eq!(Billing::PAPER.request(64_000), 64_111 + 45 * 52);
    }
}
