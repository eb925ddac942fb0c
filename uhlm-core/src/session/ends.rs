//! The tokens that end a reply of the draft model or of the target, and those that mark reasoning or calls.

use uhlm_law::model::{LanguageModel, Special};
use uhlm_law::noise::TokenKeys;
use uhlm_law::sampling::TokenId;
use uhlm_tools::ToolFormat;

use crate::language::Language;

/// The tokens that end a reply of the target, and the noise keys of all tokens for such a target.
pub(super) struct TargetEnds {
    pub(super) ends: Vec<TokenId>,
    pub(super) keys: TokenKeys,
}

/// Tells whether a token ends a reply of the draft model or of the target.
pub(super) fn ends_either(model: &dyn LanguageModel, target: Option<&TargetEnds>, id: TokenId) -> bool {
    target.is_some_and(|target| target.ends.contains(&id)) || model.vocabulary().is_end(id)
}

/// Returns the tokens by which a model marks its reasoning and its calls of tools.
pub(super) fn marks(language: &Language) -> Vec<(TokenId, &'static str)> {
    let mut names = language.template.reasoning().map(|reasoning| reasoning.format.marks()).unwrap_or_default();
    let calls = tool_format(language).marks().iter().filter(|name| !names.contains(name));
    names.extend(calls.copied().collect::<Vec<_>>());
    let token = |name: &'static str| match language.words.tokenize(name, Special::Parse).as_deref() {
        Ok([id]) => Some((*id, name)),
        _ => None,
    };
    names.into_iter().filter_map(token).collect()
}

/// Returns the format in which a model is shown calls by its template; `None` where it is only told of one in words.
fn native_format(language: &Language) -> Option<ToolFormat> {
    language.template.source().and_then(ToolFormat::detect)
}

/// Returns the control token by which a model marks calls with this name; `None` where the mark is text. A model that
/// is only told of the format in words may spell the mark, whatever its vocabulary has.
pub(super) fn control_mark(language: &Language, name: &str) -> Option<TokenId> {
    native_format(language)?;
    match language.words.tokenize(name, Special::Parse).as_deref() {
        Ok([id]) if language.words.vocabulary().piece(*id).is_empty() => Some(*id),
        _ => None,
    }
}

/// Tells whether a model begins calls with a control token.
pub(super) fn has_control_opener(language: &Language) -> bool {
    let opener = tool_format(language).marks().first();
    opener.is_some_and(|name| control_mark(language, name).is_some())
}

/// Returns the format in which a model writes calls. One whose template knows none is told of that of Hermes.
pub(super) fn tool_format(language: &Language) -> ToolFormat {
    native_format(language).unwrap_or(ToolFormat::Hermes)
}
