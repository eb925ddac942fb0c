//! `uhlm-verify/2`: one request, one kind of frame, and both sides of a session as pure code.
//!
//! Decides what device and verifier say to each other, its bytes, and what each side makes of what it hears. Leaves
//! to others which token is the target's (logits, chain and noise), what is drafted and when to ask, and everything
//! that needs a clock, a connection or an engine.
//!
//! For a seed, the target's token at a position is a function of the tokens before it, and a drafted token stands iff
//! it is that token. So the text is the target's own, whoever is asked, in what order, and how often: requests may be
//! repeated, hedged, reordered, lost, or answered by another replica. The two principal types are
//!
//! - [`TargetSession`], the verifier's side: it takes requests ([`TargetSession::accept`]), says what to do next
//!   ([`TargetSession::next`]) and is told what came of it ([`TargetSession::pass_ended`]);
//! - [`Conversation`], the device's side: it makes requests ([`Conversation::advance`]) and takes what comes of them
//!   ([`Conversation::hear`]); what it knows of a session is a [`Peer`], what one request asked for an [`Asked`].
//!
//! ```
//! use uhlm_law::advance::*;
//! use uhlm_law::sampling::{SamplingParams, TokenId};
//!
//! struct NoEnd;
//! impl Ending for NoEnd {
//!     fn is_end(&self, _: TokenId) -> bool {
//!         false
//!     }
//!     fn completes_stop(&self, _: &[TokenId], _: &[String]) -> bool {
//!         false
//!     }
//! }
//!
//! let begin = Begin { seed: 1, sampling: SamplingParams::default(), reply_start: 2, max_tokens: 9, stop: vec![],
//!     grammar: None };
//! let mut device = Conversation::new(Bounds { vocabulary_size: 10, context: 64, max_body: 1 << 20 }, begin, &[1, 2]);
//! let mut peer = Peer::new();
//! device.draft(3);
//! device.draft(4);
//! let wanted = Wanted { upto: 4, grants: Grants::NONE, labels: Labelling::NONE };
//! let (request, mut asked) = device.advance(&mut peer, &wanted);
//!
//! let mut verifier = TargetSession::new(Limits { vocabulary_size: 10, context: 64, max_draft: 8, max_body: 1 << 20 });
//! verifier.accept(StreamId(1), &request, &NoEnd).expect("a session takes the first request");
//! let Next::Pass(plan) = verifier.next(8) else { panic!("there is a draft to judge") };
//! assert_eq!((plan.tokens.as_slice(), plan.rows), (&[1, 2, 3, 4][..], 3));
//! // The target's own tokens are 3 and 5: the second drafted one does not stand.
//! let rows = [3, 5].map(|winner| Row { winner, p: None });
//! let sent = verifier.pass_ended(&rows, None, &NoEnd);
//!
//! let effects = device.hear(&mut peer, &mut asked, &sent[0].frame).expect("a frame that answers");
//! assert_eq!(device.tokens().ids(), [1, 2, 3, 5]);
//! assert_eq!((effects.committed.len(), effects.rolled_back), (2, 1));
//! ```
//!
//! # Requests and answers
//!
//! | request | body | answer |
//! |---|---|---|
//! | info | none | [`Info`] |
//! | open | [`Open`] | [`Opened`]; 422 for another vocabulary, or a need that the verifier's capabilities do not hold |
//! | advance, of a session | [`Advance`] | a stream of [`Frame`]s up to `End` or `Failed`; or a refusal |
//! | close, of a session | none | nothing |
//!
//! A refusal is an [`ErrorBody`]; a refused request has changed nothing ([`Refusal`]). A position is (generation, token
//! index, [`PrefixHash`] of the ids before it); in frames the generation is that of the request which they answer.
//!
//! # What a verifier does
//!
//! It keeps the decided text, at most [`MAX_PARKED`] proposals, one pass or none, what is left of the grants, and one
//! live stream.
//!
//! - A generation that is greater replaces the one before: what was proposed is dropped, the text ends with the given
//!   tokens, a pass under way is discarded. It needs `begin` (409 without) and a `base` whose `check` agrees (409
//!   otherwise). A request of an earlier generation is answered `End superseded`.
//! - `stand` needs a `base` whose `check` agrees (409 otherwise, with the number of tokens held). Where the text
//!   holds these ids there, nothing changes. Otherwise they replace everything after `base`, and a pass under way is
//!   discarded.
//! - `draft` is parked, also when the tokens that it rests on are missing; what the text contradicts or holds is
//!   dropped.
//! - A `seq` at least as great as any before takes over stream and grants; the stream before ends `superseded`. What
//!   the text holds beyond `have` is sent at once. A repeat (`seq` as great) keeps what is left of the grants, unless
//!   the stream broke. A smaller `seq` only parks its draft, and is answered `End superseded`; what stands in it is
//!   not taken.
//! - A usable proposal makes a judged pass, together with proposals that go on from it; without one, a grant makes a
//!   pass of one row; without one, given tokens that the engine lacks are decoded; then the stream ends `granted`.
//! - After a judged pass, what is left of the grants is `k_r` if a drafted token did not stand, else `k_a`; so it is
//!   at a request's arrival, where its draft counts as judged by the text that is there. A self-made pass uses one
//!   up.
//! - A stream that is reset loses its grants, and all proposals with it; the text stays. The reset of another means
//!   nothing.
//! - A reply ends after a token that ends a generation, after a stop string, at `max_tokens`, or at the context.
//!
//! # What a device does
//!
//! It keeps what is committed, which only grows, the branch drafted after it, and for each session what is known and
//! what is assumed of it. `stand` holds what the session is not assumed to hold, `draft` what was not sent.
//!
//! - A frame at or before the end of what is committed, whose check agrees: the overlap is skipped if equal, what
//!   follows is committed, the branch goes back to the first difference.
//! - A frame beyond it: where the branch's hash agrees, the branch is committed up to there; else the device asks
//!   again.
//! - A frame that differs within what is committed changes nothing: the device's text is given to the session, from
//!   the last position that both are known to agree on.
//! - `Progress` changes nothing but that the stream is not silent.
//! - `End granted` with drafts not judged, a stream that breaks, silence: the device asks again, and assumes only
//!   what it knows.
//! - 409: `stand` begins at the number held, then at the last known agreement, then at 0. 410: a session is opened,
//!   and given everything.
//!
//! # Binary encoding
//!
//! | notation | bytes |
//! |---|---|
//! | number | little-endian base 128: 7 bits a byte, the highest bit set on all but the last; at most 64 bits |
//! | ids | one number each |
//! | real | 4 bytes, IEEE 754, little-endian |
//! | bytes, text | a number, and that many bytes; text is UTF-8 |
//! | hash | 8 bytes, little-endian; its lower half alone: the first 4 of them |
//! | tail | fields up to the end of the body: the number `2 x tag` and a number, or `2 x tag + 1` and bytes |
//!
//! The fields of a body come in the order given here. Tags of a tail come in any order, and those that are not known
//! are **skipped**; none is 0. What a later version adds and must not be skipped is asked for as a need when the
//! session opens. Where a tag that stands for one value comes twice, the last one counts. A body is at most
//! [`MAX_BODY_BYTES`] long.
//!
//! **[`Advance`]**
//!
//! | field | bytes | |
//! |---|---|---|
//! | `generation` | number | |
//! | `seq` | number | |
//! | `base` | number | |
//! | `check` | hash | of the first `base` ids |
//! | `ahead` | number | `base` + number of `stand` - `have`: 0 where `stand` is not empty |
//! | `grants` | 2 bytes | after a mismatch, after agreement; 255 is unlimited |
//! | `stand` | number, ids | |
//! | `draft` | number, ids | at most [`MAX_DRAFT`] |
//! | tail 1, `labels` | number | 1 `matched` + 2 `probabilities` |
//! | tail 2, `begin` | bytes | as follows |
//! | tail 3, `deadline_ms` | number | [`DEFAULT_DEADLINE_MS`] without it |
//!
//! **[`Begin`]**
//!
//! | field | bytes | |
//! |---|---|---|
//! | `seed` | 8 bytes | little-endian |
//! | `reply_start` | number | at least 1 |
//! | `max_tokens` | number | at least 1 |
//! | `sampling` | bytes | as follows |
//! | tail 1, `stop` | text | once for each, in order; at most [`MAX_STOPS`] of [`MAX_STOP_BYTES`] |
//! | tail 2, `grammar` | bytes | a [`Grammar`](crate::grammar::Grammar): its kind, then its text or texts |
//!
//! `sampling`: `temperature` real, `top_k` number, `top_p` real, `min_p` real, `penalty_last_n` number,
//! `penalty_repeat` real, `penalty_frequency` real, `penalty_presence` real; what follows is skipped.
//!
//! **[`Frame`]**, behind its length as a number (at most [`MAX_FRAME_BYTES`]). The first byte is `kind + 4 x value`;
//! frames of kind 3 with another value than 0 are skipped.
//!
//! | kind | value | then |
//! |---|---|---|
//! | 0 `Text` | number of ids up to 62, or 63 | see below |
//! | 1 `End` | 0 `superseded`, 1 `granted`, 2 `stop`, 3 `eog`, 4 `max`, 5 `context` | an empty tail |
//! | 2 `Failed` | the code | tail 1 `reason` text, tail 2 `held` number |
//! | 3 `Progress` | 0 | `read`, `total`, `ahead` numbers, an empty tail |
//!
//! `Text`: where the value is 63, a number, that of ids less 63; `pos` number, `check` the lower half of a hash,
//! `passes` number, `ids` (at most [`MAX_FRAME_IDS`]); tail 1 `pass_us` number, tail 2 `queue_us` number, tail 3
//! `labels` bytes, tail 4 `rows` number, which comes with `pass_us`.
//!
//! `labels`: `pos` number, number of labels (at most [`MAX_LABELS`]), the `matched` bits (8 a byte, the first one
//! lowest), then nothing or the probabilities, a real for each.
//!
//! **[`ErrorBody`]**: `code` number (0 `malformed`, 1 `unauthorized`, 2 `desync`, 3 `gone`, 4 `too_large`, 5
//! `unsupported`, 6 `rate_limited`, 7 `internal`, 8 `unavailable`; others read as 7), then the tail of `Failed`.
//!
//! **[`Info`]**: `protocol` text, `model` text, `fingerprint` 32 bytes, `vocabulary` 32 bytes, `capabilities` number
//! (1 runs ahead, 2 matched, 4 probabilities, 8 progress, 16 grammar), `vocabulary_size` number, `context` number,
//! `max_draft` number; tail 1 `ends` bytes (a number for each id), tail 2 `blocks` bytes (4 for each 256 ids), tail 3
//! `max_body` number ([`MAX_BODY_BYTES`] without it).
//!
//! **[`Open`]**: `vocabulary` 32 bytes, `needs` number (as `capabilities`), an empty tail.
//! **[`Opened`]**: `session` 16 bytes, then an `Info`.
//!
//! ## Bytes
//!
//! Without ids, a request takes 14 bytes at least and 19 in a long conversation, a text 9 (10 with its length); an id
//! below 2^21 takes 3, one below 2^14 takes 2. `pass_us` and `queue_us` take 3 to 4 each, `rows` 2; `queue_us` comes
//! once an answer; labels take 4 and a bit a token, and 4 bytes for each probability.
//!
//! ## Examples
//!
//! ```text
//! ; a request of three drafted tokens
//! 02  07                      ; generation 2, seq 7
//! a0 03                       ; base 416
//! cb 49 43 42 89 f7 bf a8     ; check: a8bff789424349cb
//! 04                          ; ahead: have is 412
//! 01 ff                       ; one pass after a mismatch, unlimited after agreement
//! 00                          ; no stand
//! 03  96 02  ec 0e  c1 e9 01  ; draft: 278, 1900, 29889
//! ```
//!
//! ```text
//! ; a request that begins a generation
//! 02  00                      ; generation 2, seq 0
//! 00                          ; base 0
//! d3 08 a3 85 88 6a 3f 24     ; check: the hash of no tokens
//! 00                          ; ahead: have is 2
//! 00 00                       ; no grants
//! 02  01  ac 02               ; stand: 1, 300
//! 00                          ; no draft
//! 02 03                       ; labels: matched, probabilities
//! 05 2a                       ; begin, 42 bytes:
//! 05 00 00 00 00 00 00 00     ;   seed 5
//! 02  c8 01                   ;   reply_start 2, max_tokens 200
//! 1a  00 00 00 3f  00         ;   sampling, 26 bytes: temperature 0.5, top_k 0
//! 00 00 80 3f  00 00 00 00    ;   top_p 1, min_p 0
//! 40  00 00 80 3f             ;   penalty_last_n 64, penalty_repeat 1
//! 00 00 00 00  00 00 00 00    ;   penalty_frequency 0, penalty_presence 0
//! 03 02  0a 0a                ;   stop: two line feeds
//! ```
//!
//! ```text
//! ; a text of two tokens, with times and labels
//! 08                          ; two ids
//! a0 03  cb 49 43 42          ; pos 416, check 424349cb
//! 03                          ; passes: 3
//! 96 02  b6 02                ; 278, 310
//! 02  90 c8 02                ; pass_us: 42000
//! 04  b6 02                   ; queue_us: 310
//! 08  02                      ; rows: 2
//! 07 0c                       ; labels, 12 bytes:
//! a0 03  02  01               ;   from 416, two of them, the first one matched
//! 00 00 00 3f  00 00 00 3e    ;   0.5, 0.125
//! ```
//!
//! ```text
//! ; the end
//! 0d                          ; eog
//! ```
//!
//! ```text
//! ; progress
//! 03                          ; progress
//! 80 05  b8 17  00            ; 640 of 3000 tokens are read, nobody is ahead
//! ```
//!
//! ```text
//! ; a failure
//! 22                          ; unavailable
//! 03 04 62 75 73 79           ; reason: "busy"
//! ```
//!
//! ```text
//! ; a refusal
//! 02                          ; desync
//! 04 9a 03                    ; held: 410
//! ```
//!
//! # JSON
//!
//! The same fields by the names of the types' fields; hashes, digests and session names are hexadecimal text, a frame
//! is a line of its own. What is empty, none or off can be left out. Fields and kinds of frames that are not known
//! are skipped.
//!
//! The request of three drafted tokens in JSON:
//!
//! ```json
//! {"generation":2,"seq":7,"have":412,"base":416,"check":"a8bff789424349cb","draft":[278,1900,29889],
//! "grants":{"after_mismatch":{"passes":1},"after_agreement":"unlimited"}}
//! ```
//!
//! The text of two tokens in JSON:
//!
//! ```json
//! {"text":{"pos":416,"check":"424349cb","ids":[278,310],"passes":3,"pass_us":42000,"queue_us":310,"rows":2,
//! "labels":{"pos":416,"matched":[true,false],"p":[0.5,0.125]}}}
//! ```

