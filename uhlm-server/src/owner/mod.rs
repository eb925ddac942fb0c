//! Owners, whose work is counted together: the unit of quotas, of fairness and of eviction.
//!
//! Decides who an owner is and who may use whose session. Leaves how much an owner may have to [`pool`], and what its
//! work is worth against that of others to the scheduler.

pub(crate) mod pool;

use std::net::{IpAddr, Ipv6Addr};

use sha2::{Digest as _, Sha256};

/// Largest length of a label by which an app tells its devices apart, in bytes.
pub(crate) const MAX_LABEL_BYTES: usize = 64;

/// The holder for whom work is done: a bearer token, one device of those that share a token, or an address where there
/// are no tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Owner {
    /// The SHA-256 value of a token.
    Token([u8; 32]),
    /// The SHA-256 value of a token's value and a device's label.
    Device([u8; 32]),
    /// An address, or for IPv6 the /64 of one: a subscriber has all of that.
    Address(IpAddr),
}

impl Owner {
    /// Makes the owner of a token, by its SHA-256 value.
    pub(crate) fn of_token(hash: [u8; 32]) -> Self {
        Self::Token(hash)
    }

    /// Makes the owner that is one device of those that share a token.
    pub(crate) fn of_device(token: [u8; 32], label: &[u8]) -> Self {
        Self::Device(Sha256::new().chain_update(token).chain_update(label).finalize().into())
    }

    /// Makes the owner of an address.
    pub(crate) fn of_address(address: IpAddr) -> Self {
        Self::Address(network(address))
    }

    /// Returns the kind of owner, as metrics and logs name it.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::Device(_) => "device",
            Self::Address(_) => "address",
        }
    }

    /// Tells whether this owner may use the sessions of `other`. Without tokens, the name of a session is what lets in:
    /// a phone that changes its network keeps its session.
    pub(crate) fn may_use(self, other: Self) -> bool {
        match (self, other) {
            (Self::Address(_), Self::Address(_)) => true,
            _ => self == other,
        }
    }
}

/// Returns the address, or for IPv6 its /64: one subscriber has all of that.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Owner {
        Owner::of_address(text.parse().expect("an address"))
    }

    #[test]
    fn addresses_of_one_ipv6_subscriber_are_one_owner() {
        assert_eq!(address("2001:db8:1:2:3::4"), address("2001:db8:1:2:ffff::"));
        assert_ne!(address("2001:db8:1:2::"), address("2001:db8:1:3::"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
    }

    #[test]
    fn devices_of_one_token_are_owners_of_their_own() {
        let (token, other) = ([1; 32], [2; 32]);
        let phone = Owner::of_device(token, b"phone");
        assert_eq!(phone, Owner::of_device(token, b"phone"));
        for another in [Owner::of_token(token), Owner::of_device(token, b"tablet"), Owner::of_device(other, b"phone")] {
            assert_ne!(phone, another);
            assert!(!phone.may_use(another));
        }
    }

    #[test]
    fn a_phone_without_a_token_keeps_its_session_on_another_network() {
        assert!(address("192.0.2.1").may_use(address("192.0.2.2")));
        assert!(!address("192.0.2.1").may_use(Owner::of_token([1; 32])));
    }
}
