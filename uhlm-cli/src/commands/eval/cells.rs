//! `uhlm eval cells`: every method on recorded replies, over links and over speeds of both models.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use indicatif::ProgressBar;
use uhlm_eval::cells::method::METHODS;
use uhlm_eval::cells::table::{Spread, Standing};
use uhlm_eval::cells::{Cell, FurtherCosts, Grid, TraceCells, measure};
use uhlm_eval::costs::RowTable;
use uhlm_eval::plot;
use uhlm_eval::trace::{Trace, file};

use super::write;
use crate::failure::Failure;
use crate::output;
use crate::terminal::progress;
use crate::terminal::table::Table;

const EXAMPLES: &str = "\
Examples:
  uhlm eval cells --trace demo.trace             48 cells, each method's speed and passes, how they stand
  uhlm eval cells --trace pair.trace --draft-ms 24.6 --target-ms 104.6 --rtt-ms 50 --details
  uhlm eval cells --trace pair.trace --row-ms 1:120,2:186,3:232,4:208,5:276,9:446";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CellsArgs {
    /// A file that `uhlm eval record` made; may be repeated
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    trace: Vec<PathBuf>,
    /// Times of a step of the draft model, milliseconds, separated by commas
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    draft_ms: Vec<f64>,
    /// Times of a pass of the target, milliseconds
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    target_ms: Vec<f64>,
    /// Round trips, milliseconds
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    rtt_ms: Vec<f64>,
    /// Time of each further token of a batch on the draft model, as a share of a step
    #[arg(long, value_name = "SHARE", default_value_t = FurtherCosts::default().draft)]
    draft_batch: f64,
    /// Measured passes of the target by their number of rows, as ROWS:MS, of which the multiples of one row count;
    /// without it rows cost nothing more
    #[arg(long, value_name = "LIST")]
    row_ms: Option<String>,
    /// Only these methods, separated by commas
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    methods: Vec<String>,
    /// Print requests and bytes of every method in every cell as well, and every kind of task
    #[arg(long)]
    details: bool,
    /// Write everything as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write plots into this folder: one a cell, and an overview of each trace
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
}

impl CellsArgs {
    /// Returns the cells, with the paper's among them if all are wanted.
    fn cells(&self) -> Result<Vec<Cell>, Failure> {
        let Grid { draft_ms, target_ms, rtt_ms } = Grid::default();
        let or = |given: &Vec<f64>, usual| if given.is_empty() { usual } else { given.clone() };
        let grid = Grid {
            draft_ms: or(&self.draft_ms, draft_ms),
            target_ms: or(&self.target_ms, target_ms),
            rtt_ms: or(&self.rtt_ms, rtt_ms),
        };
        let times = [&grid.draft_ms, &grid.target_ms, &grid.rtt_ms].into_iter().flatten();
        if let Some(time) = times.into_iter().find(|time| !(0.001..=60_000.0).contains(*time)) {
            return Err(Failure::usage(format!("{time} is no time between 0.001 and 60000 ms")));
        }
        let mut cells = grid.cells();
        if grid == Grid::default() {
            cells.push(Cell::PAPER);
        }
        Ok(cells)
    }

    fn further(&self) -> Result<FurtherCosts, Failure> {
        if !(0.0..=10.0).contains(&self.draft_batch) {
            return Err(Failure::usage(format!("--draft-batch {} is no share between 0 and 10", self.draft_batch)));
        }
        let rows = self.row_ms.as_deref().map(|text| {
            let pair = |entry: &str| {
                let (rows, ms) = entry.split_once(':')?;
                Some((rows.trim().parse().ok()?, ms.trim().parse().ok()?))
            };
            let passes: Option<Vec<(usize, f64)>> = text.split(',').map(pair).collect();
            passes.and_then(|passes| RowTable::measured(&passes)).ok_or_else(|| {
                Failure::usage(format!("--row-ms {text} is no list such as 1:120,2:186,4:208"))
                    .hint("it begins with one row, and the numbers ascend")
            })
        });
        Ok(FurtherCosts { draft: self.draft_batch, rows: rows.transpose()? })
    }
}

pub(crate) fn run(args: &CellsArgs) -> Result<(), Failure> {
    let (cells, further) = (args.cells()?, args.further()?);
    let is_wanted = |name: &str| args.methods.is_empty() || args.methods.iter().any(|wanted| wanted == name);
    let methods: Vec<_> = METHODS.iter().copied().filter(|method| is_wanted(method.name)).collect();
    if let Some(unknown) = args.methods.iter().find(|name| METHODS.iter().all(|method| method.name != **name)) {
        let names: Vec<_> = METHODS.iter().map(|method| method.name).collect();
        return Err(Failure::usage(format!("no method {unknown}")).hint(format!("there are {}", names.join(", "))));
    }
    let mut all = Vec::new();
    for path in &args.trace {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let read = file::read(path).and_then(Trace::compacted);
        let trace = Arc::new(read.map_err(|error| Failure::new(format!("{}: {error}", path.display())))?);
        let bar: ProgressBar = progress::bar(cells.len() * methods.len(), &name);
        let measured = measure(&name, &trace, &cells, &further, &methods, &|| bar.inc(1))?;
        bar.finish_and_clear();
        print(&measured, args.details);
        if let Some(folder) = &args.plots {
            draw(&measured, folder)?;
        }
        all.push(measured);
    }
    if let Some(path) = &args.json {
        let text = serde_json::to_string(&all).map_err(|error| Failure::new(error.to_string()))?;
        write(path, &(text + "\n"))?;
    }
    Ok(())
}

