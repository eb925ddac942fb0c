//! The one request of a generation: `advance`.
//!
//! Decides its fields, their bytes and which values are in range. What a verifier does with it is [`TargetSession`]'s,
//! which one a device sends [`Conversation`]'s.
//!
//! [`TargetSession`]: super::TargetSession
//! [`Conversation`]: super::Conversation

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::body::{Body, read_tail};
use super::bytes::{DecodeError, Reader, put_bytes, put_counted_ids, put_number, put_tagged_bytes, put_tagged_number};
use super::tokens::PrefixHash;
use crate::grammar::Grammar;
use crate::sampling::{LogitBias, MAX_LOGIT_BIAS, SamplingParams, TokenId};

/// Largest number of drafted tokens in one request.
pub const MAX_DRAFT: usize = 256;
/// Largest number of given tokens in one request: as many of the smallest ids fit into a body.
pub const MAX_STAND: usize = super::body::MAX_BODY_BYTES;
/// Largest number of stop strings of a generation.
pub const MAX_STOPS: usize = 64;
/// Length of the longest stop string, in bytes of UTF-8.
pub const MAX_STOP_BYTES: usize = 1024;
/// Deadline of a request that names none, in milliseconds.
pub const DEFAULT_DEADLINE_MS: u32 = 10_000;

const TAG_LABELS: u32 = 1;
const TAG_BEGIN: u32 = 2;
const TAG_DEADLINE: u32 = 3;
const TAG_STOP: u32 = 1;
const TAG_GRAMMAR: u32 = 2;

/// The request to take the text further: to judge what was drafted, and to write on as far as was granted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Advance {
    /// Number of the generation in its session. A greater one replaces the generation before it.
    pub generation: u32,
    /// Number of the request in its generation. The greatest one owns the stream.
    pub seq: u32,
    /// Number of tokens that are committed on the device, at most `base` and the number of given tokens together, and
    /// as many as these where there are given tokens.
    pub have: u32,
    /// Number of tokens before the first given or drafted one.
    pub base: u32,
    /// Hash of those tokens.
    pub check: PrefixHash,
    /// Ids that are given, from index `base` on: the prompt, skipped tokens, tokens written while the verifier was
    /// out of reach. At most [`MAX_STAND`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stand: Vec<TokenId>,
    /// Ids that are proposed after the given ones, at most [`MAX_DRAFT`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub draft: Vec<TokenId>,
    /// Passes that the target may make without a draft.
    pub grants: Grants,
    /// Labels that are wanted.
    #[serde(default, skip_serializing_if = "Labelling::is_none")]
    pub labels: Labelling,
    /// Settings of the generation, in its first request and wherever the verifier may not know them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begin: Option<Begin>,
    /// Longest time for which the request may wait for its turn before the device does without an answer, in
    /// milliseconds; `None` for [`DEFAULT_DEADLINE_MS`]. The time that the target takes over the request's own tokens
    /// does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u32>,
}

/// Self-made passes that the target may make: one token each, without a draft.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// Passes after a mismatch (`k_r`).
    pub after_mismatch: Grant,
    /// Passes after full agreement, and where nothing was drafted (`k_a`).
    pub after_agreement: Grant,
}

impl Grants {
    /// No self-made pass.
    pub const NONE: Self = Self { after_mismatch: Grant::NONE, after_agreement: Grant::NONE };
    /// As many self-made passes as the reply takes.
    pub const UNLIMITED: Self = Self { after_mismatch: Grant::Unlimited, after_agreement: Grant::Unlimited };

    /// Tells whether nothing is granted.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }
}

/// A number of self-made passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// At most this many passes, 0 to 254.
    Passes(u8),
    /// As many passes as the reply takes until it ends.
    Unlimited,
}

impl Default for Grant {
    fn default() -> Self {
        Self::NONE
    }
}

impl Grant {
    /// No pass.
    pub const NONE: Self = Self::Passes(0);

    /// Tells whether there is no pass left.
    #[must_use]
    pub fn is_spent(self) -> bool {
        self == Self::NONE
    }

