//! The command line: one file per command.
//!
//! It reads arguments, starts logs and the runtime, and turns results into exit codes (docs/errors.md): 0 done, 1 failed
//! or refused, 2 wrong usage; 3 and 4 belong to `modem`. What the commands do is done elsewhere.

mod api_user;
mod audit;
mod backup;
mod check_config;
mod demo;
mod doctor;
mod generate;
mod inbox;
mod keys;
mod limits;
mod message;
mod modem;
mod output;
mod place;
mod remote;
mod route;
mod serve;
mod settings;
mod template;
mod when;
mod ws_broker;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::app;

#[derive(Debug, Parser)]
#[command(name = "otp-pi", version, about = "A self-hosted OTP and SMS gateway", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the whole gateway with emulated modems and a page that shows the phones
    Demo(DemoArguments),
    /// Runs the gateway
    Serve(ServeArguments),
    /// Checks a configuration file: names line, key, what is wrong and the fix
    CheckConfig(CheckArguments),
    /// Shows and rotates the keys that protect what is stored
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Looks at everything that keeps a gateway from working well, and says the fix
    Doctor(doctor::DoctorArguments),
    /// Shows messages and what became of them; cancels and retries
    #[command(subcommand)]
    Message(message::MessageCommand),
    /// Shows SMS that came in; answers and deletes them
    #[command(subcommand)]
    Inbox(inbox::InboxCommand),
    /// Explains limits: who is held back, and why; begins anew
    #[command(subcommand)]
    Limits(limits::LimitsCommand),
    /// Explains which modem takes a number
    #[command(subcommand)]
    Route(route::RouteCommand),
    /// Lists, adds and changes API users
    #[command(subcommand)]
    ApiUser(api_user::ApiUserCommand),
    /// Shows, changes, exports and imports settings
    #[command(subcommand)]
    Settings(settings::SettingsCommand),
    /// Shows who changed what, from where; and looks whether that record is whole
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Copies the database while the gateway runs
    Backup(backup::BackupArguments),
    /// Looks at the texts of codes before they are used
    #[command(subcommand)]
    Template(template::TemplateCommand),
    /// Finds modems, checks them, asks them AT commands and sends single SMS
    Modem(modem::ModemArguments),
    /// Asks the network a USSD code over a modem, and goes through its menus
    Ussd(modem::UssdArguments),
    /// Runs the WebSocket broker for applications that cannot reach the gateway
    WsBroker(ws_broker::WsBrokerArguments),
    /// Writes the completions of a shell
    Completions(generate::CompletionsArguments),
    /// Writes manual pages
    Man(generate::ManArguments),
}

/// Where the configuration lies unless said otherwise.
const CONFIG: &str = "/etc/otp-pi.toml";

/// What says otherwise for all commands.
const CONFIG_VARIABLE: &str = "OTP_PI_CONFIG";

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// Where the API listens
    #[arg(long, default_value = "127.0.0.1:8899", value_name = "ADDRESS")]
    pub api: SocketAddr,
    /// Where the page with the phones listens
    #[arg(long, default_value = "127.0.0.1:8888", value_name = "ADDRESS")]
    pub admin: SocketAddr,
    /// How many modems are emulated
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub modems: u8,
    /// Where to keep the data; a temporary directory that is removed at the end when not given
    #[arg(long, value_name = "DIRECTORY")]
    pub data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ServeArguments {
    /// The configuration file
    #[arg(long, value_name = "FILE", env = CONFIG_VARIABLE, default_value = CONFIG)]
    config: PathBuf,
    /// Only checks the configuration, like `check-config`
    #[arg(long)]
    check: bool,
}

#[derive(Debug, Args)]
struct CheckArguments {
    /// The configuration file
    #[arg(long, value_name = "FILE", env = CONFIG_VARIABLE, default_value = CONFIG)]
    config: PathBuf,
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    let matches = Arguments::command().get_matches();
    let is_json = wants_json(&matches);
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    if let Err(error) = app::forbid_dumps() {
        return finish(Err(anyhow::anyhow!("core dumps, which would hold keys, cannot be disabled: {error}")));
    }
    match arguments.command {
        Command::Demo(arguments) => finish(demo::run(&arguments)),
        Command::Serve(arguments) if arguments.check => check_config::run(&arguments.config),
        Command::Serve(arguments) => finish(serve::run(&arguments.config)),
        Command::CheckConfig(arguments) => check_config::run(&arguments.config),
        Command::Keys(command) => finish_as(is_json, keys::run(&command)),
        Command::Doctor(arguments) => doctor::run(&arguments).unwrap_or_else(|error| finish_as(is_json, Err(error))),
        Command::Completions(arguments) => {
            generate::completions(&arguments);
            ExitCode::SUCCESS
        }
        Command::Man(arguments) => finish(generate::man(&arguments)),
        Command::Message(command) => message::run(command).unwrap_or_else(|error| finish_as(is_json, Err(error))),
        Command::Inbox(command) => inbox::run(command).unwrap_or_else(|error| finish_as(is_json, Err(error))),
        Command::Limits(command) => finish_as(is_json, limits::run(command)),
        Command::Route(command) => finish_as(is_json, route::run(command)),
        Command::ApiUser(command) => finish_as(is_json, api_user::run(command)),
        Command::Settings(command) => finish_as(is_json, settings::run(command)),
        Command::Audit(command) => audit::run(command).unwrap_or_else(|error| finish_as(is_json, Err(error))),
        Command::Backup(arguments) => finish_as(is_json, backup::run(&arguments)),
        Command::Template(command) => template::run(&command).unwrap_or_else(|error| finish_as(is_json, Err(error))),
        Command::Ussd(arguments) => modem::run_ussd(&arguments).unwrap_or_else(|error| finish_as(is_json, Err(error))),
        Command::WsBroker(arguments) => finish(ws_broker::run(arguments)),
        Command::Modem(arguments) => modem::run(&arguments).unwrap_or_else(|error| finish_as(is_json, Err(error))),
    }
}

/// Whether the command that was given was asked to answer in JSON.
fn wants_json(matches: &ArgMatches) -> bool {
    match matches.subcommand() {
        Some((_, below)) => wants_json(below),
        None => matches.try_get_one("json").ok().flatten().copied().unwrap_or(false),
    }
}

/// Ends a command. What keeps it from being done stands in the answer for scripts too.
fn finish_as(is_json: bool, result: anyhow::Result<()>) -> ExitCode {
    if let (true, Err(error)) = (is_json, &result) {
        output::line(&serde_json::json!({"error": format!("{error:#}")}).to_string());
    }
    finish(result)
}

fn finish(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&format!("otp-pi: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// A password that nobody has to invent: 26 letters of five bits, 130 in all.
fn random_password() -> anyhow::Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; 26];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().filter_map(|byte| LETTERS.get(usize::from(byte % 32))).map(|letter| char::from(*letter)).collect())
}
