//! `uhlm eval`: this SDK beside U-HLM and its relatives, in virtual time.

use clap::Args;
use uhlm_core::sampling::SamplingParams;
use uhlm_eval::billing::Billing;
use uhlm_eval::channel::{Channel, PacketChannel};
use uhlm_eval::lab::{Lab, Setting};
use uhlm_eval::method::Method;
use uhlm_eval::pair::{ComputeTimes, Pair as Models};
use uhlm_eval::questions;
use uhlm_eval::stream::{Numbered, Run};
use uhlm_eval::summary::Summary;

use crate::failure::Failure;
use crate::output;
use crate::pair::Pair;
use crate::report::percent;
use crate::terminal::table::Table;

#[derive(Clone, Debug, Args)]
pub(crate) struct EvalArgs {
    /// A few prompts and one link
    #[arg(long)]
    quick: bool,
    /// Round trip of the link, milliseconds
    #[arg(long, value_name = "MS", default_value_t = 50.0)]
    rtt: f64,
    /// Temperature
    #[arg(long, value_name = "T", default_value_t = 1.0)]
    temperature: f32,
    /// Seed of every choice
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

pub(crate) fn run(args: &EvalArgs) -> Result<(), Failure> {
    let pair = Pair::find()?;
    let models = Models::load(&pair.draft(), &pair.target())?;
    let number = |questions: Vec<questions::Question>| -> Vec<Numbered> {
        questions.into_iter().enumerate().map(|(i, question)| Numbered { index: i as u64, question }).collect()
    };
    let (tasks, free, learn) = if args.quick { (20, 20, 60) } else { (40, 40, 200) };
    let mut prompts = questions::spread(&questions::read(&pair.heldout())?, tasks);
    prompts.extend(questions::read(&pair.free_prompts())?.into_iter().take(free));
    let prompts = number(prompts);
    let learn = number(questions::spread(&questions::read(&pair.calibration_questions())?, learn));
    let base = Run {
        pair: &models,
        prompts: &prompts,
        sampling: SamplingParams { temperature: args.temperature, ..SamplingParams::default() },
        times: ComputeTimes::PAPER,
        max_tokens: 150,
        seed: args.seed,
    };
    let lab = Lab::prepare(base.clone(), &Run { prompts: &learn, ..base })?;
    let setting = Setting {
        name: format!("RTT {} ms", args.rtt),
        channel: Channel::Packet(PacketChannel::steady(args.rtt)),
        billing: Billing { payload: false, ..Billing::PAPER },
    };
    let mut table =
        Table::new(&["method", "tokens/s", "95 %", "TR", "passes/token", "drafted/token", "up/token", "down/token"]);
    for method in Method::ALL {
        let s = Summary::of(&lab.replies(method, &setting)?, args.seed);
        let t = s.tokens_per_second;
        table.push(vec![
            method.name(),
            format!("{:.2}", t.value),
            format!("{:.2} to {:.2}", t.low, t.high),
            percent(s.transmission_rate),
            format!("{:.3}", s.passes_per_token),
            format!("{:.3}", s.drafted_per_token),
            format!("{:.0}", s.up_per_token),
            format!("{:.0}", s.down_per_token),
        ]);
    }
    output::line(table.render());
    Ok(())
}
