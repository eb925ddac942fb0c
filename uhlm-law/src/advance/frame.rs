//! The one kind of answer to [`Advance`](super::Advance): frames, each of which stands alone.
//!
//! Decides their fields, their bytes and which values are in range. How frames follow each other on a connection is
//! [`FrameDecoder`](super::FrameDecoder)'s, what a device may believe of one [`Asked`](super::Asked)'s.

use serde::{Deserialize, Serialize};

use super::body::{Body, read_tail};
use super::bytes::{DecodeError, Reader, put_ids, put_number, put_tagged_bytes, put_tagged_number};
use super::failure::{ErrorBody, code_number, put_details, take_details};
use super::tokens::ShortHash;
use crate::sampling::TokenId;

/// Largest number of ids in one frame; a longer text comes in several.
pub const MAX_FRAME_IDS: usize = 4096;
/// Largest number of labels in one frame.
pub const MAX_LABELS: usize = 512;

const KIND_TEXT: u8 = 0;
const KIND_END: u8 = 1;
const KIND_FAILED: u8 = 2;
/// Kind of all further frames, which the value tells apart.
const KIND_MORE: u8 = 3;
/// The value of [`KIND_MORE`] that stands for [`Progress`].
const MORE_PROGRESS: u8 = 0;
/// Smallest number of ids that follows the head as a number of its own.
const LONG: u8 = 63;

const TAG_PASS_US: u32 = 1;
const TAG_QUEUE_US: u32 = 2;
const TAG_LABELS: u32 = 3;
const TAG_ROWS: u32 = 4;

/// A frame: one message of the stream that answers a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frame {
    /// Text that the target decided on.
    Text(Text),
    /// The end of the stream.
    End(EndReason),
    /// The end of a stream that failed; what came before stands.
    Failed(ErrorBody),
    /// A sign that the target is at work and has nothing to say yet. It says nothing about the text.
    Progress(Progress),
}

/// Longest time between two frames of a live answer, in seconds, of a verifier that tells its progress
/// ([`Capabilities::PROGRESS`](super::Capabilities::PROGRESS)), as it leaves the verifier.
pub const PROGRESS_SECONDS: u64 = 1;

/// Progress of a verifier with what an answer waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Number of tokens that the target has read for the next text, of `total`.
    #[serde(default)]
    pub read: u32,
    /// Number of tokens that the target reads for the next text; 0 where that is not known yet.
    #[serde(default)]
    pub total: u32,
    /// Number of sessions that are served before this one; 0 where it is being served.
    #[serde(default)]
    pub ahead: u32,
}

/// Ids of the target's own text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Text {
    /// Number of tokens before the first id.
    pub pos: u32,
    /// Hash of those tokens.
    pub check: ShortHash,
    /// The ids, at most [`MAX_FRAME_IDS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<TokenId>,
    /// Number of passes that the target has made for this generation.
    pub passes: u32,
    /// Duration of the pass that brought the ids, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass_us: Option<u32>,
    /// Time between the arrival of the request that this answers and the beginning of the pass, in microseconds. It
    /// comes with the first pass that began after the request was there: what is left of the device's waiting, less
    /// `pass_us`, is the way there and back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_us: Option<u32>,
    /// Number of tokens that the pass put through the target for this session: the last decided one, the drafted ones,
    /// and what the engine lacked or decoded again before them. It comes with `pass_us`, which depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u32>,
    /// Labels of what the pass scored, where they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Labels>,
}

/// The target's labels of given and drafted tokens, which follow one after the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Labels {
    /// Index of the first token.
    pub pos: u32,
    /// Whether each token is the target's own, at most [`MAX_LABELS`].
    pub matched: Vec<bool>,
    /// The target's probability of each token, in [0, 1]; empty where it was not asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub p: Vec<f32>,
}

/// The reason why a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// A later request, a repeat of this one or a later generation has taken over.
    Superseded,
    /// There is nothing to judge, and every granted pass is made.
    Granted,
    /// The reply holds a stop string.
    Stop,
    /// The reply's last token ends a generation.
    Eog,
    /// The reply has as many tokens as were asked for.
    Max,
    /// The sequence fills the verifier's context.
    Context,
}

impl EndReason {
    const ALL: [Self; 6] = [Self::Superseded, Self::Granted, Self::Stop, Self::Eog, Self::Max, Self::Context];

    /// Tells whether the reply has ended, not only the stream.
    #[must_use]
    pub fn ends_reply(self) -> bool {
        !matches!(self, Self::Superseded | Self::Granted)
    }
}

impl Labels {
    fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_number(&mut out, u64::from(self.pos));
        put_number(&mut out, self.matched.len() as u64);
        let bits = |eight: &[bool]| eight.iter().rev().fold(0, |bits, &matched| bits << 1 | u8::from(matched));
        out.extend(self.matched.chunks(8).map(bits));
        self.p.iter().for_each(|p| out.extend(p.to_le_bytes()));
        out
    }

    fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let pos = reader.number("pos")?;
        let count = reader.number("labels")?;
        too_many("labels", count, MAX_LABELS)?;
        let bits = reader.take(count.div_ceil(8))?;
        let matched = (0..count).map(|i| bits[i / 8] >> (i % 8) & 1 == 1).collect();
        let with_p = reader.len() > 0;
        let p = if with_p { (0..count).map(|_| reader.array().map(f32::from_le_bytes)).collect() } else { Ok(vec![]) };
        match reader.len() {
            0 => Ok(Self { pos, matched, p: p? }),
            _ => p.and(Err(DecodeError::OutOfRange { field: "labels" })),
        }
    }

    fn check(&self) -> Result<(), DecodeError> {
        too_many("labels", self.matched.len(), MAX_LABELS)?;
        let complete = self.p.is_empty() || self.p.len() == self.matched.len();
        let probable = self.p.iter().all(|p| (0.0..=1.0).contains(p));
        if complete && probable { Ok(()) } else { Err(DecodeError::OutOfRange { field: "labels" }) }
    }
}

