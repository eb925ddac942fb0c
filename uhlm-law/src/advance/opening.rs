//! The exchange before the first generation: a verifier tells what it offers, and a device takes it up.
//!
//! Decides the fields of `info`, `open` and its answer, and how a capability that one side does not know is refused.
//! Paths and headers are the transport's.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::body::{Body, MAX_BODY_BYTES, MAX_VOCABULARY_FILE, read_tail};
use super::bytes::{DecodeError, Reader, put_bytes, put_ids, put_number, put_tagged_bytes, put_tagged_number};
use super::failure::{ErrorBody, ErrorCode};
use crate::digest::Digest;
use crate::fingerprint::Blocks;
use crate::token::TokenId;

/// A set of abilities that one verifier has and another one may lack.
///
/// A tagged field that is not known is skipped, so whatever would change the text or what is promised about it is
/// asked for here: a verifier refuses a session that needs what it lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Capabilities(u64);

impl Capabilities {
    /// No ability beyond judging.
    pub const NONE: Self = Self(0);
    /// The target writes on without a draft, as far as was granted.
    pub const RUNS_AHEAD: Self = Self(1);
    /// Labels tell which given tokens are the target's own.
    pub const MATCHED: Self = Self(1 << 1);
    /// Labels tell the target's probability of a token.
    pub const PROBABILITIES: Self = Self(1 << 2);
    /// An answer that has nothing to say says so at least every [`PROGRESS_SECONDS`](super::PROGRESS_SECONDS).
    pub const PROGRESS: Self = Self(1 << 3);

    /// Only tokens that the grammar of a generation allows are drawn.
    pub const GRAMMAR: Self = Self(1 << 4);
    /// The sampling chain may have a logit bias and top-n-sigma.
    pub const WIDER_CHAIN: Self = Self(1 << 8);

    const NAMES: [(&'static str, Self); 6] = [
        ("runs_ahead", Self::RUNS_AHEAD),
        ("matched", Self::MATCHED),
        ("probabilities", Self::PROBABILITIES),
        ("progress", Self::PROGRESS),
        ("grammar", Self::GRAMMAR),
        ("wider_chain", Self::WIDER_CHAIN),
    ];
    /// Bit that stands for every name that this version does not know.
    const UNKNOWN: Self = Self(1 << 63);

    /// Returns both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Tells whether all of `other` are in this set. A capability that this version does not know is in no set of its
    /// own.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl Serialize for Capabilities {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(Self::NAMES.iter().filter(|(_, one)| self.contains(*one)).map(|(name, _)| name))
    }
}

impl<'de> Deserialize<'de> for Capabilities {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        let find = |name: &String| Self::NAMES.iter().find(|(known, _)| known == name).map_or(Self::UNKNOWN, |k| k.1);
        Ok(names.iter().map(find).fold(Self::NONE, Self::union))
    }
}

/// Name of a session in later paths: 32 hexadecimal digits in paths and JSON, 16 bytes in the binary encoding.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub [u8; 16]);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for SessionId {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        let all_digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = all_digits.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        number.map(|number| Self(number.to_be_bytes())).ok_or(DecodeError::OutOfRange { field: "session" })
    }
}

impl Serialize for SessionId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The target model that a verifier serves, with its vocabulary and the verifier's abilities and limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Name and version of the protocol, [`PROTOCOL`](super::PROTOCOL).
    pub protocol: String,
    /// Name of the target model, for people.
    pub model: String,
    /// Fingerprint of the target model's file.
    pub fingerprint: Digest,
    /// Hash over the vocabulary's tokens.
    pub vocabulary: Digest,
    /// Abilities of the verifier beyond judging.
    pub capabilities: Capabilities,
    /// Limits on what it takes.
    pub limits: Limits,
    /// Tokens that end a reply of the target, in the order in which their noise keys are counted. Empty where the
    /// verifier does not tell them: then those of the device count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ends: Vec<TokenId>,
    /// Hashes over parts of the vocabulary, for people who look for the difference. Only `info` tells them, `open`
    /// does not.
    #[serde(default, skip_serializing_if = "Blocks::is_empty")]
    pub blocks: Blocks,
    /// Engines that run the target for the verifier, and what they can and cannot do, for people; empty where the
    /// verifier runs it itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub engine: String,
    /// File with the vocabulary, for devices whose model has another one; `None` where the verifier offers none. Only
    /// `info` tells of it, `open` does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vocabulary_file: Option<VocabularyOffer>,
    /// Whether replies are handed to a chat service as a whole: its text is neither drawn with the shared noise nor
    /// can a draft be judged by it, so only replies without drafts are to be had.
    #[serde(default, skip_serializing_if = "is_no")]
    pub hands_off: bool,
}