    /// Returns what is left after one pass.
    #[must_use]
    pub fn minus_one(self) -> Self {
        match self {
            Self::Passes(passes) => Self::Passes(passes.saturating_sub(1)),
            Self::Unlimited => Self::Unlimited,
        }
    }

    fn to_byte(self) -> u8 {
        match self {
            Self::Passes(passes) => passes.min(254),
            Self::Unlimited => 255,
        }
    }

    fn from_byte(byte: u8) -> Self {
        if byte == 255 { Self::Unlimited } else { Self::Passes(byte) }
    }
}

/// The labels that a device wants about the tokens that a pass scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Labelling {
    /// Whether given tokens of the reply are scored as well, and a bit tells which of them are the target's own.
    pub matched: bool,
    /// Whether the target's probability `p(d)` of each scored token is told.
    pub probabilities: bool,
}

impl Labelling {
    /// No labels.
    pub const NONE: Self = Self { matched: false, probabilities: false };

    /// Tells whether no label is wanted.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }

    fn to_bits(self) -> u64 {
        u64::from(self.matched) | u64::from(self.probabilities) << 1
    }

    fn from_bits(bits: u64) -> Self {
        Self { matched: bits & 1 != 0, probabilities: bits & 2 != 0 }
    }
}

/// The settings of a generation, which make the target's text a function of the prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Begin {
    /// Seed of the generation's noise.
    pub seed: u64,
    /// Parameters of the sampling chain.
    pub sampling: SamplingParams,
    /// Number of tokens before the reply, at least 1.
    pub reply_start: u32,
    /// Largest number of tokens of the reply, at least 1.
    pub max_tokens: u32,
    /// Strings each of which ends the reply; none is empty. At most [`MAX_STOPS`] of at most [`MAX_STOP_BYTES`] each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// Form that the reply is to have: only tokens that it allows are drawn. A verifier without
    /// [`Capabilities::GRAMMAR`](super::Capabilities::GRAMMAR) would skip it, so it is not asked then. Within
    /// [`MAX_GRAMMAR_BYTES`](crate::grammar::MAX_GRAMMAR_BYTES).
    #[serde(default, skip_serializing_if = "Option::is_none", with = "shared")]
    pub grammar: Option<Arc<Grammar>>,
}

/// Writes a grammar that several requests share.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use crate::grammar::Grammar;

    #[allow(clippy::ref_option, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(grammar: &Option<Arc<Grammar>>, out: S) -> Result<S::Ok, S::Error> {
        grammar.as_deref().serialize(out)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(text: D) -> Result<Option<Arc<Grammar>>, D::Error> {
        Ok(Option::<Grammar>::deserialize(text)?.map(Arc::new))
    }
}

/// Writes a grammar: its kind, and its text; of a list, each choice behind its length.
fn write_grammar(grammar: &Grammar) -> Vec<u8> {
    let mut out = vec![grammar.kind()];
    match grammar {
        Grammar::JsonSchema(text) | Grammar::Regex(text) | Grammar::Lark(text) => out.extend(text.as_bytes()),
        Grammar::Choices(choices) => choices.iter().for_each(|choice| put_bytes(&mut out, choice.as_bytes())),
    }
    out
}

fn read_grammar(bytes: &[u8]) -> Result<Grammar, DecodeError> {
    const UNKNOWN: DecodeError = DecodeError::OutOfRange { field: "grammar" };
    let (&kind, rest) = bytes.split_first().ok_or(UNKNOWN)?;
    let text = |bytes: &[u8]| str::from_utf8(bytes).map(str::to_owned).map_err(|_| UNKNOWN);
    match kind {
        0 => text(rest).map(Grammar::JsonSchema),
        1 => text(rest).map(Grammar::Regex),
        2 => {
            let (mut reader, mut choices) = (Reader::new(rest), Vec::new());
            while reader.len() > 0 {
                choices.push(text(reader.bytes("grammar")?)?);
            }
            Ok(Grammar::Choices(choices))
        }
        3 => text(rest).map(Grammar::Lark),
        _ => Err(UNKNOWN),
    }
}

