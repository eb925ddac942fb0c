//! `uhlm info`: the facts about a model file, and how it would be run here.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use uhlm_law::chat::{ChatTemplate as _, Message};
use uhlm_law::model::{LanguageModel as _, Vocabulary};
use uhlm_law::token::TokenId;
use uhlm_llama::{Backend, Language, Model, memory};
use uhlm_server::AcceleratorArg;

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
    model: PathBuf,
    /// Say how it would draft for this target, a GGUF file of a model or of a vocabulary
    #[arg(long, value_name = "FILE")]
    target: Option<PathBuf>,
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
    /// Part of the machine that it computes on here.
    backend: Backend,
    vocabulary: usize,
    trained_context: u32,
    /// Context that a session gets unless it asks for another, in tokens.
    context: u32,
    /// Memory that the model takes in use, in bytes; `None` if it cannot be estimated.
    memory_bytes: Option<u64>,
    chat: Result<(), String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pairing: Option<Pairing>,
}

/// How a draft model's tokens become those of a target.
#[derive(Debug, Serialize)]
struct Pairing {
    /// Whether a bridge between two vocabularies is needed.
    bridged: bool,
    target_tokens: usize,
    /// Number of the target's tokens whose text is a token of the draft model too.
    in_common: usize,
}

impl Pairing {
    fn of(draft: &Model, path: &Path) -> Result<Self, Failure> {
        let target = Language::load(path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
        let pieces = |vocabulary: &dyn Vocabulary| -> Vec<Vec<u8>> {
            let ids = 0..vocabulary.size() as TokenId;
            ids.map(|id| vocabulary.piece(id).to_vec()).filter(|piece| !piece.is_empty()).collect()
        };
        let own: HashSet<Vec<u8>> = pieces(draft.vocabulary()).into_iter().collect();
        let theirs = pieces(target.vocabulary());
        let in_common = theirs.iter().filter(|piece| own.contains(*piece)).count();
        let bridged = draft.vocabulary_hash() != target.vocabulary_hash();
        Ok(Self { bridged, target_tokens: theirs.len(), in_common })
    }

    fn line(&self) -> String {
        let Self { bridged, target_tokens, in_common } = self;
        if *bridged {
            let share = report::percent(*in_common as f64 / (*target_tokens).max(1) as f64);
            format!("bridged: {in_common} of its {target_tokens} tokens ({share}) are tokens here too")
        } else {
            format!("the same {target_tokens} tokens")
        }
    }
}

pub(crate) fn run(args: &InfoArgs) -> Result<(), Failure> {
    let engine = setup::load(&args.model, AcceleratorArg::Auto)?;
    let mut document = Document::of(engine.model())?;
    document.pairing = args.target.as_deref().map(|target| Pairing::of(engine.model(), target)).transpose()?;
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
            backend: model.backend().clone(),
            vocabulary: model.vocabulary().size(),
            trained_context: model.trained_context(),
            context,
            memory_bytes: memory::of_summary(summary, context).ok().map(|estimate| estimate.total()),
            chat,
            pairing: None,
        })
    }

    fn print(&self) {
        let line = |name: &str, text: String| output::line(format_args!("{name:<NAME_WIDTH$} {text}"));
        line("model", self.name.clone());
        line("architecture", architecture(&self.architecture, self.tried));
        line("parameters", format!("{:.2} M", self.parameters as f64 / 1e6));
        line("file", report::bytes(self.file_bytes));
        line("backend", report::backend(&self.backend));
        line("vocabulary", format!("{} tokens", self.vocabulary));
        line("context", format!("{} tokens, trained for {}", self.context, self.trained_context));
        line("memory", self.memory_bytes.map_or_else(|| "unknown".into(), report::bytes));
        line("chat", self.chat.clone().map_or_else(|error| error, |()| "its template renders a conversation".into()));
        if let Some(pairing) = &self.pairing {
            line("for the target", pairing.line());
        }
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

#[cfg(test)]
mod tests {
    use uhlm_testing::pair;

    use super::*;

    #[test]
    fn a_target_of_another_vocabulary_is_bridged_and_its_own_is_not() {
        let draft = pair::draft();
        let own = Pairing::of(draft.model(), &pair::file("demo-target.gguf")).expect("a model");
        assert!(!own.bridged && own.in_common == own.target_tokens, "{own:?}");
        assert!(own.line().starts_with("the same "), "{}", own.line());
        let other = Pairing::of(draft.model(), &pair::file("prose-target.gguf")).expect("a model");
        assert!(other.bridged && other.in_common < other.target_tokens && other.in_common > 500, "{other:?}");
        assert!(other.line().starts_with("bridged: "), "{}", other.line());
        assert!(Pairing::of(draft.model(), &pair::file("README.md")).is_err());
    }
}