/// A GGUF file that has the target's vocabulary, tokenizer and chat template, and no weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VocabularyOffer {
    /// SHA-256 value of the file, by which it is asked for.
    pub sha256: Digest,
    /// Size of the file in bytes, at most [`MAX_VOCABULARY_FILE`].
    pub bytes: u32,
}

/// Tags of [`Info`]'s tail.
const ENDS: u32 = 1;
const BLOCKS: u32 = 2;
const MAX_BODY: u32 = 3;
const VOCABULARY_FILE: u32 = 4;
const ENGINE: u32 = 8;
const HANDS_OFF: u32 = 9;

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_no(flag: &bool) -> bool {
    !flag
}

/// Limits on what a verifier takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Number of ids of the vocabulary, up to its last token: rows of the model behind it are never drawn.
    pub vocabulary_size: u32,
    /// Length of the longest sequence of a session, in tokens.
    pub context: u32,
    /// Largest number of drafted tokens that one pass judges; the rest of a longer draft is judged by the passes after
    /// it.
    pub max_draft: u32,
    /// Largest size of a request's body, in bytes: a device gives longer texts in parts.
    #[serde(default = "whole_body", skip_serializing_if = "is_whole_body")]
    pub max_body: u32,
}

/// Limit on bodies of a verifier that tells none: that of the protocol.
const WHOLE_BODY: u32 = MAX_BODY_BYTES as u32;

fn whole_body() -> u32 {
    WHOLE_BODY
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_whole_body(max_body: &u32) -> bool {
    *max_body == WHOLE_BODY
}

/// The request that opens a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Hash over the device's vocabulary. A verifier that has another one refuses.
    pub vocabulary: Digest,
    /// Abilities that the device cannot do without. A verifier that lacks any of them refuses.
    pub needs: Capabilities,
}

/// The answer to [`Open`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The session's name.
    pub session: SessionId,
    /// The target model that the verifier serves, with its limits.
    pub info: Info,
}

impl Info {
    /// Returns the part that the answer to `open` holds: all but what is for people, or only helps where the
    /// vocabularies differ.
    #[must_use]
    pub fn to_open(&self) -> Self {
        Self { blocks: Blocks::default(), engine: String::new(), vocabulary_file: None, ..self.clone() }
    }

