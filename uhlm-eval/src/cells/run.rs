//! Runs all methods in all cells, several at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};
use uhlm_law::calibration::Calibration;
use uhlm_law::rng::derived;

use super::method::{By, CellMethod};
use super::session::{Bedded, billing};
use super::{Cell, FurtherCosts, Spent, calibrated};
use crate::channel::PacketChannel;
use crate::error::EvalError;
use crate::oracle::Oracle;
use crate::trace::{Header, Trace};
use crate::yesterday::{Coupling, Facts, Link, Rule, Writer};

/// Number of threads that work on cells.
const WORKERS: usize = 2;
/// Number of times that the random numbers of yesterday's coupling are drawn; its costs are the mean over them.
const ROLLS: u64 = 4;

/// The costs of one method in one cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Name of the method.
    pub method: String,
    /// Speeds of the models and the link.
    pub cell: Cell,
    /// Costs of each reply of the trace.
    pub replies: Vec<Spent>,
}

/// The results of a trace in all cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraceCells {
    /// Name of the trace.
    pub name: String,
    /// Header of the trace: models, sampling and seed.
    pub header: Header,
    /// Costs beyond a pass of one token.
    pub further: FurtherCosts,
    /// Kind of task of each reply.
    pub categories: Vec<String>,
    /// Results of the methods in each cell, in the order of the methods.
    pub measured: Vec<Measured>,
}

/// Runs methods on a trace, which is best a [compacted](Trace::compacted) one. `progress` is called after each method
/// in each cell.
///
/// # Errors
/// The first [`EvalError`] of a method.
pub fn measure(
    name: &str,
    trace: &Arc<Trace>,
    cells: &[Cell],
    further: &FurtherCosts,
    methods: &[CellMethod],
    progress: &(dyn Fn() + Sync),
) -> Result<TraceCells, EvalError> {
    let calibration = calibrated(trace)?;
    let rolls = (0..ROLLS).map(|roll| Facts::of(trace, Coupling::Maximal, derived(trace.header.seed, roll)));
    let rolls = rolls.collect::<Result<Vec<_>, _>>()?;
    let work = Work { trace, calibration, further, rolls };
    let tasks: Vec<(Cell, &CellMethod)> =
        cells.iter().flat_map(|&cell| methods.iter().map(move |method| (cell, method))).collect();
    let next = AtomicUsize::new(0);
    let mut done: Vec<(usize, Result<Vec<Spent>, EvalError>)> = std::thread::scope(|scope| {
        let worker = || {
            let mut done = Vec::new();
            while let Some((i, (cell, method))) =
                Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, tasks.get(i)?)))
            {
                done.push((i, work.run(*cell, method.by)));
                progress();
            }
            done
        };
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(worker)).collect();
        let joined: Result<Vec<_>, _> = workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        joined.map(|parts| parts.into_iter().flatten().collect()).map_err(|_| EvalError::Worker)
    })?;
    done.sort_by_key(|entry| entry.0);
    let measured = done.into_iter().zip(&tasks).map(|((_, replies), (cell, method))| {
        Ok(Measured { method: method.name.to_owned(), cell: *cell, replies: replies? })
    });
    Ok(TraceCells {
        name: name.to_owned(),
        header: trace.header.clone(),
        further: further.clone(),
        categories: trace.replies.iter().map(|reply| reply.category.clone()).collect(),
        measured: measured.collect::<Result<_, EvalError>>()?,
    })
}

/// The trace and the costs that all cells share.
struct Work<'a> {
    trace: &'a Arc<Trace>,
    calibration: Calibration,
    further: &'a FurtherCosts,
    rolls: Vec<Vec<Facts>>,
}

impl Work<'_> {
    fn run(&self, cell: Cell, by: By) -> Result<Vec<Spent>, EvalError> {
        match by {
            By::Session(change) => {
                let Self { trace, calibration, further, .. } = self;
                Bedded { trace, calibration, cell, further }.write(change)
            }
            By::Yesterday => Ok(self.mean(|replies| {
                let costs = cell.costs(self.further);
                let mut writer = Writer::new(Rule::YESTERDAY, &costs, self.link(&cell), replies);
                replies.iter().map(|facts| Spent::from(&writer.write(facts))).collect()
            })),
            By::Oracle { drafts_ahead } => {
                // Further rows cost the oracle nothing, so that it stays a bound.
                let times = cell.costs(self.further).times;
                let oracle = Oracle { times, round_trip: cell.rtt_ms / 1e3, draft_ahead: drafts_ahead };
                let reply = |facts: &Facts| Spent {
                    tokens: facts.positions.len() as f64,
                    seconds: oracle.seconds(&[facts.fates()]),
                    ..Spent::default()
                };
                Ok(self.mean(|replies| replies.iter().map(reply).collect()))
            }
        }
    }

    /// Returns the mean costs of each reply over the rolls.
    fn mean(&self, of: impl Fn(&[Facts]) -> Vec<Spent>) -> Vec<Spent> {
        let mut mean = vec![Spent::default(); self.trace.replies.len()];
        for replies in &self.rolls {
            mean.iter_mut().zip(of(replies)).for_each(|(mean, spent)| mean.add(&spent, 1.0 / self.rolls.len() as f64));
        }
        mean
    }

    fn link(&self, cell: &Cell) -> Link {
        let channel = PacketChannel::steady(cell.rtt_ms);
        let bytes = |mbps: f64| mbps * 1e6 / 8.0;
        Link {
            round_trip: cell.rtt_ms / 1e3,
            up: bytes(channel.up_mbps),
            down: bytes(channel.down_mbps),
            billing: billing(self.trace),
        }
    }
}
