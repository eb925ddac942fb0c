//! Bridges between real tokenizers: byte-level ones of the bundled models, and one of SentencePiece.

use std::sync::Arc;

use uhlm_law::bridge::{Bridge, Spelling};
use uhlm_law::model::{LanguageModel, Special};
use uhlm_law::rng::{Rng, Stream};
use uhlm_law::sampling::TokenId;
use uhlm_llama::{Language, LoadOptions, Model};
use uhlm_testing::pair;

use crate::support::{number, sentence_piece};

/// Number of tokens that a conversation is followed for.
const TOKENS: usize = 10_000;
/// Characters of one to four bytes, of scripts that the vocabularies have and have not, and of several code points.
const CHARACTERS: [&str; 24] = [
    "a",
    "e",
    " ",
    " ",
    "the",
    " and",
    ".",
    "\n",
    "\n\n",
    "1",
    "42",
    "é",
    "ß",
    "中",
    "文",
    "漢",
    "한",
    "я",
    "🎉",
    "🚀",
    "👩\u{200d}👩\u{200d}👧",
    "\u{1f1e9}\u{1f1ea}",
    "\u{301}",
    "\t",
];

type Words = Arc<dyn LanguageModel>;

fn languages() -> Vec<(&'static str, Words)> {
    let bundled =
        |name: &str| Language::load(&pair::file(name)).map(|language| language as Words).expect("a bundled model");
    vec![
        ("demo", bundled("demo-draft.gguf")),
        ("prose", bundled("prose-target.gguf")),
        ("SentencePiece", sentence_piece() as Words),
    ]
}

fn pairs() -> Vec<(String, Words, Words)> {
    let all = languages();
    let pair = |(draft, target): (&(&str, Words), &(&str, Words))| {
        (format!("{} for {}", draft.0, target.0), Arc::clone(&draft.1), Arc::clone(&target.1))
    };
    all.iter().flat_map(|draft| all.iter().map(move |target| (draft, target))).map(pair).collect()
}

struct Dice(Rng);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(Rng::new(seed, Stream::Simulation))
    }

    fn below(&mut self, n: usize) -> usize {
        (self.0.uniform() * n as f64) as usize
    }

    /// Returns a text of so many characters of all kinds.
    fn text(&mut self, characters: usize) -> String {
        (0..characters).map(|_| CHARACTERS[self.below(CHARACTERS.len())]).collect()
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.0.next_u64() as u8).collect()
    }
}

fn text(words: &Words, ids: &[TokenId]) -> Vec<u8> {
    ids.iter().flat_map(|&id| words.vocabulary().piece(id).to_vec()).collect()
}

fn ids(spelled: &[(TokenId, usize)]) -> Vec<TokenId> {
    spelled.iter().map(|&(id, _)| id).collect()
}

#[test]
fn any_bytes_come_back_from_the_tokens_that_spell_them() {
    let mut dice = Dice::new(1);
    for (name, words) in languages() {
        let spelling = Spelling::new(Arc::clone(&words));
        for round in 0..400 {
            let length = dice.below(30);
            let bytes = if round % 2 == 0 { dice.bytes(length) } else { dice.text(length).into_bytes() };
            // Cut anywhere, also in the middle of a character.
            let cut = bytes[..dice.below(bytes.len() + 1)].to_vec();
            for bytes in [bytes, cut] {
                assert_eq!(text(&words, &ids(&spelling.spell(&bytes))), bytes, "{name}");
            }
        }
    }
}

#[test]
fn whole_text_is_spelled_as_the_tokenizer_spells_it() {
    let mut dice = Dice::new(2);
    for (name, words) in languages() {
        let spelling = Spelling::new(Arc::clone(&words));
        for _ in 0..100 {
            let text = dice.text(20);
            let tokens = words.tokenize(&text, Special::Plain).expect("tokens");
            let spelled = ids(&spelling.spell(text.as_bytes()));
            if name == "SentencePiece" {
                // A text that goes on has no space before it; its first word may take a few tokens more for that.
                assert!(spelled.len() <= tokens.len() + 3, "{text:?}: {spelled:?} and {tokens:?}");
                assert_eq!(self::text(&words, &tokens), [b" ".as_slice(), text.as_bytes()].concat());
            } else {
                assert_eq!(spelled, tokens, "{name}: {text:?}");
            }
        }
    }
}

