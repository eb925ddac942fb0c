//! The work that a grammar may take.
//!
//! The figures are llguidance's own for its defaults, on a server: 50,000 units of the first fuel a millisecond, 14,000
//! of a step's, 20,000 items, 1 to 2 kB a state.

use std::time::Duration;

use llguidance::api::ParserLimits;

/// Longest time for which a grammar is compiled.
pub const COMPILE_TIME: Duration = Duration::from_secs(2);
/// Bytes of stack of the thread that compiles a grammar.
pub(crate) const STACK: usize = 32 << 20;
/// Largest number of grammars that are being compiled at the same time, those that were given up included: nothing ends
/// a thread before its work is done.
pub(crate) const MAX_COMPILING: usize = 4;
/// Largest number of brackets that are open at once in a grammar that is no JSON schema; serde_json has its own limit.
pub(crate) const MAX_NESTING: usize = 64;

/// Makes the limits of a parser.
pub(crate) fn of_parser() -> ParserLimits {
    ParserLimits {
        // 16 MB a session at most, and far more than a schema of an app takes. Verifier and device have the same limit,
        // so that a device drafts nothing that the verifier cannot go on with.
        max_lexer_states: 8_000,
        max_grammar_size: 100_000,
        // About 7 ms and 2.5 ms a mask at most.
        step_lexer_fuel: 100_000,
        step_max_items: 50_000,
        // Errors hold no text of a reply.
        verbose_errors: false,
        ..ParserLimits::default()
    }
}
