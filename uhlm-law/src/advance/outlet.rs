//! Frames on their way out: which answer each belongs to.

use super::frame::Frame;

/// Name that the caller gives to the answer to one request; it uses none twice in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u64);

/// A frame for the answer to one request. After [`Frame::End`] and [`Frame::Failed`] the answer is complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// The answer that the frame belongs to.
    pub stream: StreamId,
    /// The frame.
    pub frame: Frame,
}
