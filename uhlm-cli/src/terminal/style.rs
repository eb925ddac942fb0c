//! Decides when colours are used, and which.

use std::sync::OnceLock;

use clap::ValueEnum;
use console::Term;
use uhlm_core::Origin;

use super::border::own;

/// The answer to `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`
    #[default]
    Auto,
    /// Always, into files and pipes too
    Always,
    /// Never
    Never,
}

static CHOICE: OnceLock<ColorChoice> = OnceLock::new();

/// Settles `--color` for the whole run.
pub(crate) fn choose(choice: ColorChoice) {
    // Only `main` calls this, once.
    let _ = CHOICE.set(choice);
}

fn has_colours(terminal: bool) -> bool {
    match CHOICE.get().copied().unwrap_or_default() {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
            terminal && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

/// Tells whether stdout takes colours.
pub(crate) fn stdout_has_colours() -> bool {
    has_colours(Term::stdout().is_term())
}

/// Tells whether stderr takes colours.
pub(crate) fn stderr_has_colours() -> bool {
    has_colours(Term::stderr().is_term())
}

/// Tells whether stdout is a terminal that can move its cursor.
pub(crate) fn stdout_is_terminal() -> bool {
    Term::stdout().is_term() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Returns the number of columns of the terminal at stdout; 80 if there is none.
pub(crate) fn width() -> usize {
    Term::stdout().size_checked().map_or(80, |(_, columns)| usize::from(columns)).clamp(20, 1000)
}

/// A meaning, shown by a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Style {
    Plain,
    Heading,
    Dim,
    Good,
    Bad,
    Warning,
    Provisional,
    From(Origin),
}

impl Style {
    /// Returns the parameters of the escape sequence (SGR) for the style; empty for none. Origins differ in brightness
    /// or weight too, not in hue alone.
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Heading => "1",
            Self::Dim | Self::Provisional => "2",
            Self::Good | Self::From(Origin::Verified) => "32",
            Self::Bad => "1;31",
            Self::Warning => "33",
            Self::From(Origin::Draft) => "36",
            Self::From(Origin::Target) => "1;35",
            Self::From(Origin::Unverified) => "4;31",
        }
    }
}

/// Returns text in a style, if `colours` are wanted.
pub(crate) fn painted(colours: bool, style: Style, text: &str) -> String {
    match style.code() {
        code if colours && !code.is_empty() && !text.is_empty() => own(&format!("{code}m")) + text + &own("0m"),
        _ => text.to_owned(),
    }
}

/// Returns text in a style, for stdout.
pub(crate) fn paint(style: Style, text: &str) -> String {
    painted(stdout_has_colours(), style, text)
}

/// Returns text in a style, for stderr.
pub(crate) fn paint_stderr(style: Style, text: &str) -> String {
    painted(stderr_has_colours(), style, text)
}

/// Returns a line that explains the origins' colours.
pub(crate) fn legend() -> String {
    let entries = [
        (Style::From(Origin::Draft), "draft"),
        (Style::From(Origin::Verified), "verified"),
        (Style::From(Origin::Target), "target"),
        (Style::From(Origin::Unverified), "unverified"),
        (Style::Provisional, "provisional"),
    ];
    entries.map(|(style, name)| paint(style, name)).join("  ")
}

#[cfg(test)]
mod tests {
    use super::super::border::shown;
    use super::*;

    #[test]
    fn without_colours_text_stays_as_it_is() {
        assert_eq!(painted(false, Style::Bad, "x"), "x");
        assert_eq!(painted(true, Style::Plain, "x"), "x");
        assert_eq!(shown(&painted(true, Style::Good, "x")), "\x1b[32mx\x1b[0m");
    }

    #[test]
    fn every_origin_looks_different() {
        let origins = [Origin::Draft, Origin::Verified, Origin::Target, Origin::Unverified];
        let codes: std::collections::HashSet<&str> = origins.iter().map(|o| Style::From(*o).code()).collect();
        assert_eq!(codes.len(), origins.len());
    }
}
