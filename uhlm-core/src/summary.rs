//! The plan by which a long text becomes a short one: in pieces that fit, and the summaries of these again.
//!
//! Pure: whoever has a model asks for the next prompt, and gives back what the model made of it.

use uhlm_law::chat::Message;

use crate::options::Prompt;

/// Largest number of times that summaries are summarised again. Each time the text is a quarter as long, or shorter.
const MAX_LEVELS: usize = 12;
/// Words that ask for a summary unless the app has others.
const INSTRUCTIONS: &str = "Summarise the following text in a few sentences. Keep names, numbers and decisions.";

/// The options of a summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummaryOptions {
    /// Largest length of a piece, in tokens of the draft model; with the summary, the instructions and the template it
    /// must fit into the context. At least 16.
    pub piece_tokens: usize,
    /// Largest length of the summary of a piece, in tokens; at most a quarter of the piece.
    pub summary_tokens: usize,
    /// Words that ask for a summary; `None` asks in English for a few sentences.
    pub instructions: Option<String>,
}

impl Default for SummaryOptions {
    fn default() -> Self {
        Self { piece_tokens: 512, summary_tokens: 96, instructions: None }
    }
}

/// The state of a summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummaryStep {
    /// Number of pieces that are summarised.
    pub done: usize,
    /// Number of pieces in all, as far as is known: summaries that are still too long come to it.
    pub pieces: usize,
    /// The summary, with the last step.
    pub text: Option<String>,
}

/// A summary that is being made.
#[derive(Clone, Debug)]
pub struct Summariser {
    options: SummaryOptions,
    /// Pieces of this level that wait, the next one at the end.
    waiting: Vec<String>,
    /// Summaries of this level.
    made: Vec<String>,
    levels: usize,
    done: usize,
}

impl Summariser {
    /// Takes a text apart. `tokens` counts the tokens of a text.
    #[must_use]
    pub fn new(text: &str, options: SummaryOptions, tokens: impl Fn(&str) -> usize) -> Self {
        let piece_tokens = options.piece_tokens.max(16);
        let summary_tokens = options.summary_tokens.clamp(1, piece_tokens / 4);
        let options = SummaryOptions { piece_tokens, summary_tokens, ..options };
        let mut waiting = pieces(text, piece_tokens, &tokens);
        waiting.reverse();
        Self { options, waiting, made: Vec::new(), levels: 1, done: 0 }
    }

    /// Returns the prompt of the next piece and the largest number of tokens of the reply; `None` when all is done, and
    /// for a text of nothing.
    #[must_use]
    pub fn next_prompt(&self) -> Option<(Prompt, usize)> {
        let piece = self.waiting.last()?;
        let asks = self.options.instructions.as_deref().unwrap_or(INSTRUCTIONS);
        // As a message of the person: not every template knows instructions.
        let message = Message::user(format!("{asks}\n\n{}", piece.trim()));
        Some((Prompt::Apart(vec![message]), self.options.summary_tokens))
    }

    /// Takes the summary of the piece that was asked for; returns how far all is.
    pub fn take(&mut self, summary: &str, tokens: impl Fn(&str) -> usize) -> SummaryStep {
        self.waiting.pop();
        self.done += 1;
        self.made.push(summary.trim().to_owned());
        if !self.waiting.is_empty() {
            return SummaryStep { done: self.done, pieces: self.done + self.waiting.len(), text: None };
        }
        let made = std::mem::take(&mut self.made);
        let whole = made.join("\n");
        if made.len() == 1 || self.levels >= MAX_LEVELS || whole.trim().is_empty() {
            return SummaryStep { done: self.done, pieces: self.done, text: Some(whole) };
        }
        self.levels += 1;
        self.waiting = pieces(&whole, self.options.piece_tokens, &tokens);
        self.waiting.reverse();
        SummaryStep { done: self.done, pieces: self.done + self.waiting.len(), text: None }
    }
}

