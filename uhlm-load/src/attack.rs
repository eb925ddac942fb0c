//! The kinds of hostile phones, and their names.

/// A kind of hostile phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    /// Opens sessions and never uses them.
    OpenFlood,
    /// Has the target write without an end in many sessions at once.
    Hoard,
    /// Gives prompts as long as the context, and another one as soon as one is read.
    GiantPrompts,
    /// Asks, and resets the request at once.
    OpenAndReset,
    /// Has drafts of 256 tokens judged under the costliest sampling chain, with all labels.
    CostlyChains,
    /// Connects and says nothing.
    SilentSockets,
    /// Connects and says a byte a second.
    SlowPreface,
    /// Sends bodies a byte at a time.
    Dripping,
    /// Announces bodies that are far too large, and sends without an end.
    Oversized,
}

impl Attack {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::OpenFlood,
        Self::Hoard,
        Self::GiantPrompts,
        Self::OpenAndReset,
        Self::CostlyChains,
        Self::SilentSockets,
        Self::SlowPreface,
        Self::Dripping,
        Self::Oversized,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::OpenFlood => "open-flood",
            Self::Hoard => "hoard",
            Self::GiantPrompts => "giant-prompts",
            Self::OpenAndReset => "open-and-reset",
            Self::CostlyChains => "costly-chains",
            Self::SilentSockets => "silent-sockets",
            Self::SlowPreface => "slow-preface",
            Self::Dripping => "dripping",
            Self::Oversized => "oversized",
        }
    }

    /// Tells whether the attack is one of sockets, of which one phone opens as many as it can.
    #[must_use]
    pub fn is_of_sockets(self) -> bool {
        matches!(self, Self::SilentSockets | Self::SlowPreface)
    }
}

impl std::fmt::Display for Attack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Attack {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|attack| attack.name() == text).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|attack| attack.name()).collect();
            format!("expected one of {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_by_its_name() {
        for attack in Attack::ALL {
            assert_eq!(attack.to_string().parse(), Ok(attack));
        }
        assert!("kindness".parse::<Attack>().expect_err("no kind").contains("open-flood"));
    }
}
