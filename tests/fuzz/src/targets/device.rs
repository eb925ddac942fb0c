//! What a device makes of frames, refusals and silence, in any state and any order: what is committed only grows unless
//! the device itself says otherwise, every request that it makes can be read, and a frame that breaks a rule changes
//! nothing.

use uhlm_law::advance::{
    Asked, Bounds, Conversation, Effects, Encoding, EndReason, ErrorBody, ErrorCode, Frame, FrameDecoder, Labels, Peer,
    PrefixHash, Progress, Text, Wanted,
};
use uhlm_law::sampling::TokenId;

use crate::Target;
use crate::choices::{CONTEXT, Choices, VOCABULARY};

pub(crate) const TARGET: Target = Target { name: "device", run, seeds, words: &[] };

/// Largest number of steps of a history.
const MAX_STEPS: usize = 300;
/// Largest number of answers that are awaited at once.
const MAX_ASKED: usize = 6;
const ENDS: [EndReason; 6] =
    [EndReason::Superseded, EndReason::Granted, EndReason::Stop, EndReason::Eog, EndReason::Max, EndReason::Context];

/// A device with two verifiers, and the answers that it waits for.
struct Device {
    conversation: Conversation,
    peers: [Peer; 2],
    asked: Vec<(usize, Asked)>,
}

fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    // With a small body, a prompt is given in many parts.
    let max_body = [0, 1400, 1 << 20][choices.below(3)];
    let bounds = Bounds { vocabulary_size: VOCABULARY, context: CONTEXT, max_body };
    let prompt: Vec<TokenId> = (0..=choices.below(6)).map(|i| i as u32 % VOCABULARY).collect();
    let begin = choices.begin(prompt.len() as u32);
    let conversation = Conversation::new(bounds, begin, &prompt);
    let mut device = Device { conversation, peers: [Peer::new(), Peer::new()], asked: Vec::new() };
    for _ in 0..MAX_STEPS {
        if choices.is_over() {
            return;
        }
        device.step(&mut choices);
    }
}

impl Device {
    fn step(&mut self, choices: &mut Choices<'_>) {
        let before = self.committed().to_vec();
        match choices.below(16) {
            0..=2 => {
                let id = u32::from(choices.byte()) % VOCABULARY;
                if self.conversation.tokens().len() < CONTEXT as usize {
                    self.conversation.draft(id);
                }
            }
            3..=5 => self.ask(choices),
            6..=9 => self.hear(choices, &before),
            10 => {
                let Some((peer, asked)) = self.any_asked(choices) else { return };
                let code = ErrorCode::ALL[choices.below(ErrorCode::ALL.len())];
                let held = choices.yes().then(|| u32::from(choices.byte()));
                let error = ErrorBody { code, reason: String::new(), held };
                self.conversation.refused(&mut self.peers[peer], &asked, &error);
            }
            11 => {
                let Some((peer, asked)) = self.any_asked(choices) else { return };
                self.conversation.lost(&mut self.peers[peer], &asked);
            }
            12 => drop(self.conversation.skip(choices.below(4))),
            13 => {
                let peer = choices.below(2);
                self.peers[peer].reopened();
            }
            14 if choices.yes() => drop(self.conversation.go_on_alone()),
            14 => {
                self.conversation.take_back(choices.below(CONTEXT as usize));
            }
            _ => return self.begin_otherwise(choices),
        }
        assert!(self.committed().starts_with(&before), "what is committed only grows");
    }

    /// Begins another generation, or has the text go on otherwise by the device's own word.
    fn begin_otherwise(&mut self, choices: &mut Choices<'_>) {
        let ids: Vec<TokenId> = choices.ids(4).into_iter().map(|id| id % VOCABULARY).collect();
        if choices.yes() {
            let prompt = [&self.conversation.tokens().ids()[..1], &ids].concat();
            let begin = choices.begin(prompt.len() as u32);
            self.conversation.renew(begin, &prompt, &mut self.peers);
        } else {
            let at = choices.below(CONTEXT as usize).max(self.conversation.begin().reply_start as usize);
            self.conversation.decree(at, &ids, &mut self.peers);
        }
    }

    fn committed(&self) -> &[TokenId] {
        &self.conversation.tokens().ids()[..self.conversation.committed()]
    }

    fn any_asked(&self, choices: &mut Choices<'_>) -> Option<(usize, Asked)> {
        let place = choices.below(self.asked.len());
        self.asked.get(place).cloned()
    }

