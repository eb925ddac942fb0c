//! The names of sessions: makes random ones, and shortens them for logs and for whoever answers for a session.

use std::fmt;

use rustls::crypto::ring::default_provider;
use uhlm_law::advance::SessionId;

/// Makes a fresh name of 128 random bits; `None` where the system gives no random bits.
pub(crate) fn random() -> Option<SessionId> {
    let mut bytes = [0; 16];
    default_provider().secure_random.fill(&mut bytes).ok()?;
    Some(SessionId(bytes))
}

/// The first eight digits of a name, for logs: whoever reads them must not be able to use the session.
pub(crate) struct Short(pub(crate) SessionId);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0.0;
        write!(f, "{:08x}", u32::from_be_bytes([a, b, c, d]))
    }
}

/// Returns the part of a session's name by which it finds its engine, or its reply, again.
pub(crate) fn number(id: SessionId) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = id.0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_is_shortened_in_logs() {
        let id = random().expect("random bits");
        assert_eq!(Short(id).to_string(), id.to_string()[..8]);
        assert_ne!(random(), Some(id));
    }
}
