//! The flags that say what a load is, and the loads that follow from them.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use uhlm_eval::statistics::median;
use uhlm_load::arrivals::{self, Arrival, Wish};
use uhlm_load::{Arm, Attack, Behaviour, Pattern, Plan, Shape, Texts, Writing};

use crate::failure::Failure;

/// What is put on the server.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Load")]
pub(super) struct Load {
    /// Phones, each with a connection and a session of its own
    #[arg(long, value_name = "N", default_value_t = 8)]
    phones: usize,
    /// Numbers of phones to measure one after the other, separated by commas, in the place of --phones
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with = "phones")]
    sessions: Vec<usize>,
    /// Seconds that are measured
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    seconds: f64,
    /// Seconds before that
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    warmup: f64,
    /// Replies asked for in a second, at random times; without it and --trace each phone asks for the next reply at
    /// once
    #[arg(long, value_name = "N", conflicts_with = "trace")]
    rate: Option<f64>,
    /// Arrivals and lengths: a CSV file with a time, the tokens of the prompt and those of the reply in each line
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// How much faster the trace's time goes by
    #[arg(long, value_name = "X", default_value_t = 1.0, requires = "trace")]
    speed: f64,
    /// Tokens of a prompt; the most of one, with a trace
    #[arg(long, value_name = "N", default_value_t = 64)]
    prompt_tokens: usize,
    /// Tokens of a reply, unless the target ends it before; the most of one, with a trace
    #[arg(long, value_name = "N", default_value_t = 64)]
    reply_tokens: usize,
    /// Texts that the target writes before the test, from which the phones propose
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    texts: u32,
    /// How replies are written: windows, ahead (the target runs ahead) or stream (without drafts)
    #[arg(long, value_name = "HOW", value_parser = super::writing, default_value = "windows")]
    pub(super) writing: Writing,
    /// Tokens in a window
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(super) window: usize,
    /// Share of the drafted tokens that are the target's own
    #[arg(long, value_name = "SHARE", default_value_t = 0.8)]
    pub(super) acceptance: f64,
    /// Milliseconds in which a phone drafts a token; 0 shows what the server alone can do
    #[arg(long, value_name = "MS", default_value_t = 20.0)]
    pub(super) draft_ms: f64,
    /// Open a session for each reply and close it afterwards
    #[arg(long)]
    fresh_sessions: bool,
    /// Temperature of the target
    #[arg(long, value_name = "T", default_value_t = 0.0)]
    pub(super) temperature: f32,
    /// Milliseconds within which a verdict has to come for its tokens to count as goodput
    #[arg(long, value_name = "MS", default_value_t = 1000.0)]
    pub(super) deadline_ms: f64,
    /// Hostile phones beside the others, after a run without them: kinds separated by commas, or all
    #[arg(long, value_name = "LIST", value_parser = super::attacks)]
    hostile: Option<std::vec::Vec<Attack>>,
    /// Hostile phones at once
    #[arg(long, value_name = "N", default_value_t = 4)]
    attackers: usize,
    /// Phones of the owner who attacks that behave, in every run: it uses its share without an attack too. They are not
    /// counted
    #[arg(long, value_name = "N", default_value_t = 0)]
    neighbours: usize,
    /// Silent or slow sockets at once
    #[arg(long, value_name = "N", default_value_t = 1000)]
    sockets: usize,
    /// Times that everything is measured
    #[arg(long, value_name = "N", default_value_t = 1)]
    repeat: usize,
    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
}

impl Load {
    fn duration(name: &str, seconds: f64) -> Result<Duration, Failure> {
        let wrong = || Failure::usage(format!("--{name} {seconds} is no time"));
        Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
    }

    fn length(&self) -> Result<Duration, Failure> {
        Ok(Self::duration("warmup", self.warmup)? + Self::duration("seconds", self.seconds)?)
    }

    /// Returns what the trace asks for, within the lengths that were allowed; empty without one.
    fn traced(&self) -> Result<Vec<Wish>, Failure> {
        let Some(path) = &self.trace else { return Ok(Vec::new()) };
        if !(self.speed > 0.0 && self.speed.is_finite()) {
            return Err(Failure::usage(format!("--speed {} is no speed", self.speed)));
        }
        let mut wishes = arrivals::hurried(&arrivals::read_trace(path)?, self.speed, self.length()?);
        for Wish { shape, .. } in &mut wishes {
            shape.prompt = shape.prompt.clamp(1, self.prompt_tokens);
            shape.reply = shape.reply.clamp(1, self.reply_tokens);
        }
        Ok(wishes)
    }

    /// Returns the lengths of the texts that the target writes before the test.
    pub(super) fn shapes(&self) -> Result<Vec<Shape>, Failure> {
        if self.prompt_tokens == 0 || self.reply_tokens == 0 {
            return Err(Failure::usage("a prompt and a reply have a token at least"));
        }
        let texts = self.texts as usize;
        if self.trace.is_some() {
            let shapes = arrivals::typical(&self.traced()?, texts);
            return if shapes.is_empty() { Err(Failure::usage("nothing arrives in that time")) } else { Ok(shapes) };
        }
        Ok(vec![Shape { prompt: self.prompt_tokens, reply: self.reply_tokens }; texts])
    }

