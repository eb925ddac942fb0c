//! `uhlm-server`: the verifier as a program of its own. `uhlm serve` takes the same flags.

use clap::Parser;
use tracing_subscriber::EnvFilter;
use uhlm_server::{ServeArgs, Server, shutdown_signal};

/// Judges what devices draft with a small model, with a large one, and writes on for them.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    serve: ServeArgs,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,llama-cpp-2=warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let server = Server::bind(Cli::parse().serve.into_config()?).await?;
    tracing::info!(
        url = server.url(),
        model = server.info().model,
        engines = server.info().engine,
        context = server.info().limits.context,
        "listening"
    );
    if let Some(certificate) = server.certificate() {
        tracing::info!(fingerprint = %certificate.fingerprint, spki = %certificate.spki, "certificate, SHA-256");
    }
    // A target that has failed ends the process with a failure: who supervises it starts it anew.
    Ok(server.run_until(shutdown_signal()).await?)
}
