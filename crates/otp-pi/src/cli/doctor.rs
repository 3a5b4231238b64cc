//! `otp-pi doctor`: everything that keeps a gateway from working well, one line each, and the fix.
//!
//! It looks and changes nothing, whether a gateway runs or not. What it cannot look at it says.

mod brokers;
mod clashes;
mod tickets;

use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use domain::clock::Clock as _;
use domain::limits::Mode;
use modem::Driver;
use rustix::fs::Access;
use serde::Serialize;

use super::remote::Target;
use super::{output, place, serve};
use crate::app::{self, SystemClock};
use crate::config::{Config, Loaded};
use crate::control::{Client, Request};
use crate::http::tls;
use crate::wire::modems::{Conclusion, Rendered};

/// Less free space than this is worth a word; less than a tenth of it stops a gateway soon.
const SPACE: u64 = 500 << 20;

/// How long an own listener may take to answer.
const KNOCK: Duration = Duration::from_secs(2);

/// Arguments of `doctor`.
#[derive(Debug, Args)]
#[command(after_help = "Exit code: 0 all well, 3 warnings, 1 something does not work, 2 wrong usage.")]
pub(super) struct DoctorArguments {
    #[command(flatten)]
    target: Target,
    /// Looks below this directory for proc, run and sys, when it asks about ModemManager
    #[arg(long, value_name = "DIRECTORY", default_value = "/", hide = true)]
    root: PathBuf,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Good,
    Warning,
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    about: &'static str,
    state: State,
    what: String,
    fix: Option<String>,
}

#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn good(&mut self, about: &'static str, what: impl Into<String>) {
        self.0.push(Finding { about, state: State::Good, what: what.into(), fix: None });
    }

    fn warn(&mut self, about: &'static str, what: impl Into<String>, fix: impl Into<String>) {
        self.0.push(Finding { about, state: State::Warning, what: what.into(), fix: Some(fix.into()) });
    }

    fn bad(&mut self, about: &'static str, what: impl Into<String>, fix: impl Into<String>) {
        self.0.push(Finding { about, state: State::Bad, what: what.into(), fix: Some(fix.into()) });
    }
}

/// Looks at everything.
///
/// # Errors
/// None today but a runtime that cannot be had: what cannot be looked at is a finding.
pub(super) fn run(arguments: &DoctorArguments) -> anyhow::Result<ExitCode> {
    let Findings(findings) = serve::runtime()?.block_on(look(&arguments.target.config, &arguments.root));
    output::result(arguments.target.json, &findings, || text(&findings))?;
    Ok(match findings.iter().map(|finding| finding.state).max() {
        Some(State::Bad) => ExitCode::FAILURE,
        Some(State::Warning) => ExitCode::from(3),
        Some(State::Good) | None => ExitCode::SUCCESS,
    })
}

