//! A device as the tests play it: requests by hand, answers taken apart, and the law's own side of a conversation.

use std::future::Future;

use reqwest::Response;
use uhlm_law::advance::*;
use uhlm_law::sampling::{SamplingParams, TokenId};

use crate::support::{Fixture, Refused, accepted, encoding_of};

/// A session of a fixture.
#[derive(Clone)]
pub(crate) struct Session<'a> {
    pub(crate) fixture: &'a Fixture,
    pub(crate) id: String,
    pub(crate) encoding: Encoding,
}

impl Session<'_> {
    pub(crate) fn path(&self) -> String {
        format!("/v2/sessions/{}/advance", self.id)
    }

    /// The whole answer to a request.
    pub(crate) async fn advance(&self, request: &Advance) -> Result<Answer, Refused> {
        Ok(self.stream(request).await?.rest().await)
    }

    /// The answer to a request, frame by frame.
    pub(crate) async fn stream(&self, request: &Advance) -> Result<Stream, Refused> {
        let response = self.fixture.send(&self.path(), self.encoding, request).await;
        Ok(Stream::new(accepted(response).await?))
    }

    pub(crate) async fn close(&self) -> u16 {
        let request = self.fixture.client.delete(format!("{}/v2/sessions/{}", self.fixture.url, self.id));
        request.send().await.expect("an answer").status().as_u16()
    }
}

/// An answer as it comes.
pub(crate) struct Stream {
    response: Response,
    decoder: FrameDecoder,
}

impl Stream {
    pub(crate) fn new(response: Response) -> Self {
        let decoder = FrameDecoder::new(encoding_of(&response));
        Self { response, decoder }
    }

    /// The next frame; `None` at the end or where the stream broke off.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.decoder.next_frame().expect("a frame") {
                return Some(frame);
            }
            self.decoder.push(&self.response.chunk().await.ok()??);
        }
    }

    /// All frames that are left.
    pub(crate) async fn rest(mut self) -> Answer {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        assert!(self.decoder.is_between_frames(), "a half frame");
        Answer(frames)
    }
}

/// The frames of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer(pub(crate) Vec<Frame>);

impl Answer {
    pub(crate) fn texts(&self) -> Vec<&Text> {
        self.0.iter().filter_map(|frame| if let Frame::Text(text) = frame { Some(text) } else { None }).collect()
    }

    /// The ids of all frames, each of which goes on where the one before ended.
    pub(crate) fn ids(&self) -> Vec<TokenId> {
        let texts = self.texts();
        for pair in texts.windows(2) {
            assert_eq!(pair[1].pos as usize, pair[0].pos as usize + pair[0].ids.len(), "frames follow each other");
        }
        texts.iter().flat_map(|text| text.ids.iter().copied()).collect()
    }

    /// Why the answer ended.
    pub(crate) fn end(&self) -> EndReason {
        match self.0.last() {
            Some(Frame::End(reason)) => *reason,
            other => panic!("not the end: {other:?}"),
        }
    }

    /// All labels: whether each token is the target's own, and its probability.
    pub(crate) fn labels(&self) -> Labels {
        let mut all = self.texts().into_iter().filter_map(|text| text.labels.clone());
        let mut first = all.next().expect("labels");
        for next in all {
            assert_eq!(next.pos as usize, first.pos as usize + first.matched.len());
            first.matched.extend(next.matched);
            first.p.extend(next.p);
        }
        first
    }

    /// Without durations, which differ from run to run.
    pub(crate) fn without_times(mut self) -> Self {
        for frame in &mut self.0 {
            if let Frame::Text(text) = frame {
                (text.pass_us, text.queue_us, text.rows) = (None, None, None);
            }
        }
        self
    }
}

/// How a generation over `prompt` begins.
pub(crate) fn begin(prompt: &[TokenId], sampling: SamplingParams, seed: u64) -> Begin {
    Begin { seed, sampling, reply_start: prompt.len() as u32, max_tokens: 10_000, stop: Vec::new(), grammar: None }
}

