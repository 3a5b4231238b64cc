//! Where an operator's question goes: to the gateway that runs, or to the data directory of one that does not.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde::de::DeserializeOwned;
use serde_json::Value;
use store::OpenError;
use tokio::time::Instant;

use super::{place, serve};
use crate::app::OfflineStore;
use crate::config::{File, Sources};
use crate::control::{Answer, Client, Request, perform, shell};

/// How long a gateway that starts, or another operator, is waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

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
        let answer = match reach(&sources, &document).await? {
            Reached::Gateway(client) => return client.ask(&request).await,
            Reached::Store(store) => {
                let answered = match store.operator(sources).await {
                    Ok(operator) => Ok(perform(&operator, request, &shell()).await),
                    Err(error) => Err(error),
                };
                store.close().await?;
                answered?
            }
        };
        match answer {
            Answer::Done(value) => Ok(value),
            Answer::Failed(why) => anyhow::bail!(why),
        }
    })
}

/// Who answers.
enum Reached {
    Gateway(Client),
    Store(OfflineStore),
}

/// Finds who answers. A gateway that is about to start, and another operator, are waited for.
async fn reach(sources: &Sources, document: &File) -> anyhow::Result<Reached> {
    let end = Instant::now() + LONGEST_WAIT;
    loop {
        if let Some(client) = Client::connect(&document.data_dir).await? {
            return Ok(Reached::Gateway(client));
        }
        match OfflineStore::open_for(sources).await {
            Ok(Some(store)) => return Ok(Reached::Store(store)),
            Ok(None) => {
                anyhow::bail!("there is no database in {} yet: the first start makes it", document.data_dir.display())
            }
            Err(error) if is_in_use(&error) && Instant::now() < end => tokio::time::sleep(LOOK_AGAIN).await,
            Err(error) => return Err(error),
        }
    }
}

fn is_in_use(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(OpenError::InUse { .. }))
}
