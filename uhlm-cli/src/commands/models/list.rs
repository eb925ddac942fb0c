//! `uhlm models ls`: lists the models in the folder, or in the catalogue.

use clap::Args;
use serde::Serialize;
use uhlm_models::catalogue::{VocabularyMatch, catalogue};
use uhlm_models::{ModelStore, Source, StoredModel, UnfinishedModel};

use crate::failure::Failure;
use crate::output;
use crate::report;
use crate::terminal::style::{Style, paint};
use crate::terminal::table::Table;

#[derive(Clone, Debug, Args)]
pub(super) struct ListArgs {
    /// List the models that are known instead of those that are there
    #[arg(long)]
    catalogue: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Document {
    models: Vec<StoredModel>,
    unfinished: Vec<UnfinishedModel>,
}

pub(super) fn run(args: &ListArgs, store: &ModelStore) -> Result<(), Failure> {
    if args.catalogue {
        return known(args.json);
    }
    let document = Document { models: store.list()?, unfinished: store.unfinished()? };
    if args.json {
        return output::json(&document);
    }
    if document.models.is_empty() && document.unfinished.is_empty() {
        output::line("no models; `uhlm models ls --catalogue` lists what can be pulled");
        return Ok(());
    }
    let mut table = Table::new(&["model", "size", "SHA-256", "from"]);
    for model in &document.models {
        let hash = model.sha256.map_or_else(|| "unknown".into(), |hash| hash.to_string()[..12].to_owned());
        let source = model.source.as_deref().map_or_else(|| "put there by other means".into(), short);
        table.push(vec![model.name.clone(), report::bytes(model.bytes), hash, source]);
    }
    if !document.models.is_empty() {
        output::line(table.render());
    }
    for model in &document.unfinished {
        let text = format!("unfinished: {}, {} so far; pull it again to go on", model.name, report::bytes(model.bytes));
        output::line(paint(Style::Dim, &text));
    }
    Ok(())
}

/// Returns a source with its commit shortened as git does.
fn short(source: &str) -> String {
    match source.parse() {
        Ok(Source::HuggingFace { owner, repo, revision, file }) if revision.len() == 40 => {
            let revision = revision.get(..12).unwrap_or_default().to_owned();
            Source::HuggingFace { owner, repo, revision, file }.to_string()
        }
        _ => source.to_owned(),
    }
}

fn known(json: bool) -> Result<(), Failure> {
    let catalogue = catalogue();
    if json {
        return output::json(catalogue);
    }
    let mut table = Table::new(&["model", "licence", "quantization", "size", "context"]);
    for model in &catalogue.models {
        let size = model.bytes.map_or_else(|| "unknown".into(), report::bytes);
        let (licence, quantization) = (model.licence.clone(), model.quantization.clone());
        table.push(vec![model.id.clone(), licence, quantization, size, model.context.to_string()]);
    }
    output::line(table.render());
    output::line("");
    let mut table = Table::new(&["pair", "draft", "target", "vocabulary", "threshold"]);
    for pair in &catalogue.pairs {
        let vocabulary = match pair.vocabulary {
            VocabularyMatch::Checked => "the same",
            VocabularyMatch::Expected => "expected to be the same",
        };
        let threshold = match pair.calibration() {
            Some(calibration) => calibration.recommended_threshold.map_or_else(|| "none".into(), |u| format!("{u:.3}")),
            None => "not measured".into(),
        };
        table.push(vec![pair.id.clone(), pair.draft.clone(), pair.target.clone(), vocabulary.into(), threshold]);
    }
    output::line(table.render());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_shortened_and_everything_else_stays() {
        let commit = "23749fefcc72300e3a2ad315e1317431b06b590a";
        assert_eq!(short(&format!("hf:o/r@{commit}/m.gguf")), "hf:o/r@23749fefcc72/m.gguf");
        for source in ["hf:o/r/m.gguf", "hf:o/r@v1.0/m.gguf", "https://host/m.gguf", "elsewhere"] {
            assert_eq!(short(source), source);
        }
    }
}
