//! The QR code that pairs a phone with a server, on the terminal of whoever runs it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use uhlm_net::{PairingLink, Secret};
use uhlm_server::Certificate;

use crate::failure::Failure;
use crate::output;
use crate::terminal::style::stdout_has_colours;

/// Shows the code, and what it holds: the address that the operator names, or else that of a server which listens on
/// `address`. `token` goes into it; `tokens_are_many` says that one is missing because the
/// server has several.
///
/// # Errors
/// Where the server is not reached by TLS, the address is none, or the link is longer than a code can be.
pub(crate) fn show(
    url: Option<&str>,
    address: SocketAddr,
    certificate: Option<&Certificate>,
    token: Option<Secret>,
    tokens_are_many: bool,
) -> Result<(), Failure> {
    let certificate = certificate.ok_or_else(|| {
        Failure::usage("a code pairs phones with a server that has TLS; name the proxy's address with --qr-url")
    });
    let (endpoint, certificate) = match url {
        // A proxy's certificate is not the server's.
        Some(url) => (url.to_owned(), certificate.ok()),
        None => (format!("https://{}", reached(address)), Some(certificate?)),
    };
    let fingerprint = certificate.filter(|certificate| certificate.is_alone).map(|certificate| certificate.fingerprint);
    let link = PairingLink { endpoint, fingerprint, token };
    // Read again as an app will read it, so that no code is shown that an app refuses.
    let link: PairingLink =
        link.to_link().parse().map_err(|error: uhlm_net::InvalidLink| Failure::usage(error.to_string()))?;
    let code = drawn(&link, stdout_has_colours())?;
    output::line(format_args!("\nA phone's camera opens the app with this code ({link}):\n\n{code}"));
    if tokens_are_many {
        output::line(format_args!(
            "The code holds no token: which one it should be is not clear. The app asks for it."
        ));
    }
    let numeric = link.endpoint.strip_prefix("https://").and_then(|host| host.parse::<SocketAddr>().ok());
    if let Some(address) = numeric.filter(|address| address.ip().is_loopback()) {
        output::line(format_args!(
            "This address is reached from this machine alone. For phones: --listen 0.0.0.0:{} and a token.",
            address.port()
        ));
    }
    Ok(())
}

/// Returns the address by which others reach a server that listens on `address`: for one that listens everywhere, the
/// machine's own in the network that leads outside.
fn reached(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    // Connecting a UDP socket sends nothing; it only chooses the interface. The address is one for documentation.
    let own = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    });
    let ip = own.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |own| own.ip());
    SocketAddr::new(ip, address.port())
}

/// Draws the code with half blocks, two modules a character.
fn drawn(link: &PairingLink, colours: bool) -> Result<String, Failure> {
    let code = QrCode::with_error_correction_level(link.to_link().as_bytes(), EcLevel::L)
        .map_err(|error| Failure::new(format!("no code can hold the link: {error}")))?;
    let mut image = code.render::<Dense1x2>();
    if !colours {
        // Most terminals are dark, and a camera wants dark on light: what is drawn is the light.
        image.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark);
        return Ok(image.build());
    }
    // Black on white, whatever the terminal's colours are.
    let rows = image.build();
    Ok(rows.lines().map(|row| format!("\u{1b}[38;5;16;48;5;231m{row}\u{1b}[0m")).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_listens_everywhere_is_reached_by_an_address_that_a_link_can_hold() {
        let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8443));
        let reached_at = reached(everywhere);
        assert!(!reached_at.ip().is_unspecified());
        assert_eq!(reached_at.port(), 8443);
        let one = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 7), 1));
        assert_eq!(reached(one), one);
    }

    #[test]
    fn the_code_is_as_wide_as_it_is_high_and_its_colours_are_its_own() {
        let link = PairingLink { endpoint: "https://192.0.2.5:8443".into(), fingerprint: None, token: None };
        let plain = drawn(&link, false).expect("drawn");
        let rows: Vec<_> = plain.lines().collect();
        assert!(rows.iter().all(|row| row.chars().count() == rows[0].chars().count()));
        assert_eq!(rows.len(), rows[0].chars().count().div_ceil(2), "two modules a row");
        assert!(drawn(&link, true).expect("drawn").lines().all(|row| row.ends_with("\u{1b}[0m")));
        let long = PairingLink { endpoint: format!("https://a/{}", "x".repeat(3000)), ..link };
        assert!(drawn(&long, false).is_err());
    }
}
