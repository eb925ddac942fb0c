//! Ports that a server can come back to.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Ports below those that systems give to sockets which ask for any.
const PORTS: std::ops::Range<u16> = 10_000..30_000;

/// Returns a free address on loopback. A port that the system chose could be given to another test as soon as its
/// server stops, before that is started again; nobody who asks for any port gets this one.
///
/// # Panics
/// Where no such port is free.
#[must_use]
pub fn lasting_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test programs that run at the same time begin at different ports.
    let (first, count) = (std::process::id() % u32::from(PORTS.end - PORTS.start), PORTS.end - PORTS.start);
    let free = (0..count).find_map(|_| {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + u16::try_from((first * 97 + step) % u32::from(count)).ok()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        TcpListener::bind(address).is_ok().then_some(address)
    });
    free.expect("a free port")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_free_and_no_other_call_returns_it() {
        let (one, other) = (lasting_address(), lasting_address());
        assert_ne!(one, other);
        assert!(PORTS.contains(&one.port()) && TcpListener::bind(one).is_ok());
    }
}
