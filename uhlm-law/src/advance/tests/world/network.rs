//! The network between device and verifiers: requests in any order, answers one frame after the other, copies and cuts.

use std::collections::VecDeque;

use super::super::super::{Advance, Encoding, EndReason, Frame, FrameDecoder, Refusal, StreamId};
use super::super::replica::Session;
use super::super::rules::Violation;
use super::{Down, Listening, Up, World};

impl World {
    pub(super) fn encoded(&mut self, request: &Advance) -> Advance {
        let body = Encoding::Binary.encode(request);
        self.bytes.0 += body.len();
        let read: Advance = Encoding::Binary.decode(&body).expect("what is written can be read");
        assert_eq!(read, *request);
        read
    }

    pub(super) fn encoded_frame(&mut self, frame: &Frame) -> Frame {
        let bytes = Encoding::Binary.encode_frame(frame);
        self.bytes.1 += bytes.len();
        let mut decoder = FrameDecoder::new(Encoding::Binary);
        bytes.iter().for_each(|byte| decoder.push(&[*byte]));
        let read = decoder.next_frame().expect("what is written can be read").expect("the frame is whole");
        assert_eq!(read, *frame);
        read
    }

    pub(super) fn repeat(&mut self, i: usize) -> u64 {
        let mut copy = self.up[i].clone();
        let repeat = self.next_stream;
        self.next_stream += 1;
        if let Up::Request { stream, .. } = &mut copy {
            *stream = repeat;
        }
        self.up.push(copy);
        repeat
    }

    pub(super) fn cut(&mut self, stream: u64) {
        let Some(Listening { replica, asked }) = self.listening.get(&stream) else { return };
        self.up.push(Up::Reset { stream, replica: *replica, session: asked.session });
        self.down.insert(stream, VecDeque::from([Down::Broken]));
    }

    pub(super) fn deliver(&mut self, i: usize) -> Result<(), Violation> {
        match self.up.remove(i) {
            Up::Reset { stream, replica, session } => {
                if let Some(session) = self.replicas[replica].get_mut(&session) {
                    session.reset(StreamId(stream));
                }
            }
            Up::Request { stream, replica, session, request } => {
                let refused = |refusal: Refusal| VecDeque::from([Down::Refused(refusal.into())]);
                let Some(session) = self.replicas[replica].get_mut(&session) else {
                    self.down.insert(stream, refused(Refusal::Gone));
                    return Ok(());
                };
                match session.accept(StreamId(stream), &request)? {
                    Ok(sent) => self.carry(sent),
                    Err(refusal) => drop(self.down.insert(stream, refused(refusal))),
                }
            }
        }
        Ok(())
    }

    pub(super) fn step(&mut self, replica: usize) -> Result<(), Violation> {
        let sent: Result<Vec<_>, _> = self.replicas[replica].values_mut().map(Session::step).collect();
        self.carry(sent?.into_iter().flatten().collect());
        Ok(())
    }

    pub(super) fn carry(&mut self, sent: Vec<(StreamId, Frame)>) {
        for (StreamId(stream), frame) in sent {
            let frame = if self.rules.encoded { self.encoded_frame(&frame) } else { frame };
            // After a cut nothing comes through any more.
            let queue = self.down.entry(stream).or_default();
            let is_broken = queue.iter().any(|message| matches!(message, Down::Broken));
            if self.listening.contains_key(&stream) && !is_broken {
                queue.push_back(Down::Frame(frame));
            }
        }
        // An answer that another one takes over from tells the device nothing: there is no order to try.
        let is_over = |queue: &VecDeque<Down>| {
            matches!(queue.front(), Some(Down::Frame(Frame::End(EndReason::Superseded)))) && queue.len() == 1
        };
        let over: Vec<u64> = self.down.iter().filter(|(_, queue)| is_over(queue)).map(|(stream, _)| *stream).collect();
        self.listening.retain(|stream, _| !over.contains(stream));
        self.down.retain(|stream, queue| !queue.is_empty() && self.listening.contains_key(stream));
    }
}
