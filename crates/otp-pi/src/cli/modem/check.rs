//! `otp-pi modem check`: whether modems can send, and what to do where they cannot.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use modem::discovery::{Clash, FoundLine, ProbeSettings, Probed, clash, probe};
use modem::{Phase, check};

use super::target::Target;
use super::{CheckArguments, LineOptions, ask_gateway, list, load, seconds};
use crate::app::{self, DirectModem, OfflineStore};
use crate::cli::output;
use crate::config::Config;
use crate::control::Request;
use crate::wire::modems::{Checked, Rendered, reports};

pub(super) async fn run(arguments: &CheckArguments) -> anyhow::Result<Rendered> {
    let config = load(arguments.line.config.as_deref()).await?;
    let modems = arguments.targets.clone();
    if let Some(rendered) =
        ask_gateway(config.as_ref(), &arguments.targets, || Ok(Request::ModemCheck { modems })).await?
    {
        return Ok(rendered);
    }
    let targets = targets(arguments, config.as_ref()).await?;
    anyhow::ensure!(
        !targets.is_empty(),
        "no modem found: plug one in (`otp-pi modem list` shows the lines), or name its line"
    );
    let patience = seconds(arguments.wait);
    let mut checked = join_all(targets.iter().map(|target| look(target.start(), target, patience))).await;
    // The PINs come second: whoever asks for none needs no store.
    let is_named = arguments.pin.pin_file.is_some();
    open_locked(&targets, &mut checked, config.as_ref(), is_named, patience).await?;
    note_clashes(
        targets.iter().zip(&checked).filter_map(|(target, checked)| target.line_in(&checked.report)).collect(),
    )
    .await?;
    Ok(reports(&checked))
}

/// Says on which lines ModemManager gets in the way.
async fn note_clashes(lines: Vec<PathBuf>) -> anyhow::Result<()> {
    let look = move || {
        let roots = app::roots();
        lines.into_iter().filter_map(|line| Some((clash(&roots, &line)?, line))).collect::<Vec<_>>()
    };
    for (clash, line) in tokio::task::spawn_blocking(look).await? {
        output::error(&format!("note: {}: {}. {}", line.display(), clash.words(), Clash::FIX));
    }
    Ok(())
}

/// Looks at one modem and lets it go.
async fn look(modem: DirectModem, target: &Target, patience: Duration) -> Checked {
    modem.settled(patience).await;
    let report = check(&modem.handle).await;
    if let Err(error) = modem.stop().await {
        output::error(&format!("otp-pi: {error:#}"));
    }
    Checked { line: target.place_in(&report), report, drained: None }
}

/// Looks once more at modems whose SIM asks for a PIN that is there.
async fn open_locked(
    targets: &[Target],
    checked: &mut [Checked],
    config: Option<&Config>,
    is_named: bool,
    patience: Duration,
) -> anyhow::Result<()> {
    let locked = |(target, checked): &(&Target, &mut Checked)| {
        checked.report.status.phase == Phase::PinNeeded && target.has_pin()
    };
    let mut waiting: Vec<_> = targets.iter().zip(checked).filter(locked).collect();
    if waiting.is_empty() {
        return Ok(());
    }
    let store = match config {
        Some(config) => match OfflineStore::open(config).await {
            Ok(store) => store,
            // What was seen without the PIN is worth telling all the same.
            Err(error) => {
                output::error(&format!("note: no PIN is entered, because its memory cannot be read: {error:#}"));
                return Ok(());
            }
        },
        None => None,
    };
    for (target, checked) in &mut waiting {
        if let Some(memory) = target.pin_memory(store.as_ref(), config, is_named).await? {
            **checked = look(target.start_with_pin(memory), target, patience).await;
        }
    }
    match store {
        Some(store) => store.close().await,
        None => Ok(()),
    }
}

/// The modems that are meant.
async fn targets(arguments: &CheckArguments, config: Option<&Config>) -> anyhow::Result<Vec<Target>> {
    let options = &arguments.line;
    let pin_file = arguments.pin.pin_file.as_deref();
    if !arguments.targets.is_empty() {
        let find = |text: &String| Target::find(text, config, options)?.with_pin_file(pin_file);
        return arguments.targets.iter().map(find).collect();
    }
    anyhow::ensure!(pin_file.is_none(), "--pin-file belongs to one SIM: name its modem or line");
    if let Some(config) = config {
        let active = config.modems.iter().filter(|modem| modem.is_active);
        return Ok(active.map(|modem| Target::configured(modem, options)).collect());
    }
    let found = list::find(&app::roots()).await?;
    let answering = found.iter().filter(|line| !line.is_console).map(|line| if_it_answers(line, options));
    Ok(try_join_all(answering).await?.into_iter().flatten().collect())
}

/// A line, if a modem answers on it, at the speed at which it does.
async fn if_it_answers(line: &FoundLine, options: &LineOptions) -> anyhow::Result<Option<Target>> {
    let mut settings = ProbeSettings::default();
    if let Some(baud) = options.baud {
        settings.rates = vec![baud];
    }
    let Probed::Answers { baud_rate, .. } = probe(&line.device, &settings).await else { return Ok(None) };
    let options = LineOptions { baud: Some(baud_rate), config: None, verbose: options.verbose };
    Ok(Some(Target::bare(&line.path, &options)))
}
