//! A server with one model's file over HTTPS, for downloads: the whole of it, or the rest from any byte.
//!
//! Its network is a good one. What a bad one does to downloads is tested elsewhere; here their disk is full.

use std::net::SocketAddr;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use uhlm_law::digest::Digest;
use uhlm_law::rng::{Rng, Stream};
use uhlm_net::TrustPolicy;

use super::identity::Identity;
use super::loopback::listen;
use crate::error::LoadTestError;

/// Length of the file, in bytes: more than one answer's pieces, and soon written.
const LENGTH: usize = 200_000;
/// Longest head of a request that is read, in bytes.
const MAX_HEAD: usize = 1 << 14;

/// The server, which ends with its connections when it is dropped.
#[derive(Debug)]
pub(crate) struct FileServer {
    address: SocketAddr,
    trust: TrustPolicy,
    content: Arc<[u8]>,
    /// Its threads and connections end with it.
    _runtime: Runtime,
}

impl FileServer {
    /// Starts a server on a free port of loopback. The file begins as a model's does and is noise after that; nobody
    /// loads it.
    pub(crate) fn start(seed: u64) -> Result<Self, LoadTestError> {
        let mut noise = Rng::new(seed, Stream::Simulation);
        let mut content = b"GGUF".to_vec();
        content.extend((0..LENGTH / 8).flat_map(|_| noise.next_u64().to_le_bytes()));
        let content: Arc<[u8]> = content.into();
        let identity = Identity::generate()?;
        let failed = |error: &dyn std::fmt::Display| LoadTestError::Settings(format!("no server of files: {error}"));
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?
            .with_no_client_auth()
            .with_single_cert(
                vec![identity.certificate.der().clone()],
                PrivateKeyDer::Pkcs8(identity.key.serialize_der().into()),
            )
            .map_err(|error| failed(&error))?;
        let (runtime, listener, address) = listen("uhlm-files")?;
        let (acceptor, served) = (TlsAcceptor::from(Arc::new(config)), Arc::clone(&content));
        runtime.spawn(async move {
            // One that cannot be accepted is the downloads' loss, which they report.
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, content) = (acceptor.clone(), Arc::clone(&served));
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        // Whoever asked has gone, and knows why.
                        let _ = answer(stream, &content).await;
                    }
                });
            }
        });
        Ok(Self { address, trust: identity.trust, content, _runtime: runtime })
    }

    /// Returns the address of the file of this name.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("https://{}/{name}", self.address)
    }

    /// Returns the trust in this server alone.
    pub(crate) fn trust(&self) -> TrustPolicy {
        self.trust.clone()
    }

    /// Returns the bytes of the file.
    pub(crate) fn content(&self) -> &[u8] {
        &self.content
    }

    /// Returns the SHA-256 of the file.
    pub(crate) fn sha256(&self) -> Digest {
        Digest(Sha256::digest(&self.content).into())
    }
}

/// Answers one request, and closes the connection.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, content: &[u8]) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_HEAD {
            return Ok(());
        }
        head.push(stream.read_u8().await?);
    }
    let from = first_byte(&String::from_utf8_lossy(&head)).unwrap_or(0);
    let (head, body) = part(content, from);
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    stream.shutdown().await
}

/// Returns the index of the first byte that a request asks for; `None` where it asks for the whole file.
fn first_byte(head: &str) -> Option<usize> {
    let value = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("range").then_some(value.trim())
    })?;
    value.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}

/// Returns the head and the body of the answer that brings the content from a byte on.
fn part(content: &[u8], from: usize) -> (String, &[u8]) {
    let total = content.len();
    let body = content.get(from..).unwrap_or_default();
    let (status, range) = match from {
        0 => ("200 OK", String::new()),
        _ if body.is_empty() => ("416 Range Not Satisfiable", format!("content-range: bytes */{total}\r\n")),
        _ => ("206 Partial Content", format!("content-range: bytes {from}-{}/{total}\r\n", total - 1)),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\n{range}content-length: {length}\r\netag: \"1\"\r\nconnection: close\r\n\r\n");
    (head, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_gets_the_file_or_the_rest_of_it() {
        assert_eq!(first_byte("GET /a HTTP/1.1\r\nhost: b\r\n\r\n"), None);
        assert_eq!(first_byte("GET /a HTTP/1.1\r\nRange: bytes=17-\r\n\r\n"), Some(17));
        let (head, body) = part(b"0123456789", 0);
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("content-length: 10\r\n"), "{head}");
        assert_eq!(body, b"0123456789");
        let (head, body) = part(b"0123456789", 4);
        assert!(head.starts_with("HTTP/1.1 206") && head.contains("content-range: bytes 4-9/10\r\n"), "{head}");
        assert_eq!(body, b"456789");
        let (head, body) = part(b"0123456789", 10);
        assert!(head.starts_with("HTTP/1.1 416") && head.contains("content-range: bytes */10\r\n"), "{head}");
        assert!(body.is_empty());
    }
}