    /// Checks that this verifier can serve a session that `open` opens.
    ///
    /// # Errors
    /// [`ErrorCode::Unsupported`] where the vocabulary is another one, or where the verifier lacks what the device
    /// needs.
    pub fn admits(&self, open: &Open) -> Result<(), ErrorBody> {
        if open.vocabulary != self.vocabulary {
            let size = self.limits.vocabulary_size;
            let reason = format!("the target's vocabulary is another one: {size} tokens, hash {}", self.vocabulary);
            return Err(ErrorBody::new(ErrorCode::Unsupported, reason));
        }
        if !self.capabilities.contains(open.needs) {
            let reason = "this verifier lacks something that the device needs";
            return Err(ErrorBody::new(ErrorCode::Unsupported, reason));
        }
        Ok(())
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.protocol.as_bytes());
        put_bytes(out, self.model.as_bytes());
        out.extend(self.fingerprint.0);
        out.extend(self.vocabulary.0);
        put_number(out, self.capabilities.0);
        let Limits { vocabulary_size, context, max_draft, max_body } = self.limits;
        [vocabulary_size, context, max_draft].iter().for_each(|&limit| put_number(out, u64::from(limit)));
        if !self.ends.is_empty() {
            let mut ids = Vec::new();
            put_ids(&mut ids, &self.ends);
            put_tagged_bytes(out, ENDS, &ids);
        }
        if !self.blocks.is_empty() {
            put_tagged_bytes(out, BLOCKS, &self.blocks.to_bytes());
        }
        if !self.engine.is_empty() {
            put_tagged_bytes(out, ENGINE, self.engine.as_bytes());
        }
        if max_body != WHOLE_BODY {
            put_tagged_number(out, MAX_BODY, u64::from(max_body));
        }
        if let Some(VocabularyOffer { sha256, bytes }) = self.vocabulary_file {
            let mut offer = sha256.0.to_vec();
            put_number(&mut offer, u64::from(bytes));
            put_tagged_bytes(out, VOCABULARY_FILE, &offer);
        }
        if self.hands_off {
            put_tagged_number(out, HANDS_OFF, 1);
        }
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        fn text(reader: &mut Reader<'_>, field: &'static str) -> Result<String, DecodeError> {
            let text = str::from_utf8(reader.bytes(field)?).map_err(|_| DecodeError::OutOfRange { field })?;
            Ok(text.to_owned())
        }
        let mut info = Self {
            protocol: text(reader, "protocol")?,
            model: text(reader, "model")?,
            fingerprint: Digest(reader.array()?),
            vocabulary: Digest(reader.array()?),
            capabilities: Capabilities(reader.number("capabilities")?),
            limits: Limits {
                vocabulary_size: reader.number("vocabulary_size")?,
                context: reader.number("context")?,
                max_draft: reader.number("max_draft")?,
                max_body: WHOLE_BODY,
            },
            ends: Vec::new(),
            blocks: Blocks::default(),
            engine: String::new(),
            vocabulary_file: None,
            hands_off: false,
        };
        read_tail(reader, |tag, field| {
            if tag == u64::from(ENDS) {
                info.ends = ids(field.bytes("ends")?)?;
            } else if tag == u64::from(BLOCKS) {
                let bytes = field.bytes("blocks")?;
                info.blocks = Blocks::from_bytes(bytes).ok_or(DecodeError::OutOfRange { field: "blocks" })?;
            } else if tag == u64::from(ENGINE) {
                info.engine = field.text("engine")?;
            } else if tag == u64::from(MAX_BODY) {
                info.limits.max_body = field.number("max_body")?;
            } else if tag == u64::from(VOCABULARY_FILE) {
                info.vocabulary_file = Some(offer(field.bytes("vocabulary_file")?)?);
            } else if tag == u64::from(HANDS_OFF) {
                info.hands_off = field.number::<u64>("hands_off")? != 0;
            }
            Ok(())
        })?;
        Ok(info)
    }
}

/// Reads the offer of a file with the vocabulary.
fn offer(bytes: &[u8]) -> Result<VocabularyOffer, DecodeError> {
    let mut reader = Reader::new(bytes);
    Ok(VocabularyOffer { sha256: Digest(reader.array()?), bytes: reader.number("vocabulary_file")? })
}

/// Reads ids up to the end of a field.
fn ids(bytes: &[u8]) -> Result<Vec<TokenId>, DecodeError> {
    let (mut reader, mut ids) = (Reader::new(bytes), Vec::new());
    while reader.len() > 0 {
        ids.push(reader.number("ends")?);
    }
    Ok(ids)
}

/// Skips the tail of a body that has no tagged fields yet.
fn skip_tail(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    read_tail(reader, |_, _| Ok(()))
}

impl Info {
    /// Checks that the file that is offered is no longer than any may be.
    fn check_offer(&self) -> Result<(), DecodeError> {
        match self.vocabulary_file {
            Some(offer) if offer.bytes as usize > MAX_VOCABULARY_FILE => {
                Err(DecodeError::OutOfRange { field: "vocabulary_file" })
            }
            _ => Ok(()),
        }
    }
}

impl Body for Info {
    fn write(&self, out: &mut Vec<u8>) {
        self.put(out);
    }

    fn check(&self) -> Result<(), DecodeError> {
        self.check_offer()
    }

    fn read(body: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        Self::take(&mut reader)
    }
}

impl Body for Open {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.vocabulary.0);
        put_number(out, self.needs.0);
    }

    fn read(body: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let vocabulary = Digest(reader.array()?);
        let needs = Capabilities(reader.number("needs")?);
        skip_tail(&mut reader)?;
        Ok(Self { vocabulary, needs })
    }
}

impl Body for Opened {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.session.0);
        self.info.put(out);
    }

    fn check(&self) -> Result<(), DecodeError> {
        self.info.check_offer()
    }

    fn read(body: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let session = SessionId(reader.array()?);
        Ok(Self { session, info: Info::take(&mut reader)? })
    }
}