mod answer;
mod body;
mod bytes;
mod conversation;
mod drawing;
mod ending;
mod failure;
mod frame;
mod opening;
mod outlet;
mod peer;
mod plan;
mod proposal;
mod refusal;
mod request;
mod stream;
mod target;
mod text_ending;
mod tokens;

pub use answer::{Asked, InvalidAnswer};
pub use body::{
    Body, Encoding, MAX_BODY_BYTES, MAX_VOCABULARY_FILE, MEDIA_BINARY, MEDIA_JSON, MEDIA_VOCABULARY, PROTOCOL,
};
pub use bytes::{DecodeError, id_bytes};
pub use conversation::{Bounds, Committed, Conversation, Effects, Origin, Recovery, Wanted};
pub use drawing::{Draw, Drawing, PreparedRows, Rows};
pub use ending::Ending;
pub use failure::{ErrorBody, ErrorCode};
pub use frame::{EndReason, Frame, Labels, MAX_FRAME_IDS, MAX_LABELS, PROGRESS_SECONDS, Progress, Text};
pub use opening::{Capabilities, Info, Limits, Open, Opened, SessionId, VocabularyOffer};
pub use outlet::{Sent, StreamId};
pub use peer::Peer;
pub use plan::{Next, PassKind, PassTiming, Plan, Row};
pub use proposal::MAX_PARKED;
pub use refusal::Refusal;
pub use request::{
    Advance, Begin, DEFAULT_DEADLINE_MS, Grant, Grants, Labelling, MAX_DRAFT, MAX_STAND, MAX_STOP_BYTES, MAX_STOPS,
};
pub use stream::{FrameDecoder, MAX_FRAME_BYTES};
pub use target::TargetSession;
pub use text_ending::{GenerationEnding, TextEnding};
pub use tokens::{PrefixHash, ShortHash, Tokens};

#[cfg(test)]
mod tests;
