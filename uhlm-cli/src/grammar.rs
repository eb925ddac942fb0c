//! The flags that say which form a reply is to have.

use std::path::PathBuf;

use clap::Args;
use uhlm_core::Grammar;

use crate::failure::Failure;

/// The form of a reply.
#[derive(Clone, Debug, Default, Args)]
#[group(multiple = false)]
pub(crate) struct GrammarArgs {
    /// Write JSON that this JSON schema describes
    #[arg(long, value_name = "FILE")]
    json_schema: Option<PathBuf>,
    /// Write text that this regular expression matches, from its beginning to its end
    #[arg(long, value_name = "REGEX")]
    regex: Option<String>,
    /// Write one of these texts
    #[arg(long, value_name = "TEXT,TEXT", value_delimiter = ',')]
    choices: Vec<String>,
    /// Write text of this grammar, in the Lark syntax of llguidance
    #[arg(long, value_name = "FILE")]
    grammar: Option<PathBuf>,
}

impl GrammarArgs {
    /// Reads the form that was asked for, if any was.
    pub(crate) fn read(&self) -> Result<Option<Grammar>, Failure> {
        let text = |path: &PathBuf| {
            std::fs::read_to_string(path)
                .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))
        };
        Ok(if let Some(path) = &self.json_schema {
            Some(Grammar::JsonSchema(text(path)?))
        } else if let Some(path) = &self.grammar {
            Some(Grammar::Lark(text(path)?))
        } else if let Some(regex) = &self.regex {
            Some(Grammar::Regex(regex.clone()))
        } else if self.choices.is_empty() {
            None
        } else {
            Some(Grammar::Choices(self.choices.clone()))
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        grammar: GrammarArgs,
    }

    #[test]
    fn one_form_at_a_time_is_read() {
        let read = |args: &[&str]| Only::try_parse_from([&["uhlm"], args].concat()).map(|only| only.grammar.read());
        let form = |args: &[&str]| read(args).expect("flags").expect("a form");
        assert_eq!(form(&[]), None);
        assert_eq!(form(&["--regex", "[a-z]+"]), Some(Grammar::Regex("[a-z]+".into())));
        assert_eq!(form(&["--choices", "yes,no"]), Some(Grammar::Choices(vec!["yes".into(), "no".into()])));
        assert!(read(&["--regex", "a", "--choices", "b"]).is_err(), "two forms");
        assert!(read(&["--json-schema", "no such file"]).expect("flags").is_err());
    }
}
