//! Checks whether draft and target have the same tokens, and where they differ.

use std::path::Path;

use uhlm_core::Engine;
use uhlm_law::advance::{Info, VocabularyOffer};
use uhlm_law::fingerprint::{self, BLOCK_IDS};
use uhlm_law::model::LanguageModel as _;
use uhlm_law::token::{TokenId, TokenKind};
use uhlm_llama::{Accelerator, LoadOptions, Model};

use super::check::Report;
use crate::failure::Failure;
use crate::report;

/// Number of tokens that are named where two vocabularies differ.
const NAMED: usize = 5;
const HINT: &str = "use a draft model of the target's family, or a server that offers its vocabulary";

/// Returns options for a model of which the tokens alone are looked at.
fn on_the_cpu() -> LoadOptions {
    LoadOptions { accelerator: Accelerator::Cpu, ..LoadOptions::default() }
}

/// Compares the draft model with the server's information about its target. `target` is that model's file, if it is
/// here.
pub(super) fn check_server(report: &mut Report, engine: &Engine, info: &Info, target: Option<&Path>) {
    let model = engine.model();
    if model.vocabulary_hash() == info.vocabulary {
        report.good("vocabulary", format!("equal on both sides, {}", size(model)));
        check_ends(report, model, &info.ends);
        return;
    }
    let there = info.limits.vocabulary_size;
    let sizes = format!("{} here, {there} on the server", model.vocabulary().size());
    let first = match target.and_then(|path| Model::load(path, &on_the_cpu()).ok()) {
        Some(target) => Some(named(model, &target)),
        None if info.blocks.is_empty() => None,
        None => model.vocabulary_hashes().blocks.first_difference(&info.blocks).map(|from| part(model, from)),
    };
    let first = first.map(|first| format!("; {first}")).unwrap_or_default();
    let differ = format!("draft and target have different tokens: {sizes}{first}");
    if info.hands_off {
        let text = format!("{there} tokens that carry the text of a chat service, whatever the draft model has");
        report.good("vocabulary", text);
        return;
    }
    match info.vocabulary_file {
        Some(VocabularyOffer { bytes, .. }) => {
            let size = report::bytes(bytes.into());
            report.good("vocabulary", format!("bridged by the target's own, {size}, fetched once: {differ}"));
        }
        None => report.failed("vocabulary", Failure::new(differ).hint(HINT)),
    }
}

/// Compares the draft model with another file, token by token.
pub(super) fn check_file(report: &mut Report, engine: &Engine, path: &Path) {
    let model = engine.model();
    let other = match Model::load(path, &on_the_cpu()) {
        Ok(other) => other,
        Err(error) => return report.failed("compared", error),
    };
    if model.vocabulary_hash() == other.vocabulary_hash() {
        let text = format!("{} has the same tokens: {}, and {}", other.name(), size(model), size(&other));
        report.good("compared", text);
        return check_ends(report, model, &other.vocabulary().ends());
    }
    let failure = Failure::new(format!("{} has other tokens: {}", other.name(), named(model, &other)));
    report.failed("compared", failure.hint(HINT));
}

/// Says that replies of the target end with other tokens than those of the draft model, if they do.
fn check_ends(report: &mut Report, model: &Model, ends: &[TokenId]) {
    let own = model.vocabulary().ends();
    if !ends.is_empty() && ends != own {
        let names = |ids: &[TokenId]| ids.iter().map(|&id| name(model, id)).collect::<Vec<_>>().join(", ");
        let text =
            format!("replies of the target end with {}, those of the draft model with {}", names(ends), names(&own));
        report.good("end of reply", format!("{text}; the target's count"));
    }
}

/// Returns the number of a model's tokens, and of its rows if it has more.
fn size(model: &Model) -> String {
    match (model.tokens(), model.vocabulary_rows()) {
        (tokens, rows) if tokens == rows => format!("{tokens} tokens"),
        (tokens, rows) => format!("{tokens} tokens in {rows} rows"),
    }
}

