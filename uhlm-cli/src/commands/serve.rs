//! `uhlm serve`: the verifier.

use std::time::Duration;

use clap::Args;
use uhlm_server::{LogFormat, Server};

use crate::failure::Failure;
use crate::output;
use crate::pairing;
use crate::stored::located;
use crate::terminal::progress;
use crate::terminal::style::{Style, paint};

const EXAMPLES: &str = "\
Examples:
  uhlm serve --model target.gguf
  UHLM_TOKENS=a-long-secret-token uhlm serve --model target.gguf --listen 0.0.0.0:8443 \\
      --tls-cert cert.pem --tls-key key.pem
  UHLM_TOKENS=a-long-secret-token uhlm serve --model target.gguf --listen 0.0.0.0:8443 --qr";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
// The flags inside have this struct's name, and clap names a group after each.
#[group(skip)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    server: uhlm_server::ServeArgs,
    /// Show a QR code that pairs a phone with this server: its address, its certificate where no authority vouches for
    /// it, and the token where there is exactly one. Whoever sees it can use the server
    #[arg(long)]
    qr: bool,
    /// Address by which phones reach the server, for the QR code; without it, this machine's in its network
    #[arg(long, value_name = "URL", requires = "qr")]
    qr_url: Option<String>,
}

impl ServeArgs {
    /// Returns the form of log lines.
    pub(crate) fn log_format(&self) -> LogFormat {
        self.server.log_format
    }
}

pub(crate) fn run(args: &ServeArgs) -> Result<(), Failure> {
    let mut server = args.server.clone();
    server.model = server.model.as_deref().map(located).transpose()?;
    let vocabulary = &mut server.upstream.upstream_vocabulary;
    *vocabulary = vocabulary.as_deref().map(located).transpose()?;
    let token = match server.tokens.as_slice() {
        [token] if args.qr && server.token_file.is_none() => Some(token.clone()),
        _ => None,
    };
    let tokens_are_many = token.is_none() && (!server.tokens.is_empty() || server.token_file.is_some());
    let config = server.into_config().map_err(|error| Failure::usage(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("no threads for the server: {error}")))?;
    runtime.block_on(async {
        // Loading gigabytes takes a while, and until then nothing answers.
        let what = if config.upstream.is_some() { "reaching the engines" } else { "loading the target model" };
        let waiting = progress::spinner(what);
        waiting.enable_steady_tick(Duration::from_millis(200));
        let server = Server::bind(config).await;
        waiting.finish_and_clear();
        let server = server?;
        let field = |name: &str, value: &dyn std::fmt::Display| {
            output::line(format_args!("{} {value}", paint(Style::Heading, &format!("{name:<12}"))));
        };
        field("listening", &server.url());
        field("model", &server.info().model);
        if !server.info().engine.is_empty() {
            field("engines", &server.info().engine);
        }
        if let Some(certificate) = server.certificate() {
            field("fingerprint", &certificate.fingerprint);
            field("key pin", &certificate.spki);
            output::line(format_args!(
                "\nOn a device:\n  uhlm chat --model draft.gguf --server {} \\\n    --fingerprint {}",
                server.url(),
                certificate.fingerprint
            ));
        }
        if args.qr {
            let (url, address) = (args.qr_url.as_deref(), server.local_addr());
            pairing::show(url, address, server.certificate(), token, tokens_are_many)?;
        }
        Ok(server.run_until(uhlm_server::shutdown_signal()).await?)
    })
}
