//! `uhlm info`: the facts about a model file, and how it would be run here.

use clap::Args;
use serde::Serialize;
use uhlm_law::chat::{ChatTemplate as _, Message};
use uhlm_law::model::LanguageModel as _;
use uhlm_llama::{Model, memory};

use crate::failure::Failure;
use crate::output;
use crate::report;
use crate::setup;

/// Width of the names in the text, in columns.
const NAME_WIDTH: usize = 14;

#[derive(Clone, Debug, Args)]
pub(crate) struct InfoArgs {
    /// GGUF file
    #[arg(value_name = "FILE")]
    model: std::path::PathBuf,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Document {
    name: String,
    architecture: String,
    /// Whether the authors have run models of this architecture.
    tried: bool,
    parameters: u64,
    file_bytes: u64,
    vocabulary: usize,
    trained_context: u32,
    /// Context that a session gets unless it asks for another, in tokens.
    context: u32,
    /// Memory that the model takes in use, in bytes; `None` if it cannot be estimated.
    memory_bytes: Option<u64>,
    chat: Result<(), String>,
}

pub(crate) fn run(args: &InfoArgs) -> Result<(), Failure> {
    let engine = setup::load(&args.model)?;
    let document = Document::of(engine.model())?;
    if args.json {
        return output::json(&document);
    }
    document.print();
    Ok(())
}

impl Document {
    fn of(model: &Model) -> Result<Self, Failure> {
        let summary = model.summary();
        let context = model.fitted_context().map_err(|error| Failure::new(error.to_string()))?;
        let chat = model.prompt(&[Message::user("Hello")]).map(drop).map_err(|error| error.to_string());
        Ok(Self {
            name: model.name().to_owned(),
            architecture: summary.architecture.clone(),
            tried: summary.is_tried(),
            parameters: model.parameters(),
            file_bytes: summary.file_bytes,
            vocabulary: model.vocabulary().size(),
            trained_context: model.trained_context(),
            context,
            memory_bytes: memory::of_summary(summary, context).ok().map(|estimate| estimate.total()),
            chat,
        })
    }

    fn print(&self) {
        let line = |name: &str, text: String| output::line(format_args!("{name:<NAME_WIDTH$} {text}"));
        line("model", self.name.clone());
        line("architecture", architecture(&self.architecture, self.tried));
        line("parameters", format!("{:.2} M", self.parameters as f64 / 1e6));
        line("file", report::bytes(self.file_bytes));
        line("vocabulary", format!("{} tokens", self.vocabulary));
        line("context", format!("{} tokens, trained for {}", self.context, self.trained_context));
        line("memory", self.memory_bytes.map_or_else(|| "unknown".into(), report::bytes));
        line("chat", self.chat.clone().map_or_else(|error| error, |()| "its template renders a conversation".into()));
    }
}

/// Returns the architecture, with a remark if nobody here has run it.
pub(crate) fn architecture(name: &str, tried: bool) -> String {
    if tried {
        name.to_owned()
    } else {
        format!("{name} (not tried: llama.cpp runs it, this library's authors have not)")
    }
}