#[test]
fn ten_thousand_tokens_of_a_target_are_followed_without_drift() {
    let wanted = number("UHLM_BRIDGE_TOKENS", TOKENS);
    for (name, draft, target) in pairs() {
        let mut dice = Dice::new(3);
        let mut bridge: Bridge<()> = Bridge::new(Arc::clone(&draft), Arc::clone(&target));
        bridge.begin(0, Vec::new());
        let (spelling, mut conversation) = (Spelling::new(Arc::clone(&target)), Vec::new());
        let mut read = 0;
        while conversation.len() < wanted {
            let new = if dice.below(8) == 0 {
                // A token that nobody would write here, part of a character perhaps.
                vec![dice.below(target.vocabulary().size()) as TokenId]
            } else {
                let characters = 1 + dice.below(12);
                ids(&spelling.spell(dice.text(characters).as_bytes()))
            };
            for id in new.into_iter().filter(|&id| !target.vocabulary().piece(id).is_empty()) {
                let before = bridge.tokens().to_vec();
                conversation.push(id);
                let own = bridge.follow(&conversation);
                let common = own.iter().zip(&before).take_while(|(new, old)| new == old).count();
                read += own.len() - common;
            }
            // The whole text is looked at now and then: it takes long.
            if dice.below(40) == 0 {
                assert_eq!(text(&draft, bridge.tokens()), text(&target, &conversation), "{name}");
            }
        }
        let (own, whole) = (bridge.tokens().to_vec(), text(&target, &conversation));
        assert_eq!(text(&draft, &own), whole, "{name}");
        assert_eq!(bridge.place().offset, whole.len() as u64);
        let fresh = Spelling::new(draft).spell(&whole).len();
        println!(
            "{name}: {} tokens are {} of the draft model's, {fresh} spelled at once; {read} were read",
            conversation.len(),
            own.len(),
        );
        assert!((own.len() as f64) < 1.05 * fresh as f64, "{name}: {} tokens, {fresh} at once", own.len());
        assert!((read as f64) < 1.5 * own.len() as f64, "{name}: {read} tokens were read for {}", own.len());
    }
}

#[test]
fn what_is_drawn_is_proposed_in_tokens_of_the_same_text_wherever_it_is_cut() {
    for (name, draft, target) in pairs() {
        let mut dice = Dice::new(4);
        let mut bridge: Bridge<usize> = Bridge::new(Arc::clone(&draft), Arc::clone(&target));
        for _ in 0..60 {
            bridge.begin(0, Vec::new());
            let wanted = dice.text(25);
            let spelled = Spelling::new(Arc::clone(&draft)).spell(wanted.as_bytes());
            // The draft model's own way to cut the text, or byte by byte.
            let drawn = match dice.below(3) {
                0 => Spelling::new(Arc::clone(&draft)).spell_parts(wanted.as_bytes()),
                _ => spelled,
            };
            let (mut conversation, mut sent): (Vec<TokenId>, usize) = (Vec::new(), 0);
            for (place, id) in ids(&drawn).into_iter().enumerate() {
                bridge.follow(&conversation);
                bridge.drew(id, place);
                let proposal = bridge.propose(conversation.len() - sent);
                conversation.truncate(conversation.len() - proposal.replaces);
                assert!(conversation.len() >= sent, "{name}: a token that was sent is taken back");
                conversation.extend(proposal.tokens.iter().map(|token| token.id));
                assert!(proposal.tokens.iter().all(|token| !token.draws.is_empty()), "{name}");
                assert!(wanted.as_bytes().starts_with(&text(&target, &conversation)), "{name}: {wanted:?}");
                if dice.below(4) == 0 {
                    sent = conversation.len();
                }
            }
            assert_eq!(text(&target, &conversation), wanted.as_bytes(), "{name}");
        }
    }
}

#[test]
fn an_end_of_turn_is_the_other_ones_end_of_turn() {
    for (name, draft, target) in pairs() {
        let mut bridge: Bridge<()> = Bridge::new(Arc::clone(&draft), Arc::clone(&target));
        let (own, there) = (draft.vocabulary().ends()[0], target.vocabulary().ends()[0]);
        bridge.begin(0, Vec::new());
        bridge.follow(&[]);
        bridge.drew(own, ());
        let proposed: Vec<_> = bridge.propose(0).tokens.iter().map(|token| token.id).collect();
        assert_eq!(proposed, [there], "{name}");
        bridge.begin(0, Vec::new());
        assert_eq!(bridge.follow(&[there]), [own], "{name}");
        // Both sides give it the same noise.
        assert_eq!(draft.token_keys().get(own), target.token_keys().get(there), "{name}");
    }
}

#[test]
fn a_language_without_weights_is_that_of_the_model() {
    let model = Model::load(&pair::file("prose-draft.gguf"), &LoadOptions::default()).expect("a bundled model");
    let language = Language::load(&pair::file("prose-draft.gguf")).expect("its vocabulary");
    assert_eq!(language.vocabulary_hash(), model.vocabulary_hash());
    assert_eq!(language.hashes(), model.vocabulary_hashes());
}