fn text(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let mark = match finding.state {
            State::Good => "ok  ",
            State::Warning => "warn",
            State::Bad => "BAD ",
        };
        let fix = finding.fix.as_ref().map(|fix| format!("\n{:20}fix: {fix}", "")).unwrap_or_default();
        format!("{mark}  {:<12}  {}{fix}", finding.about, finding.what)
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

async fn look(path: &Path, root: &Path) -> Findings {
    let mut findings = Findings::default();
    look_at_clock(&mut findings);
    let sources = place::sources(path);
    let document = match sources.document() {
        Ok(document) => document,
        Err(error) => {
            findings.bad("settings", format!("{}: {error}", path.display()), "otp-pi check-config tells more");
            return findings;
        }
    };
    look_at_data(&document.data_dir, &mut findings);
    let client = Client::connect(&document.data_dir).await;
    let is_running = match &client {
        Ok(client) => client.is_some(),
        Err(error) => {
            findings.warn("gateway", format!("{error:#}"), "sudo -u otp-pi otp-pi doctor");
            false
        }
    };
    drop(client);
    if is_running {
        findings.good("gateway", "it runs and answers");
    } else {
        findings.warn("gateway", "it does not run, or cannot be asked", "systemctl start otp-pi");
    }
    let loaded = match place::load(path).await {
        Ok(loaded) => loaded,
        Err(error) => {
            findings.bad("settings", format!("{error:#}"), "otp-pi check-config tells more");
            return findings;
        }
    };
    look_at_settings(&loaded, &mut findings);
    look_at_store(&loaded.config, &mut findings).await;
    tickets::look(&loaded.config, &mut findings).await;
    look_at_certificate(&loaded.config, &mut findings);
    look_at_listeners(&loaded.config, is_running, &mut findings);
    look_at_modems(&loaded.config, is_running, &mut findings).await;
    clashes::look(&loaded.config, root, &mut findings);
    brokers::look(&loaded.config, &mut findings).await;
    findings
}

fn look_at_clock(findings: &mut Findings) {
    let clock = SystemClock;
    let now = super::when::text(clock.now().as_unix_millis());
    if clock.is_synchronised() {
        findings.good("clock", now);
    } else {
        findings.bad(
            "clock",
            format!("it shows {now}: nobody has set it since the machine started"),
            "timedatectl set-ntp true, or a real-time clock",
        );
    }
}

fn look_at_data(data_dir: &Path, findings: &mut Findings) {
    let shown = data_dir.display();
    let Ok(metadata) = std::fs::metadata(data_dir) else {
        findings.warn("data", format!("{shown} is not there yet"), "the first start makes it");
        return;
    };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        findings.good("data", format!("{shown} is closed to others"));
    } else {
        findings.warn("data", format!("{shown} is open to others (mode {mode:o})"), format!("chmod 700 {shown}"));
    }
    let own = rustix::process::geteuid().as_raw();
    // Root as well: what the database keeps is read by its owner alone.
    if metadata.uid() != own {
        findings.warn(
            "data",
            format!(
                "{shown} belongs to user {}, and this is user {own}: not everything can be looked at",
                metadata.uid()
            ),
            "sudo -u otp-pi otp-pi doctor",
        );
    }
    match rustix::fs::statvfs(data_dir) {
        Ok(space) => {
            let free = space.f_bavail.saturating_mul(space.f_frsize);
            let words = format!("{} MiB free at {shown}", free >> 20);
            if free < SPACE / 10 {
                findings.bad("disk", words, "make room: a full disk refuses every request");
            } else if free < SPACE {
                findings.warn("disk", words, "make room, or lower retention.max_db");
            } else {
                findings.good("disk", words);
            }
        }
        Err(error) => findings.warn("disk", format!("its free space is not known: {error}"), "df tells more"),
    }
}

fn look_at_settings(loaded: &Loaded, findings: &mut Findings) {
    let config = &loaded.config;
    if config.warnings.is_empty() {
        findings.good("settings", format!("{} modem(s), {} API user(s)", config.modems.len(), config.api_users.len()));
    }
    for warning in &config.warnings {
        findings.warn("settings", format!("{}: {}", warning.key, warning.what), warning.fix.clone());
    }
    if !config.api_users.iter().any(|user| user.is_active) {
        findings.bad("api users", "nobody may call the API", "otp-pi api-user add NAME");
    }
    let open = |address: &&SocketAddr| !address.ip().is_loopback();
    if let Some(address) = config.api.listen.iter().find(open) {
        findings.warn(
            "passwords",
            format!("{address} takes logins over plain HTTP from other machines: whoever listens in has them"),
            "api.https_listen, or a proxy with TLS in front and http_listen = \"127.0.0.1:8899\"",
        );
    }
    if let Some(simple) = config.api.simple.as_ref().filter(|simple| !simple.open.is_empty()) {
        let networks: Vec<String> = simple.open.iter().map(ToString::to_string).collect();
        findings.warn(
            "open",
            format!("{} may use the small dialects without a login", networks.join(", ")),
            "let no proxy stand there that passes on requests of others without saying so (X-Forwarded-For)",
        );
    }
    match config.limits.rules.mode {
        Mode::Enforce => findings.good("limits", "limits are enforced"),
        Mode::Observe => {
            findings.warn("limits", "limits are only observed: nothing is refused", "set limits.mode to \"enforce\"");
        }
        Mode::Off => {
            findings.warn("limits", "there are no limits on codes and guesses", "set limits.mode to \"enforce\"");
        }
    }
}

async fn look_at_store(config: &Config, findings: &mut Findings) {
    let data_dir = &config.store.data_dir;
    if !store::has_database(data_dir) {
        findings.warn("store", "there is no database yet", "the first start makes it");
        return;
    }
    match app::keys_readable(data_dir, config.keys_file.as_deref()) {
        Ok(path) => findings.good("keys", format!("{} can be read", path.display())),
        Err(error) => findings.bad("keys", format!("{error:#}"), "docs/keys.md says the way on"),
    }
    match store::check_database(data_dir).await {
        Ok(complaints) if complaints.is_empty() => findings.good("store", "the database is sound"),
        Ok(complaints) => findings.bad(
            "store",
            format!("the database is damaged: {}", complaints.join("; ")),
            "stop the gateway and restore a backup",
        ),
        Err(error) => findings.bad("store", format!("{:#}", anyhow::Error::new(error)), "see the gateway's log"),
    }
}

