//! Times as apps give them.

use std::time::Duration;

use crate::error::UhlmError;

/// Makes a duration of a number of seconds that the app gave as `name`.
///
/// # Errors
/// `InvalidOptions` for a number that is negative, not finite or too large.
pub(crate) fn duration(name: &str, seconds: f64) -> Result<Duration, UhlmError> {
    Duration::try_from_secs_f64(seconds).map_err(|error| UhlmError::invalid(format!("{name}: {error}")))
}