impl Begin {
    /// Returns the number of bytes that the settings take in a request.
    pub(super) fn bytes(&self) -> usize {
        self.write().len()
    }

    fn write(&self) -> Vec<u8> {
        let mut out = self.seed.to_le_bytes().to_vec();
        put_number(&mut out, u64::from(self.reply_start));
        put_number(&mut out, u64::from(self.max_tokens));
        let SamplingParams { temperature, top_k, top_p, min_p, .. } = self.sampling;
        let SamplingParams { penalty_last_n, penalty_repeat, penalty_frequency, penalty_presence, .. } = self.sampling;
        let mut chain = Vec::new();
        chain.extend(temperature.to_le_bytes());
        put_number(&mut chain, u64::from(top_k));
        [top_p, min_p].iter().for_each(|value| chain.extend(value.to_le_bytes()));
        put_number(&mut chain, u64::from(penalty_last_n));
        [penalty_repeat, penalty_frequency, penalty_presence]
            .iter()
            .for_each(|value| chain.extend(value.to_le_bytes()));
        if self.sampling.is_wide() {
            chain.extend(self.sampling.top_n_sigma.to_le_bytes());
            put_number(&mut chain, self.sampling.logit_bias.len() as u64);
            for token in &self.sampling.logit_bias {
                put_number(&mut chain, u64::from(token.id));
                chain.extend(token.bias.to_le_bytes());
            }
        }
        put_bytes(&mut out, &chain);
        self.stop.iter().for_each(|stop| put_tagged_bytes(&mut out, TAG_STOP, stop.as_bytes()));
        if let Some(grammar) = &self.grammar {
            put_tagged_bytes(&mut out, TAG_GRAMMAR, &write_grammar(grammar));
        }
        out
    }

    fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let seed = u64::from_le_bytes(reader.array()?);
        let reply_start = reader.number("reply_start")?;
        let max_tokens = reader.number("max_tokens")?;
        // What a later version appends to the chain is skipped: what it would change is asked for when a session opens.
        let mut chain = Reader::new(reader.bytes("sampling")?);
        let real = |chain: &mut Reader<'_>| chain.array().map(f32::from_le_bytes);
        let mut sampling = SamplingParams {
            temperature: real(&mut chain)?,
            top_k: chain.number("top_k")?,
            top_p: real(&mut chain)?,
            min_p: real(&mut chain)?,
            penalty_last_n: chain.number("penalty_last_n")?,
            penalty_repeat: real(&mut chain)?,
            penalty_frequency: real(&mut chain)?,
            penalty_presence: real(&mut chain)?,
            ..SamplingParams::default()
        };
        if chain.len() > 0 {
            sampling.top_n_sigma = real(&mut chain)?;
            let count: u64 = chain.number("logit_bias")?;
            let max = MAX_LOGIT_BIAS as u64;
            if count > max {
                return Err(DecodeError::TooMany { field: "logit_bias", count, max });
            }
            for _ in 0..count {
                let id = chain.number("logit_bias")?;
                sampling.logit_bias.push(LogitBias { id, bias: real(&mut chain)? });
            }
        }
        let (mut stop, mut grammar) = (Vec::new(), None);
        read_tail(&mut reader, |tag, field| {
            match u32::try_from(tag) {
                Ok(TAG_STOP) => stop.push(field.text("stop")?),
                Ok(TAG_GRAMMAR) => grammar = Some(Arc::new(read_grammar(field.bytes("grammar")?)?)),
                _ => {}
            }
            Ok(())
        })?;
        Ok(Self { seed, sampling, reply_start, max_tokens, stop, grammar })
    }

    fn check(&self) -> Result<(), DecodeError> {
        let within = |field, count: usize, max: usize| {
            if count <= max {
                Ok(())
            } else {
                Err(DecodeError::TooMany { field, count: count as u64, max: max as u64 })
            }
        };
        within("stop", self.stop.len(), MAX_STOPS)?;
        self.stop.iter().try_for_each(|stop| within("stop", stop.len(), MAX_STOP_BYTES))?;
        let out_of_range = [
            ("reply_start", self.reply_start == 0),
            ("max_tokens", self.max_tokens == 0),
            ("stop", self.stop.iter().any(String::is_empty)),
            ("sampling", self.sampling.validate().is_err()),
            ("grammar", self.grammar.as_ref().is_some_and(|grammar| !grammar.is_within_limits())),
        ];
        match out_of_range.iter().find(|(_, wrong)| *wrong) {
            Some((field, _)) => Err(DecodeError::OutOfRange { field }),
            None => Ok(()),
        }
    }
}

