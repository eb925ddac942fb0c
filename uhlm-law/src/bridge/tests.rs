//! Bridges between small vocabularies that are written out here. `tests/tests/bridge` has those of real tokenizers.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::digest::Digest;
use crate::fingerprint;
use crate::model::{ModelError, Vocabulary};
use crate::noise::TokenKeys;
use crate::token::TokenKind;

/// A language whose tokenizer takes the longest token each time. Its first tokens are the marks, its next the bytes.
struct Toy {
    marks: Vec<&'static str>,
    pieces: Vec<Vec<u8>>,
    /// Whether the tokenizer puts a space before a text.
    puts_space: bool,
    keys: TokenKeys,
}

impl Toy {
    fn new(marks: &[&'static str], words: &[&str], puts_space: bool) -> Arc<Self> {
        let bytes = (0..=255).map(|byte| vec![byte]);
        let pieces: Vec<_> = marks
            .iter()
            .map(|_| Vec::new())
            .chain(bytes)
            .chain(words.iter().map(|word| word.as_bytes().to_vec()))
            .collect();
        let kind = |id: usize| if id == 0 { TokenKind::EndOfTurn } else { TokenKind::Normal };
        let keys = TokenKeys::new(pieces.iter().enumerate().map(|(id, piece)| {
            (if id < marks.len() { marks[id].as_bytes().to_vec() } else { piece.clone() }, kind(id))
        }));
        Arc::new(Self { marks: marks.to_vec(), pieces, puts_space, keys: keys.expect("distinct") })
    }

    fn id(&self, piece: &str) -> TokenId {
        let mark = self.marks.iter().position(|mark| *mark == piece);
        let place = mark.or_else(|| self.pieces.iter().position(|other| other == piece.as_bytes()));
        place.expect("a token") as TokenId
    }
}

impl Vocabulary for Toy {
    fn size(&self) -> usize {
        self.pieces.len()
    }

    fn piece(&self, id: TokenId) -> &[u8] {
        self.pieces.get(id as usize).map_or(&[], Vec::as_slice)
    }

    fn is_end(&self, id: TokenId) -> bool {
        id == 0
    }
}

impl LanguageModel for Toy {
    fn vocabulary(&self) -> &dyn Vocabulary {
        self
    }

    fn token_keys(&self) -> &TokenKeys {
        &self.keys
    }

    fn vocabulary_hash(&self) -> Digest {
        fingerprint::vocabulary(self.pieces.iter().map(|piece| (piece, TokenKind::Normal))).whole
    }

    fn tokenize(&self, text: &str, special: Special) -> Result<Vec<TokenId>, ModelError> {
        if let (Special::Parse, Some(mark)) = (special, self.marks.iter().position(|mark| *mark == text)) {
            return Ok(vec![mark as TokenId]);
        }
        let text = if self.puts_space { format!(" {text}") } else { text.to_owned() };
        let (mut rest, mut tokens) = (text.as_bytes(), Vec::new());
        while !rest.is_empty() {
            let fits = |piece: &&Vec<u8>| !piece.is_empty() && rest.starts_with(piece);
            let longest =
                self.pieces.iter().filter(fits).max_by_key(|piece| piece.len()).expect("all bytes are tokens");
            tokens.push(self.pieces.iter().position(|piece| piece == longest).expect("found") as TokenId);
            rest = &rest[longest.len()..];
        }
        Ok(tokens)
    }

