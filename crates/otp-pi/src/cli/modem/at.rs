//! `otp-pi modem at`: one AT command.

use modem::Command;

use super::target::Target;
use super::{AtArguments, load, seconds};
use crate::wire::modems::{Rendered, answer, no_answer};

pub(super) async fn run(arguments: &AtArguments) -> anyhow::Result<Rendered> {
    let command = Command::parse(&arguments.command)?;
    let config = load(arguments.line.config.as_deref()).await?;
    let target = Target::find(&arguments.target, config.as_ref(), &arguments.line)?;
    let patience = arguments.timeout.map_or_else(|| command.usual_patience(), seconds);
    let modem = target.start();
    modem.opened().await;
    let asked = modem.handle.ask(command.clone(), patience).await;
    modem.stop().await?;
    Ok(match asked {
        Ok(told) => answer(&command, &told),
        Err(error) => no_answer(&command, &error),
    })
}