/// The first request of a generation, for nothing yet.
pub(crate) fn start(prompt: &[TokenId], begin: Begin) -> Advance {
    Advance {
        generation: 0,
        seq: 0,
        have: prompt.len() as u32,
        base: 0,
        check: PrefixHash::EMPTY,
        stand: prompt.to_vec(),
        draft: Vec::new(),
        grants: Grants::NONE,
        labels: Labelling::NONE,
        begin: Some(begin),
        deadline_ms: None,
    }
}

/// The first request of a greedy generation with what is drafted.
pub(crate) fn greedily(prompt: &[TokenId], draft: &[TokenId]) -> Advance {
    let begin = begin(prompt, SamplingParams::greedy(), 1);
    Advance { draft: draft.to_vec(), ..start(prompt, begin) }
}

/// A later request of the first generation: what is drafted after the tokens `held`, all of which are committed.
pub(crate) fn window(seq: u32, held: &[TokenId], draft: &[TokenId]) -> Advance {
    let (base, check) = (held.len() as u32, PrefixHash::of(held));
    let (grants, labels) = (Grants::NONE, Labelling::NONE);
    let draft = draft.to_vec();
    Advance {
        generation: 0,
        seq,
        have: base,
        base,
        check,
        stand: Vec::new(),
        draft,
        grants,
        labels,
        begin: None,
        deadline_ms: None,
    }
}

/// So many self-made passes, whatever came before.
pub(crate) fn passes(count: u8) -> Grants {
    Grants { after_mismatch: Grant::Passes(count), after_agreement: Grant::Passes(count) }
}

/// A device that keeps to the law: everything that it hears is checked as the law checks it.
pub(crate) struct Device {
    pub(crate) conversation: Conversation,
    pub(crate) peer: Peer,
}

impl Device {
    pub(crate) fn new(fixture: &Fixture, begin: Begin, prompt: &[TokenId]) -> Self {
        let Limits { vocabulary_size, context, .. } = fixture.handle().info().limits;
        let conversation = Conversation::new(Bounds { vocabulary_size, context, max_body: 1 << 20 }, begin, prompt);
        Self { conversation, peer: Peer::new() }
    }

    /// The committed part of the reply.
    pub(crate) fn reply(&self) -> &[TokenId] {
        let conversation = &self.conversation;
        let start = conversation.begin().reply_start as usize;
        &conversation.tokens().ids()[start..conversation.committed()]
    }

    /// Sends all of `draft` after what is committed and hears the whole answer; `true` where the reply has ended.
    pub(crate) async fn ask(
        &mut self,
        session: &Session<'_>,
        draft: &[TokenId],
        grants: Grants,
    ) -> Result<bool, Refused> {
        self.conversation.take_back(0);
        draft.iter().for_each(|&id| self.conversation.draft(id));
        let (request, asked) = self.next(grants);
        let answer = session.advance(&request).await;
        self.hear(asked, answer)
    }

    /// The next request with all that is drafted.
    pub(crate) fn next(&mut self, grants: Grants) -> (Advance, Asked) {
        let wanted = Wanted { upto: self.conversation.tokens().len(), grants, labels: Labelling::NONE };
        self.conversation.advance(&mut self.peer, &wanted)
    }

    /// Hears an answer; `true` where the reply has ended with it.
    pub(crate) fn hear(&mut self, mut asked: Asked, answer: Result<Answer, Refused>) -> Result<bool, Refused> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(refused) => {
                let _ = self.conversation.refused(&mut self.peer, &asked, &refused.body);
                return Err(refused);
            }
        };
        let mut finished = false;
        for frame in &answer.0 {
            finished = self.hear_frame(&mut asked, frame).finished;
        }
        assert!(asked.is_ended(), "an answer ends with its last frame");
        Ok(finished)
    }

    /// Hears one frame of an answer.
    pub(crate) fn hear_frame(&mut self, asked: &mut Asked, frame: &Frame) -> Effects {
        self.conversation.hear(&mut self.peer, asked, frame).expect("a frame that was asked for")
    }
}

/// Runs something for each of `0..count`, all at once.
pub(crate) async fn all<F: Future>(count: usize, make: impl Fn(usize) -> F) -> Vec<F::Output> {
    futures_util::future::join_all((0..count).map(make)).await
}
