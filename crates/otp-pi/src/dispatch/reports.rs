//! Delivery reports: from the modem that got one to the message that it settles.
//!
//! A report says TP-MR, the receiver as the network writes it, and when the network took the message, so it is matched by modem,
//! TP-MR, the last digits and that time (3GPP TS 23.040 §9.2.3.6, §9.1.2.5, §9.2.2.3); the store does it. One that fits no message
//! yet is kept: while a modem owes its final result, nobody has told the message's TP-MR, and the report may be all that ever comes.
//! An SMS that came in is handed on to the inbox.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ::modem::{Inbound, ModemEvent, ModemEventKind};
use domain::clock::{Clock, WallTime};
use gsm::{DeliveryStatus, StatusReport};
use store::{Report, ReportState, Store};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::alarms::Judge;
use crate::event::{Events, MessageEvent};

/// How many last digits of a receiver are compared: networks write the rest in several ways.
const TAIL_DIGITS: usize = 7;

/// How long a report rests before it is matched. A fast network answers before the message it is about has been noted as
/// sent, which rides the next commit; after this pause that is done for certain.
const REST: Duration = Duration::from_secs(1);

/// How many reports may rest before the modems hold theirs back.
const RESTING: usize = 4096;

/// How long a report that fits no message is kept: longer than any modem may take to tell what became of a message
/// (`result_timeout`, five minutes at most).
const KEPT: Duration = Duration::from_secs(360);

/// The longest pause before a kept report is looked at again.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// How many reports that fit no message are kept; a SIM may be full of old ones.
const MOST_KEPT: usize = 256;

/// A report and when it came.
struct Resting {
    modem: String,
    report: StatusReport,
    at: WallTime,
    came: Instant,
    /// How long it rests; longer each time.
    rest: Duration,
}

/// Reports by the time their rest ends.
#[derive(Default)]
struct Rests {
    by_end: BTreeMap<(Instant, u64), Resting>,
    counted: u64,
    /// How many of them have been looked at in vain.
    kept: usize,
}

impl Rests {
    fn put(&mut self, resting: Resting) {
        self.counted += 1;
        self.by_end.insert((Instant::now() + resting.rest, self.counted), resting);
    }

    /// Keeps a report that fits no message yet; false when it is too old or too many are kept.
    fn keep(&mut self, resting: Resting) -> bool {
        let is_kept = self.kept < MOST_KEPT && resting.came.elapsed() < KEPT;
        if is_kept {
            self.kept += 1;
            self.put(Resting { rest: (resting.rest * 2).min(LONGEST_REST), ..resting });
        }
        is_kept
    }

    fn next_end(&self) -> Option<Instant> {
        self.by_end.keys().next().map(|(end, _)| *end)
    }

    fn take_first(&mut self) -> Option<Resting> {
        let (_, first) = self.by_end.pop_first()?;
        if first.rest > REST {
            self.kept = self.kept.saturating_sub(1);
        }
        Some(first)
    }
}

/// Settles messages by the reports of the modems until `stop`; then those that still rest. What came in goes to `inbox`, with the
/// name of its modem. `modems` tells which there are.
///
/// # Errors
/// None today; the signature is that of every task.
pub async fn run(
    mut incoming: mpsc::Receiver<ModemEvent>,
    inbox: mpsc::Sender<(String, Inbound)>,
    (store, judge): (Store, Judge),
    events: Events,
    (clock, modems): (Arc<dyn Clock>, impl Fn() -> Vec<String> + Send),
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut rests = Rests::default();
    loop {
        let next = rests.next_end();
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
                if let Some(first) = rests.take_first() {
                    settle(first, modems(), &mut rests, (&store, &judge), &events).await;
                }
                continue;
            }
            event = incoming.recv(), if rests.by_end.len() < RESTING && !incoming.is_closed() => match event {
                Some(event) => event,
                // No modem is left that could report; what rests is settled all the same.
                None => continue,
            },
        };
        match event.kind {
            ModemEventKind::Report(report) => {
                let (at, came) = (clock.now(), Instant::now());
                rests.put(Resting { modem: event.modem, report, at, came, rest: REST });
            }
            ModemEventKind::Heal(news) => judge.healed(&store, &event.modem, news).await,
            ModemEventKind::Inbound(inbound) => hand_on(&inbox, event.modem, inbound).await,
        }
    }
    // What is still kept is looked at a last time: what was on air has come down, or is unknown, by now.
    for last in std::mem::take(&mut rests.by_end).into_values() {
        settle(last, modems(), &mut rests, (&store, &judge), &events).await;
    }
    Ok(())
}

