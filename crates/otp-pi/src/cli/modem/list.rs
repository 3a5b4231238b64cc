//! `otp-pi modem list`: the lines of this machine, and who is behind them.

use futures_util::future::join_all;
use modem::discovery::{FoundLine, ProbeSettings, Roots, list, probe};
use modem::is_same_line;

use super::{ListArguments, load};
use crate::cli::output;
use crate::cli::when;
use crate::config::Config;
use crate::control::{Client, Request};
use crate::operator::BalanceView;
use crate::wire::modems::{ListedBalance, ListedLine, Rendered, lines};

pub(super) async fn run(arguments: &ListArguments) -> anyhow::Result<Rendered> {
    let config = load(arguments.config.as_deref()).await?;
    let found = find(&Roots::below(&arguments.root)).await?;
    note_missing(config.as_ref(), &found);
    let balances = balances(config.as_ref()).await;
    let looks = found.into_iter().map(|line| look(line, config.as_ref(), !arguments.no_probe));
    let mut listed = join_all(looks).await;
    for line in &mut listed {
        let known = balances.iter().find(|known| Some(&known.modem) == line.modem.as_ref());
        line.balance = known.map(|BalanceView { balance, .. }| ListedBalance {
            number: balance.amount.number(),
            shown: balance.amount.to_string(),
            at: when::text(balance.at_unix_millis),
            at_unix_millis: balance.at_unix_millis,
            is_low: balance.is_low,
        });
    }
    Ok(lines(&listed))
}

/// What the gateway that runs knows of its SIMs' balances; nothing where none runs, or it may not be asked.
async fn balances(config: Option<&Config>) -> Vec<BalanceView> {
    let Some(config) = config else { return Vec::new() };
    let Ok(Some(client)) = Client::connect(&config.store.data_dir).await else { return Vec::new() };
    let told = client.ask(&Request::Balances).await.ok();
    told.and_then(|told| serde_json::from_value(told).ok()).unwrap_or_default()
}

/// Lists the lines; the files behind them may take longer than a worker may be blocked.
pub(super) async fn find(roots: &Roots) -> anyhow::Result<Vec<FoundLine>> {
    let roots = roots.clone();
    Ok(tokio::task::spawn_blocking(move || list(&roots)).await??)
}

/// Asks a line who is behind it, unless it is somebody's.
async fn look(line: FoundLine, config: Option<&Config>, asks: bool) -> ListedLine {
    let modems = config.map(|config| &config.modems).into_iter().flatten();
    let modem = modems.map(|modem| &modem.line).find(|modem| is_same_line(&modem.path, &line.device));
    let mut settings = ProbeSettings::default();
    if let Some(modem) = modem {
        settings.rates.retain(|rate| *rate != modem.baud_rate);
        settings.rates.insert(0, modem.baud_rate);
    }
    let modem = modem.map(|modem| modem.name.clone());
    let is_free = !line.is_console && line.holder.is_none();
    let probed = if asks && is_free { Some(probe(&line.device, &settings).await) } else { None };
    ListedLine { line, modem, probed, balance: None }
}

/// Says which configured modems have no line.
fn note_missing(config: Option<&Config>, found: &[FoundLine]) {
    for modem in config.map(|config| &config.modems).into_iter().flatten() {
        if !found.iter().any(|line| is_same_line(&modem.line.path, &line.device)) {
            let path = modem.line.path.display();
            output::error(&format!("note: modem {} is configured on {path}, which is not here", modem.line.name));
        }
    }
}
