//! A text that is shown to nobody, and wiped where it was.

use std::convert::Infallible;
use std::str::FromStr;

use zeroize::Zeroizing;

/// A password, token or key as it was typed or read. It is never printed, and the memory that it takes is overwritten
/// when it goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Returns the text, for the one place that it is meant for.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

/// Takes any text, so that a flag can be one.
impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::from(text.to_owned()))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_given_to_who_asks_for_it_and_printed_nowhere() {
        let secret: Secret = "s3cret".parse().unwrap_or_else(|never| match never {});
        assert_eq!(secret.expose(), "s3cret");
        assert_eq!(format!("{secret:?} {:#?}", [&secret]), "Secret(..) [\n    Secret(..),\n]");
    }
}