fn draw(of: &TraceCells, folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::new(format!("cannot make {}: {error}", folder.display())))?;
    write(&folder.join(format!("{}-overview.svg", of.name)), &plot::cells::overview(of)?)?;
    for cell in of.cells() {
        let Cell { draft_ms, target_ms, rtt_ms } = cell;
        let name = format!("{}-draft{draft_ms}-target{target_ms}-rtt{rtt_ms}.svg", of.name);
        write(&folder.join(name), &plot::cells::cell(of, &cell)?)?;
    }
    Ok(())
}

fn print(of: &TraceCells, details: bool) {
    let (cells, methods) = (of.cells(), of.methods());
    output::line(format_args!(
        "\n{}, temperature {}: tokens/s at passes a token",
        of.name, of.header.sampling.temperature
    ));
    let mut table = Table::new(&[&["draft / target / RTT, ms"], &methods[..]].concat());
    for cell in &cells {
        let mut row = vec![format!("{} / {} / {}", cell.draft_ms, cell.target_ms, cell.rtt_ms)];
        row.extend(methods.iter().map(|method| match of.spent(method, cell, None) {
            Some(spent) if spent.passes > 0.0 => format!("{:.1} at {:.2}", spent.rate(), spent.a_token(spent.passes)),
            Some(spent) => format!("{:.1}", spent.rate()),
            None => String::new(),
        }));
        table.push(row);
    }
    output::line(table.render());
    for cell in cells.iter().filter(|cell| details || **cell == Cell::PAPER || cells.len() == 1) {
        output::line(format_args!("\n{}, {cell}", of.name));
        output::line(spending(of, cell).render());
    }
    output::line(format_args!("\n{}: how each stands, worst and median over the cells", of.name));
    output::line(standings(of, details).render());
}

/// Returns the costs of every method in a cell.
fn spending(of: &TraceCells, cell: &Cell) -> Table {
    let heading = ["method", "tokens/s", "passes", "requests", "drafted", "bytes up", "down", "bodies up", "down"];
    let mut table = Table::new(&heading);
    for method in of.methods() {
        let Some(spent) = of.spent(method, cell, None) else { continue };
        let counts = [spent.passes, spent.requests, spent.drafted];
        let bytes = [spent.up, spent.down, spent.body_up, spent.body_down];
        let mut row = vec![method.to_owned(), format!("{:.2}", spent.rate())];
        row.extend(counts.map(|count| format!("{:.3}", spent.a_token(count))));
        row.extend(bytes.map(|count| format!("{:.1}", spent.a_token(count))));
        table.push(row);
    }
    table
}

type Of = fn(&Standing) -> Option<f64>;

/// Returns how each measured method stands: over all replies, on the kind of task where it is worst, and on each kind.
fn standings(of: &TraceCells, details: bool) -> Table {
    let mut table = Table::new(&["method, over", "worst", "where", "median", "worst kind", "worst there", "where"]);
    let ratios: [(&str, Of); 5] = [
        ("the faster of streamed and yesterday", |standing| standing.over_best),
        ("yesterday", |standing| standing.over_yesterday),
        ("the oracle window", |standing| standing.over_oracle),
        ("the oracle window that waits", |standing| standing.over_waiting_oracle),
        ("yesterday, passes", |standing| standing.passes_over_yesterday),
    ];
    let place = |cell: Cell| format!("{} / {} / {}", cell.draft_ms, cell.target_ms, cell.rtt_ms);
    let cells = |spread: Spread| [format!("{:.3}", spread.worst), place(spread.cell), format!("{:.3}", spread.median)];
    for method in METHODS.iter().filter(|method| method.is_measured()) {
        for (name, ratio) in ratios {
            let Some(spread) = of.spread(method.name, None, ratio) else { continue };
            let mut row = vec![format!("{}, over {name}", method.name)];
            row.extend(cells(spread));
            if let Some((kind, worst)) = of.worst_kind(method.name, ratio) {
                row.extend([kind.to_owned(), format!("{:.3}", worst.worst), place(worst.cell)]);
            }
            table.push(row);
            for kind in of.kinds().into_iter().filter(|_| details) {
                if let Some(spread) = of.spread(method.name, Some(kind), ratio) {
                    table.push([vec![format!("  {kind}")], cells(spread).to_vec()].concat());
                }
            }
        }
    }
    let measured: Vec<&str> = METHODS.iter().filter(|it| it.is_measured()).map(|method| method.name).collect();
    let curve = |kind| Spread::of(of.cells().into_iter().map(|at| (at, of.curve_over_yesterday(&measured, &at, kind))));
    if let Some(spread) = curve(None) {
        table.push([vec!["their curve at yesterday's passes".to_owned()], cells(spread).to_vec()].concat());
    }
    for kind in of.kinds().into_iter().filter(|_| details) {
        if let Some(spread) = curve(Some(kind)) {
            table.push([vec![format!("  {kind}")], cells(spread).to_vec()].concat());
        }
    }
    table
}