    fn ask(&mut self, choices: &mut Choices<'_>) {
        let peer = choices.below(2);
        let upto = self.conversation.committed() + choices.below(8);
        let wanted = Wanted { upto, grants: choices.grants(), labels: choices.labels() };
        let (request, asked) = self.conversation.advance(&mut self.peers[peer], &wanted);
        for encoding in [Encoding::Binary, Encoding::Json] {
            assert_eq!(encoding.decode(&encoding.encode(&request)).as_ref(), Ok(&request));
        }
        if self.asked.len() == MAX_ASKED {
            self.asked.remove(0);
        }
        self.asked.push((peer, asked));
    }

    fn hear(&mut self, choices: &mut Choices<'_>, before: &[TokenId]) {
        let place = choices.below(self.asked.len());
        let Some(frame) = self.frame(choices) else { return };
        let Some((peer, asked)) = self.asked.get_mut(place) else { return };
        let tokens = self.conversation.tokens().clone();
        let (peer_before, ended) = (self.peers[*peer].clone(), asked.is_ended());
        match self.conversation.hear(&mut self.peers[*peer], asked, &frame) {
            Ok(effects) => self.check(&frame, &effects, before),
            Err(_) => {
                assert_eq!(*self.conversation.tokens(), tokens);
                assert_eq!(self.peers[*peer], peer_before);
                assert_eq!(asked.is_ended(), ended);
            }
        }
    }

    fn check(&self, frame: &Frame, effects: &Effects, before: &[TokenId]) {
        let (committed, begin) = (self.committed(), self.conversation.begin());
        let fresh: Vec<TokenId> = effects.committed.iter().map(|one| one.id).collect();
        assert_eq!(committed[before.len()..], fresh, "the effects are what was committed");
        assert!(committed.iter().all(|id| *id < VOCABULARY), "only tokens of the vocabulary stand");
        let limit = u64::from(begin.reply_start) + u64::from(begin.max_tokens);
        assert!(fresh.is_empty() || committed.len() as u64 <= limit.min(CONTEXT.into()), "no text beyond the limit");
        assert!(fresh.is_empty() || matches!(frame, Frame::Text(_)), "only text commits");
        assert!(!effects.finished || effects.ended.is_some_and(EndReason::ends_reply));
    }

    /// Makes a frame: mostly one that fits what the device has.
    fn frame(&self, choices: &mut Choices<'_>) -> Option<Frame> {
        Some(match choices.below(12) {
            0 => Frame::End(ENDS[choices.below(ENDS.len())]),
            1 => Frame::Failed(ErrorBody::new(ErrorCode::ALL[choices.below(ErrorCode::ALL.len())], "")),
            2 => Frame::Progress(Progress { read: 1, total: 2, ahead: 0 }),
            // Whatever a decoder takes for a frame.
            3 => {
                let mut decoder = FrameDecoder::new(Encoding::Binary);
                decoder.push(choices.take(40));
                decoder.next_frame().ok().flatten()?
            }
            _ => {
                let tokens = self.conversation.tokens();
                let pos = choices.below(tokens.len() + 3);
                let fits = choices.below(8) > 0;
                let check = tokens.hash_of(pos).filter(|_| fits).unwrap_or(PrefixHash::of(&[9, 9]));
                let mut ids = choices.ids(5);
                if choices.yes() {
                    // The target agrees with what was drafted.
                    ids = tokens.tail(pos).iter().copied().chain(ids).take(6).collect();
                }
                let labels = choices.yes().then(|| Labels {
                    pos: choices.below(CONTEXT as usize + 4) as u32,
                    matched: vec![choices.yes(); choices.below(4)],
                    p: Vec::new(),
                });
                let (pass_us, queue_us, rows) = (Some(1000), Some(1), Some(2));
                let pos = pos as u32;
                Frame::Text(Text { pos, check: check.short(), ids, passes: 1, pass_us, queue_us, rows, labels })
            }
        })
    }
}

/// Makes histories of which each byte is as good as any other: counting up and down, and with single kinds of steps.
fn seeds() -> Vec<Vec<u8>> {
    let ramp: Vec<u8> = (0..=255).collect();
    let fall: Vec<u8> = (0..=255).rev().collect();
    // Draft twice, ask, hear text that agrees.
    let agrees = [0, 3, 1, 4, 3, 0, 5, 5, 5, 0, 6, 0, 5, 3, 1, 0, 1, 2].repeat(12);
    let lost = [0, 3, 3, 0, 5, 5, 5, 0, 11, 0, 3, 0, 5, 5, 5, 0, 10, 0, 2, 1, 3].repeat(8);
    vec![ramp, fall, [vec![2, 3, 20, 0], agrees].concat(), [vec![0, 5, 20, 0], lost].concat()]
}