fn look_at_certificate(config: &Config, findings: &mut Findings) {
    if config.api.https_listen.is_empty() {
        return;
    }
    match tls::check(&config.tls) {
        Ok(Some(summary)) => match summary.date_warning(&SystemClock) {
            // Out of its dates: clients refuse it.
            Some((what, fix)) => findings.bad("certificate", what, fix),
            None => findings.good(
                "certificate",
                format!(
                    "for {}, until {}, SHA-256 {}",
                    summary.names.join(", "),
                    summary.last_day(),
                    summary.fingerprint
                ),
            ),
        },
        Ok(None) => findings.good("certificate", "a self-signed one is made at the next start"),
        Err(error) => {
            let fix = error.fix();
            findings.bad("certificate", format!("{:#}", anyhow::Error::new(error)), fix);
        }
    }
}

fn look_at_listeners(config: &Config, is_running: bool, findings: &mut Findings) {
    if !is_running {
        return;
    }
    for address in config.api.listen.iter().chain(&config.api.https_listen).filter(|address| address.port() != 0) {
        let mut near = *address;
        if near.ip().is_unspecified() {
            near.set_ip(match near {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        match TcpStream::connect_timeout(&near, KNOCK) {
            Ok(_) => findings.good("listener", format!("{address} answers")),
            Err(error) => {
                findings.bad("listener", format!("{address} does not answer: {error}"), "see the gateway's log");
            }
        }
    }
}

async fn look_at_modems(config: &Config, is_running: bool, findings: &mut Findings) {
    if config.modems.is_empty() {
        findings.bad("modems", "none is configured: nothing can be sent", "otp-pi modem list finds them");
        return;
    }
    if !is_running {
        for modem in config.modems.iter().filter(|modem| modem.is_active && modem.line.driver == Driver::At) {
            if modem.line.path.as_os_str().is_empty() {
                let name = &modem.line.name;
                let what = format!("{name}: is found by {} (otp-pi modem check {name} asks it)", modem.line.wanted);
                findings.good("modems", what);
            } else {
                look_at_line(&modem.line.name, &modem.line.path, findings);
            }
        }
        return;
    }
    let rendered = match ask_gateway(&config.store.data_dir).await {
        Ok(rendered) => rendered,
        Err(error) => {
            findings.bad("modems", format!("the gateway did not tell: {error:#}"), "see the gateway's log");
            return;
        }
    };
    let words = rendered.text.lines().filter(|line| !line.starts_with(' ') && !line.is_empty());
    let words = words.collect::<Vec<_>>().join("; ");
    match rendered.conclusion {
        Conclusion::Good => findings.good("modems", words),
        Conclusion::Warned => findings.warn("modems", words, "otp-pi modem check tells more"),
        Conclusion::Bad | Conclusion::Unclear => findings.bad("modems", words, "otp-pi modem check tells more"),
    }
}

async fn ask_gateway(data_dir: &Path) -> anyhow::Result<Rendered> {
    let client = Client::connect(data_dir).await?.context("it has gone away")?;
    let answer = client.ask(&Request::ModemCheck { modems: Vec::new() }).await?;
    serde_json::from_value(answer).context("it speaks another version")
}

fn look_at_line(name: &str, path: &PathBuf, findings: &mut Findings) {
    let shown = path.display();
    match rustix::fs::access(path, Access::READ_OK | Access::WRITE_OK) {
        Ok(()) => findings.good("modems", format!("{name}: {shown} is there (otp-pi modem check {name} asks it)")),
        Err(rustix::io::Errno::NOENT) => {
            findings.bad("modems", format!("{name}: {shown} is not there"), "otp-pi modem list shows the lines");
        }
        Err(rustix::io::Errno::ACCESS) => findings.bad(
            "modems",
            format!("{name}: {shown} may not be opened by this user"),
            "add the gateway's user to the group dialout",
        ),
        Err(error) => findings.bad("modems", format!("{name}: {shown}: {error}"), "otp-pi modem check tells more"),
    }
}