fn too_many(field: &'static str, count: usize, max: usize) -> Result<(), DecodeError> {
    if count > max { Err(DecodeError::TooMany { field, count: count as u64, max: max as u64 }) } else { Ok(()) }
}

impl Text {
    fn write(&self, out: &mut Vec<u8>) {
        let short = u8::try_from(self.ids.len()).ok().filter(|count| *count < LONG);
        out.push(KIND_TEXT | short.unwrap_or(LONG) << 2);
        if short.is_none() {
            put_number(out, (self.ids.len() - usize::from(LONG)) as u64);
        }
        put_number(out, u64::from(self.pos));
        out.extend(self.check.to_bytes());
        put_number(out, u64::from(self.passes));
        put_ids(out, &self.ids);
        for (tag, number) in [(TAG_PASS_US, self.pass_us), (TAG_QUEUE_US, self.queue_us), (TAG_ROWS, self.rows)] {
            if let Some(number) = number {
                put_tagged_number(out, tag, u64::from(number));
            }
        }
        if let Some(labels) = &self.labels {
            put_tagged_bytes(out, TAG_LABELS, &labels.write());
        }
    }

    fn read(reader: &mut Reader<'_>, value: u8) -> Result<Self, DecodeError> {
        let more: usize = if value == LONG { reader.number("ids")? } else { 0 };
        let count = more.saturating_add(usize::from(value));
        too_many("ids", count, MAX_FRAME_IDS)?;
        let pos = reader.number("pos")?;
        let check = ShortHash::from_bytes(reader.array()?);
        let passes = reader.number("passes")?;
        let ids = reader.ids(count, "ids")?;
        let mut text = Self { pos, check, ids, passes, pass_us: None, queue_us: None, rows: None, labels: None };
        read_tail(reader, |tag, field| {
            match u32::try_from(tag) {
                Ok(TAG_PASS_US) => text.pass_us = Some(field.number("pass_us")?),
                Ok(TAG_QUEUE_US) => text.queue_us = Some(field.number("queue_us")?),
                Ok(TAG_ROWS) => text.rows = Some(field.number("rows")?),
                Ok(TAG_LABELS) => text.labels = Some(Labels::read(field.bytes("labels")?)?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(text)
    }
}

impl Progress {
    fn write(self, out: &mut Vec<u8>) {
        out.push(KIND_MORE | MORE_PROGRESS << 2);
        [self.read, self.total, self.ahead].into_iter().for_each(|number| put_number(out, u64::from(number)));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (read, total, ahead) = (reader.number("read")?, reader.number("total")?, reader.number("ahead")?);
        read_tail(reader, |_, _| Ok(()))?;
        Ok(Self { read, total, ahead })
    }
}

impl Frame {
    /// Tells whether the answer is complete with this frame.
    #[must_use]
    pub fn is_last(&self) -> bool {
        matches!(self, Self::End(_) | Self::Failed(_))
    }

    /// Tells whether a frame in the binary encoding is of a kind that this version knows; others are skipped.
    pub(super) fn is_known(body: &[u8]) -> bool {
        body.first().is_none_or(|head| head & 3 != KIND_MORE || head >> 2 == MORE_PROGRESS)
    }
}

impl Body for Frame {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => text.write(out),
            Self::End(reason) => {
                let number = EndReason::ALL.iter().position(|known| known == reason).unwrap_or_default();
                out.push(KIND_END | (number as u8) << 2);
            }
            Self::Failed(error) => {
                out.push(KIND_FAILED | code_number(error.code) << 2);
                put_details(out, error);
            }
            Self::Progress(progress) => progress.write(out),
        }
    }

    fn read(body: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let head = reader.byte()?;
        let value = head >> 2;
        match head & 3 {
            KIND_TEXT => Text::read(&mut reader, value).map(Self::Text),
            KIND_END => {
                read_tail(&mut reader, |_, _| Ok(()))?;
                let reason = EndReason::ALL.get(usize::from(value)).copied();
                reason.map(Self::End).ok_or(DecodeError::OutOfRange { field: "end" })
            }
            KIND_FAILED => take_details(&mut reader, u64::from(value)).map(Self::Failed),
            KIND_MORE if value == MORE_PROGRESS => Progress::read(&mut reader).map(Self::Progress),
            _ => Err(DecodeError::OutOfRange { field: "kind" }),
        }
    }

    fn check(&self) -> Result<(), DecodeError> {
        let Self::Text(text) = self else { return Ok(()) };
        too_many("ids", text.ids.len(), MAX_FRAME_IDS)?;
        text.labels.as_ref().map_or(Ok(()), Labels::check)
    }
}
