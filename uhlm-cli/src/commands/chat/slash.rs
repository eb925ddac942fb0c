//! Commands inside a chat.

use uhlm_core::mode::Mode;

use crate::options;

pub(super) const HELP: &str = "\
/mode [MODE]  show or change the mode: exact, opportunistic,
              device-only or remote-only
/stats        the conversation in numbers
/reset        forget the conversation
/quit         leave (or Ctrl-D)
/help         this list";

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slash {
    Mode(Option<Mode>),
    Stats,
    Reset,
    Help,
    Quit,
}

/// Reads what stands after the slash.
pub(super) fn parse(text: &str) -> Result<Slash, String> {
    let mut words = text.split_whitespace();
    let (name, argument) = (words.next().unwrap_or_default(), words.next());
    match (name, argument) {
        ("mode", argument) => argument.map(options::mode).transpose().map(Slash::Mode),
        ("stats", None) => Ok(Slash::Stats),
        ("reset", None) => Ok(Slash::Reset),
        ("help", None) => Ok(Slash::Help),
        ("quit" | "exit", None) => Ok(Slash::Quit),
        _ => Err(format!("there is no command /{text}; /help lists them")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_with_their_arguments() {
        assert_eq!(parse("mode"), Ok(Slash::Mode(None)));
        assert_eq!(parse(" mode  device-only"), Ok(Slash::Mode(Some(Mode::DeviceOnly))));
        assert_eq!(parse("quit"), Ok(Slash::Quit));
        assert!(parse("mode both").is_err() && parse("stats now").is_err() && parse("").is_err());
    }
}
