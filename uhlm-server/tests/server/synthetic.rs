//! A target without a model: its logits follow from a hash over what a slot really holds, so that a wrong position, a
//! stale tail or a mixed-up slot shows in the text. Passes can be held back and made to fail.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::Duration;

use uhlm_law::advance::{Begin, Draw, PrefixHash, Row};
use uhlm_law::digest::Digest;
use uhlm_law::fingerprint::{Blocks, VocabularyHashes};
use uhlm_law::model::{ModelError, Vocabulary};
use uhlm_law::noise::{Place, Tape, TokenKeys};
use uhlm_law::sampling::{ChainInput, SamplingChain, Scratch, TokenId};
use uhlm_law::token::TokenKind;
use uhlm_llama::VocabularyFile;
use uhlm_server::target::{BatchToken, Target, TargetInfo};

pub(crate) const VOCABULARY: u32 = 40;
/// Bytes that are offered as the vocabulary's file.
pub(crate) const VOCABULARY_FILE: &[u8] = b"GGUF, as far as a server cares";
/// The token that ends a reply; its logit is low.
pub(crate) const END: TokenId = 39;

/// The vocabulary: letters, longer texts, two halves of a character, and tokens without text.
pub(crate) struct Pieces;

impl Vocabulary for Pieces {
    fn size(&self) -> usize {
        VOCABULARY as usize
    }

    fn piece(&self, id: TokenId) -> &[u8] {
        const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
        match id {
            0..26 => &LETTERS[id as usize..=id as usize],
            26 => b"the",
            27 => b" and",
            28 | 31 | END => b"",
            29 => &[0xc3],
            30 => &[0xa9],
            _ => &b"01234567"[id as usize - 32..=id as usize - 32],
        }
    }

    fn is_end(&self, id: TokenId) -> bool {
        id == END
    }
}

fn keys() -> &'static TokenKeys {
    static KEYS: OnceLock<TokenKeys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let kind = |id| match id {
            END => TokenKind::EndOfTurn,
            28 | 31 => TokenKind::Control,
            _ => TokenKind::Normal,
        };
        TokenKeys::new((0..VOCABULARY).map(|id| (Pieces.piece(id), kind(id)))).expect("distinct keys")
    })
}

/// What a pass should do instead of succeeding.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    Error(ModelError),
    Panic,
}

#[derive(Debug, Default)]
struct Control {
    /// Passes that may run; `None` for any number.
    permits: Option<usize>,
    waiting: bool,
    faults: VecDeque<Option<Fault>>,
    /// Sessions and tokens of each pass.
    passes: Vec<Vec<(u32, usize)>>,
}

/// Steers a [`Synthetic`] from a test.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remote(Arc<(Mutex<Control>, Condvar)>);

