//! The scheduler of a verifier whose target is run by engines behind HTTP.
//!
//! Decides whose turn it is to ask the engines ([`worker`], [`turn`]) and how a pass of a session becomes questions for
//! rows ([`pass`]), or the tokens of a chat service's reply ([`hand_off`]). Sessions, owners, quotas, the order of
//! requests, and what a session does next are those of the verifier that runs its target itself; which engine answers,
//! and what becomes of a failure, is [`uhlm_upstream`]'s. Engines make their own batches and keep their own caches, so
//! there are no slots here, and no passes that sessions share.

pub(crate) mod counters;
mod credentials;
mod engines;
mod hand_off;
mod pass;
mod seen;
mod texts;
mod turn;
mod worker;

pub(crate) use self::engines::Engines;
pub(super) use self::worker::Gateway;
