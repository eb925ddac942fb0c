//! Reads prompts from files, as several commands take them.

use std::path::PathBuf;

use clap::Args;
use uhlm_eval::questions::{self, Question};

use crate::failure::Failure;
use crate::pair::Pair;

/// Which prompts.
#[derive(Clone, Debug, Args)]
pub(crate) struct PromptArgs {
    /// Prompts: JSON Lines with `prompt`, `question` or `turns`, and `category` or `task`; or one a line. May be
    /// repeated; without it the demo pair's questions and free prompts
    #[arg(long = "prompts", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Only prompts of these kinds, separated by commas
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    categories: Vec<String>,
}

impl PromptArgs {
    /// Reads the prompts, each with its kind: where a file gives none, the file's own name.
    pub(crate) fn read(&self) -> Result<Vec<Question>, Failure> {
        let files = if self.files.is_empty() {
            let bundled = Pair::find()?;
            vec![bundled.heldout(), bundled.free_prompts()]
        } else {
            self.files.clone()
        };
        let mut all = Vec::new();
        for file in files {
            let kind = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let found = questions::read(&file)?.into_iter();
            all.extend(found.map(|q| Question { task: q.task.or_else(|| Some(kind.clone())), ..q }));
        }
        if !self.categories.is_empty() {
            all.retain(|question| question.task.as_ref().is_some_and(|task| self.categories.contains(task)));
        }
        if all.is_empty() { Err(Failure::usage("there is no prompt of these kinds")) } else { Ok(all) }
    }
}
