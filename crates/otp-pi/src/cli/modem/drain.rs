//! `otp-pi modem drain` and `resume`: whether the running gateway gives a modem messages.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::{ask_gateway, load};
use crate::cli::CONFIG_VARIABLE;
use crate::control::{Request, ToolRequest};
use crate::wire::modems::Rendered;

/// Arguments of both.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Name of a modem in the configuration, or path of its line
    #[arg(value_name = "NAME")]
    modem: String,
    /// The configuration file; /etc/otp-pi.toml when it is there
    #[arg(long, value_name = "FILE", env = CONFIG_VARIABLE)]
    config: Option<PathBuf>,
    /// Answers in JSON
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) async fn drain(arguments: &Arguments) -> anyhow::Result<Rendered> {
    ask(arguments, |modem| Request::Tool { ask: ToolRequest::Drain { modem } }).await
}

pub(super) async fn resume(arguments: &Arguments) -> anyhow::Result<Rendered> {
    ask(arguments, |modem| Request::Tool { ask: ToolRequest::Resume { modem } }).await
}

async fn ask(arguments: &Arguments, request: impl FnOnce(String) -> Request) -> anyhow::Result<Rendered> {
    let config = load(arguments.config.as_deref()).await?.context("name the configuration with --config")?;
    let modem = &arguments.modem;
    let answered = ask_gateway(Some(&config), &[], || Ok(request(modem.clone()))).await?;
    answered.context("no gateway runs: nobody gives its modems messages")
}
