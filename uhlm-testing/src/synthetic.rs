//! A pair of models made of hash functions: small, fast, and with a law that a test can compute.
//!
//! The next token depends on the last one only. The vocabulary holds letters, both halves of a two-byte character and
//! one end token.

use std::sync::{Arc, OnceLock};

use uhlm_law::advance::Begin;
use uhlm_law::chat::{ChatTemplate, Message, RenderOptions, Rendered, Role, TemplateError};
use uhlm_law::digest::Digest;
use uhlm_law::fingerprint;
use uhlm_law::model::{Decoder, LanguageModel, ModelError, Sequence, Special, Vocabulary};
use uhlm_law::noise::{Place, Tape, TokenKeys};
use uhlm_law::sampling::{ChainInput, Distribution, SamplingChain, SamplingParams, Scratch, TokenId};
use uhlm_law::token::TokenKind;

use crate::local::{LocalConfig, LocalVerifier};

/// Tokens in the vocabulary.
pub const VOCABULARY: usize = 24;
/// The end token.
pub const END: TokenId = 23;
/// First half of `é`.
pub const FIRST_HALF: TokenId = 21;
/// Second half of `é`.
pub const SECOND_HALF: TokenId = 22;

/// Rows of a pass at most.
const MAX_ROWS: usize = 16;

/// Which model, and how far the two are apart.
#[derive(Clone, Copy, Debug)]
pub struct SyntheticModel {
    /// Standard deviation of what draft and target have in common.
    pub shared: f32,
    /// Standard deviation of what is the model's own.
    pub own: f32,
    /// Tells models apart.
    pub seed: u64,
    /// Added to the end token's logit.
    pub end_bias: f32,
    /// Context length.
    pub capacity: usize,
    /// Changes the vocabulary's hash.
    pub other_vocabulary: bool,
}

impl SyntheticModel {
    /// A draft model that the target below accepts about four times in five at temperature 1.
    #[must_use]
    pub fn draft() -> Self {
        Self { shared: 1.5, own: 0.5, seed: 1, end_bias: -2.0, capacity: 512, other_vocabulary: false }
    }

    /// The target model.
    #[must_use]
    pub fn target() -> Self {
        Self { seed: 2, ..Self::draft() }
    }

    /// Logits after `last`.
    #[must_use]
    pub fn logits(&self, last: TokenId) -> Vec<f32> {
        (0..VOCABULARY as u64)
            .map(|id| {
                let cell = u64::from(last) << 32 | id;
                let end = if id == u64::from(END) { self.end_bias } else { 0.0 };
                self.shared * normal(cell) + self.own * normal(cell ^ self.seed << 56) + end
            })
            .collect()
    }

    /// The distribution after `last` under a chain.
    #[must_use]
    pub fn law(&self, sampling: &SamplingParams, last: TokenId) -> Distribution {
        let chain = SamplingChain::new(sampling.clone()).expect("valid parameters");
        let logits = self.logits(last);
        let input = ChainInput { logits: &logits, history: &[last], mask: None };
        chain.distribution(input, &mut Scratch::default()).expect("finite logits")
    }

    /// Returns what the model alone writes after `prompt`, end token included: the tokens that every way of asking for
    /// them must bring, with the noise of `begin`. Stop strings are not looked for.
    ///
    /// # Panics
    /// Where the parameters of the chain are not valid.
    #[must_use]
    pub fn reply(&self, begin: &Begin, prompt: &[TokenId]) -> Vec<TokenId> {
        let chain = SamplingChain::new(begin.sampling.clone()).expect("valid parameters");
        let (tape, mut scratch) = (Tape::new(begin.seed, 0), Scratch::default());
        let (mut tokens, mut place) = (prompt.to_vec(), Place::START);
        let reply_start = begin.reply_start as usize;
        for &id in &prompt[reply_start..] {
            place = place.after(self.piece(id).len());
        }
        while tokens.len() < self.capacity && tokens.len() - reply_start < begin.max_tokens as usize {
            let logits = self.logits(*tokens.last().expect("a prompt"));
            let input = ChainInput { logits: &logits, history: &tokens, mask: None };
            let winner = chain.winner(input, &mut scratch, self.token_keys(), tape.at(place)).expect("finite logits");
            tokens.push(winner.id);
            place = place.after(self.piece(winner.id).len());
            if self.is_end(winner.id) {
                break;
            }
        }
        tokens.split_off(prompt.len())
    }

    /// Returns a fingerprint as that of a file.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        Digest([self.seed as u8; 32])
    }

    /// Returns what kind of token an id is.
    #[must_use]
    pub fn kind(id: TokenId) -> TokenKind {
        match id {
            END => TokenKind::EndOfTurn,
            FIRST_HALF | SECOND_HALF => TokenKind::Byte,
            _ => TokenKind::Normal,
        }
    }

    /// Starts a verifier that runs this model in the process.
    ///
    /// # Panics
    /// Where the system gives no thread.
    #[must_use]
    pub fn verifier(self, configure: impl FnOnce(LocalConfig) -> LocalConfig) -> LocalVerifier {
        let model = Arc::new(self);
        let config = LocalConfig::of(Arc::clone(&model) as _, self.capacity as u32);
        let factory = Box::new(move || Arc::clone(&model).sequence(0, 1));
        LocalVerifier::new(configure(config), factory).expect("a thread")
    }
}

