//! Where an operator's question goes: to the gateway that runs, or to the data directory of one that does not.

use anyhow::Context as _;
use clap::Args;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::PathBuf;

use super::{place, serve};
use crate::app::OfflineStore;
use crate::control::{Answer, Client, Request, perform};

/// Which gateway, and how it answers.
#[derive(Debug, Args)]
pub(super) struct Target {
    /// The configuration file of the gateway
    #[arg(long, value_name = "FILE", env = super::CONFIG_VARIABLE, default_value = super::CONFIG)]
    pub(super) config: PathBuf,
    /// Answers in JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Asks, and reads the answer as what it is.
///
/// # Errors
/// Why it was not done.
pub(super) fn ask<T: DeserializeOwned>(target: &Target, request: Request) -> anyhow::Result<T> {
    let value = ask_value(target, request)?;
    serde_json::from_value(value).context("the gateway speaks another version")
}

/// Asks, and answers what a script would read.
///
/// # Errors
/// Why it was not done.
pub(super) fn ask_value(target: &Target, request: Request) -> anyhow::Result<Value> {
    serve::runtime()?.block_on(async {
        let sources = place::sources(&target.config);
        let document = sources.document().with_context(|| target.config.display().to_string())?;
        if let Some(client) = Client::connect(&document.data_dir).await? {
            return client.ask(&request).await;
        }
        let store = OfflineStore::open_for(&sources).await?;
        let store = store.with_context(|| {
            format!("there is no database in {} yet: the first start makes it", document.data_dir.display())
        })?;
        let answered = match store.operator(sources).await {
            Ok(operator) => Ok(perform(&operator, request).await),
            Err(error) => Err(error),
        };
        store.close().await?;
        match answered? {
            Answer::Done(value) => Ok(value),
            Answer::Failed(why) => anyhow::bail!(why),
        }
    })
}
