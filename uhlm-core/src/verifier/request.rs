//! The requests to a verifier, its answers, and the typed ways to ask it.

use std::time::Duration;

use uhlm_law::advance::{Advance, Encoding, Frame, Info, Open, Opened, SessionId};
use uhlm_law::digest::Digest;

use super::{Answer, Call, Reply, Verifier, VerifierError};

/// The time that closing a session may take before it is left to the verifier's own eviction.
const CLOSE_PATIENCE: Duration = Duration::from_secs(3);

/// A request to a verifier.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Ask which model the verifier serves. This also opens the connection, so that it is warm when the first window
    /// closes.
    Info,
    /// Send the file with the target's vocabulary that `info` has told of by this hash.
    Vocabulary(Digest),
    /// Open a session.
    Open(Open),
    /// Take the text of a session further. The answer is a stream of frames.
    Advance(SessionId, Advance),
    /// Close a session. The answer has no part, and nobody waits for its failure.
    Close(SessionId),
}

impl Request {
    /// Encodes the body that the request has on the wire; empty for a request without one.
    #[must_use]
    pub fn body(&self, encoding: Encoding) -> Vec<u8> {
        match self {
            Self::Open(open) => encoding.encode(open),
            Self::Advance(_, advance) => encoding.encode(advance),
            Self::Info | Self::Vocabulary(_) | Self::Close(_) => Vec::new(),
        }
    }
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// The answer to [`Request::Info`].
    Info(Info),
    /// The answer to [`Request::Vocabulary`], whose hash nobody has looked at yet.
    Vocabulary(Vec<u8>),
    /// The answer to [`Request::Open`].
    Opened(Opened),
    /// A frame of the answer to [`Request::Advance`].
    Frame(Frame),
}

impl Part {
    /// Returns what a frame is to the device: a part of the answer, or the failure that ends it.
    ///
    /// # Errors
    /// The failure that [`Frame::Failed`] tells.
    pub fn of(frame: Frame) -> Result<Self, VerifierError> {
        match frame {
            Frame::Failed(body) => Err(body.into()),
            frame => Ok(Self::Frame(frame)),
        }
    }

    /// Tells whether the answer ends with this part.
    #[must_use]
    pub fn is_last(&self) -> bool {
        match self {
            Self::Info(_) | Self::Vocabulary(_) | Self::Opened(_) => true,
            Self::Frame(frame) => frame.is_last(),
        }
    }

    /// Encodes the body that the part has on the wire.
    #[must_use]
    pub fn body(&self, encoding: Encoding) -> Vec<u8> {
        match self {
            Self::Info(info) => encoding.encode(info),
            Self::Vocabulary(file) => file.clone(),
            Self::Opened(opened) => encoding.encode(opened),
            Self::Frame(frame) => encoding.encode_frame(frame),
        }
    }
}

/// Asks a verifier in typed words. An answer of another kind than was asked for is [`VerifierError::InvalidAnswer`].
pub trait VerifierExt: Verifier {
    /// Asks what the verifier serves, see [`Request::Info`].
    fn info<F>(&self, deadline: Duration, reply: F) -> Call
    where
        F: FnOnce(Result<Answer<Info>, VerifierError>) + Send + 'static,
    {
        let reply = once(reply, |part| if let Part::Info(info) = part { Some(info) } else { None });
        self.ask(Request::Info, deadline, reply)
    }

    /// Asks for the file with the target's vocabulary, see [`Request::Vocabulary`].
    fn vocabulary<F>(&self, sha256: Digest, deadline: Duration, reply: F) -> Call
    where
        F: FnOnce(Result<Answer<Vec<u8>>, VerifierError>) + Send + 'static,
    {
        let reply = once(reply, |part| if let Part::Vocabulary(file) = part { Some(file) } else { None });
        self.ask(Request::Vocabulary(sha256), deadline, reply)
    }

