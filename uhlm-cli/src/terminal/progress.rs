//! Draws progress bars on stderr, for people only.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::border::shown;

/// Returns the place to draw on: none unless stderr is a terminal.
fn target() -> ProgressDrawTarget {
    if console::Term::stderr().is_term() && std::env::var_os("TERM").is_none_or(|term| term != "dumb") {
        ProgressDrawTarget::stderr_with_hz(8)
    } else {
        ProgressDrawTarget::hidden()
    }
}

/// Makes a line that says what is being done and for how long, where nobody knows how much is left.
pub(crate) fn spinner(what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{elapsed} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::with_draw_target(None, target()).with_style(style).with_message(shown(what))
}

/// Makes a bar over `total` steps.
pub(crate) fn bar(total: usize, what: &str) -> ProgressBar {
    drawn(Some(total as u64), "{msg:34} {bar:24} {pos}/{len} {eta}", what)
}

/// Makes a bar over bytes, whose number may become known later.
pub(crate) fn bytes(total: Option<u64>, what: &str) -> ProgressBar {
    drawn(total, "{msg:34!} {bar:24} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}", what)
}

fn drawn(total: Option<u64>, template: &str, what: &str) -> ProgressBar {
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ");
    ProgressBar::with_draw_target(total, target()).with_style(style).with_message(shown(what))
}

/// Returns a function that sets the bar to a share, for a task that reports its progress so.
pub(crate) fn share(bar: &ProgressBar) -> std::sync::Arc<dyn Fn(f32) + Send + Sync> {
    let bar = bar.clone();
    std::sync::Arc::new(move |share| bar.set_position((f64::from(share) * bar.length().unwrap_or(0) as f64) as u64))
}
