//! Delivery reports: from the modem that got one to the message that it settles.
//!
//! A report says TP-MR and the receiver as the network writes it, so it is matched by modem, TP-MR and the last digits
//! (3GPP TS 23.040 §9.2.3.6, §9.1.2.5). Inbound SMS stay on the SIM until there is an inbox.

use ::modem::{ModemEvent, ModemEventKind};
use gsm::{DeliveryStatus, StatusReport};
use store::{Report, ReportState, Store};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use std::sync::Arc;

use domain::clock::Clock;

use crate::event::{Events, MessageEvent};

/// How many last digits of a receiver are compared: networks write the rest in several ways.
const TAIL_DIGITS: usize = 7;

/// Settles messages by the reports of the modems until `stop`.
///
/// # Errors
/// None today; the signature is that of every task.
pub async fn run(
    mut incoming: mpsc::Receiver<ModemEvent>,
    store: Store,
    events: Events,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        // Cancel-safe: a receiver loses nothing when its wait is dropped.
        let event = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            event = incoming.recv() => match event {
                Some(event) => event,
                None => return Ok(()),
            },
        };
        match event.kind {
            ModemEventKind::Report(report) => settle(&event.modem, &report, &store, &events, &*clock).await,
            ModemEventKind::Inbound(_) => debug!(modem.name = event.modem, "an SMS came in and stays on the SIM"),
        }
    }
}

async fn settle(modem: &str, report: &StatusReport, store: &Store, events: &Events, clock: &dyn Clock) {
    let state = match report.status.delivery() {
        DeliveryStatus::Delivered | DeliveryStatus::Completed => ReportState::Delivered,
        DeliveryStatus::Failed | DeliveryStatus::FailedTemporarily | DeliveryStatus::Replaced => {
            ReportState::Undelivered
        }
        DeliveryStatus::Pending | DeliveryStatus::Unconfirmed | DeliveryStatus::Unknown => ReportState::Pending,
    };
    let tail = report.recipient.tail(TAIL_DIGITS).to_owned();
    let at = clock.now();
    let known =
        Report { modem: modem.to_owned(), message_reference: report.message_reference, receiver_tail: tail, state, at };
    match store.report(known).await {
        Ok(Some(settled)) => {
            debug!(message.id = %settled.message_id, message.state = settled.state.as_str(), "delivery report");
            events.publish(MessageEvent {
                id: settled.message_id,
                state: settled.state,
                channel: Some(modem.to_owned()),
                at,
            });
        }
        Ok(None) => info!(modem.name = modem, "a delivery report fits no message that is remembered"),
        Err(error) => warn!(modem.name = modem, error = %error, "a delivery report could not be recorded"),
    }
}