    /// Opens a session, see [`Request::Open`].
    fn open<F>(&self, request: Open, deadline: Duration, reply: F) -> Call
    where
        F: FnOnce(Result<Answer<Opened>, VerifierError>) + Send + 'static,
    {
        let reply = once(reply, |part| if let Part::Opened(opened) = part { Some(opened) } else { None });
        self.ask(Request::Open(request), deadline, reply)
    }

    /// Asks for a session's text to be taken further, see [`Request::Advance`]. `silence` bounds the time to the first
    /// frame and between two, progress that the verifier tells included.
    fn advance<F>(&self, session: SessionId, request: Advance, silence: Duration, mut frames: F) -> Call
    where
        F: FnMut(Result<Answer<Frame>, VerifierError>) + Send + 'static,
    {
        let frame = |part| if let Part::Frame(frame) = part { Some(frame) } else { None };
        let reply = Box::new(move |heard| frames(typed(heard, frame)));
        self.ask(Request::Advance(session, request), silence, reply)
    }

    /// Closes a session; nobody waits for it.
    fn close(&self, session: SessionId) {
        self.ask(Request::Close(session), CLOSE_PATIENCE, Box::new(|_| {})).detach();
    }
}

impl<V: Verifier + ?Sized> VerifierExt for V {}

/// Makes the reply to a request whose answer is one part.
fn once<T: 'static>(
    reply: impl FnOnce(Result<Answer<T>, VerifierError>) + Send + 'static,
    want: fn(Part) -> Option<T>,
) -> Reply {
    let mut reply = Some(reply);
    Box::new(move |heard| {
        if let Some(reply) = reply.take() {
            reply(typed(heard, want));
        }
    })
}

/// Takes the part that was asked for out of an answer.
fn typed<T>(
    heard: Result<Answer<Part>, VerifierError>,
    want: impl FnOnce(Part) -> Option<T>,
) -> Result<Answer<T>, VerifierError> {
    let Answer { value, bytes, elapsed, attempts } = heard?;
    let another = || VerifierError::InvalidAnswer { reason: "it answers another kind of request".into() };
    Ok(Answer { value: want(value).ok_or_else(another)?, bytes, elapsed, attempts })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use uhlm_law::advance::{Capabilities, EndReason};
    use uhlm_law::digest::Digest;

    use super::*;
    use crate::verifier::BodyBytes;

    /// Answers every request with the same part, twice.
    struct Stubborn;

    impl Verifier for Stubborn {
        fn ask(&self, _: Request, _: Duration, mut reply: Reply) -> Call {
            for _ in 0..2 {
                let value = Part::Frame(Frame::End(EndReason::Granted));
                let bytes = BodyBytes::default();
                reply(Ok(Answer { value, bytes, elapsed: Duration::ZERO, attempts: 1 }));
            }
            Call::finished()
        }
    }

    #[test]
    fn an_answer_of_another_kind_is_invalid_and_is_told_once() {
        let (send, heard) = channel();
        let request = Open { vocabulary: Digest([0; 32]), needs: Capabilities::NONE };
        Stubborn.open(request, Duration::ZERO, move |result| drop(send.send(result))).detach();
        let heard: Vec<_> = heard.iter().collect();
        assert!(matches!(heard[..], [Err(VerifierError::InvalidAnswer { .. })]), "{heard:?}");
    }

    #[test]
    fn every_frame_of_an_answer_is_handed_on() {
        let (send, heard) = channel();
        let frames = move |result: Result<Answer<Frame>, _>| drop(send.send(result.expect("a frame").value));
        let request = Advance {
            generation: 0,
            seq: 0,
            have: 0,
            base: 0,
            check: uhlm_law::advance::PrefixHash::EMPTY,
            stand: Vec::new(),
            draft: Vec::new(),
            grants: uhlm_law::advance::Grants::NONE,
            labels: uhlm_law::advance::Labelling::NONE,
            begin: None,
            deadline_ms: None,
        };
        Stubborn.advance(SessionId([0; 16]), request, Duration::ZERO, frames).detach();
        assert_eq!(heard.iter().count(), 2);
    }
}