/// A standard normal variate for a cell: the sum of twelve hashed uniforms, less six.
fn normal(cell: u64) -> f32 {
    let mut state = cell.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d;
    let mut sum = -6.0;
    for _ in 0..12 {
        state ^= state >> 30;
        state = state.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state ^= state >> 27;
        state = state.wrapping_mul(0x94d0_49bb_1331_11eb);
        state ^= state >> 31;
        sum += (state >> 40) as f32 / (1u64 << 24) as f32;
    }
    sum
}

impl Vocabulary for SyntheticModel {
    fn size(&self) -> usize {
        VOCABULARY
    }

    fn piece(&self, id: TokenId) -> &[u8] {
        const LETTERS: &[u8] = b"abcdefghijklmnopqrs \n";
        match id {
            END => &[],
            FIRST_HALF => &[0xc3],
            SECOND_HALF => &[0xa9],
            id => LETTERS.get(id as usize..=id as usize).unwrap_or_default(),
        }
    }

    fn is_end(&self, id: TokenId) -> bool {
        id == END
    }
}

impl LanguageModel for SyntheticModel {
    fn vocabulary(&self) -> &dyn Vocabulary {
        self
    }

    fn token_keys(&self) -> &TokenKeys {
        static KEYS: OnceLock<TokenKeys> = OnceLock::new();
        KEYS.get_or_init(|| {
            TokenKeys::new((0..VOCABULARY as TokenId).map(|id| (self.piece(id), Self::kind(id))))
                .expect("distinct keys")
        })
    }

    fn vocabulary_hash(&self) -> Digest {
        let text = |id| if self.other_vocabulary { vec![0] } else { self.piece(id).to_vec() };
        fingerprint::vocabulary((0..VOCABULARY as TokenId).map(|id| (text(id), Self::kind(id)))).whole
    }

    fn tokenize(&self, text: &str, _: Special) -> Result<Vec<TokenId>, ModelError> {
        let known = |byte: &u8| (0..VOCABULARY as TokenId).find(|&id| self.piece(id) == std::slice::from_ref(byte));
        Ok(text.as_bytes().iter().filter_map(|byte| if *byte == b'|' { Some(END) } else { known(byte) }).collect())
    }

    fn detokenize(&self, tokens: &[TokenId]) -> Vec<u8> {
        tokens.iter().flat_map(|&id| if id == END { b"|".to_vec() } else { self.piece(id).to_vec() }).collect()
    }
}

impl ChatTemplate for SyntheticModel {
    fn render(&self, messages: &[Message], options: &RenderOptions) -> Result<Rendered, TemplateError> {
        let mut text = String::new();
        for message in messages {
            let who = match message.role {
                Role::System => 's',
                Role::User => 'q',
                Role::Assistant => 'r',
                Role::Tool => 't',
            };
            text.push_str(&format!("{who} {}|", message.content));
        }
        if options.add_generation_prompt {
            text.push_str("r ");
        }
        Ok(text.into())
    }
}

impl Decoder for SyntheticModel {
    fn sequence(self: Arc<Self>, context: u32, _: u32) -> Result<Box<dyn Sequence>, ModelError> {
        let capacity = if context == 0 { self.capacity } else { context as usize };
        Ok(Box::new(SyntheticSequence::new(SyntheticModel { capacity, ..*self })))
    }
}

/// A sequence of a [`SyntheticModel`].
#[derive(Debug)]
pub struct SyntheticSequence {
    model: SyntheticModel,
    tokens: Vec<TokenId>,
    /// Logits after the last tokens, as many as the last pass was asked for.
    rows: Vec<Vec<f32>>,
}

impl SyntheticSequence {
    fn new(model: SyntheticModel) -> Self {
        Self { model, tokens: Vec::new(), rows: Vec::new() }
    }
}

impl Sequence for SyntheticSequence {
    fn len(&self) -> usize {
        self.tokens.len()
    }

    fn capacity(&self) -> usize {
        self.model.capacity
    }

    fn decode(&mut self, tokens: &[TokenId], cancelled: &dyn Fn() -> bool) -> Result<(), ModelError> {
        self.decode_rows(tokens, 1, cancelled)
    }

    fn logits(&self) -> &[f32] {
        self.rows.last().map_or(&[], Vec::as_slice)
    }

    fn max_rows(&self) -> usize {
        MAX_ROWS
    }

    fn decode_rows(&mut self, tokens: &[TokenId], rows: usize, cancelled: &dyn Fn() -> bool) -> Result<(), ModelError> {
        if cancelled() {
            return Err(ModelError::Cancelled);
        }
        let needed = self.tokens.len() + tokens.len();
        if needed > self.capacity() {
            return Err(ModelError::ContextFull { needed, capacity: self.capacity() });
        }
        self.tokens.extend_from_slice(tokens);
        if !self.tokens.is_empty() {
            let rows = rows.clamp(1, MAX_ROWS).min(tokens.len().max(1));
            let ends = &self.tokens[self.tokens.len() - rows..];
            self.rows = ends.iter().map(|&id| self.model.logits(id)).collect();
        }
        Ok(())
    }

    fn logits_at(&self, row: usize) -> &[f32] {
        self.rows.get(row).map_or(&[], Vec::as_slice)
    }

    fn truncate(&mut self, len: usize) -> Result<(), ModelError> {
        if len < self.tokens.len() {
            self.tokens.truncate(len);
            self.rows.clear();
        }
        Ok(())
    }
}
