//! Delivery reports: what the network tells the sender of a PDU, and when.
//!
//! Called by the network for each transmission, and by the engine for the report that comes before its final result.

use std::time::Duration;

use tokio::time::Instant;

use crate::tpdu::{Address, StatusReport, Submit};

use super::{Arrival, Inbox, Network, Passage, Sent, Treatment};

impl Network {
    /// The report of a PDU that comes before its final result.
    pub(crate) fn early_report(&self, sent: Sent<'_>, passage: Passage, now: Instant) -> Option<StatusReport> {
        let is_early = passage.treatment == Treatment::EarlyReport && sent.submit.report_requested;
        is_early.then(|| self.status_report(sent.submit, sent.message_reference, (now, now), 0x00))
    }

    fn status_report(
        &self,
        submit: &Submit,
        message_reference: u8,
        (taken, discharged): (Instant, Instant),
        status: u8,
    ) -> StatusReport {
        StatusReport {
            message_reference,
            receiver: submit.destination.clone(),
            submitted: self.timestamp(taken),
            discharged: self.timestamp(discharged),
            status,
        }
    }

    /// Puts the delivery reports of a PDU into the inbox of its sender.
    pub(super) fn report(
        &self,
        inbox: &Inbox,
        submit: &Submit,
        (message_reference, sequence): (u8, u64),
        treatment: Treatment,
        now: Instant,
    ) {
        let first = now + self.shared.settings.report_delay;
        let of = |due, status| self.status_report(submit, message_reference, (now, due), status);
        let push = |due: Instant, status| inbox.push(due, Arrival::Report(of(due, status)));
        match treatment {
            Treatment::NeverReport | Treatment::Refuse(_) | Treatment::EarlyReport => {}
            Treatment::Fail(status) => push(first, status),
            Treatment::Deliver | Treatment::SlowAir(_) => push(first, 0x00),
            Treatment::LateReport(more) => push(first + more.0, 0x00),
            Treatment::ScatteredReport(most) => push(first + self.chance(sequence, most.0), 0x00),
            Treatment::ReportTwice => {
                push(first, 0x00);
                push(first, 0x00);
            }
            Treatment::Slow(more) => {
                push(first, 0x30);
                push(first + more.0, 0x00);
            }
            Treatment::PendingLast(more) => {
                push(first, 0x00);
                push(first + more.0, 0x30);
            }
            Treatment::ReportFor(digits) => {
                let receiver = Address { kind: 0x91, text: digits.to_string() };
                inbox.push(first, Arrival::Report(StatusReport { receiver, ..of(first, 0x00) }));
            }
        }
    }

    /// A time below `most`, the same for the same seed and transmission.
    fn chance(&self, sequence: u64, most: Duration) -> Duration {
        let seed = self.shared.settings.seed.wrapping_add(sequence).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let thousandth = u32::try_from((mixed >> 40) % 1000).unwrap_or(0);
        most * thousandth / 1000
    }
}
