//! An engine without a model: each pass moves the virtual clock by what a pass of its width costs, and the text follows
//! from a hash over what a slot really holds.

use std::sync::Arc;
use std::time::Duration;

use uhlm_law::advance::{Draw, PrefixHash, Row};
use uhlm_law::digest::Digest;
use uhlm_law::fingerprint::{Blocks, VocabularyHashes};
use uhlm_law::model::{ModelError, Vocabulary};
use uhlm_law::sampling::TokenId;

use super::super::clock::VirtualClock;
use crate::target::{BatchToken, Target, TargetInfo};

pub(super) const VOCABULARY: u32 = 64;
const BATCH: usize = 512;
/// Time of a pass of the engine, to which each of its tokens adds `TOKEN` and each of its scored rows `ROW`, or
/// `COSTLY_ROW` where its chain has penalties.
const PASS: Duration = Duration::from_millis(20);
const TOKEN: Duration = Duration::from_micros(250);
const ROW: Duration = Duration::from_micros(10);
const COSTLY_ROW: Duration = Duration::from_micros(400);

/// The room in an engine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) slots: usize,
    /// Capacity of the cache, in tokens.
    pub(super) capacity: usize,
}

/// A vocabulary of texts of one byte, none of which ends a reply.
#[derive(Debug)]
struct Bytes;

impl Vocabulary for Bytes {
    fn size(&self) -> usize {
        VOCABULARY as usize
    }

    fn piece(&self, id: TokenId) -> &[u8] {
        const ALL: [u8; VOCABULARY as usize] = {
            let mut all = [0; VOCABULARY as usize];
            let mut i = 0;
            while i < all.len() {
                all[i] = 0x40 + i as u8;
                i += 1;
            }
            all
        };
        &ALL[id as usize..=id as usize]
    }

    fn is_end(&self, _: TokenId) -> bool {
        false
    }
}

/// Returns the target's token after a prefix.
pub(super) fn next(prefix: PrefixHash) -> TokenId {
    (u64::from_le_bytes(prefix.to_bytes()) % u64::from(VOCABULARY)) as TokenId
}

#[derive(Debug)]
pub(super) struct Engine {
    info: TargetInfo,
    clock: Arc<VirtualClock>,
    slots: Vec<Vec<TokenId>>,
    /// The prefix before each row of the last pass, where it was asked for.
    rows: Vec<Option<PrefixHash>>,
}

impl Engine {
    pub(super) fn new(clock: Arc<VirtualClock>, room: Room) -> Self {
        let info = TargetInfo {
            name: "virtual".into(),
            fingerprint: Digest([1; 32]),
            vocabulary: VocabularyHashes { whole: Digest([2; 32]), blocks: Blocks::default() },
            vocabulary_size: VOCABULARY,
            context: room.capacity as u32,
            capacity: room.capacity,
            batch_size: BATCH,
            slots: room.slots as u32,
        };
        Self { info, clock, slots: vec![Vec::new(); room.slots], rows: Vec::new() }
    }
}

impl Target for Engine {
    fn info(&self) -> &TargetInfo {
        &self.info
    }

    fn vocabulary(&self) -> &dyn Vocabulary {
        &Bytes
    }

    fn decode(&mut self, tokens: &[BatchToken]) -> Result<(), ModelError> {
        assert!(tokens.len() <= BATCH);
        self.clock.advance(PASS + TOKEN * tokens.len() as u32);
        self.rows.clear();
        for token in tokens {
            let slot = &mut self.slots[token.sequence as usize];
            assert_eq!(token.position, slot.len(), "positions continue what the slot holds");
            slot.push(token.id);
            self.rows.push(token.logits.then(|| PrefixHash::of(slot)));
        }
        assert!(self.slots.iter().map(Vec::len).sum::<usize>() <= self.info.capacity, "the cache is overfull");
        Ok(())
    }

    fn draw(&mut self, index: usize, draw: &Draw<'_>) -> Result<Row, ModelError> {
        self.clock.advance(if draw.chain.params().has_penalties() { COSTLY_ROW } else { ROW });
        let prefix = self.rows[index].expect("a row that was asked for");
        assert_eq!(prefix, PrefixHash::of(draw.history), "the slot holds what the session thinks");
        let winner = next(prefix);
        Ok(Row { winner, p: draw.scored.map(|id| if id == winner { 1.0 } else { 0.0 }) })
    }

    fn truncate(&mut self, slot: u32, from: usize) -> Result<(), ModelError> {
        self.slots[slot as usize].truncate(from);
        Ok(())
    }
}