impl Remote {
    fn change(&self, change: impl FnOnce(&mut Control)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    /// Holds every pass back from now on.
    pub(crate) fn hold(&self) {
        self.change(|control| control.permits = Some(0));
    }

    /// Lets `n` more passes run.
    pub(crate) fn allow(&self, n: usize) {
        self.change(|control| control.permits = control.permits.map(|permits| permits + n));
    }

    /// Lets all passes run.
    pub(crate) fn release(&self) {
        self.change(|control| control.permits = None);
    }

    /// What the next passes do; `None` is success.
    pub(crate) fn faults(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.change(|control| control.faults.extend(faults));
    }

    /// Waits until a pass is held back.
    pub(crate) async fn until_waiting(&self) {
        for _ in 0..2000 {
            if self.0.0.lock().unwrap().waiting {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("no pass within 10 s");
    }

    /// Slot and number of tokens of what went into each pass.
    pub(crate) fn passes(&self) -> Vec<Vec<(u32, usize)>> {
        self.0.0.lock().unwrap().passes.clone()
    }

    fn enter(&self, tokens: &[BatchToken]) -> Option<Fault> {
        let (lock, condition) = &*self.0;
        let mut control = lock.lock().unwrap();
        control.waiting = control.permits == Some(0);
        control = condition.wait_while(control, |control| control.permits == Some(0)).unwrap();
        control.waiting = false;
        control.permits = control.permits.map(|permits| permits - 1);
        let mut pass: Vec<(u32, usize)> = Vec::new();
        for token in tokens {
            match pass.last_mut() {
                Some((slot, count)) if *slot == token.sequence => *count += 1,
                _ => pass.push((token.sequence, 1)),
            }
        }
        control.passes.push(pass);
        control.faults.pop_front().flatten()
    }
}

pub(crate) struct Synthetic {
    info: TargetInfo,
    slots: Vec<Vec<TokenId>>,
    rows: Vec<Option<Vec<f32>>>,
    remote: Remote,
}

impl Synthetic {
    pub(crate) fn sized(slots: u32, capacity: usize, batch: usize) -> (Box<dyn Target>, Remote) {
        let info = TargetInfo {
            name: "synthetic".into(),
            fingerprint: Digest([1; 32]),
            vocabulary: VocabularyHashes { whole: Digest([2; 32]), blocks: Blocks::default() },
            vocabulary_size: VOCABULARY,
            context: 4096,
            capacity,
            batch_size: batch,
            slots,
        };
        let remote = Remote::default();
        let slots = (0..slots).map(|_| Vec::new()).collect();
        (Box::new(Self { info, slots, rows: Vec::new(), remote: remote.clone() }), remote)
    }

    /// Room for whatever a test does.
    pub(crate) fn large() -> (Box<dyn Target>, Remote) {
        Self::sized(16, 8192, 512)
    }
}

/// Logits after `tokens`.
pub(crate) fn logits(tokens: &[TokenId]) -> Vec<f32> {
    let hash = PrefixHash::of(tokens);
    let value = |id: TokenId| {
        let mixed = u64::from_le_bytes(hash.push(id).to_bytes());
        (mixed % 1000) as f32 / 250.0 - if id == END { 30.0 } else { 0.0 }
    };
    (0..VOCABULARY).map(value).collect()
}

/// The most probable token after `tokens`.
pub(crate) fn greedy(tokens: &[TokenId]) -> TokenId {
    let logits = logits(tokens);
    (0..VOCABULARY).fold(0, |best, id| if logits[id as usize] > logits[best as usize] { id } else { best })
}

/// The most probable tokens after `tokens`, one after the other.
pub(crate) fn greedily(tokens: &[TokenId], count: usize) -> Vec<TokenId> {
    let mut text = tokens.to_vec();
    (0..count).for_each(|_| text.push(greedy(&text)));
    text.split_off(tokens.len())
}

/// What the target writes alone: a plain loop without sessions, passes and windows.
pub(crate) fn alone(prompt: &[TokenId], begin: &Begin, count: usize) -> Vec<TokenId> {
    let chain = SamplingChain::new(begin.sampling.clone()).expect("a valid chain");
    let (tape, mut scratch) = (Tape::new(begin.seed, 0), Scratch::default());
    let (mut text, mut place) = (prompt.to_vec(), Place::START);
    while text.len() < prompt.len() + count && text.last() != Some(&END) {
        let logits = logits(&text);
        let input = ChainInput { logits: &logits, history: &text, mask: None };
        let winner = chain.winner(input, &mut scratch, keys(), tape.at(place)).expect("a winner");
        place = place.after(Pieces.piece(winner.id).len());
        text.push(winner.id);
    }
    text.split_off(prompt.len())
}

impl Target for Synthetic {
    fn vocabulary_file(&self) -> Option<VocabularyFile> {
        Some(VocabularyFile::from_bytes(VOCABULARY_FILE.to_vec()))
    }

    fn info(&self) -> &TargetInfo {
        &self.info
    }

    fn vocabulary(&self) -> &dyn Vocabulary {
        &Pieces
    }

    fn decode(&mut self, tokens: &[BatchToken]) -> Result<(), ModelError> {
        self.rows.clear();
        match self.remote.enter(tokens) {
            Some(Fault::Panic) => panic!("on purpose"),
            Some(Fault::Error(error)) => {
                // As an engine may: half of the tokens stay behind.
                for token in &tokens[..tokens.len() / 2] {
                    self.slots[token.sequence as usize].push(token.id);
                }
                return Err(error);
            }
            None => {}
        }
        assert!(tokens.len() <= self.info.batch_size);
        for token in tokens {
            let slot = &mut self.slots[token.sequence as usize];
            assert_eq!(token.position, slot.len(), "positions continue what the slot holds");
            slot.push(token.id);
            self.rows.push(token.logits.then(|| logits(slot)));
        }
        assert!(self.slots.iter().map(Vec::len).sum::<usize>() <= self.info.capacity, "the cache is overfull");
        Ok(())
    }

    fn draw(&mut self, index: usize, draw: &Draw<'_>) -> Result<Row, ModelError> {
        let logits = self.rows[index].as_deref().expect("a row that was asked for");
        Ok(draw.of_logits(logits, &mut Scratch::default(), keys()).expect("finite logits"))
    }

    fn truncate(&mut self, slot: u32, from: usize) -> Result<(), ModelError> {
        self.slots[slot as usize].truncate(from);
        Ok(())
    }
}
