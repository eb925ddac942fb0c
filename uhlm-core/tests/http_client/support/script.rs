//! The instructions that a test gives its server for each request.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, Method, Version};
use hyper::body::Bytes;
use tokio::sync::mpsc;
use uhlm_law::advance::{Body, Encoding, Frame};

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub version: Version,
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Which connection it came over, from 0.
    pub connection: usize,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a text header"))
    }
}

/// A way to treat a request.
#[derive(Clone)]
pub enum Act {
    /// Answers.
    Answer(Answer),
    /// Never answers.
    Hang,
    /// Begins to answer and closes the connection in the middle of the body.
    CutConnection(Answer),
    /// Answers, and closes the connection a little later.
    CloseAfter(Answer),
    /// Answers with a body that never ends.
    Endless(&'static str),
    /// Answers with these pieces, each after a pause; `true` leaves the stream open after the last.
    Stream(&'static str, Vec<(Duration, Vec<u8>)>, bool),
}

/// A whole answer.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// 200 with a body of the protocol.
    pub fn ok<T: Body>(encoding: Encoding, value: &T) -> Self {
        Self::new(200, encoding.media_type(), encoding.encode(value))
    }

    /// 200 with frames.
    pub fn frames(encoding: Encoding, frames: &[Frame]) -> Self {
        let body: Vec<u8> = frames.iter().flat_map(|frame| encoding.encode_frame(frame)).collect();
        Self::new(200, encoding.media_type(), body)
    }

    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("content-type", content_type.into())], body: body.into() }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl From<Answer> for Act {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

/// A body that is written to while it is sent.
pub struct Pipe(mpsc::Receiver<io::Result<Bytes>>);

impl Pipe {
    pub fn new() -> (mpsc::Sender<io::Result<Bytes>>, Self) {
        let (sender, receiver) = mpsc::channel(4);
        (sender, Self(receiver))
    }
}

impl hyper::body::Body for Pipe {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<hyper::body::Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|bytes| bytes.map(hyper::body::Frame::data)))
    }
}
