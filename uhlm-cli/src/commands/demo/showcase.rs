//! Shows a few answers, token by token.

use std::sync::Arc;
use std::time::Duration;

use uhlm_core::{Event, GenerationOptions, Mode, Prompt, SessionOptions};
use uhlm_eval::questions::Question;
use uhlm_law::calibration::Calibration;

use crate::evaluate::Evaluator;
use crate::failure::Failure;
use crate::options::{default_goal, mode_name};
use crate::output;
use crate::report::Rates;
use crate::terminal::layout::wrapped;
use crate::terminal::stream::ReplyView;
use crate::terminal::style::{Style, legend, paint, stdout_is_terminal};

/// Pause after each event on a terminal: models of this size write faster than a person can see. It delays the display
/// only; the device is long done.
const PACE: Duration = Duration::from_millis(12);
/// Greatest length of a reply, in tokens: a story may go on for long.
const LONGEST: usize = 120;

/// Shows each prompt in `exact` mode and the first one in `opportunistic` mode too.
pub(crate) fn run(
    evaluator: &Evaluator<'_>,
    base: &SessionOptions,
    calibration: &Calibration,
    prompts: &[Question],
) -> Result<(), Failure> {
    output::line(format_args!("\n{}\n", legend()));
    for (mode, prompts) in [(Mode::Exact, prompts), (Mode::Opportunistic, &prompts[..prompts.len().min(1)])] {
        let options =
            SessionOptions { mode, calibration: calibration.clone(), goal: default_goal(calibration), ..base.clone() };
        let session = evaluator.engine.session(Some(Arc::clone(evaluator.verifier)), options)?;
        for prompt in prompts {
            output::line(format_args!(
                "{} {}",
                paint(Style::Heading, &format!("{} >", mode_name(mode))),
                prompt.question
            ));
            session.reset()?;
            let options = GenerationOptions { max_tokens: LONGEST, ..GenerationOptions::default() };
            let mut generation = session.generate(Prompt::Chat(prompt.question.clone()), options)?;
            let mut view = ReplyView::new();
            while let Some(event) = generation.blocking_next() {
                let event = event?;
                view.show(&event);
                if let Event::Finished { statistics, .. } = &event {
                    view.finish();
                    output::line(format_args!("{}\n", wrapped(Style::Dim, &Rates::of(statistics, mode).line())));
                } else if stdout_is_terminal() {
                    std::thread::sleep(PACE);
                }
            }
        }
    }
    Ok(())
}
