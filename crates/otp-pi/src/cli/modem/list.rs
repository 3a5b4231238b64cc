//! `otp-pi modem list`: the lines of this machine, and who is behind them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use futures_util::future::join_all;
use modem::discovery::{FoundLine, ProbeSettings, Probed, Roots, clash, list, probe};
use modem::{Driver, Fit, Identity, Settings, is_same_line};

use super::{ListArguments, load};
use crate::channel::place;
use crate::cli::output;
use crate::cli::when;
use crate::config::Config;
use crate::control::{Client, Request};
use crate::operator::BalanceView;
use crate::wire::modems::{ListedBalance, ListedLine, MatchedModem, Rendered, SimUseView, Standing, lines};

pub(super) async fn run(arguments: &ListArguments) -> anyhow::Result<Rendered> {
    let config = load(arguments.config.as_deref()).await?;
    let modems: Vec<Settings> =
        config.iter().flat_map(|config| &config.modems).map(|modem| modem.line.clone()).collect();
    let roots = Roots::below(&arguments.root);
    let found = find(&roots).await?;
    let held = match &config {
        Some(config) => held_lines(config).await.unwrap_or_else(|error| {
            output::error(&format!("note: the gateway did not tell where its modems are: {error:#}"));
            BTreeMap::new()
        }),
        None => BTreeMap::new(),
    };
    let looks = found.into_iter().map(|line| look(line, &roots, &modems, &held, !arguments.no_probe));
    let mut listed = join_all(looks).await;
    let standings = standings(config.as_ref()).await;
    let balances = balances(config.as_ref()).await;
    let mut sims = sim_uses(config.as_ref()).await;
    for line in &mut listed {
        let Some(modem) = &line.modem else { continue };
        line.standing = standings.iter().find(|standing| standing.modem == modem.name).cloned();
        let known = balances.iter().find(|known| known.modem == modem.name);
        line.balance = known.map(|BalanceView { balance, .. }| ListedBalance {
            number: balance.amount.number(),
            shown: balance.amount.to_string(),
            at: when::text(balance.at_unix_millis),
            at_unix_millis: balance.at_unix_millis,
            is_low: balance.is_low,
        });
        line.sim_use = sims.iter().position(|sim| sim.modem == modem.name).map(|at| sims.swap_remove(at));
    }
    note_missing(&modems, &listed);
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

/// The lines that a running gateway has, by modem: it does not let them be asked.
async fn held_lines(config: &Config) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let Some(client) = Client::connect(&config.store.data_dir).await? else { return Ok(BTreeMap::new()) };
    let answer = client.ask(&Request::ModemLines).await?;
    serde_json::from_value(answer).context("the gateway speaks another version")
}

/// Asks a line who is behind it, unless it is somebody's.
async fn look(
    line: FoundLine,
    roots: &Roots,
    modems: &[Settings],
    held: &BTreeMap<String, PathBuf>,
    asks: bool,
) -> ListedLine {
    let at_port = modems.iter().find(|modem| is_same_line(&modem.path, &line.device));
    let mut settings = ProbeSettings::default();
    if let Some(modem) = at_port {
        settings.rates.retain(|rate| *rate != modem.baud_rate);
        settings.rates.insert(0, modem.baud_rate);
    }
    let is_free = !line.is_console && line.holder.is_none();
    let probed = if asks && is_free { Some(probe(&line.device, &settings).await) } else { None };
    let modem = matched(&line, probed.as_ref(), at_port, modems, held);
    let clash = clash(roots, &line.device);
    ListedLine { line, modem, sim_use: None, probed, standing: None, balance: None, clash }
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

/// Which modem is on a line: the one that has it, the one that is wanted there, or the one that is configured there.
fn matched(
    line: &FoundLine,
    probed: Option<&Probed>,
    at_port: Option<&Settings>,
    modems: &[Settings],
    held: &BTreeMap<String, PathBuf>,
) -> Option<MatchedModem> {
    let by = |name: &str, by: &'static str| Some(MatchedModem { name: name.to_owned(), by });
    if let Some((name, _)) = held.iter().find(|(_, path)| is_same_line(path, &line.device)) {
        return by(name, "the gateway, which has it");
    }
    let told = match probed {
        Some(Probed::Answers { identity, .. }) => Some(identity.as_ref()),
        _ => None,
    };
    if let Some(told) = told {
        let is_wanted = |modem: &&Settings| !modem.wanted.is_anybody() && modem.wanted.fit(told) == Fit::Right;
        if let Some(modem) = modems.iter().find(is_wanted) {
            return by(&modem.name, words(modem));
        }
    }
    let modem = at_port?;
    by(&modem.name, if is_another(modem, told) { "its port alone: another device or SIM is there" } else { "its port" })
}

fn words(modem: &Settings) -> &'static str {
    match (&modem.wanted.imei, &modem.wanted.iccid) {
        (Some(_), Some(_)) => "its IMEI and its ICCID",
        (Some(_), None) => "its IMEI",
        (None, _) => "its ICCID",
    }
}

fn is_another(modem: &Settings, told: Option<&Identity>) -> bool {
    told.is_some_and(|told| modem.wanted.fit(told) != Fit::Right)
}

/// Says which configured modems have no line.
fn note_missing(modems: &[Settings], listed: &[ListedLine]) {
    // What ModemManager has need have no serial line.
    for modem in modems.iter().filter(|modem| modem.driver == Driver::At) {
        let is_here = |one: &ListedLine| one.modem.as_ref().is_some_and(|matched| matched.name == modem.name);
        if !listed.iter().any(is_here) {
            let place = place(&modem.path, &modem.wanted, modem.driver);
            output::error(&format!("note: modem {} is configured on {place}, which is not here", modem.name));
        }
    }
}
