//! Hostile phones that hold connections: they say nothing, or do not come to an end.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Client, Url};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use uhlm_law::advance::MEDIA_BINARY;
use uhlm_net::{BearerToken, client_config};

use crate::attack::Attack;
use crate::error::LoadTestError;
use crate::place::Place;

/// Number of bodies that one hostile phone sends at once.
const BODIES: usize = 16;
/// Pause between two bytes of a body that drips.
const DRIP: Duration = Duration::from_millis(100);
/// Size of a body that is announced and never comes whole, as large as a body may be.
const ANNOUNCED: usize = 1 << 20;
/// Bytes of a body without an end that are sent at once.
const CHUNK: usize = 16 << 10;
/// Pause before a request that was refused or broken off is made again.
const AGAIN: Duration = Duration::from_millis(200);
/// Pause before a socket that was closed is opened again. Thousands of them with a shorter one are a flood of
/// connections, which is the system's to hold off.
const REOPEN: Duration = Duration::from_secs(1);

/// Returns the address of a server.
pub(super) fn address(url: &str) -> Result<SocketAddr, LoadTestError> {
    let unknown = || LoadTestError::Settings(format!("{url} is no address of a server"));
    let url = Url::parse(url).map_err(|_| unknown())?;
    let host = url.host_str().ok_or_else(unknown)?.trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().ok_or_else(unknown)?;
    (host, port).to_socket_addrs().ok().and_then(|mut all| all.next()).ok_or_else(unknown)
}

/// Connects as a stranger: from another address than the phones', where loopback has more than one. What a server holds
/// against an address, those who share it have to bear.
async fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if cfg!(target_os = "linux") && to.is_ipv4() && to.ip().is_loopback() {
        socket.bind((Ipv4Addr::new(127, 0, 0, 2), 0).into())?;
    }
    socket.connect(to).await
}

/// Holds a connection open, and opens it again when it is closed. A slow one sends the beginning of a handshake, a byte
/// a second; another one nothing.
pub(super) async fn hold(address: SocketAddr, is_slow: bool, count: Arc<AtomicU64>) {
    loop {
        if let Ok(mut stream) = connect(address).await {
            count.fetch_add(1, Ordering::Relaxed);
            // The head of a TLS record that announces a long handshake message, then zeros.
            let mut bytes = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01].into_iter().chain(std::iter::repeat(0));
            let mut answer = [0; 256];
            loop {
                let next = if is_slow { bytes.next() } else { None };
                if let Some(byte) = next
                    && stream.write_all(&[byte]).await.is_err()
                {
                    break;
                }
                if let Ok(Ok(0) | Err(_)) = timeout(Duration::from_secs(1), stream.read(&mut answer)).await {
                    break;
                }
            }
        }
        sleep(REOPEN).await;
    }
}

/// Makes a client, with the token that it sends.
pub(super) fn client(place: &Place, attack: Attack) -> Result<(Client, Option<BearerToken>), LoadTestError> {
    let settings = |reason: String| LoadTestError::Settings(reason);
    let tls = client_config(&place.trust, false).map_err(|error| settings(error.reason))?;
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .build()
        .map_err(|error| settings(error.to_string()))?;
    Ok((client, place.hostile_owner(attack).cloned()))
}

/// Sends bodies that do not end: a byte at a time of one that is announced as large as it may be, or without an end of
/// one that is not announced.
pub(super) async fn drip(
    client: Client,
    url: String,
    token: Option<BearerToken>,
    is_endless: bool,
    count: Arc<AtomicU64>,
) {
    let bodies = (0..BODIES).map(|_| async {
        loop {
            count.fetch_add(1, Ordering::Relaxed);
            let mut request = client.post(format!("{url}/v2/sessions")).header(CONTENT_TYPE, MEDIA_BINARY);
            if let Some(token) = &token {
                request = request.header(AUTHORIZATION, token.header());
            }
            let request = if is_endless {
                request.body(body(CHUNK, Duration::from_millis(5)))
            } else {
                request.header(CONTENT_LENGTH, ANNOUNCED).body(body(1, DRIP))
            };
            // Refused, cut off or answered: it begins again.
            drop(request.send().await);
            sleep(AGAIN).await;
        }
    });
    futures_util::future::join_all(bodies).await;
}

/// Makes a body without an end, of pieces with a pause after each.
fn body(piece: usize, pause: Duration) -> Body {
    let piece = Bytes::from(vec![0; piece]);
    Body::wrap_stream(futures_util::stream::unfold(piece, move |piece| async move {
        sleep(pause).await;
        Some((Ok::<_, Infallible>(piece.clone()), piece))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_server_is_read_from_its_url() {
        assert_eq!(address("https://127.0.0.1:8443/x").expect("an address").to_string(), "127.0.0.1:8443");
        assert_eq!(address("https://[::1]:8443").expect("an address").to_string(), "[::1]:8443");
        assert_eq!(address("http://127.0.0.1").expect("an address").port(), 80);
        assert!(address("nothing").is_err());
    }
}
