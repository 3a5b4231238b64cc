//! `otp-pi modem list | check | at | send | drain | resume`: a look at modems, and a hand on them.
//!
//! A gateway that runs is asked about its own modems; others are opened and locked as a gateway would do it. What is shown is made
//! by [`crate::wire::modems`].

mod at;
mod check;
mod code;
mod direct;
mod drain;
mod imei;
mod list;
mod send;
mod sim;
mod sim_use;
mod target;
mod ussd;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use store::AuditEvent;

use super::remote::Target;
use super::{output, serve};
use crate::app::{self, OfflineStore};
use crate::config::{Config, ModemConfig};
use crate::control::{Client, Request};
use crate::telemetry;
use crate::wire::modems::{Conclusion, Rendered};

pub(super) use send::text;

/// Arguments of `modem`.
#[derive(Debug, Args)]
pub(super) struct ModemArguments {
    #[command(subcommand)]
    command: ModemCommand,
}

#[derive(Debug, Subcommand)]
enum ModemCommand {
    /// Shows the serial lines of this machine, and which of them a modem answers on
    List(ListArguments),
    /// Looks whether modems can send, and says what to do where they cannot
    #[command(after_help = CHECK_HELP)]
    Check(CheckArguments),
    /// Asks a modem one AT command
    #[command(after_help = AT_HELP)]
    At(AtArguments),
    /// Shows what the SIM of each modem has sent, what is left, and when it runs out; or counts it anew
    Use(UseArguments),
    /// Sends one SMS at once
    #[command(after_help = SEND_HELP)]
    Send(SendArguments),
    /// Looks at a SIM's PIN lock; switches it on or off, changes the PIN, enters PIN or PUK by hand
    #[command(subcommand, after_help = sim::HELP)]
    Sim(sim::SimCommand),
    /// Shows the IMEI of a modem; puts back the one that is printed on it
    #[command(subcommand, after_help = imei::HELP)]
    Imei(imei::ImeiCommand),
    /// Has the running gateway give a modem no messages, until it is resumed or the gateway starts anew
    Drain(drain::Arguments),
    /// Lets a modem back that was drained, by hand or because its messages went wrong
    Resume(drain::Arguments),
    /// Asks what the SIM of a modem is worth, now, and keeps it
    #[command(after_help = BALANCE_HELP)]
    Balance(BalanceArguments),
}

const BALANCE_HELP: &str =
    "Needs the gateway running, and balance_code and balance_pattern of the modem in its configuration.

Exit code: 0 known, 3 known and below balance_low, 1 not known, 2 wrong usage.";

const USSD_HELP: &str =
    "Put the CODE in quotes: a shell takes * and # for its own. Where a terminal is, a menu is gone through by
hand; scripts give the replies in their order with --reply. A code may cost money; what was asked is never logged.

Exit code: 0 answered, 1 not answered or refused, 2 wrong usage.

Examples:
  otp-pi ussd operator-1 '*888#'
  otp-pi ussd operator-1 '*123#' --reply 2 --reply 1 --json
  otp-pi ussd /dev/ttyUSB2 '*100#'";

/// Arguments of `ussd`.
#[derive(Debug, Args)]
#[command(after_help = USSD_HELP)]
pub(super) struct UssdArguments {
    /// Name of a modem in the configuration, or path of a line
    #[arg(value_name = "MODEM")]
    target: String,
    /// The code, such as '*888#'
    #[arg(value_name = "CODE")]
    code: String,
    /// A reply to the menu that comes; once for each
    #[arg(long = "reply", value_name = "TEXT")]
    replies: Vec<String>,
    /// Reads further replies from standard input, also where that is no terminal
    #[arg(long, short)]
    interactive: bool,
    #[command(flatten)]
    line: LineOptions,
    #[command(flatten)]
    pin: PinOption,
    /// How long the modem may look for a network, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(..=600))]
    wait: u64,
    /// Answers in JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct BalanceArguments {
    /// Name of a modem in the configuration
    #[arg(value_name = "NAME")]
    target: String,
    /// The configuration file; /etc/otp-pi.toml when it is there
    #[arg(long, value_name = "FILE", env = super::CONFIG_VARIABLE)]
    config: Option<PathBuf>,
    /// Answers in JSON
    #[arg(long)]
    json: bool,
}

