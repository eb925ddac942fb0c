//! `uhlm generate`: one reply, the text to stdout, the statistics to stderr; or everything as one JSON document.

use std::io::Read as _;

use clap::Args;
use serde::Serialize;
use uhlm_core::{Event, FinishReason, GenerationError, GenerationOptions, Mode, Origin, Prompt, Statistics};
use uhlm_law::chat::Message;
use uhlm_law::sampling::TokenId;

use crate::failure::Failure;
use crate::grammar::GrammarArgs;
use crate::options::{SessionArgs, some_tokens};
use crate::output;
use crate::report::Rates;
use crate::setup::ModelArgs;
use crate::terminal::stream::ReplyView;
use crate::terminal::style::{Style, paint_stderr};

const EXAMPLES: &str = "\
Examples:
  uhlm generate 'What is 17 + 25?'
  uhlm generate --model draft.gguf --server https://host:8443 --json 'Name three rivers.'
  uhlm generate --json-schema person.json 'Mara is 31 and lives in Bonn.'
  echo 'Once upon a time' | uhlm generate --model draft.gguf --mode device-only --raw -";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct GenerateArgs {
    /// The prompt; - reads it from stdin
    prompt: String,
    /// Continue the text as it is, without the model's chat template
    #[arg(long)]
    raw: bool,
    /// Instructions before the prompt
    #[arg(long, value_name = "TEXT", conflicts_with = "raw")]
    system: Option<String>,
    /// Most tokens to write
    #[arg(short = 'n', long, value_name = "N", default_value_t = 256, value_parser = some_tokens)]
    max_tokens: usize,
    /// Text that ends the reply; may be repeated
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Print one JSON document with tokens, origins, uncertainties and statistics
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    grammar: GrammarArgs,
    #[command(flatten)]
    models: ModelArgs,
    #[command(flatten)]
    session: SessionArgs,
}

/// The document of `--json`.
#[derive(Debug, Serialize)]
struct Document {
    mode: Mode,
    draft: String,
    target: Option<String>,
    finish: FinishReason,
    text: String,
    reasoning: String,
    tokens: Vec<Token>,
    rates: Rates,
    statistics: Box<Statistics>,
}

#[derive(Debug, Serialize)]
struct Token {
    id: TokenId,
    text: String,
    origin: Origin,
    uncertainty: Option<f32>,
}

pub(crate) fn run(args: &GenerateArgs) -> Result<(), Failure> {
    let prompt = match args.prompt.as_str() {
        "-" => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| Failure::new(format!("cannot read the prompt from stdin: {error}")))?;
            without_last_newline(text)
        }
        prompt => prompt.to_owned(),
    };
    let nothing = if args.raw { prompt.is_empty() } else { prompt.trim().is_empty() };
    if nothing {
        return Err(Failure::usage("the prompt is empty"));
    }
    let grammar = args.grammar.read()?;
    let mode = args.session.mode;
    let setup = args.models.open(mode, args.session.calibration.as_deref())?;
    let session = setup.session(&args.session)?;
    if let Some(system) = &args.system {
        session.set_messages(vec![Message::system(system)])?;
    }
    let prompt = if args.raw { Prompt::Raw(prompt) } else { Prompt::Chat(prompt) };
    let options = GenerationOptions {
        max_tokens: args.max_tokens,
        stop: args.stop.clone(),
        grammar,
        ..GenerationOptions::default()
    };
    let mut generation = session.generate(prompt, options)?;
    let mut view = (!args.json).then(ReplyView::new);
    let mut tokens = Vec::new();
    while let Some(event) = generation.blocking_next() {
        let event = event.inspect_err(|_| {
            // The text so far stays on a line of its own before the error.
            view.iter_mut().for_each(ReplyView::finish);
        })?;
        if let Some(view) = &mut view {
            view.show(&event);
        }
        match event {
            Event::Committed { token, origin } | Event::Reasoning { token, origin } => {
                let (id, text, uncertainty) = (token.id, token.text, token.uncertainty);
                tokens.push(Token { id, text, origin, uncertainty });
            }
            Event::Finished { reason, text, reasoning, statistics } => {
                let rates = Rates::of(&statistics, mode);
                if let Some(view) = &mut view {
                    view.finish();
                    output::note(paint_stderr(Style::Dim, &rates.line()));
                    if statistics.grammar_complete == Some(false) {
                        return Err(GenerationError::Incomplete { text, reason }.into());
                    }
                    return Ok(());
                }
                let (draft, target) = setup.names();
                return output::json(&Document {
                    mode,
                    draft,
                    target,
                    finish: reason,
                    text,
                    reasoning,
                    tokens,
                    rates,
                    statistics,
                });
            }
            _ => {}
        }
    }
    Err(Failure::new("the generation ended without a result"))
}

/// Returns typed or echoed text without the newline that ends its last line. Any further newline is meant.
fn without_last_newline(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_newline_at_the_end_of_stdin_is_not_part_of_the_prompt() {
        let read = |text: &str| without_last_newline(text.into());
        assert_eq!(read("Once upon a time\n"), "Once upon a time");
        assert_eq!(read("Once upon a time\r\n"), "Once upon a time");
        assert_eq!(read("two lines\nof text"), "two lines\nof text");
        assert_eq!(read("a blank line follows\n\n"), "a blank line follows\n");
        assert_eq!((read("\n"), read("")), (String::new(), String::new()));
    }
}