impl Advance {
    /// Returns the number of tokens before the first drafted one, given tokens included.
    #[must_use]
    pub fn draft_start(&self) -> u64 {
        u64::from(self.base) + self.stand.len() as u64
    }

    /// Returns the longest time for which the request may wait for its turn.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms.unwrap_or(DEFAULT_DEADLINE_MS).into())
    }
}

impl Body for Advance {
    fn write(&self, out: &mut Vec<u8>) {
        put_number(out, u64::from(self.generation));
        put_number(out, u64::from(self.seq));
        put_number(out, u64::from(self.base));
        out.extend(self.check.to_bytes());
        // How far the device has proposed beyond what it has committed: one byte where the number itself takes three.
        put_number(out, self.draft_start().saturating_sub(u64::from(self.have)));
        out.extend([self.grants.after_mismatch.to_byte(), self.grants.after_agreement.to_byte()]);
        put_counted_ids(out, &self.stand);
        put_counted_ids(out, &self.draft);
        if !self.labels.is_none() {
            put_tagged_number(out, TAG_LABELS, self.labels.to_bits());
        }
        if let Some(begin) = &self.begin {
            put_tagged_bytes(out, TAG_BEGIN, &begin.write());
        }
        if let Some(deadline_ms) = self.deadline_ms {
            put_tagged_number(out, TAG_DEADLINE, u64::from(deadline_ms));
        }
    }

    fn read(body: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let generation = reader.number("generation")?;
        let seq = reader.number("seq")?;
        let base = reader.number("base")?;
        let check = PrefixHash::from_bytes(reader.array()?);
        let ahead: u64 = reader.number("ahead")?;
        let [after_mismatch, after_agreement] = reader.array::<2>()?.map(Grant::from_byte);
        let stand = reader.counted_ids(MAX_STAND, "stand")?;
        let draft = reader.counted_ids(MAX_DRAFT, "draft")?;
        let (mut labels, mut begin, mut deadline_ms) = (Labelling::NONE, None, None);
        read_tail(&mut reader, |tag, field| {
            match u32::try_from(tag) {
                Ok(TAG_LABELS) => labels = Labelling::from_bits(field.number("labels")?),
                Ok(TAG_BEGIN) => begin = Some(Begin::read(field.bytes("begin")?)?),
                Ok(TAG_DEADLINE) => deadline_ms = Some(field.number("deadline_ms")?),
                _ => {}
            }
            Ok(())
        })?;
        let grants = Grants { after_mismatch, after_agreement };
        let have = 0;
        let mut request = Self { generation, seq, have, base, check, stand, draft, grants, labels, begin, deadline_ms };
        let have = request.draft_start().checked_sub(ahead).and_then(|have| u32::try_from(have).ok());
        request.have = have.ok_or(DecodeError::OutOfRange { field: "ahead" })?;
        Ok(request)
    }

    fn check(&self) -> Result<(), DecodeError> {
        if self.draft.len() > MAX_DRAFT {
            let (count, max) = (self.draft.len() as u64, MAX_DRAFT as u64);
            return Err(DecodeError::TooMany { field: "draft", count, max });
        }
        let Grants { after_mismatch, after_agreement } = self.grants;
        if [after_mismatch, after_agreement].contains(&Grant::Passes(u8::MAX)) {
            return Err(DecodeError::OutOfRange { field: "grants" });
        }
        let have = u64::from(self.have);
        if have > self.draft_start() || (!self.stand.is_empty() && have != self.draft_start()) {
            return Err(DecodeError::OutOfRange { field: "have" });
        }
        self.begin.as_ref().map_or(Ok(()), Begin::check)
    }
}
