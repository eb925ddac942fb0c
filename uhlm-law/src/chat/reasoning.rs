//! Models that think before they reply: how they mark it, and which of what they write is reasoning.
//!
//! Decides what is reasoning and what is reply, token by token. Leaves to others when a token stands.

mod splitter;

pub use splitter::{Channel, ReasoningSplitter, Split};

/// The way in which a model marks its reasoning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReasoningFormat {
    /// The reasoning stands between two tags at the beginning of the reply.
    Tags {
        /// Text that begins the reasoning.
        open: &'static str,
        /// Text that ends the reasoning.
        close: &'static str,
    },
    /// The reasoning stands in channels with names (gpt-oss): what is said in the one called `final` is the reply.
    Channels,
}

impl ReasoningFormat {
    /// Returns the names of the tokens that mark reasoning.
    #[must_use]
    pub fn marks(self) -> Vec<&'static str> {
        match self {
            Self::Tags { open, close } => vec![open, close],
            Self::Channels => vec!["<|start|>", "<|channel|>", "<|message|>", "<|end|>"],
        }
    }
}

/// Tags of published models.
const TAGS: [(&str, &str); 5] = [
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
];

/// A model's way to reason, as its vocabulary and its template show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reasoning {
    /// The way in which the model marks its reasoning.
    pub format: ReasoningFormat,
    /// Whether its template reads a variable that turns it off and on.
    pub has_switch: bool,
}

impl Reasoning {
    /// Finds out how a model thinks: by the tokens that it has a name for, or by what its template cuts out of earlier
    /// replies. `None` where nothing says that it does.
    #[must_use]
    pub fn detect(template: Option<&str>, is_token: impl Fn(&str) -> bool) -> Option<Self> {
        let template = template.unwrap_or_default();
        let has_switch = ["enable_thinking", "thinking is defined", "if thinking", "and thinking", "not thinking"]
            .iter()
            .any(|reading| template.contains(reading));
        if ["<|start|>", "<|channel|>", "<|message|>"].into_iter().all(&is_token) {
            return Some(Self { format: ReasoningFormat::Channels, has_switch });
        }
        let marks = |&&(open, close): &&(&str, &str)| (is_token(open) && is_token(close)) || template.contains(close);
        let &(open, close) = TAGS.iter().find(marks)?;
        Some(Self { format: ReasoningFormat::Tags { open, close }, has_switch })
    }

    /// Returns the text that has to follow a prompt so that the reply begins without reasoning; it is empty where the
    /// template saw to that.
    #[must_use]
    pub fn skipping(&self, prompt: &str) -> String {
        match self.format {
            ReasoningFormat::Channels if prompt.ends_with(FINAL) => String::new(),
            ReasoningFormat::Channels => FINAL.into(),
            ReasoningFormat::Tags { open, close } => {
                let is_open = prompt.trim_end().ends_with(open);
                let is_closed = prompt.trim_end().ends_with(close);
                match (is_open, is_closed || self.has_switch) {
                    (true, _) if prompt.ends_with('\n') => format!("\n{close}\n\n"),
                    (true, _) => format!("\n\n{close}\n\n"),
                    (false, true) => String::new(),
                    (false, false) => format!("{open}\n\n{close}\n\n"),
                }
            }
        }
    }

    /// Returns the text that ends reasoning under way, so that the reply follows.
    #[must_use]
    pub fn closing(&self) -> String {
        match self.format {
            ReasoningFormat::Channels => format!("<|end|><|start|>assistant{FINAL}"),
            ReasoningFormat::Tags { close, .. } => format!("\n{close}\n\n"),
        }
    }

    /// Splits an earlier reply that begins with reasoning between two tags into the reasoning and the rest; `None` for
    /// any other.
    #[must_use]
    pub fn taken_apart<'a>(&self, said: &'a str) -> Option<(&'a str, &'a str)> {
        let ReasoningFormat::Tags { open, close } = self.format else { return None };
        let (reasoning, rest) = said.trim_start().strip_prefix(open)?.split_once(close)?;
        Some((reasoning.trim(), rest.trim_start()))
    }
}

/// Text after which the reply itself begins in a model with channels.
const FINAL: &str = "<|channel|>final<|message|>";

#[cfg(test)]
mod tests {
    use super::*;

    const THINK: ReasoningFormat = ReasoningFormat::Tags { open: "<think>", close: "</think>" };

    fn detected(template: &str, tokens: &[&str]) -> Option<Reasoning> {
        Reasoning::detect(Some(template), |name| tokens.contains(&name))
    }

    #[test]
    fn a_model_thinks_if_its_vocabulary_or_its_template_says_so() {
        for (template, tokens, expected) in [
            ("{{ messages }}", &["<think>", "</think>"][..], Some((THINK, false))),
            ("{% if enable_thinking %}", &["<think>", "</think>"], Some((THINK, true))),
            ("{{ content.split('</think>')[-1] }}", &[], Some((THINK, false))),
            ("{% if thinking is defined %}</think>", &[], Some((THINK, true))),
            ("", &["[THINK]", "[/THINK]"], Some((ReasoningFormat::Tags { open: "[THINK]", close: "[/THINK]" }, false))),
            ("", &["<|start|>", "<|channel|>", "<|message|>"], Some((ReasoningFormat::Channels, false))),
            ("", &["<think>"], None),
            ("", &["<|im_start|>", "<|im_end|>"], None),
        ] {
            let expected = expected.map(|(format, has_switch)| Reasoning { format, has_switch });
            assert_eq!(detected(template, tokens), expected, "{template} {tokens:?}");
        }
        assert_eq!(Reasoning::detect(None, |_| false), None);
    }

    #[test]
    fn reasoning_is_skipped_by_what_follows_the_prompt() {
        let own = Reasoning { format: THINK, has_switch: false };
        let switched = Reasoning { has_switch: true, ..own };
        assert_eq!(own.skipping("user\nhi\nassistant\n"), "<think>\n\n</think>\n\n");
        assert_eq!(own.skipping("assistant\n<think>\n"), "\n</think>\n\n");
        assert_eq!(own.skipping("assistant\n<think>"), "\n\n</think>\n\n");
        assert_eq!(switched.skipping("assistant\n<think>\n\n</think>\n\n"), "");
        assert_eq!(switched.skipping("assistant\n"), "");
        assert_eq!(switched.skipping("assistant\n<think>\n"), "\n</think>\n\n");
        let channels = Reasoning { format: ReasoningFormat::Channels, has_switch: false };
        assert_eq!(channels.skipping("<|start|>assistant"), FINAL);
        assert_eq!(channels.skipping("<|start|>assistant<|channel|>final<|message|>"), "");
    }

    #[test]
    fn an_earlier_reply_is_taken_apart() {
        let own = Reasoning { format: THINK, has_switch: false };
        assert_eq!(own.taken_apart("<think>\nhm\n</think>\n\nYes"), Some(("hm", "Yes")));
        assert_eq!(own.taken_apart("Yes <think>hm</think>"), None);
        assert_eq!(own.taken_apart("<think>never ends"), None);
    }
}
