//! The way of reports and inbound SMS to their receiver, which may be slow or absent.
//!
//! Never blocks the line. Reports wait in a bounded backlog; an inbound SMS that nobody can take stays on the SIM.

use std::collections::VecDeque;

use gsm::{Pdu, StatusReport};
use tokio::sync::mpsc;

use crate::event::{Handed, Inbound, InboundReceipt, ModemEvent, ModemEventKind};
use crate::heal::HealNews;

/// Events that may wait for a slow receiver.
const BACKLOG: usize = 256;

#[derive(Debug)]
pub(crate) struct Events {
    modem: String,
    sender: mpsc::Sender<ModemEvent>,
    taken: mpsc::Sender<Handed>,
    backlog: VecDeque<Waiting>,
    /// Whether the last inbound SMS could not be taken: said once.
    is_stuck: bool,
}

/// An event that waits for room, and where its copy lies that is deleted once it was handed over.
#[derive(Debug)]
struct Waiting {
    event: ModemEvent,
    place: Option<Handed>,
}

impl Events {
    pub(crate) fn new(modem: &str, sender: mpsc::Sender<ModemEvent>, taken: mpsc::Sender<Handed>) -> Self {
        Self { modem: modem.to_owned(), sender, taken, backlog: VecDeque::new(), is_stuck: false }
    }

    pub(crate) fn report(&mut self, report: StatusReport, place: Option<Handed>) {
        self.add(ModemEventKind::Report(report), place);
    }

    pub(crate) fn inbound(&mut self, pdu: Pdu, place: Option<Handed>, card: String) {
        let is_stored = place.is_some();
        let receipt = InboundReceipt { place, taken: self.taken.clone() };
        let kind = ModemEventKind::Inbound(Inbound { pdu, card, receipt });
        if is_stored {
            let was_stuck = self.is_stuck;
            self.is_stuck = self.sender.try_send(ModemEvent { modem: self.modem.clone(), kind }).is_err();
            if self.is_stuck && !was_stuck {
                tracing::warn!(modem.name = %self.modem, "nobody takes an inbound message; it stays on its card");
            }
        } else {
            // The modem keeps no copy of what it routed directly.
            self.add(kind, None);
        }
    }

    pub(crate) fn heal(&mut self, news: HealNews) {
        self.add(ModemEventKind::Heal(news), None);
    }

    fn add(&mut self, kind: ModemEventKind, place: Option<Handed>) {
        self.backlog.push_back(Waiting { event: ModemEvent { modem: self.modem.clone(), kind }, place });
        while let Some(Waiting { event, place }) = self.backlog.pop_front() {
            match self.sender.try_send(event) {
                Ok(()) => handed_over(&self.taken, place),
                Err(mpsc::error::TrySendError::Full(event)) => {
                    self.backlog.push_front(Waiting { event, place });
                    break;
                }
                Err(mpsc::error::TrySendError::Closed(_)) => {
                    tracing::warn!(modem.name = %self.modem, "nobody takes the modem's reports");
                }
            }
        }
        if self.backlog.len() > BACKLOG {
            tracing::warn!(modem.name = %self.modem, "the receiver of events is too slow; the oldest is dropped");
            self.backlog.pop_front();
        }
    }

    /// Hands over one waiting event, once there is room; waits for ever when none waits. Cancel-safe.
    pub(crate) async fn flush(&mut self) {
        if self.backlog.is_empty() {
            return std::future::pending().await;
        }
        match self.sender.reserve().await {
            Ok(permit) => {
                if let Some(Waiting { event, place }) = self.backlog.pop_front() {
                    permit.send(event);
                    handed_over(&self.taken, place);
                }
            }
            Err(_) => self.backlog.clear(),
        }
    }
}

/// Has the copy deleted of what was handed over; one that stays is found again by the next listing.
fn handed_over(taken: &mpsc::Sender<Handed>, place: Option<Handed>) {
    if let Some(place) = place
        && taken.try_send(place).is_err()
    {
        tracing::debug!("a report that was handed over stays on its card");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Place;

    #[tokio::test]
    async fn a_stored_report_is_deleted_only_when_it_was_handed_over() {
        const REPORT: &str = "00062A0B917228001011F1621112123456006211121234560000";
        let report = || StatusReport::decode_tpdu(Pdu::from_hex(REPORT).unwrap().tpdu()).unwrap();
        let session = tokio::time::Instant::now().into_std();
        let place = |index| {
            let place = Place { card: "89".to_owned(), storage: "SM".to_owned(), index };
            Handed { place, session, number: 1 }
        };
        let (sender, mut receiver) = mpsc::channel(1);
        let (taken, mut deletions) = mpsc::channel(4);
        let mut events = Events::new("m", sender, taken);
        events.report(report(), Some(place(1)));
        events.report(report(), Some(place(2)));
        assert_eq!(deletions.try_recv().ok(), Some(place(1)));
        assert!(deletions.try_recv().is_err(), "nobody took the second");
        receiver.recv().await.unwrap();
        events.flush().await;
        assert_eq!(deletions.try_recv().ok(), Some(place(2)));
        drop(receiver);
        events.report(report(), Some(place(3)));
        assert!(deletions.try_recv().is_err(), "nobody will ever take the third");
    }
}