const CHECK_HELP: &str = "Without a NAME or PORT: all modems of --config, or every line of this machine that answers.

Exit code: 0 can send, 3 can send with warnings, 1 cannot send, 2 wrong usage.";

const AT_HELP: &str = "What sends messages, enters PINs, writes an IMEI or changes how the line works is refused.
After a command that may change settings the modem is initialised again.

Exit code: 0 answered OK, 1 answered with an error, refused or not answered, 2 wrong usage.

Examples:
  otp-pi modem at /dev/ttyUSB2 AT+CSQ
  otp-pi modem at /dev/ttyUSB2 'AT+COPS=?'
  otp-pi modem at operator-1 ATI --config /etc/otp-pi.toml";

const SEND_HELP: &str = "A TEXT of - is read from standard input. A long text goes out in parts.

Exit code: 0 sent, 1 not sent or refused, 4 outcome unknown or only in part on air (do not repeat blindly), 2 wrong usage.";

#[derive(Debug, Args)]
struct ListArguments {
    /// Names the modems of this configuration file beside their lines; /etc/otp-pi.toml when it is there
    #[arg(long, value_name = "FILE", env = super::CONFIG_VARIABLE)]
    config: Option<PathBuf>,
    /// Asks no line who is behind it: something other than a modem may be
    #[arg(long)]
    no_probe: bool,
    /// Looks below this directory for dev, sys and proc
    #[arg(long, value_name = "DIRECTORY", env = app::ROOT_VARIABLE, default_value = "/")]
    root: PathBuf,
    /// Answers in JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct CheckArguments {
    /// Names of modems in the configuration, or paths of lines
    #[arg(value_name = "NAME|PORT")]
    targets: Vec<String>,
    #[command(flatten)]
    line: LineOptions,
    #[command(flatten)]
    pin: PinOption,
    /// How long a modem may look for a network, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(..=600))]
    wait: u64,
    /// Answers in JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct AtArguments {
    /// Path of the line, or name of a modem in the configuration
    #[arg(value_name = "PORT")]
    target: String,
    /// The command, such as AT+CSQ
    #[arg(value_name = "COMMAND")]
    command: String,
    #[command(flatten)]
    line: LineOptions,
    /// How long the answer may take, in seconds; what modems usually need when not given
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout: Option<u64>,
    /// Answers in JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct SendArguments {
    /// Name of a modem in the configuration, or path of a line
    #[arg(value_name = "NAME")]
    target: String,
    /// To whom: 0812… (with --config), +62812… or 62812…
    #[arg(value_name = "MSISDN")]
    receiver: String,
    /// What; - reads it from standard input
    #[arg(value_name = "TEXT")]
    text: String,
    #[command(flatten)]
    line: LineOptions,
    #[command(flatten)]
    pin: PinOption,
    /// How long the modem may look for a network, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(..=600))]
    wait: u64,
    /// Answers in JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct UseArguments {
    /// Name of a modem; all when none is given
    #[arg(value_name = "NAME", required_if_eq("reset", "true"))]
    modem: Option<String>,
    /// Forgets what its SIM has sent: for a new contract, or another card in the books
    #[arg(long)]
    reset: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
struct LineOptions {
    /// The configuration file: for names, settings, the block list and PINs; /etc/otp-pi.toml when it is there
    #[arg(long, value_name = "FILE", env = super::CONFIG_VARIABLE)]
    config: Option<PathBuf>,
    /// Speed of the line in bits per second; from the configuration, or 115200
    #[arg(long, value_name = "RATE", value_parser = clap::value_parser!(u32).range(50..=4_000_000))]
    baud: Option<u32>,
    /// Tells on standard error what is said to the modem: commands without their arguments, and results
    #[arg(long, short)]
    verbose: bool,
}

#[derive(Debug, Args)]
struct PinOption {
    /// A file whose first line is the SIM's PIN; entered once, and only while three tries are left
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
}

/// Runs one of the commands.
///
/// # Errors
/// What kept it from being done.
pub(super) fn run(arguments: &ModemArguments) -> anyhow::Result<ExitCode> {
    let (is_json, is_verbose) = match &arguments.command {
        ModemCommand::Use(sim_use) => (sim_use.target.json, false),
        ModemCommand::List(list) => (list.json, false),
        ModemCommand::Check(check) => (check.json, check.line.verbose),
        ModemCommand::At(at) => (at.json, at.line.verbose),
        ModemCommand::Send(send) => (send.json, send.line.verbose),
        ModemCommand::Sim(sim) => sim.output(),
        ModemCommand::Imei(imei) => imei.output(),
        ModemCommand::Drain(arguments) | ModemCommand::Resume(arguments) => (arguments.json, false),
        ModemCommand::Balance(balance) => (balance.json, false),
    };
    tell_if(is_verbose);
    let done = serve::runtime().and_then(|runtime| {
        runtime.block_on(async {
            match &arguments.command {
                ModemCommand::Use(sim_use) => sim_use::run(sim_use).await,
                ModemCommand::List(list) => list::run(list).await,
                ModemCommand::Check(check) => check::run(check).await,
                ModemCommand::At(at) => at::run(at).await,
                ModemCommand::Send(send) => send::run(send).await,
                ModemCommand::Sim(sim) => sim::run(sim).await,
                ModemCommand::Imei(imei) => imei::run(imei).await,
                ModemCommand::Drain(arguments) => drain::drain(arguments).await,
                ModemCommand::Resume(arguments) => drain::resume(arguments).await,
                ModemCommand::Balance(balance) => ussd::balance(balance).await,
            }
        })
    });
    done.map(|rendered| show(&rendered, is_json))
}

/// Runs `ussd`.
///
/// # Errors
/// What kept it from being done.
pub(super) fn run_ussd(arguments: &UssdArguments) -> anyhow::Result<ExitCode> {
    tell_if(arguments.line.verbose);
    let done = serve::runtime()?.block_on(ussd::run(arguments));
    done.map(|rendered| show(&rendered, arguments.json))
}

fn tell_if(is_verbose: bool) {
    if is_verbose {
        let filter = "info,modem=trace".to_owned();
        telemetry::start(&telemetry::Settings { filter, ..telemetry::Settings::default() }, std::io::stderr);
    }
}

/// Shows a result; its conclusion is the exit code (docs/errors.md).
fn show(rendered: &Rendered, is_json: bool) -> ExitCode {
    output::line(&if is_json { rendered.json.to_string() } else { rendered.text.clone() });
    ExitCode::from(match rendered.conclusion {
        Conclusion::Good => 0,
        Conclusion::Bad => 1,
        Conclusion::Warned => 3,
        Conclusion::Unclear => 4,
    })
}

/// Reads the configuration that is named, or the one at the usual place, if this user may.
async fn load(path: Option<&Path>) -> anyhow::Result<Option<Config>> {
    let path = match path {
        Some(path) => path,
        None if std::fs::File::open(super::CONFIG).is_ok() => Path::new(super::CONFIG),
        None => return Ok(None),
    };
    let mut config = super::place::load(path).await?.config;
    app::search_for(&mut config.modems);
    Ok(Some(config))
}

/// Asks the gateway that runs, if the modems are its own; none when they are to be asked directly.
async fn ask_gateway(
    config: Option<&Config>,
    modems: &[String],
    request: impl FnOnce() -> anyhow::Result<Request>,
) -> anyhow::Result<Option<Rendered>> {
    let Some(config) = config else { return Ok(None) };
    let is_its_own = |name: &String| {
        let is_meant =
            |modem: &ModemConfig| modem.line.name == *name || modem::is_same_line(&modem.line.path, Path::new(name));
        config.modems.iter().any(is_meant)
    };
    if !modems.iter().all(is_its_own) {
        return Ok(None);
    }
    let Some(client) = Client::connect(&config.store.data_dir).await? else { return Ok(None) };
    let answer = client.ask(&request()?).await?;
    serde_json::from_value(answer).map(Some).context("the gateway speaks another version")
}

/// Records an act where there is a store to record it in; without a gateway's data there is nobody to answer for.
async fn record(store: Option<&OfflineStore>, event: AuditEvent) -> anyhow::Result<()> {
    match store {
        Some(store) => Ok(store.store().audit(event).await?),
        None => Ok(()),
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
