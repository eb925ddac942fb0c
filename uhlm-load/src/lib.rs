//! Loads a verifier with many simulated phones, and measures what it bears.
//!
//! A phone is the real client ([`uhlm_core::HttpVerifier`]) and the law's own device side
//! ([`uhlm_law::advance::Conversation`]) without a draft model: it proposes from a text that the target itself has
//! written before ([`Texts`]), and gets as many tokens wrong as [`Behaviour::acceptance`] says. So hundreds of phones
//! take hardly any CPU, what they put on the wire is the protocol, and each reply can be compared with what the server
//! should have said. All of it runs on the one network thread of the process.
//!
//! [`run`] measures one [`Plan`]; [`capacity`] carries measured points to other numbers of phones; [`report`] draws.
//! [`chaos`] and [`soak`] have whole sessions with a draft model generate: through bad weather, and for long.
//! What is measured against models, methods and links is `uhlm-eval`'s.

pub mod arrivals;
mod attack;
pub mod capacity;
pub mod chaos;
mod client;
mod error;
mod hostile;
mod phone;
mod place;
mod plan;
mod record;
mod recording;
pub mod report;
mod resources;
mod run;
mod scrape;
pub mod soak;
mod tally;
mod text;

pub use self::attack::Attack;
pub use self::error::LoadTestError;
pub use self::place::Place;
pub use self::plan::{Behaviour, Pattern, Plan, Writing};
pub use self::record::{About, Arm, Bytes, Memory, Passes, Percentiles, Record, Refusals, Replies, Second};
pub use self::recording::Texts;
pub use self::run::{Tick, run};
pub use self::text::{Shape, Text};
