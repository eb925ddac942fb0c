//! The text of every token, copied out of llama.cpp once.

use llama_cpp_2::model::LlamaModel;
use uhlm_law::model::Vocabulary;
use uhlm_law::sampling::TokenId;

/// The pieces of all tokens in one buffer, so that text costs no call into llama.cpp and no allocation.
#[derive(Debug)]
pub(crate) struct TokenTable {
    bytes: Vec<u8>,
    /// `starts[id]..starts[id + 1]` are the bytes of a token.
    starts: Vec<u32>,
    ends: Vec<bool>,
}

impl Vocabulary for TokenTable {
    fn size(&self) -> usize {
        self.ends.len()
    }

    fn piece(&self, id: TokenId) -> &[u8] {
        match (self.starts.get(id as usize), self.starts.get(id as usize + 1)) {
            (Some(&start), Some(&end)) => &self.bytes[start as usize..end as usize],
            _ => &[],
        }
    }

    fn is_end(&self, id: TokenId) -> bool {
        self.ends.get(id as usize).copied().unwrap_or(false)
    }
}

impl TokenTable {
    /// Reads the pieces of all tokens.
    pub(crate) fn of(model: &LlamaModel) -> Self {
        let vocab = model.vocab();
        let mut table = Self { bytes: Vec::new(), starts: vec![0], ends: Vec::new() };
        for id in vocab.tokens() {
            // `special = false`: control tokens have no text.
            vocab.token_to_piece_into(id, &mut table.bytes, false, None);
            table.starts.push(table.bytes.len() as u32);
            table.ends.push(vocab.is_eog(id));
        }
        table
    }
}
