//! Models that call tools, from the template to the events, in every mode, with a target in this process.
//!
//! The bundled pair calls nothing by itself: what it writes is prescribed, on the device and on the target alike.
//! Everything else is real: template, tokens, parser, rounds, consent.

mod consent;
mod forced;
mod manual;
mod real;
mod rounds;
mod support;
