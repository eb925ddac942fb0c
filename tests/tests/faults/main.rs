//! A session's behaviour under failures: a verifier out of reach or out of its mind, cancelling at every moment,
//! servers that stop, models that are damaged. Nothing here measures time; every wait is bounded.

mod budgets;
mod cancelling;
mod flips;
mod inputs;
mod models;
mod outages;
mod overflow;
mod panics;
mod servers;
mod slow;
mod split;
mod support;