/// Returns the names of the first tokens that differ.
fn named(here: &Model, there: &Model) -> String {
    let most = here.vocabulary().size().max(there.vocabulary().size()) as TokenId;
    let differs = |id: &TokenId| !fingerprint::is_same_token(here.token(*id).as_ref(), there.token(*id).as_ref());
    let different: Vec<TokenId> = (0..most).filter(differs).collect();
    let named = different.iter().take(NAMED).map(|&id| format!("{id} is {} and {}", name(here, id), name(there, id)));
    let named: Vec<String> = named.collect();
    let others = different.len().saturating_sub(NAMED);
    let others = if others > 0 { format!("; {others} more differ") } else { String::new() };
    format!("{}{others}", named.join("; "))
}

/// Returns the first part of a vocabulary that differs.
fn part(model: &Model, from: TokenId) -> String {
    let last = from + BLOCK_IDS - 1;
    format!("the first difference is between {from} ({}) and {last} ({})", name(model, from), name(model, last))
}

/// Returns a token as people can read it.
fn name(model: &Model, id: TokenId) -> String {
    match model.token(id) {
        Some((text, kind)) => {
            let text = String::from_utf8_lossy(&text).escape_debug().to_string();
            if kind == TokenKind::Control { text } else { format!("\"{text}\"") }
        }
        None => "no token".into(),
    }
}

#[cfg(test)]
mod tests {
    use uhlm_testing::padded_gguf::{self, Changes};
    use uhlm_testing::pair;

    use super::*;

    /// Returns the report on the bundled draft model beside the bundled target with changes: whether it is healthy, and
    /// its details.
    fn said(changes: &Changes, by_file: bool) -> (bool, String) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("target.gguf");
        padded_gguf::write(&pair::file("demo-target.gguf"), &path, changes).expect("a model");
        let mut report = Report::new(false);
        if by_file {
            check_file(&mut report, &pair::draft(), &path);
        } else {
            let target = Model::load(&path, &LoadOptions::default()).expect("a model that loads");
            check_server(&mut report, &pair::draft(), &info(&target), None);
        }
        (report.outcome().is_ok(), serde_json::to_string(&report).expect("plain data"))
    }

    fn info(target: &Model) -> Info {
        let limits = uhlm_law::advance::Limits {
            vocabulary_size: target.vocabulary().size() as u32,
            context: 1024,
            max_draft: 16,
            max_body: 1 << 20,
        };
        Info {
            protocol: uhlm_law::advance::PROTOCOL.into(),
            model: target.name().into(),
            fingerprint: target.fingerprint(),
            vocabulary: target.vocabulary_hash(),
            capabilities: uhlm_law::advance::Capabilities::NONE,
            limits,
            ends: target.vocabulary().ends(),
            blocks: target.vocabulary_hashes().blocks.clone(),
            engine: String::new(),
            vocabulary_file: None,
            hands_off: false,
        }
    }

    #[test]
    fn rows_without_a_token_are_no_difference() {
        let changes = Changes { after: vec![5, 5], ..Changes::default() };
        let (healthy, text) = said(&changes, true);
        assert!(healthy && text.contains("1024 tokens, and 1024 tokens in 1026 rows"), "{text}");
        assert!(said(&changes, false).0);
    }

    #[test]
    fn the_first_tokens_that_differ_are_named() {
        let changes = Changes { holes: vec![(700, 5), (701, 5)], ..Changes::default() };
        let (healthy, text) = said(&changes, true);
        assert!(!healthy && text.contains("700 is ") && text.contains("and no token; 701 is "), "{text}");
        // A server tells where the vocabularies differ, but not in which tokens.
        let (healthy, text) = said(&changes, false);
        assert!(
            !healthy && text.contains("the first difference is between 512 (") && text.contains("and 767 ("),
            "{text}"
        );
    }

    #[test]
    fn other_ends_are_told_and_are_no_failure() {
        let changes = Changes { end: Some(1), ..Changes::default() };
        let (healthy, text) = said(&changes, true);
        assert!(healthy && text.contains("replies of the target end with <|im_start|>"), "{text}");
    }
}
