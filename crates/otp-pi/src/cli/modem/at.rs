//! `otp-pi modem at`: one AT command.

use anyhow::Context as _;
use modem::Command;

use super::target::Target;
use super::{AtArguments, ask_gateway, load, record, seconds};
use crate::app::OfflineStore;
use crate::control::{Request, Secret, shell};
use crate::operator::commanded;
use crate::wire::modems::{Rendered, answer, no_answer};

pub(super) async fn run(arguments: &AtArguments) -> anyhow::Result<Rendered> {
    let command = Command::parse(&arguments.command)?;
    let config = load(arguments.line.config.as_deref()).await?;
    let ask = || {
        let (modem, command) = (arguments.target.clone(), Secret::new(arguments.command.as_str()));
        Ok(Request::ModemAt { modem, command, patience_seconds: arguments.timeout })
    };
    if let Some(rendered) = ask_gateway(config.as_ref(), std::slice::from_ref(&arguments.target), ask).await? {
        return Ok(rendered);
    }
    let target = Target::find(&arguments.target, config.as_ref(), &arguments.line)?;
    let store = match config.as_ref().filter(|config| target.is_of(config)) {
        Some(config) => OfflineStore::open(config).await.context("what is asked cannot be recorded, so it is not")?,
        None => None,
    };
    let patience = arguments.timeout.map_or_else(|| command.usual_patience(), seconds);
    let modem = target.start();
    modem.opened().await;
    let recorded = record(store.as_ref(), commanded(&shell(), target.name(), &command)).await;
    let asked = match recorded {
        Ok(()) => Ok(modem.handle.ask(command.clone(), patience).await),
        Err(error) => Err(error.context("nothing is asked")),
    };
    modem.stop().await?;
    if let Some(store) = store {
        store.close().await?;
    }
    Ok(match asked? {
        Ok(told) => answer(&command, &told),
        Err(error) => no_answer(&command, &error),
    })
}
