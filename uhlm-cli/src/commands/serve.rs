//! `uhlm serve`: the verifier.

use std::time::Duration;

use clap::Args;
use uhlm_server::Server;

use crate::failure::Failure;
use crate::output;
use crate::stored::located;
use crate::terminal::progress;
use crate::terminal::style::{Style, paint};

const EXAMPLES: &str = "\
Examples:
  uhlm serve --model target.gguf
  UHLM_TOKENS=a-long-secret-token uhlm serve --model target.gguf --listen 0.0.0.0:8443 \\
      --tls-cert cert.pem --tls-key key.pem";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
// The flags inside have this struct's name, and clap names a group after each.
#[group(skip)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    server: uhlm_server::ServeArgs,
}

pub(crate) fn run(args: &ServeArgs) -> Result<(), Failure> {
    let mut server = args.server.clone();
    server.model = server.model.as_deref().map(located).transpose()?;
    let vocabulary = &mut server.upstream.upstream_vocabulary;
    *vocabulary = vocabulary.as_deref().map(located).transpose()?;
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
        Ok(server.run_until(uhlm_server::shutdown_signal()).await?)
    })
}
