//! Edits lines in an interactive chat, and keeps a message open until all of its lines are there.

use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Editor, Helper};

use super::message::{self, Lines};

/// The editor of messages.
pub(super) type MessageEditor = Editor<Messages, DefaultHistory>;

/// Makes the editor.
pub(super) fn new() -> rustyline::Result<MessageEditor> {
    let mut editor = MessageEditor::new()?;
    editor.set_helper(Some(Messages));
    Ok(editor)
}

/// A helper of the editor that says when a message is complete; it suggests and colours nothing.
pub(super) struct Messages;

impl Validator for Messages {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(match message::read(context.input()) {
            Lines::Open => ValidationResult::Incomplete,
            Lines::Quoted(_) | Lines::Typed(_) => ValidationResult::Valid(None),
        })
    }
}

impl Completer for Messages {
    type Candidate = String;
}

impl Hinter for Messages {
    type Hint = String;
}

impl Highlighter for Messages {}

impl Helper for Messages {}
