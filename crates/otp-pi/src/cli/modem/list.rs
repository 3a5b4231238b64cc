//! `otp-pi modem list`: the lines of this machine, and who is behind them.

use futures_util::future::join_all;
use modem::discovery::{FoundLine, ProbeSettings, Roots, list, probe};
use modem::is_same_line;

use super::{ListArguments, load};
use crate::cli::output;
use crate::config::Config;
use crate::control::{Client, Request};
use crate::wire::modems::{ListedLine, Rendered, SimUseView, Standing, lines};

pub(super) async fn run(arguments: &ListArguments) -> anyhow::Result<Rendered> {
    let config = load(arguments.config.as_deref()).await?;
    let found = find(&Roots::below(&arguments.root)).await?;
    note_missing(config.as_ref(), &found);
    let standings = standings(config.as_ref()).await;
    let looks = found.into_iter().map(|line| look(line, config.as_ref(), &standings, !arguments.no_probe));
    let mut listed = join_all(looks).await;
    let mut sims = sim_uses(config.as_ref()).await;
    for line in &mut listed {
        line.sim_use =
            sims.iter().position(|sim| Some(&sim.modem) == line.modem.as_ref()).map(|at| sims.swap_remove(at));
    }
    Ok(lines(&listed))
}

/// Lists the lines; the files behind them may take longer than a worker may be blocked.
pub(super) async fn find(roots: &Roots) -> anyhow::Result<Vec<FoundLine>> {
    let roots = roots.clone();
    Ok(tokio::task::spawn_blocking(move || list(&roots)).await??)
}

/// Asks a line who is behind it, unless it is somebody's.
async fn look(line: FoundLine, config: Option<&Config>, standings: &[Standing], asks: bool) -> ListedLine {
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
    let standing = standings.iter().find(|standing| Some(&standing.modem) == modem.as_ref()).cloned();
    ListedLine { line, modem, sim_use: None, probed, standing }
}

/// Asks the gateway that runs where its modems stand; who may not ask it sees the lines all the same.
async fn standings(config: Option<&Config>) -> Vec<Standing> {
    let Some(config) = config else { return Vec::new() };
    let asked = async {
        let Some(client) = Client::connect(&config.store.data_dir).await? else { return Ok(Vec::new()) };
        Ok(serde_json::from_value(client.ask(&Request::ModemStandings).await?)?)
    };
    asked.await.unwrap_or_else(|error: anyhow::Error| {
        output::error(&format!("note: how the modems are is not known: {error:#}"));
        Vec::new()
    })
}

/// What the SIMs have sent, where a gateway runs that this user may ask.
async fn sim_uses(config: Option<&Config>) -> Vec<SimUseView> {
    let Some(config) = config else { return Vec::new() };
    let Ok(Some(client)) = Client::connect(&config.store.data_dir).await else { return Vec::new() };
    let answer = client.ask(&Request::ModemUse { modem: None, is_reset: false }).await;
    answer.ok().and_then(|answer| serde_json::from_value(answer).ok()).unwrap_or_default()
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
