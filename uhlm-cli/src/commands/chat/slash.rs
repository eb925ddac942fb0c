//! Reads the commands inside a chat.

use uhlm_core::Mode;

use crate::options;

pub(super) const HELP: &str = "\
/mode [MODE]  show or change the mode: exact, opportunistic,
              device-only or remote-only
/stats        the conversation in numbers
/reset        forget the conversation
/quit         leave (or Ctrl-D)
/help         this list
\\             at the end of a line: the message goes on in the next
\"\"\"           before and after a message of several lines
//reset       the word /reset as a message

Whatever else begins with a slash goes to the model.";

/// A command of the chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slash {
    Mode(Option<Mode>),
    Stats,
    Reset,
    Help,
    Quit,
}

/// A typed message, as it was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said<'a> {
    Command(Slash),
    /// A command with an argument that it does not take, with the reason.
    Wrong(String),
    /// Text for the model.
    Message(&'a str),
}

/// Tells commands from messages: a path, a comment or any other word with a slash is for the model.
pub(super) fn read(text: &str) -> Said<'_> {
    match text.strip_prefix('/') {
        None => Said::Message(text),
        Some(rest) => match (command(rest), rest.strip_prefix('/').map(command)) {
            (Some(Ok(command)), _) => Said::Command(command),
            (Some(Err(reason)), _) => Said::Wrong(format!("/mode: {reason}")),
            (None, Some(Some(_))) => Said::Message(rest),
            (None, _) => Said::Message(text),
        },
    }
}

/// Reads the text after the slash as a command; `None` if it is none.
fn command(text: &str) -> Option<Result<Slash, String>> {
    let mut words = text.split_whitespace();
    // A command follows its slash at once and is alone on its line.
    let name = words.next().filter(|name| text.starts_with(name) && !text.contains('\n'))?;
    match (name, words.next(), words.next()) {
        ("mode", argument, None) => Some(argument.map(options::mode).transpose().map(Slash::Mode)),
        ("stats", None, _) => Some(Ok(Slash::Stats)),
        ("reset", None, _) => Some(Ok(Slash::Reset)),
        ("help" | "?", None, _) => Some(Ok(Slash::Help)),
        ("quit" | "exit" | "bye", None, _) => Some(Ok(Slash::Quit)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_with_their_arguments() {
        assert_eq!(read("/mode"), Said::Command(Slash::Mode(None)));
        assert_eq!(read("/mode  device-only"), Said::Command(Slash::Mode(Some(Mode::DeviceOnly))));
        assert_eq!(read("/quit"), Said::Command(Slash::Quit));
        assert!(matches!(read("/mode both"), Said::Wrong(reason) if reason.contains("device-only")));
    }

    #[test]
    fn every_other_word_with_a_slash_is_a_message() {
        for text in [
            "/etc/passwd is what?",
            "/imagine a cat",
            "/",
            "/ reset",
            "// a comment",
            "//",
            "/stats of the city of Rome",
            "/mode of transport of the future",
            "/reset\nthe clock",
            "hello /reset",
        ] {
            assert_eq!(read(text), Said::Message(text));
        }
    }

    #[test]
    fn a_second_slash_sends_a_command_as_a_message() {
        assert_eq!(read("//reset"), Said::Message("/reset"));
        assert_eq!(read("//mode exact"), Said::Message("/mode exact"));
    }
}
