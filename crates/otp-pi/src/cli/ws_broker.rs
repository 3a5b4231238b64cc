//! `otp-pi ws-broker`: a WebSocket message broker for applications that cannot reach the gateway.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{ArgGroup, Args};
use domain::clock::Clock;
use domain::secret::SecretText;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use store::PasswordHasher;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::serve::{Signals, notify, runtime};
use super::{output, random_password};
use crate::app::SystemClock;
use crate::http::Transport;
use crate::http::auth::{Auth, KnownUser};
use crate::http::tls::{Certificates, MachineNames, PemFiles, TlsSettings};
use crate::{telemetry, ws_broker};

/// Arguments of `ws-broker`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("who").required(true).args(["users", "user", "new_user"]))]
pub(super) struct WsBrokerArguments {
    /// Where it listens
    #[arg(long, default_value = "127.0.0.1:8890", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The only path that is served; any when not given
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// Who may log in: lines of NAME:HASH, with $argon2id$ hashes as --new-user prints them
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,
    /// The only user that may log in
    #[arg(long, value_name = "NAME", requires = "password_file")]
    user: Option<String>,
    /// A file whose first line is the password of --user
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
    /// Only makes a password: prints it, and the line for the file of --users
    #[arg(long, value_name = "NAME")]
    new_user: Option<String>,
    /// The certificate with its chain, in PEM form: the broker speaks wss then
    #[arg(long, value_name = "FILE", requires = "private_key")]
    certificate: Option<PathBuf>,
    /// The certificate's private key, in PEM form
    #[arg(long, value_name = "FILE", requires = "certificate")]
    private_key: Option<PathBuf>,
    /// Connections that may be open at once
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    max_connections: u32,
    /// Connections that one address may have open
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    max_connections_per_address: u32,
    /// How often a connection is asked whether it is still there; it has 10 seconds to answer, or as long as this if that is less
    #[arg(long, default_value_t = 25, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(1..=3600))]
    ping_every: u16,
    /// Which log lines are written, as in the configuration of the gateway
    #[arg(long, default_value = "info", value_name = "FILTER")]
    log: String,
}

/// Relays until SIGTERM or SIGINT.
///
/// # Errors
/// Users or a certificate that cannot be used, an address in use.
pub(super) fn run(arguments: WsBrokerArguments) -> anyhow::Result<()> {
    if let Some(name) = &arguments.new_user {
        return new_user(name);
    }
    anyhow::ensure!(telemetry::is_filter(&arguments.log), "--log: not a filter: {:?}", arguments.log);
    drop(telemetry::start(
        &telemetry::Settings { filter: arguments.log.clone(), ..telemetry::Settings::default() },
        std::io::stderr,
    ));
    allow_sockets();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let auth = Auth::start(users(&arguments)?, Arc::clone(&clock)).context("the hashing thread cannot be started")?;
    let transport = match (arguments.certificate, arguments.private_key) {
        (Some(certificate), Some(private_key)) => {
            let files = Some(PemFiles { certificate, private_key });
            let settings = TlsSettings { files, ..TlsSettings::default() };
            Transport::Tls(Certificates::load(&settings, MachineNames::default(), clock)?)
        }
        _ => Transport::Plain,
    };
    let settings = ws_broker::Settings {
        path: arguments.path,
        max_connections: usize::try_from(arguments.max_connections)?,
        max_connections_per_address: usize::try_from(arguments.max_connections_per_address)?,
        ping_interval: Duration::from_secs(arguments.ping_every.into()),
    };
    runtime()?.block_on(serve(arguments.listen, transport, settings, auth))
}

async fn serve(
    listen: SocketAddr,
    transport: Transport,
    settings: ws_broker::Settings,
    auth: Auth,
) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("--listen: cannot listen on {listen}"))?;
    let address = listener.local_addr()?;
    let is_plain = matches!(transport, Transport::Plain);
    info!(broker.address = %address, broker.tls = !is_plain, "the broker listens");
    if is_plain && !address.ip().is_loopback() {
        warn!(
            "passwords and messages cross the network in clear; fix: --certificate and --private-key, or a proxy that speaks TLS"
        );
    }
    notify(&[sd_notify::NotifyState::Ready]);
    let stop = CancellationToken::new();
    let mut serving = Box::pin(ws_broker::serve(listener, transport, settings, auth, stop.clone()));
    tokio::select! {
        () = &mut serving => return Ok(()),
        () = signals.stop() => {}
    }
    info!("asked to stop");
    notify(&[sd_notify::NotifyState::Stopping]);
    stop.cancel();
    serving.await;
    Ok(())
}

fn users(arguments: &WsBrokerArguments) -> anyhow::Result<Vec<KnownUser>> {
    Ok(match (&arguments.users, &arguments.user, &arguments.password_file) {
        (Some(path), _, _) => ws_broker::read_file(path).context("--users")?,
        (None, Some(name), Some(path)) => ws_broker::single(name, path).context("--user")?,
        _ => anyhow::bail!("--users, or --user with --password-file, is needed"),
    })
}

fn new_user(name: &str) -> anyhow::Result<()> {
    anyhow::ensure!(
        !name.is_empty() && !name.contains(|letter: char| letter == ':' || letter.is_control()),
        "--new-user: a name is not empty and has no colon"
    );
    let password = random_password()?;
    let hash = PasswordHasher::default().hash(&SecretText::new(password.as_str()))?;
    output::error(&format!(
        "password of {name}: {password}\n(shown once; the line below goes into the file of --users)"
    ));
    output::line(&format!("{name}:{hash}"));
    Ok(())
}

/// Systems begin a program with 1,024 files, and let it have more when it asks.
fn allow_sockets() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        warn!(error = %error, "the number of open files cannot be raised");
    }
}
