//! `otp-pi modem send`: one SMS, by hand, at once.

use std::io::Read as _;
use std::time::Duration;

use anyhow::Context as _;
use domain::receiver::{CountryCode, Msisdn, NumberingPlan, Receiver};
use domain::secret::SecretText;
use modem::{Phase, check};
use tokio::signal::unix::{SignalKind, signal};

use super::target::Target;
use super::{PinOption, SendArguments, ask_gateway, load, record, seconds};
use crate::app::{DirectModem, OfflineStore};
use crate::channel::manual::{self, ManualSms};
use crate::config::Config;
use crate::control::{Request, Secret, shell};
use crate::operator::sent_by_hand;
use crate::wire::modems::{Checked, Manual, Rendered, manual as rendered, reports};

/// The longest text that is read from standard input: more would be hundreds of parts.
const LONGEST_TEXT: u64 = 64 * 1024;

/// How long a modem that was ready may take to give its turn.
const TURN: Duration = Duration::from_secs(30);

pub(super) async fn run(arguments: &SendArguments) -> anyhow::Result<Rendered> {
    let config = load(arguments.line.config.as_deref()).await?;
    let receiver = receiver(&arguments.receiver, config.as_ref())?;
    let text = text(&arguments.text)?;
    let ask = || {
        let (modem, receiver) = (arguments.target.clone(), Secret::new(receiver.expose()));
        Ok(Request::ModemSend { modem, receiver, text: Secret::new(text.expose()) })
    };
    if let Some(rendered) = ask_gateway(config.as_ref(), std::slice::from_ref(&arguments.target), ask).await? {
        return Ok(rendered);
    }
    let target = Target::find(&arguments.target, config.as_ref(), &arguments.line)?
        .with_pin_file(arguments.pin.pin_file.as_deref())?;
    // Held to the end: no gateway begins meanwhile, and who is blocked is blocked here too.
    let store = match &config {
        Some(config) => {
            OfflineStore::open(config).await.context("the block list cannot be read, so nothing is sent")?
        }
        None => None,
    };
    if store.as_ref().is_some_and(|store| store.is_blocked(&Receiver::Msisdn(receiver))) {
        anyhow::bail!("the receiver is blocked; nothing is sent");
    }
    let mut sms = ManualSms { receiver, text, asks_report: false, reference: 0 };
    getrandom::fill(std::slice::from_mut(&mut sms.reference)).context("the system has no randomness to give")?;
    let pin_and_wait = (&arguments.pin, arguments.wait);
    let modem = ready(&target, pin_and_wait, store.as_ref(), config.as_ref(), "sent").await?;
    let event = sent_by_hand(&shell(), receiver, target.name());
    let sent = match record(store.as_ref(), event).await {
        Ok(()) => send(&modem, &sms).await,
        Err(error) => Err(error.context("nothing is sent")),
    };
    modem.stop().await?;
    if let Some(store) = store {
        store.close().await?;
    }
    Ok(rendered(&sent?))
}

/// Drives the modem until it can send; `what` was not done if it cannot.
pub(super) async fn ready(
    target: &Target,
    (pin, wait): (&PinOption, u64),
    store: Option<&OfflineStore>,
    config: Option<&Config>,
    what: &str,
) -> anyhow::Result<DirectModem> {
    let patience = seconds(wait);
    let mut modem = target.start();
    let mut phase = modem.settled(patience).await.phase;
    if phase == Phase::PinNeeded && target.has_pin() {
        let is_named = pin.pin_file.is_some();
        if let Some(memory) = target.pin_memory(store, config, is_named).await? {
            modem.stop().await?;
            modem = target.start_with_pin(memory);
            phase = modem.settled(patience).await.phase;
        }
    }
    if phase == Phase::Ready {
        return Ok(modem);
    }
    let report = check(&modem.handle).await;
    modem.stop().await?;
    let shown = reports(&[Checked { line: target.place_in(&report), report, drained: None }]);
    anyhow::bail!("nothing was {what}\n{}", shown.text)
}

/// Sends it. Who interrupts the command gets the truth as well: a part on air is finished first.
async fn send(modem: &DirectModem, sms: &ManualSms) -> anyhow::Result<Manual> {
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = modem.stop_token();
    let sending = async {
        let turn = tokio::time::timeout(TURN, modem.handle.turn()).await;
        let mut turn = turn.map_err(|_| "the modem cannot send any more")?;
        manual::send(&modem.handle, &mut turn, sms).await
    };
    tokio::pin!(sending);
    let sent = tokio::select! {
        sent = &mut sending => sent,
        _ = term.recv() => { stop.cancel(); sending.await }
        _ = interrupt.recv() => { stop.cancel(); sending.await }
    };
    sent.map_err(|why| anyhow::anyhow!("{why}; nothing is sent"))
}

/// Reads the receiver as the gateway would; without a configuration there is no country to take a leading 0 for.
fn receiver(text: &str, config: Option<&Config>) -> anyhow::Result<Msisdn> {
    if let Some(config) = config {
        return Ok(Msisdn::parse(text, &config.gateway.plan)?);
    }
    // A number that reads differently in two countries is one of a country.
    let read =
        |code: &str| anyhow::Ok(Msisdn::parse(text, &NumberingPlan { country_code: CountryCode::parse(code)? })?);
    let msisdn = read("1")?;
    anyhow::ensure!(
        msisdn == read("2")?,
        "a number with a leading 0 needs --config, which names the country; or write it like +62812…"
    );
    Ok(msisdn)
}

/// Reads a text that is given, or that stands on standard input.
pub(in crate::cli) fn text(argument: &str) -> anyhow::Result<SecretText> {
    if argument != "-" {
        anyhow::ensure!(!argument.is_empty(), "the text is empty");
        return Ok(SecretText::new(argument));
    }
    let mut text = String::new();
    let read = std::io::stdin().lock().take(LONGEST_TEXT + 1).read_to_string(&mut text);
    let text = read.context("standard input is no text").map(|_| SecretText::new(text))?;
    anyhow::ensure!(text.expose().len() <= usize::try_from(LONGEST_TEXT)?, "the text is too long");
    // One line end is the shell's, not the writer's.
    let text = SecretText::new(text.expose().strip_suffix('\n').unwrap_or(text.expose()));
    anyhow::ensure!(!text.expose().is_empty(), "the text is empty");
    Ok(text)
}
