//! The names of sessions.

use std::fmt;
use std::str::FromStr;

use rustls::crypto::ring::default_provider;

/// A session's name: 128 random bits, 32 hexadecimal digits in paths. Debug prints the first eight only, for logs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SessionId(u128);

impl SessionId {
    /// A fresh name; `None` where the system gives no random bits.
    pub(crate) fn random() -> Option<Self> {
        let mut bytes = [0; 16];
        default_provider().secure_random.fill(&mut bytes).ok()?;
        Some(Self(u128::from_be_bytes(bytes)))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0 >> 96)
    }
}

/// The text is not the name of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotASessionId;

impl FromStr for SessionId {
    type Err = NotASessionId;

    fn from_str(text: &str) -> Result<Self, NotASessionId> {
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(NotASessionId);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| NotASessionId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_is_32_hexadecimal_digits_and_shortened_in_logs() {
        let id = SessionId::random().expect("random bits");
        let text = id.to_string();
        assert_eq!(text.len(), 32);
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(format!("{id:?}"), text[..8]);
        for wrong in ["", "zz", &text[1..], &format!("+{}", &text[1..]), &format!("{text}0")] {
            assert_eq!(wrong.parse::<SessionId>(), Err(NotASessionId), "{wrong}");
        }
    }
}
