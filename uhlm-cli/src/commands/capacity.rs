//! `uhlm capacity`: how many phones a verifier bears, from what a load test has measured.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use uhlm_load::Record;
use uhlm_load::capacity::{Capacity, CapacityError, Demand, Model};

use crate::failure::Failure;
use crate::output;
use crate::report::percent;
use crate::terminal::table::Table;

const EXAMPLES: &str = "\
Examples:
  uhlm loadtest --target target.gguf --sessions 1,8,32 --json load.json
  uhlm capacity load.json
  uhlm capacity load.json --phones 1000000 --active 0.02 --pace 8

docs/scale.md explains the model.";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CapacityArgs {
    /// What `uhlm loadtest --json` has written: two numbers of phones at least
    #[arg(value_name = "FILE")]
    record: PathBuf,
    /// Numbers of phones, separated by commas
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "1000,10000,100000,1000000")]
    phones: Vec<f64>,
    /// Share of the phones that have a reply written at the busiest moment
    #[arg(long, value_name = "SHARE", default_value_t = 0.01)]
    active: f64,
    /// Tokens a second that such a phone shows
    #[arg(long, value_name = "N", default_value_t = 10.0)]
    pace: f64,
    /// Milliseconds that a pass may take
    #[arg(long, value_name = "MS", default_value_t = 100.0)]
    pass_target: f64,
    /// Share of a verifier's capacity that is used
    #[arg(long, value_name = "SHARE", default_value_t = 0.7)]
    used: f64,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document {
    model: Model,
    demands: Vec<(Demand, Capacity)>,
}

impl From<CapacityError> for Failure {
    fn from(error: CapacityError) -> Self {
        let hint = match error {
            CapacityError::TooFew => "measure several numbers of phones: `uhlm loadtest --sessions 1,8,32 --json FILE`",
            CapacityError::NotIncreasing => "measure again on a quiet machine, for longer",
            CapacityError::TargetTooShort { .. } => "give a longer --pass-target",
        };
        Self::new(error.to_string()).hint(hint)
    }
}

pub(crate) fn run(args: &CapacityArgs) -> Result<(), Failure> {
    let is_share = |value: f64| value > 0.0 && value <= 1.0;
    let is_positive = |value: f64| value > 0.0 && value.is_finite();
    if !(is_share(args.active) && is_share(args.used) && is_positive(args.pace) && is_positive(args.pass_target)) {
        return Err(Failure::usage("shares lie between 0 and 1, and everything is above 0"));
    }
    let path = args.record.display();
    let text =
        std::fs::read_to_string(&args.record).map_err(|error| Failure::new(format!("cannot read {path}: {error}")))?;
    let record: Record =
        serde_json::from_str(&text).map_err(|error| Failure::new(format!("{path} is no load test: {error}")))?;
    let model = Model::fit(&record)?;
    let mut demands = Vec::new();
    for &phones in &args.phones {
        let pass_target = args.pass_target / 1e3;
        let demand = Demand { phones, active: args.active, pace: args.pace, pass_target, used: args.used };
        demands.push((demand, model.capacity(&demand)?));
    }
    if args.json {
        return output::json(&Document { model, demands });
    }
    show(&model, &demands);
    Ok(())
}

fn show(model: &Model, demands: &[(Demand, Capacity)]) {
    output::line(format_args!(
        "A pass takes {:.2} ms and {:.3} ms for each token. A verdict costs {:.1} tokens of the engine and brings \
         {:.2}; a phone rests {:.0} ms between two; {:.0} B up and {:.0} B down.\n",
        1e3 * model.base,
        1e3 * model.token,
        model.decoded,
        model.brought,
        1e3 * model.rest,
        model.up,
        model.down
    ));
    let mut table = Table::new(&["phones", "verdicts/s", "by the model", "off by", "tokens a pass", "pass"]);
    for point in &model.points {
        let off = point.predicted / point.measured.max(1e-9) - 1.0;
        let sign = if off < 0.0 { "-" } else { "+" };
        table.push(vec![
            point.phones.to_string(),
            format!("{:.1}", point.measured),
            format!("{:.1}", point.predicted),
            format!("{sign}{}", percent(off.abs())),
            format!("{:.1}", point.pass_tokens),
            format!("{:.1} ms", 1e3 * point.pass_seconds),
        ]);
    }
    output::line(table.render());
    let mut table = Table::new(&["phones", "active", "verifiers", "phones each", "verdicts/s each", "MB/s up", "down"]);
    for (demand, capacity) in demands {
        table.push(vec![
            format!("{:.0}", demand.phones),
            format!("{:.0}", demand.phones * demand.active),
            format!("{:.0}", capacity.verifiers),
            format!("{:.0}", capacity.phones),
            format!("{:.1}", capacity.verdicts),
            format!("{:.2}", capacity.up / 1e6),
            format!("{:.2}", capacity.down / 1e6),
        ]);
    }
    output::line(format_args!("\n{}", table.render()));
}