    fn detokenize(&self, tokens: &[TokenId]) -> Vec<u8> {
        let text = |&id: &TokenId| {
            self.marks.get(id as usize).map_or(self.piece(id).to_vec(), |mark| mark.as_bytes().to_vec())
        };
        tokens.iter().flat_map(text).collect()
    }
}

fn draft() -> Arc<Toy> {
    Toy::new(&["<end>", "<think>"], &["the", " th", "ory", " o", "\u{4e2d}", "re"], true)
}

fn target() -> Arc<Toy> {
    Toy::new(
        &["</s>", "<other>", "<think>"],
        &["the", " the", " theory", "or", " of", "\u{1f600}", "\u{4e2d}\u{6587}"],
        false,
    )
}

fn bridge() -> Bridge<u8> {
    let mut bridge = Bridge::new(draft() as Arc<dyn LanguageModel>, target() as Arc<dyn LanguageModel>);
    bridge.begin(2, vec![5, 6, 7]);
    bridge
}

/// Proposes what was drawn; returns the conversation with it.
fn proposed(bridge: &mut Bridge<u8>, conversation: &[TokenId], unsent: usize) -> (Vec<TokenId>, Proposal<u8>) {
    let proposal = bridge.propose(unsent);
    let kept = conversation.len() - proposal.replaces;
    let new = proposal.tokens.iter().map(|token| token.id);
    (conversation[..kept].iter().copied().chain(new).collect(), proposal)
}

#[test]
fn a_word_that_goes_on_takes_the_place_of_its_beginning_as_long_as_nobody_heard_of_it() {
    let (draft, target) = (draft(), target());
    let (the, theory) = (target.id(" the"), target.id(" theory"));
    let mut bridge = bridge();
    let start = [1, 2];
    assert_eq!(bridge.follow(&start), [5, 6, 7]);
    bridge.drew(draft.id(" th"), 1);
    bridge.drew(draft.id("e"), 2);
    let (conversation, proposal) = proposed(&mut bridge, &start, 0);
    assert_eq!(conversation, [1, 2, the]);
    assert_eq!(proposal.tokens[0], Proposed { id: the, draws: vec![1, 2], continues: false });
    assert_eq!(bridge.follow(&conversation).len(), 5);
    bridge.drew(draft.id("ory"), 3);
    // Sent already, the token stays.
    let sent = proposed(&mut bridge, &conversation, 0);
    assert_eq!(sent.0, [1, 2, the, target.id("or"), target.id("y")]);
    assert!(sent.1.tokens[1].continues && sent.1.tokens[1].draws == [3]);
    let (conversation, proposal) = proposed(&mut bridge, &conversation, 1);
    assert_eq!((conversation.as_slice(), proposal.replaces), (&[1, 2, theory][..], 1));
    assert_eq!(proposal.tokens, [Proposed { id: theory, draws: vec![1, 2, 3], continues: false }]);
    // Nothing new was drawn.
    bridge.follow(&conversation);
    assert_eq!(proposed(&mut bridge, &conversation, 1).1, Proposal { replaces: 0, tokens: Vec::new() });
}

#[test]
fn what_the_target_wrote_is_read_in_the_draft_models_tokens_and_what_agrees_stays() {
    let (draft, target) = (draft(), target());
    let mut bridge = bridge();
    bridge.follow(&[1, 2]);
    bridge.drew(draft.id(" o"), 1);
    bridge.drew(draft.id("re"), 2);
    let kept = [5, 6, 7, draft.id(" o"), draft.id("re")];
    // The target agrees to a part, and the draft model's tokens stay.
    assert_eq!(bridge.follow(&[1, 2, target.id(" ")]), kept);
    assert_eq!(bridge.place(), Place { offset: 4, silent: 0 });
    // It writes something else: the tokens of the common text stay.
    let other = [1, 2, target.id(" of"), target.id("</s>")];
    assert_eq!(bridge.follow(&other), [5, 6, 7, draft.id(" o"), draft.id("f"), draft.id("<end>")]);
    assert_eq!(bridge.place(), Place { offset: 3, silent: 1 });
    assert_eq!(bridge.target_tokens(), 4);
}

#[test]
fn marks_go_by_meaning_and_one_without_a_counterpart_stops_the_drafting() {
    let (draft, target) = (draft(), target());
    let mut bridge = bridge();
    let (conversation, _) = {
        bridge.follow(&[1, 2]);
        bridge.drew(draft.id("<think>"), 1);
        bridge.drew(draft.id("the"), 2);
        bridge.drew(draft.id("<end>"), 3);
        proposed(&mut bridge, &[1, 2], 0)
    };
    assert_eq!(conversation[2..], [target.id("<think>"), target.id("the"), target.id("</s>")]);
    let odd = Toy::new(&["<end>", "<odd>"], &[], false);
    let mut bridge: Bridge<u8> = Bridge::new(odd, target.clone() as Arc<dyn LanguageModel>);
    bridge.begin(0, Vec::new());
    bridge.follow(&[]);
    bridge.drew(1, 1);
    assert!(bridge.is_stuck());
    assert!(proposed(&mut bridge, &[], 0).0.is_empty());
    // A text that has gone on is another one.
    bridge.follow(&[target.id("the")]);
    assert!(!bridge.is_stuck());
}

#[test]
fn a_character_in_parts_is_proposed_when_it_is_whole_and_read_in_parts_as_it_comes() {
    let (draft, target) = (draft(), target());
    let mut bridge = bridge();
    bridge.follow(&[1, 2]);
    let bytes = "\u{1f600}".as_bytes();
    let byte = |toy: &Toy, byte: u8| toy.marks.len() as TokenId + TokenId::from(byte);
    for (place, &part) in bytes.iter().enumerate() {
        assert_eq!(bridge.propose(0).tokens.len(), 0, "{place}");
        bridge.drew(byte(&draft, part), place as u8);
    }
    let (conversation, proposal) = proposed(&mut bridge, &[1, 2], 0);
    assert_eq!(conversation[2..], [target.id("\u{1f600}")]);
    assert_eq!(proposal.tokens[0].draws, [0, 1, 2, 3]);
    // The target writes half of another one, and then its rest.
    let half: Vec<TokenId> = [1, 2].into_iter().chain("\u{4e2d}".bytes().take(2).map(|b| byte(&target, b))).collect();
    assert_eq!(bridge.follow(&half).len(), 3 + 2);
    let whole = [&half[..], &[byte(&target, "\u{4e2d}".as_bytes()[2])]].concat();
    assert_eq!(bridge.follow(&whole)[3..], [draft.id("\u{4e2d}")]);
}

/// Returns the text that tokens stand for.
fn text(toy: &Toy, tokens: &[TokenId]) -> Vec<u8> {
    tokens.iter().flat_map(|&id| toy.piece(id).to_vec()).collect()
}

proptest! {
    #[test]
    fn any_bytes_are_spelled_by_tokens_that_stand_for_them(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        for toy in [draft(), target()] {
            let spelled = Spelling::new(Arc::clone(&toy) as Arc<dyn LanguageModel>).spell(&bytes);
            let ids: Vec<_> = spelled.iter().map(|&(id, _)| id).collect();
            prop_assert_eq!(text(&toy, &ids), bytes.clone());
        }
    }

    #[test]
    fn both_sides_stand_for_the_same_text_whatever_is_drawn_and_decided(
        steps in proptest::collection::vec((any::<u16>(), 0..6u8, any::<bool>()), 1..200),
    ) {
        let (draft, target) = (draft(), target());
        let (mut bridge, mut conversation, mut committed) = (bridge(), vec![1, 2], 2);
        for (token, what, sent) in steps {
            let own = bridge.follow(&conversation)[3..].to_vec();
            let spoken = text(&draft, &own);
            prop_assert!(spoken.starts_with(&text(&target, &conversation[2..])));
            let place = bridge.place().offset;
            prop_assert_eq!(place, spoken.len() as u64);
            match what {
                // The target decides on what is proposed: some of it stands, and it writes a token of its own.
                0 => {
                    committed += (token as usize) % (conversation.len() - committed + 1);
                    conversation.truncate(committed);
                    conversation.push(3 + TokenId::from(token) % (target.size() as TokenId - 3));
                    committed += 1;
                }
                _ => {
                    bridge.drew(2 + TokenId::from(token) % (draft.size() as TokenId - 2), 0);
                    let unsent = if sent { 0 } else { conversation.len() - committed };
                    conversation = proposed(&mut bridge, &conversation, unsent).0;
                    prop_assert!(conversation.len() >= committed);
                }
            }
        }
    }
}
