//! A conversation as a template wrote it.
//!
//! What a person or a model said is text. Where it spells a control token, the words between the template's own control
//! tokens around it are a part by themselves, which is tokenised as plain text. Everything else is tokenised as it
//! stands, so that a conversation in which nobody spells a control token has the tokens that every other runner gives.

use crate::model::Special;
use crate::sampling::TokenId;

/// A stretch of rendered text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The text.
    pub text: String,
    /// Whether it spells control tokens that somebody typed; they are text, and the template's own are elsewhere.
    pub is_typed: bool,
}

/// A rendered conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    parts: Vec<Part>,
}

impl Rendered {
    /// Makes a conversation of the parts that follow one another.
    #[must_use]
    pub fn new(parts: Vec<Part>) -> Self {
        Self { parts }
    }

    /// Returns the parts.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Returns the whole text.
    #[must_use]
    pub fn text(&self) -> String {
        self.parts.iter().map(|part| part.text.as_str()).collect()
    }

    /// Appends text that the template might have written itself.
    pub fn push_template(&mut self, text: &str) {
        match self.parts.last_mut().filter(|part| !part.is_typed) {
            Some(part) => part.text.push_str(text),
            None => self.parts.push(Part { text: text.to_owned(), is_typed: false }),
        }
    }

    /// Tokenises the parts.
    ///
    /// # Errors
    /// The error of `tokenize`.
    pub fn tokens<E>(&self, tokenize: impl Fn(&str, Special) -> Result<Vec<TokenId>, E>) -> Result<Vec<TokenId>, E> {
        let mut tokens = Vec::new();
        for (place, part) in self.parts.iter().enumerate() {
            if place == 0 {
                let begin = if part.is_typed { "" } else { &part.text };
                tokens = tokenize(begin, Special::ParseWithBos)?;
            }
            match part.is_typed {
                true => tokens.extend(tokenize(&part.text, Special::Plain)?),
                false if place > 0 => tokens.extend(tokenize(&part.text, Special::Parse)?),
                false => {}
            }
        }
        Ok(tokens)
    }
}

impl From<String> for Rendered {
    /// Makes a conversation of a text in which nobody spells a control token.
    fn from(text: String) -> Self {
        Self { parts: vec![Part { text, is_typed: false }] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str, is_typed: bool) -> Part {
        Part { text: text.into(), is_typed }
    }

    #[test]
    fn each_part_is_tokenised_in_its_own_way_and_the_first_begins_the_text() {
        let seen = |parts: Vec<Part>| {
            let calls = std::cell::RefCell::new(Vec::new());
            let tokens = Rendered::new(parts).tokens(|text, special| {
                calls.borrow_mut().push((text.to_owned(), special));
                Ok::<_, ()>(vec![text.len() as TokenId])
            });
            (calls.into_inner(), tokens.unwrap_or_default())
        };
        let (calls, tokens) = seen(vec![part("<s>", false), part("a</s>b", true), part("</s>", false)]);
        let expected = [("<s>", Special::ParseWithBos), ("a</s>b", Special::Plain), ("</s>", Special::Parse)]
            .map(|(text, special)| (text.to_owned(), special));
        assert_eq!((calls, tokens), (expected.to_vec(), vec![3, 6, 4]));
        let (calls, _) = seen(vec![part("<s>", true)]);
        assert_eq!(calls, [(String::new(), Special::ParseWithBos), ("<s>".to_owned(), Special::Plain)]);
        assert!(seen(Vec::new()).1.is_empty());
    }

    #[test]
    fn what_is_appended_joins_a_part_of_the_template_only() {
        let mut rendered = Rendered::from("a".to_owned());
        rendered.push_template("b");
        assert_eq!(rendered.parts(), [part("ab", false)]);
        let mut rendered = Rendered::new(vec![part("a", true)]);
        rendered.push_template("b");
        assert_eq!(rendered.parts(), [part("a", true), part("b", false)]);
        assert_eq!(rendered.text(), "ab");
    }
}
