//! `uhlm chat`: a conversation on the terminal, or plain text through a pipe.

mod editor;
mod message;
mod slash;

use std::io::BufRead as _;

use clap::Args;
use message::Lines;
use rustyline::error::ReadlineError;
use slash::{Said, Slash};
use tokio::runtime::Runtime;
use uhlm_core::{
    Event, FinishReason, GenerationError, GenerationOptions, LinkCause, LinkState, Mode, Prompt, Session, Statistics,
};
use uhlm_law::chat::Message;

use crate::failure::Failure;
use crate::options::{SessionArgs, mode_name, some_tokens};
use crate::output;
use crate::report::Rates;
use crate::setup::{ModelArgs, Setup};
use crate::terminal::layout::wrapped;
use crate::terminal::stream::ReplyView;
use crate::terminal::style::{Style, legend, paint, paint_stderr, stdout_is_terminal};

const EXAMPLES: &str = "\
Examples:
  uhlm chat                                      the bundled pair, its server in this process
  uhlm chat --model draft.gguf --server https://host:8443 --token SECRET
  uhlm chat --model draft.gguf --target target.gguf --mode opportunistic --goal risk-prone
  printf 'What is 17 + 25?\\nAnd 4 more?\\n' | uhlm chat

A line that ends in a backslash goes on in the next one; \"\"\" begins and ends a message of several lines.
Ctrl-C stops a running answer; a second one, or Ctrl-D, leaves. /help lists the commands inside.";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ChatArgs {
    /// Instructions for the whole conversation
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Most tokens of an answer
    #[arg(short = 'n', long, value_name = "N", default_value_t = 512, value_parser = some_tokens)]
    max_tokens: usize,
    #[command(flatten)]
    models: ModelArgs,
    #[command(flatten)]
    session: SessionArgs,
}

/// The next step after a line.
enum Turn {
    GoOn,
    Leave,
}

/// A conversation with its settings.
struct Chat {
    session: Session,
    mode: Mode,
    max_tokens: usize,
    total: Statistics,
    runtime: Runtime,
    terminal: bool,
    has_verifier: bool,
    /// Last note about a server that does not answer; `None` while it answers.
    away: Option<&'static str>,
}

pub(crate) fn run(args: &ChatArgs) -> Result<(), Failure> {
    let setup = args.models.open(args.session.mode, args.session.calibration.as_deref())?;
    let session = setup.session(&args.session)?;
    if let Some(system) = &args.system {
        session.set_messages(vec![Message::system(system)])?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("no runtime: {error}")))?;
    let terminal = stdout_is_terminal() && console::user_attended();
    let mut chat = Chat {
        session,
        mode: args.session.mode,
        max_tokens: args.max_tokens,
        total: Statistics::default(),
        runtime,
        terminal,
        has_verifier: setup.verifier.is_some(),
        away: None,
    };
    if console::Term::stdout().is_term() && std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        introduce(&setup, chat.mode);
        chat.interactive()
    } else {
        chat.piped()
    }
}

fn introduce(setup: &Setup, mode: Mode) {
    let (draft, target) = setup.names();
    let target = target.map_or("no target".to_owned(), |target| format!("target {target}"));
    output::line(paint(Style::Heading, &format!("draft {draft}, {target}, mode {}", mode_name(mode))));
    if mode.judges() && setup.calibration.is_generic() {
        output::line(paint(Style::Dim, "This pair is not calibrated: `uhlm calibrate` makes its gate sharper."));
    }
    output::line(format_args!("{}\n{}\n", legend(), paint(Style::Dim, "/help lists commands, Ctrl-D leaves")));
}

impl Chat {
    fn interactive(&mut self) -> Result<(), Failure> {
        let mut editor =
            editor::new().map_err(|error| Failure::new(format!("the terminal cannot be used: {error}")))?;
        let mut interrupted = false;
        loop {
            match editor.readline("> ") {
                Ok(line) => {
                    interrupted = false;
                    // A history that cannot be kept is no reason to stop.
                    let _ = editor.add_history_entry(line.as_str());
                    if let Turn::Leave = self.said(message::read_last(&line))? {
                        return Ok(());
                    }
                }
                Err(ReadlineError::Interrupted) if !interrupted => {
                    interrupted = true;
                    output::line(paint(Style::Dim, "Ctrl-C again, or Ctrl-D, leaves"));
                }
                Err(ReadlineError::Interrupted | ReadlineError::Eof) => return Ok(()),
                Err(error) => return Err(Failure::new(format!("cannot read from the terminal: {error}"))),
            }
        }
    }

    fn piped(&mut self) -> Result<(), Failure> {
        let mut lines = String::new();
        for line in std::io::stdin().lock().lines() {
            lines.push_str(&line.map_err(|error| Failure::new(format!("cannot read stdin: {error}")))?);
            match message::read(&lines) {
                Lines::Open => lines.push('\n'),
                said => {
                    lines.clear();
                    if let Turn::Leave = self.said(said)? {
                        return Ok(());
                    }
                }
            }
        }
        self.said(message::read_last(&lines)).map(drop)
    }