/// Hands an SMS that came in to the inbox. One that the modem has a copy of comes again when there is no room for it now; the others
/// are waited with.
async fn hand_on(inbox: &mpsc::Sender<(String, Inbound)>, modem: String, inbound: Inbound) {
    if inbound.receipt.has_copy() {
        if inbox.try_send((modem, inbound)).is_err() {
            debug!("the inbox has no room for an SMS; it comes again");
        }
    } else if inbox.send((modem, inbound)).await.is_err() {
        warn!("the inbox has ended: an SMS of which the modem keeps no copy is lost");
    }
}

async fn settle(
    resting: Resting,
    present: Vec<String>,
    rests: &mut Rests,
    (store, judge): (&Store, &Judge),
    events: &Events,
) {
    let Resting { modem, report, at, .. } = &resting;
    let (modem, at) = (modem.clone(), *at);
    let state = match report.status.delivery() {
        DeliveryStatus::Delivered | DeliveryStatus::Completed => ReportState::Delivered,
        DeliveryStatus::Failed | DeliveryStatus::FailedTemporarily | DeliveryStatus::Replaced => {
            ReportState::Undelivered
        }
        DeliveryStatus::Pending | DeliveryStatus::Unconfirmed | DeliveryStatus::Unknown => ReportState::Pending,
    };
    let known = Report {
        modem: modem.clone(),
        present: present.into(),
        message_reference: report.message_reference,
        receiver_tail: report.recipient.tail(TAIL_DIGITS).to_owned(),
        state,
        status: report.status.0,
        taken_at_seconds: report.service_center_time.map(gsm::Timestamp::unix_seconds),
        at,
    };
    let known = store.report(known).await;
    if let Ok(Some(_)) = &known {
        // Whatever it says of the message: the modem has transmitted it.
        judge.reported(store, &modem).await;
    }
    match known {
        Ok(Some(about)) if !about.has_changed => debug!(message.id = %about.message_id, "delivery report, no news"),
        Ok(Some(settled)) => {
            debug!(message.id = %settled.message_id, message.state = settled.state.as_str(), "delivery report");
            let (id, state) = (settled.message_id, settled.state);
            events.publish(MessageEvent { id, state, reason: None, channel: Some(modem), at });
        }
        Ok(None) => {
            if !rests.keep(resting) {
                info!(modem.name = modem, "a delivery report fits no message that is remembered");
            }
        }
        Err(error) => warn!(modem.name = modem, error = %error, "a delivery report could not be recorded"),
    }
}

#[cfg(test)]
mod tests {
    use gsm::status_report::Status;
    use gsm::{Address, StatusReport};

    use super::*;

    fn resting(reference: u8, came: Instant) -> Resting {
        let report = StatusReport::new(reference, Address::international("628126666666").unwrap(), Status(0));
        Resting { modem: "a".to_owned(), report, at: WallTime::from_unix_millis(0), came, rest: REST }
    }

    #[tokio::test]
    async fn a_report_that_fits_nothing_is_looked_at_less_and_less_often_until_it_is_too_old() {
        let (mut rests, now) = (Rests::default(), Instant::now());
        rests.put(resting(1, now));
        let mut pauses = Vec::new();
        for _ in 0..7 {
            let first = rests.take_first().unwrap();
            pauses.push(first.rest.as_secs());
            assert!(rests.keep(first));
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        let old = now.checked_sub(KEPT).unwrap();
        assert!(!rests.keep(resting(2, old)), "no modem owes a result for so long");
    }

    #[tokio::test]
    async fn of_reports_that_fit_nothing_so_many_are_kept_and_no_more_and_fresh_ones_are_still_taken() {
        let (mut rests, now) = (Rests::default(), Instant::now());
        for _ in 0..MOST_KEPT {
            assert!(rests.keep(resting(1, now)));
        }
        assert!(!rests.keep(resting(1, now)));
        rests.put(resting(2, now));
        // The fresh one is due first, and gives up no place of those that are kept.
        assert_eq!(rests.take_first().unwrap().report.message_reference, 2);
        assert!(!rests.keep(resting(1, now)));
        assert_eq!(rests.take_first().unwrap().report.message_reference, 1);
        assert!(rests.keep(resting(1, now)));
    }
}
