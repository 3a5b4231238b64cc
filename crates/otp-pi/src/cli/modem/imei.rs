//! `otp-pi modem imei`: the IMEI of a modem, and the printed one put back.

use std::io::{self, IsTerminal as _, Write as _};

use clap::{Args, Subcommand};
use modem::tool;

use super::direct::Directly;
use super::sim::Place;
use super::{ask_gateway, load};
use crate::cli::output;
use crate::control::{Request, ToolRequest, shell};
use crate::operator::{imei_to_write, imei_written};
use crate::wire::modems::{Rendered, imei, no_tool, restored};

pub(super) const HELP: &str = "An IMEI is written only where device.allow_imei_write is true, and only the one printed on the device may be put back.

Exit code: 0 done, 1 not done, 4 written, and the modem has not come back yet, 2 wrong usage.";

/// What the law says, to whoever is about to write.
const NOTICE: &str = "An IMEI that is not the one given to this device by its maker is a crime in several countries (for example the United
Kingdom and India, with prison and fines), for who writes it and for who uses such a device. Restore only what is printed
on the device or its box. This act is recorded with the old and the new IMEI.";

/// What can be done with an IMEI.
#[derive(Debug, Subcommand)]
pub(super) enum ImeiCommand {
    /// Shows the IMEI that the device tells
    Show(ShowArguments),
    /// Writes the IMEI that is printed on the device, restarts it and looks whether it has it
    Restore(RestoreArguments),
}

#[derive(Debug, Args)]
pub(super) struct ShowArguments {
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(super) struct RestoreArguments {
    #[command(flatten)]
    place: Place,
    /// The 15 digits that are printed on the device
    #[arg(value_name = "IMEI")]
    imei: String,
    /// The same digits once more, where nobody can type them
    #[arg(long, value_name = "IMEI")]
    confirm: Option<String>,
}

impl ImeiCommand {
    /// Whether to answer in JSON, and whether to tell what is said.
    pub(super) fn output(&self) -> (bool, bool) {
        match self {
            Self::Show(ShowArguments { place }) | Self::Restore(RestoreArguments { place, .. }) => place.output(),
        }
    }
}

pub(super) async fn run(command: &ImeiCommand) -> anyhow::Result<Rendered> {
    match command {
        ImeiCommand::Show(ShowArguments { place }) => show(place).await,
        ImeiCommand::Restore(arguments) => restore(arguments).await,
    }
}

async fn show(Place { target, line, .. }: &Place) -> anyhow::Result<Rendered> {
    let config = load(line.config.as_deref()).await?;
    let ask = || Ok(Request::Tool { ask: ToolRequest::ImeiShow { modem: target.clone() } });
    if let Some(rendered) = ask_gateway(config.as_ref(), std::slice::from_ref(target), ask).await? {
        return Ok(rendered);
    }
    let direct = Directly::begin(target, config.as_ref(), line, false).await?;
    let (name, found) = (direct.name().to_owned(), tool::find_imei(direct.handle()).await);
    direct.end().await?;
    Ok(match found {
        Ok(found) => imei(&name, found.as_deref()),
        Err(error) => no_tool(&error),
    })
}

async fn restore(RestoreArguments { place, imei: digits, confirm }: &RestoreArguments) -> anyhow::Result<Rendered> {
    let Place { target, line, .. } = place;
    let config = load(line.config.as_deref()).await?;
    let is_allowed = config.as_ref().is_some_and(|config| config.allows_imei_write);
    // Before anything is asked of anybody: is it an IMEI, and may it be written at all?
    imei_to_write(is_allowed, digits, digits).map_err(anyhow::Error::msg)?;
    let confirmation = match confirm {
        Some(confirmation) => confirmation.clone(),
        None => typed_again()?,
    };
    let wanted = imei_to_write(is_allowed, digits, &confirmation).map_err(anyhow::Error::msg)?;
    let ask = || {
        let (modem, imei) = (target.clone(), digits.clone());
        Ok(Request::Tool { ask: ToolRequest::ImeiRestore { modem, imei, confirmation } })
    };
    if let Some(rendered) = ask_gateway(config.as_ref(), std::slice::from_ref(target), ask).await? {
        return Ok(rendered);
    }
    let direct = Directly::begin(target, config.as_ref(), line, true).await?;
    let name = direct.name().to_owned();
    let done = async {
        let before = match tool::find_imei(direct.handle()).await {
            Ok(before) => before,
            Err(error) => return Ok(Err(error)),
        };
        direct.record(imei_written(&shell(), &name, before.as_deref(), &wanted)).await?;
        anyhow::Ok(tool::restore_imei(direct.handle(), &wanted).await)
    };
    let done = done.await;
    direct.end().await?;
    Ok(match done? {
        Ok(done) => restored(&name, &wanted, &done),
        Err(error) => no_tool(&error),
    })
}

/// Tells what the law says, and has the IMEI typed once more.
fn typed_again() -> anyhow::Result<String> {
    output::error(NOTICE);
    anyhow::ensure!(io::stdin().is_terminal(), "type it at a terminal, or say it twice with --confirm");
    let mut terminal = io::stderr().lock();
    write!(terminal, "Type the IMEI once more to write it: ")?;
    terminal.flush()?;
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}
