//! What is checked of a template's text before the engine compiles it: its size, and how deep its expressions and
//! branches are nested, because the engine compiles and drops them by recursion.

use minijinja::machinery::{Token, WhitespaceConfig, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::limits::MAX_SOURCE;

/// The name of the number one. The engine multiplies constants while it compiles, however large the product is; a
/// variable between them is no constant. The guarded program knows it, and leaves it out.
pub(super) const ONE: &str = "__one";

/// Largest number of operators, calls and brackets around each other in one expression.
const MAX_NESTED: usize = 400;
/// Largest number of brackets around each other.
const MAX_BRACKETS: usize = 40;
/// Largest number of blocks around each other, each `elif` among them, since it is a branch of the one before it.
const MAX_BLOCKS: usize = 120;

/// Returns the text for the engine to compile.
///
/// # Errors
/// The reason why it is not compiled at all.
pub(super) fn prepared(text: &str, white_space: WhitespaceConfig) -> Result<String, String> {
    if text.len() > MAX_SOURCE {
        return Err(format!("it has more than {MAX_SOURCE} bytes"));
    }
    let mut nesting = Nesting { levels: vec![0], depth: 0, blocks: Vec::new() };
    let (mut products, mut before) = (Vec::new(), None);
    // What cannot be split into tokens is for the engine to tell.
    for (token, span) in tokenize(text, false, SyntaxConfig, white_space).map_while(Result::ok) {
        let is_splat = matches!(before, Some(Token::ParenOpen | Token::Comma));
        if matches!(token, Token::Mul) && !is_splat {
            products.push(span.start_offset as usize);
        }
        let begins = matches!(before, Some(Token::BlockStart));
        nesting.enter(&token, begins)?;
        before = Some(token);
    }
    let mut prepared = String::with_capacity(text.len() + (ONE.len() + 1) * products.len());
    let mut start = 0;
    for product in products {
        prepared.push_str(&text[start..product]);
        prepared.push('*');
        prepared.push_str(ONE);
        start = product;
    }
    prepared.push_str(&text[start..]);
    Ok(prepared)
}

/// How deep the text is nested at a token.
struct Nesting {
    /// Operators of the expression so far, of each open bracket in turn.
    levels: Vec<usize>,
    /// Their sum.
    depth: usize,
    /// Branches of each open block.
    blocks: Vec<usize>,
}

impl Nesting {
    /// Takes the next token; `begins` says whether it is the first of a tag.
    fn enter(&mut self, token: &Token<'_>, begins: bool) -> Result<(), String> {
        match token {
            Token::VariableStart | Token::BlockStart => {
                self.levels = vec![0];
                self.depth = 0;
            }
            Token::Ident(name) if begins => self.enter_block(name)?,
            Token::Ident("and" | "or" | "not" | "if" | "else" | "is" | "in") => self.deeper(),
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => {
                self.deeper();
                self.levels.push(0);
            }
            Token::ParenClose | Token::BracketClose | Token::BraceClose if self.levels.len() > 1 => {
                self.depth -= self.levels.pop().unwrap_or(0);
            }
            Token::Comma | Token::Colon | Token::Assign => {
                if let Some(level) = self.levels.last_mut() {
                    self.depth -= std::mem::take(level);
                }
            }
            Token::Plus
            | Token::Minus
            | Token::Mul
            | Token::Div
            | Token::FloorDiv
            | Token::Pow
            | Token::Mod
            | Token::Dot
            | Token::Tilde
            | Token::Pipe
            | Token::Eq
            | Token::Ne
            | Token::Gt
            | Token::Gte
            | Token::Lt
            | Token::Lte => self.deeper(),
            _ => {}
        }
        if self.depth > MAX_NESTED || self.levels.len() > MAX_BRACKETS {
            return Err("an expression is nested too deep".into());
        }
        Ok(())
    }

    fn deeper(&mut self) {
        self.depth += 1;
        if let Some(level) = self.levels.last_mut() {
            *level += 1;
        }
    }

    /// Takes the name of a tag.
    fn enter_block(&mut self, name: &str) -> Result<(), String> {
        match name {
            "for" | "if" | "with" | "autoescape" | "filter" | "block" | "macro" | "call" => self.blocks.push(1),
            "elif" => {
                if let Some(branches) = self.blocks.last_mut() {
                    *branches += 1;
                }
            }
            // Whether `set` opens a block is seen at its end alone; the engine bounds how many are nested.
            "endset" => {}
            name if name.starts_with("end") => drop(self.blocks.pop()),
            _ => {}
        }
        if self.blocks.iter().sum::<usize>() > MAX_BLOCKS {
            return Err("blocks are nested too deep".into());
        }
        Ok(())
    }
}
