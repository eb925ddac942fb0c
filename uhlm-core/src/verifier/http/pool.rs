//! The connection to the verifier, and when it is given up for a new one.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{Client, redirect};
use uhlm_net::{ClientConfig, client_config};

use super::config::{ConfigError, HttpConfig};

/// Servers and load balancers commonly close a connection that was idle for a minute or more; closing it first avoids
/// the race between their closing and our next request.
const IDLE: Duration = Duration::from_secs(50);
/// A ping after this much silence, sent only while a request is under way: an idle phone keeps its radio off.
const PING_INTERVAL: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// Number of deadlines missed in a row, with nothing heard in between, after which a connection is given up. One miss
/// is mostly a server that is busy, and a new connection for each phone that waits would be the last thing it needs.
const MISSES: u32 = 2;

/// Makes HTTP clients of one configuration. All of them resume each other's TLS sessions.
struct Template {
    tls: ClientConfig,
    connect_timeout: Duration,
    user_agent: Option<String>,
    media_type: &'static str,
    https_only: bool,
}

impl Template {
    fn build(&self) -> Result<Client, ConfigError> {
        // reqwest would send `accept: */*`; this replaces it and costs one byte a request in HTTP/2.
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(self.media_type))]);
        let mut builder = Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .https_only(self.https_only)
            .default_headers(headers)
            .redirect(redirect::Policy::none())
            // What an environment variable says has no place between an app and its verifier.
            .no_proxy()
            .connect_timeout(self.connect_timeout)
            .pool_idle_timeout(IDLE)
            .tcp_nodelay(true)
            .tcp_keepalive(None)
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .http2_keep_alive_while_idle(false);
        if let Some(agent) = &self.user_agent {
            builder = builder.user_agent(agent);
        }
        builder.build().map_err(|error| ConfigError::Start { reason: error.to_string() })
    }
}

/// Which of the successive clients a request went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Generation(u64);

/// The client in use.
pub(super) struct Pool {
    template: Template,
    current: Mutex<Current>,
}

#[derive(Clone)]
struct Current {
    generation: Generation,
    client: Client,
    /// Number of deadlines that were missed since anything came through this client; those that were waited for at the
    /// same time are one.
    misses: u32,
    /// Time of the last miss.
    missed: Option<Instant>,
}

impl Pool {
    pub(super) fn new(config: &HttpConfig) -> Result<Self, ConfigError> {
        let template = Template {
            tls: client_config(&config.trust, config.tls12)?,
            connect_timeout: config.connect_timeout,
            user_agent: config.user_agent.clone(),
            media_type: config.encoding.media_type(),
            https_only: !config.plain_loopback,
        };
        let client = template.build()?;
        let current = Current { generation: Generation::default(), client, misses: 0, missed: None };
        Ok(Self { template, current: Mutex::new(current) })
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        // Each change of it is complete before anything can panic.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client for the next request.
    pub(super) fn client(&self) -> (Generation, Client) {
        let current = self.current();
        (current.generation, current.client.clone())
    }

    /// Takes note that something came through a client.
    pub(super) fn heard(&self, from: Generation) {
        let mut current = self.current();
        if current.generation == from {
            (current.misses, current.missed) = (0, None);
        }
    }

    /// Takes note that nothing came through a client for as long as was `waited`, and gives its connections up after
    /// the second time in a row.
    pub(super) fn missed(&self, from: Generation, waited: Duration) {
        let mut current = self.current();
        let now = Instant::now();
        let is_another =
            current.missed.is_none_or(|missed| now.checked_sub(waited).is_some_and(|since| since >= missed));
        if current.generation == from && is_another {
            (current.misses, current.missed) = (current.misses + 1, Some(now));
            if current.misses >= MISSES {
                drop(current);
                self.renew(from);
            }
        }
    }

    /// Gives up the connections of `stale`, unless that was done already; requests under way on them go on. A phone
    /// that changes networks leaves connections behind that look alive and answer nothing.
    pub(super) fn renew(&self, stale: Generation) {
        let mut current = self.current();
        if current.generation == stale
            // The same values made a client before; if that ever fails, the old one still serves.
            && let Ok(client) = self.template.build()
        {
            *current = Current { generation: Generation(stale.0 + 1), client, misses: 0, missed: None };
        }
    }
}