/// Cuts a text into pieces of at most `most` tokens, at the ends of lines and sentences where it can.
fn pieces(text: &str, most: usize, tokens: &impl Fn(&str) -> usize) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut room = 0;
    for line in text.split_inclusive('\n') {
        for sentence in line.split_inclusive(['.', '!', '?', '\u{3002}']) {
            for part in parts(sentence, most, tokens) {
                let length = tokens(part);
                match pieces.last_mut().filter(|_| length <= room) {
                    Some(piece) => piece.push_str(part),
                    None => {
                        room = most;
                        pieces.push(part.to_owned());
                    }
                }
                room = room.saturating_sub(length);
            }
        }
    }
    pieces.retain(|piece| !piece.trim().is_empty());
    pieces
}

/// Cuts what is too long for one piece in halves, as often as it takes.
fn parts<'a>(text: &'a str, most: usize, tokens: &impl Fn(&str) -> usize) -> Vec<&'a str> {
    if tokens(text) <= most || text.chars().nth(1).is_none() {
        return vec![text];
    }
    let characters = text.chars().count();
    let half = text.char_indices().nth(characters / 2).map_or(text.len(), |(at, _)| at);
    let (one, other) = text.split_at(half);
    [parts(one, most, tokens), parts(other, most, tokens)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words are tokens.
    fn words(text: &str) -> usize {
        text.split_whitespace().count()
    }

    fn options(piece_tokens: usize) -> SummaryOptions {
        SummaryOptions { piece_tokens, summary_tokens: 4, instructions: None }
    }

    #[test]
    fn a_text_is_cut_at_sentences_and_nothing_of_it_is_lost() {
        let text = "One two three. Four five! Six seven eight nine ten?\nEleven.\n\nTwelve thirteen fourteen.";
        let cut = pieces(text, 6, &words);
        assert!(cut.iter().all(|piece| words(piece) <= 6), "{cut:?}");
        assert_eq!(cut.concat().split_whitespace().collect::<Vec<_>>(), text.split_whitespace().collect::<Vec<_>>());
        assert_eq!(cut[0], "One two three. Four five!");
        let long = "word ".repeat(100);
        let cut = pieces(&long, 16, &words);
        assert!(cut.len() >= 7 && cut.iter().all(|piece| words(piece) <= 16), "{}", cut.len());
        assert!(pieces(" \n ", 6, &words).is_empty() && pieces("", 6, &words).is_empty());
        // A character is never cut, however long it counts.
        assert_eq!(pieces("\u{1f600}\u{1f600}", 1, &|text: &str| text.len()).concat(), "\u{1f600}\u{1f600}");
    }

    #[test]
    fn summaries_are_summarised_until_one_is_left() {
        let text = "One two three four five six seven eight nine ten. ".repeat(40);
        let mut summariser = Summariser::new(&text, options(16), words);
        let (mut last, mut steps) = (None, 0);
        while let Some((prompt, most)) = summariser.next_prompt() {
            assert!(last.is_none() && most == 4 && matches!(prompt, Prompt::Apart(messages) if messages.len() == 1));
            let step = summariser.take(" a b c d ", words);
            steps += 1;
            assert!(step.done == steps && step.pieces >= step.done, "{step:?}");
            last = step.text;
        }
        assert_eq!(last.as_deref(), Some("a b c d"));
        assert!(steps > 40, "{steps}");
        assert!(Summariser::new("", options(16), words).next_prompt().is_none());
    }

    #[test]
    fn a_model_that_writes_as_much_as_it_reads_comes_to_an_end() {
        let mut summariser = Summariser::new(&"a b c d. ".repeat(20), options(16), words);
        let mut steps = 0;
        while summariser.next_prompt().is_some() {
            summariser.take(&"x ".repeat(16), words);
            steps += 1;
            assert!(steps < 1000);
        }
    }
}
