//! What a session makes of failures: a verifier out of reach or out of its mind, cancelling at every moment, servers
//! that stop, models that are damaged. Nothing here measures time; every wait is bounded.

mod cancelling;
mod models;
mod outages;
mod servers;
mod split;
mod support;