    fn pattern(&self, texts: &Texts) -> Result<Pattern, Failure> {
        let wishes = match self.rate {
            Some(rate) => {
                let of = |text: &uhlm_load::Text| Shape { prompt: text.prompt.len(), reply: text.reply.len() };
                let shapes: Vec<Shape> = texts.all.iter().map(of).collect();
                arrivals::poisson(rate, self.length()?, &shapes, self.seed)
            }
            None if self.trace.is_some() => self.traced()?,
            None => return Ok(Pattern::Closed),
        };
        let arrival = |wish: &Wish| Arrival { at: wish.at, text: texts.nearest(wish.shape) };
        Ok(Pattern::Open(wishes.iter().map(arrival).collect()))
    }

    fn behaviour(&self) -> Result<Behaviour, Failure> {
        if !(1..=uhlm_law::advance::MAX_DRAFT).contains(&self.window) {
            return Err(Failure::usage(format!("--window {} is no number from 1 to 256", self.window)));
        }
        if !(0.0..=1.0).contains(&self.acceptance) {
            return Err(Failure::usage(format!("--acceptance {} is no share", self.acceptance)));
        }
        Ok(Behaviour {
            writing: self.writing,
            window: self.window,
            acceptance: self.acceptance,
            draft: Self::duration("draft-ms", self.draft_ms / 1e3)?,
            fresh_sessions: self.fresh_sessions,
            ..Behaviour::default()
        })
    }

    /// Refuses settings that make no sense, before anything is loaded.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.behaviour()?;
        self.length()?;
        Self::duration("deadline-ms", self.deadline_ms / 1e3)?;
        if self.rate.is_some_and(|rate| !(rate > 0.0 && rate.is_finite())) {
            return Err(Failure::usage("--rate is a number above 0"));
        }
        if self.phones == 0 || self.sessions.contains(&0) || self.repeat == 0 || self.seconds <= 0.0 {
            return Err(Failure::usage("a load needs a phone and some time, and has to be measured once at least"));
        }
        Ok(())
    }

    /// Returns the loads in the order in which they are measured: each number of phones alone, then with each hostile
    /// kind.
    pub(super) fn plans(&self, texts: &Texts) -> Result<Vec<Plan>, Failure> {
        let numbers = if self.sessions.is_empty() { vec![self.phones] } else { self.sessions.clone() };
        let base = Plan {
            pattern: self.pattern(texts)?,
            behaviour: self.behaviour()?,
            warmup: Self::duration("warmup", self.warmup)?,
            measured: Self::duration("seconds", self.seconds)?,
            deadline: Self::duration("deadline-ms", self.deadline_ms / 1e3)?,
            neighbours: self.neighbours,
            seed: self.seed,
            ..Plan::default()
        };
        let mut plans = Vec::new();
        for _ in 0..self.repeat {
            for &phones in &numbers {
                let name = if phones == 1 { "1 phone".to_owned() } else { format!("{phones} phones") };
                plans.push(Plan { name: name.clone(), phones, ..base.clone() });
                for &attack in self.hostile.iter().flatten() {
                    let attackers = if attack.is_of_sockets() { self.sockets } else { self.attackers };
                    let name = format!("{name}, {attack}");
                    plans.push(Plan { name, phones, attack: Some(attack), attackers, ..base.clone() });
                }
            }
        }
        Ok(plans)
    }
}

/// Returns for each load with something hostile how many times as long the 99th percentile of a verdict is as without
/// it: the median over the runs.
pub(super) fn slower(arms: &[Arm]) -> Vec<(String, f64)> {
    let p99 = |wanted: &Arm| {
        let is_same = |arm: &&Arm| (arm.phones, &arm.attack) == (wanted.phones, &wanted.attack);
        median(&arms.iter().filter(is_same).map(|arm| arm.each.p99).collect::<Vec<_>>())
    };
    let mut found: Vec<(String, f64)> = Vec::new();
    for arm in arms.iter().filter(|arm| arm.attack.is_some()) {
        let quiet = Arm { attack: None, ..arm.clone() };
        if let (Some(with), Some(without)) = (p99(arm), p99(&quiet))
            && without > 0.0
            && found.iter().all(|(name, _)| *name != arm.name)
        {
            found.push((arm.name.clone(), with / without));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use uhlm_load::Percentiles;

    use super::*;

    #[test]
    fn an_attack_is_compared_with_the_same_phones_without_it() {
        let arm = |attack: Option<&str>, phones, p99| Arm {
            name: attack.unwrap_or("quiet").into(),
            phones,
            attack: attack.map(str::to_owned),
            each: Percentiles { p99, ..Percentiles::default() },
            ..Arm::default()
        };
        let arms = [
            arm(None, 8, 0.1),
            arm(Some("hoard"), 8, 0.15),
            arm(None, 32, 9.0),
            arm(None, 8, 0.1),
            arm(Some("hoard"), 8, 0.25),
            arm(Some("hoard"), 8, 0.15),
        ];
        let found = slower(&arms);
        assert_eq!(found.len(), 1);
        assert!(found[0].0 == "hoard" && (found[0].1 - 1.5).abs() < 1e-9, "{found:?}");
        assert!(slower(&[arm(Some("hoard"), 4, 1.0)]).is_empty(), "there is nothing to compare with");
    }
}
