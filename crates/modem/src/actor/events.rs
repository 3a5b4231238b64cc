//! The way of reports and inbound SMS to their receiver, which may be slow or absent.
//!
//! Never blocks the line. Reports wait in a bounded backlog; an inbound SMS that nobody can take stays on the SIM.

use std::collections::VecDeque;

use gsm::{Pdu, StatusReport};
use tokio::sync::mpsc;

use crate::event::{Inbound, InboundReceipt, ModemEvent, ModemEventKind, Place};

/// Events that may wait for a slow receiver.
const BACKLOG: usize = 256;

#[derive(Debug)]
pub(super) struct Events {
    modem: String,
    sender: mpsc::Sender<ModemEvent>,
    taken: mpsc::Sender<Place>,
    backlog: VecDeque<ModemEvent>,
}

impl Events {
    pub(super) fn new(modem: &str, sender: mpsc::Sender<ModemEvent>, taken: mpsc::Sender<Place>) -> Self {
        Self { modem: modem.to_owned(), sender, taken, backlog: VecDeque::new() }
    }

    pub(super) fn report(&mut self, report: StatusReport) {
        self.add(ModemEventKind::Report(report));
    }

    pub(super) fn inbound(&mut self, pdu: Pdu, place: Option<Place>) {
        let is_stored = place.is_some();
        let receipt = InboundReceipt { place, taken: self.taken.clone() };
        let kind = ModemEventKind::Inbound(Inbound { pdu, receipt });
        if !is_stored {
            // The modem keeps no copy of what it routed directly.
            self.add(kind);
        } else if self.sender.try_send(ModemEvent { modem: self.modem.clone(), kind }).is_err() {
            tracing::warn!(modem.name = %self.modem, "nobody takes an inbound message; it stays on its card");
        }
    }

    fn add(&mut self, kind: ModemEventKind) {
        self.backlog.push_back(ModemEvent { modem: self.modem.clone(), kind });
        while let Some(event) = self.backlog.pop_front() {
            match self.sender.try_send(event) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(event)) => {
                    self.backlog.push_front(event);
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
    pub(super) async fn flush(&mut self) {
        if self.backlog.is_empty() {
            return std::future::pending().await;
        }
        match self.sender.reserve().await {
            Ok(permit) => {
                if let Some(event) = self.backlog.pop_front() {
                    permit.send(event);
                }
            }
            Err(_) => self.backlog.clear(),
        }
    }
}
