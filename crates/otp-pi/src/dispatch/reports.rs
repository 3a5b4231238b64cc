//! Delivery reports: from the modem that got one to the message that it settles.
//!
//! A report says TP-MR and the receiver as the network writes it, so it is matched by modem, TP-MR and the last digits
//! (3GPP TS 23.040 §9.2.3.6, §9.1.2.5). Inbound SMS stay on the SIM until there is an inbox.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ::modem::{ModemEvent, ModemEventKind};
use domain::clock::{Clock, WallTime};
use gsm::{DeliveryStatus, StatusReport};
use store::{Report, ReportState, Store};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::event::{Events, MessageEvent};

/// How many last digits of a receiver are compared: networks write the rest in several ways.
const TAIL_DIGITS: usize = 7;

/// How long a report rests before it is matched. A fast network answers before the message it is about has been noted as
/// sent, which rides the next commit; after this pause that is done for certain.
const REST: Duration = Duration::from_secs(1);

/// How many reports may rest before the modems hold theirs back.
const RESTING: usize = 4096;

/// A report and when it came.
struct Resting {
    modem: String,
    report: StatusReport,
    at: WallTime,
    until: Instant,
}

/// Settles messages by the reports of the modems until `stop`; then those that still rest.
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
    let mut resting: VecDeque<Resting> = VecDeque::new();
    loop {
        let next = resting.front().map(|first| first.until);
        let rested = async {
            match next {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        // Cancel-safe: a receiver and a timer lose nothing when their wait is dropped.
        let event = tokio::select! {
            () = stop.cancelled() => break,
            () = rested => {
                if let Some(first) = resting.pop_front() {
                    settle(first, &store, &events).await;
                }
                continue;
            }
            event = incoming.recv(), if resting.len() < RESTING && !incoming.is_closed() => match event {
                Some(event) => event,
                // No modem is left that could report; what rests is settled all the same.
                None => continue,
            },
        };
        match event.kind {
            ModemEventKind::Report(report) => {
                let (at, until) = (clock.now(), Instant::now() + REST);
                resting.push_back(Resting { modem: event.modem, report, at, until });
            }
            ModemEventKind::Inbound(_) => debug!(modem.name = event.modem, "an SMS came in and stays on the SIM"),
        }
    }
    for last in resting {
        settle(last, &store, &events).await;
    }
    Ok(())
}

async fn settle(resting: Resting, store: &Store, events: &Events) {
    let Resting { modem, report, at, .. } = resting;
    let state = match report.status.delivery() {
        DeliveryStatus::Delivered | DeliveryStatus::Completed => ReportState::Delivered,
        DeliveryStatus::Failed | DeliveryStatus::FailedTemporarily | DeliveryStatus::Replaced => {
            ReportState::Undelivered
        }
        DeliveryStatus::Pending | DeliveryStatus::Unconfirmed | DeliveryStatus::Unknown => ReportState::Pending,
    };
    let tail = report.recipient.tail(TAIL_DIGITS).to_owned();
    let message_reference = report.message_reference;
    let known = Report { modem: modem.clone(), message_reference, receiver_tail: tail, state, at };
    match store.report(known).await {
        Ok(Some(settled)) => {
            debug!(message.id = %settled.message_id, message.state = settled.state.as_str(), "delivery report");
            let (id, state) = (settled.message_id, settled.state);
            events.publish(MessageEvent { id, state, reason: None, channel: Some(modem), at });
        }
        Ok(None) => info!(modem.name = modem, "a delivery report fits no message that is remembered"),
        Err(error) => warn!(modem.name = modem, error = %error, "a delivery report could not be recorded"),
    }
}