    fn said(&mut self, lines: Lines) -> Result<Turn, Failure> {
        let text = match &lines {
            Lines::Quoted(text) => return if text.trim().is_empty() { Ok(Turn::GoOn) } else { self.answer(text) },
            Lines::Typed(text) if !text.is_empty() => text,
            Lines::Typed(_) | Lines::Open => return Ok(Turn::GoOn),
        };
        match slash::read(text) {
            Said::Command(command) => self.command(command),
            Said::Message(text) => self.answer(text),
            Said::Wrong(reason) => {
                self.say(&reason);
                Ok(Turn::GoOn)
            }
        }
    }

    fn command(&mut self, command: Slash) -> Result<Turn, Failure> {
        match command {
            Slash::Quit => return Ok(Turn::Leave),
            Slash::Help => output::line(slash::HELP),
            Slash::Reset => {
                self.session.reset()?;
                self.say("the conversation is forgotten");
            }
            Slash::Mode(None) => self.say(&format!("mode {}", mode_name(self.mode))),
            Slash::Mode(Some(mode)) if mode != Mode::DeviceOnly && !self.has_verifier => {
                self.say(&format!("mode {} needs a target: start with --server or --target", mode_name(mode)));
            }
            Slash::Mode(Some(mode)) => {
                self.mode = mode;
                self.say(&format!("mode {}", mode_name(mode)));
            }
            Slash::Stats => {
                let calibration = self.session.calibration();
                self.say(&Rates::of(&self.total, self.mode).line());
                self.say(&format!(
                    "law tracked: beta = {:.3} u {:+.3}, Delta {:.3}, from {} labels",
                    calibration.law.a, calibration.law.b, calibration.delta, calibration.labels
                ));
            }
        }
        Ok(Turn::GoOn)
    }

    /// Writes one answer. Ctrl-C stops it and keeps the text so far; a second Ctrl-C leaves the chat.
    fn answer(&mut self, prompt: &str) -> Result<Turn, Failure> {
        let options =
            GenerationOptions { max_tokens: self.max_tokens, mode: Some(self.mode), ..GenerationOptions::default() };
        let mut generation = self.session.generate(Prompt::Chat(prompt.to_owned()), options)?;
        let mut view = ReplyView::new();
        let mut interrupts = 0;
        loop {
            let event = self.runtime.block_on(async {
                tokio::select! {
                    event = generation.next() => Some(event),
                    // Where no handler can be installed, Ctrl-C ends the process, as it does without one.
                    Ok(()) = tokio::signal::ctrl_c() => None,
                }
            });
            let event = match event {
                None => {
                    interrupts += 1;
                    generation.cancel();
                    if interrupts > 1 {
                        view.finish();
                        return Ok(Turn::Leave);
                    }
                    continue;
                }
                Some(None) => return Ok(Turn::GoOn),
                Some(Some(event)) => event,
            };
            match event {
                Ok(Event::State { link, cause }) => self.tell(&mut view, link, cause),
                Ok(Event::Finished { reason, statistics, .. }) => {
                    view.finish();
                    self.total.add(&statistics);
                    self.close(reason, &statistics);
                    return Ok(Turn::GoOn);
                }
                Ok(event) => view.show(&event),
                Err(error) => {
                    view.finish();
                    return self.failed(error);
                }
            }
        }
    }

    fn close(&self, reason: FinishReason, statistics: &Statistics) {
        let note = match reason {
            FinishReason::EndOfReply | FinishReason::StopSequence => "",
            FinishReason::MaxTokens => "cut at --max-tokens; ",
            FinishReason::ContextFull => {
                "the context is full: /reset starts anew, --overflow drop-oldest:TOKENS makes room; "
            }
            FinishReason::Cancelled => "stopped; ",
            FinishReason::ToolCalls => "tools were called; ",
        };
        let forgotten = match statistics.dropped_messages {
            0 => String::new(),
            messages => format!("the models have forgotten the {messages} oldest messages; "),
        };
        self.say(&format!("{forgotten}{note}{}", Rates::of(statistics, self.mode).line()));
        if self.terminal {
            output::line("");
        }
    }

    /// Reports a failed answer. The conversation goes on at a terminal; a pipe ends with the error.
    fn failed(&self, error: GenerationError) -> Result<Turn, Failure> {
        let failure = Failure::from(error);
        if !self.terminal {
            return Err(failure);
        }
        output::failure(&failure);
        Ok(Turn::GoOn)
    }

    /// Says that the link changed, between two lines of the answer. A single failure is not mentioned, and its end is
    /// not either.
    fn tell(&mut self, view: &mut ReplyView, link: LinkState, cause: Option<LinkCause>) {
        let note = match (link, cause) {
            (LinkState::Online, _) => None,
            (_, Some(LinkCause::Busy)) => Some("server is busy"),
            (LinkState::Offline, _) => Some("server out of reach"),
            (LinkState::Degraded, _) => return,
        };
        if self.terminal && note != self.away {
            view.note(&format!("[{}]", note.unwrap_or("server is back")));
        }
        self.away = note;
    }

    /// Says something about the conversation that is no part of it: dimmed at a terminal, to stderr otherwise.
    fn say(&self, text: &str) {
        if self.terminal {
            output::line(wrapped(Style::Dim, text));
        } else {
            output::note(paint_stderr(Style::Dim, text));
        }
    }
}
