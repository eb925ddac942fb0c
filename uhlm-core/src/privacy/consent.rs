//! The extent of a person's consent.
//!
//! Decides whether a message may be sent; that nothing gets out otherwise is [`Outbox`](super::Outbox)'s matter.

use serde::{Deserialize, Serialize};

/// The consent of the person to what may be sent to the verifier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consent {
    /// Nothing may be sent.
    #[default]
    Withheld,
    /// The message that a generation is for may be sent, and its reply. Earlier messages must have been agreed to
    /// before.
    Message,
    /// The whole conversation may be sent: everything before, system messages included, and everything that follows.
    Conversation,
}

impl Consent {
    /// Returns the number of messages that are not agreed to and would be sent with the next one, it included; `None`
    /// if it may be sent. No earlier agreement covers `earlier` of the messages before it.
    pub(crate) fn lacks(self, earlier: usize) -> Option<usize> {
        match self {
            Self::Withheld => Some(earlier + 1),
            Self::Message => Some(earlier).filter(|&earlier| earlier > 0),
            Self::Conversation => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consent_to_a_message_covers_no_earlier_one_and_consent_to_the_conversation_covers_all() {
        assert_eq!([0, 2].map(|earlier| Consent::Withheld.lacks(earlier)), [Some(1), Some(3)]);
        assert_eq!([0, 2].map(|earlier| Consent::Message.lacks(earlier)), [None, Some(2)]);
        assert_eq!([0, 2].map(|earlier| Consent::Conversation.lacks(earlier)), [None, None]);
    }
}
