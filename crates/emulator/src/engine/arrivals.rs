//! What the network brings: messages and delivery reports, stored or handed over as `AT+CNMI` says.
//!
//! What cannot be taken now (no network, card closed, memory full) waits in the network, as real SMS do.
//! Called by the engine.
//!
//! # Standard
//! 3GPP TS 27.005 §3.4.1 (`+CNMI`), §4.6 (`+CNMA`).

use std::time::Duration;

use tokio::time::Instant;

use crate::network::Arrival;
use crate::settings::Manner;
use crate::tpdu::{self, Deliver, StatusReport};

use super::command::{Arguments, Form};
use super::error::AtError;
use super::options::MemoryName;
use super::storage::{Status, Stored};
use super::{Engine, Event, Step};

/// How long a directly handed message may go unacknowledged with `AT+CSMS=1`.
const ACK_TIME: Duration = Duration::from_secs(15);

impl Engine {
    /// Takes what waits, as far as the modem can.
    pub(super) fn deliver_pending(&mut self, now: Instant) {
        if self.undelivered.is_empty() {
            return;
        }
        while self.is_sms_ready && self.is_registered() && self.awaited_ack.is_none() {
            let Some(arrival) = self.undelivered.pop_front() else { break };
            let is_taken = match &arrival {
                Arrival::Message(message) => {
                    let stored = self.stored_message(message, now);
                    self.message_arrived(stored, message.dcs, now)
                }
                Arrival::Raw(tpdu) => {
                    let stored = self.stored_raw(tpdu, now);
                    self.message_arrived(stored, coding_of(tpdu), now)
                }
                Arrival::Report(report) => self.report_arrived(report, now),
            };
            if !is_taken {
                self.undelivered.push_front(arrival);
                break;
            }
        }
    }

    fn message_arrived(&mut self, stored: Stored, dcs: u8, now: Instant) -> bool {
        let [mode, route, ..] = self.options.indications;
        let class = if dcs & 0xd0 == 0x10 || dcs & 0xf0 == 0xf0 { Some(dcs & 0x03) } else { None };
        let is_direct = match route {
            // Shown at once and stored nowhere: a computer that asked for announcements gets it whole.
            1 => class == Some(0),
            2 => class != Some(2),
            3 => class == Some(3),
            _ => false,
        };
        if is_direct {
            let head = if self.options.message_format == 1 {
                let charset = self.options.charset;
                format!(
                    "+CMT: \"{}\",,\"{}\"\r\n{}",
                    charset.write(&stored.party),
                    stored.time,
                    charset.write(&stored.text)
                )
            } else {
                let pdu = [stored.smsc.as_slice(), &stored.tpdu].concat();
                format!("+CMT: ,{}\r\n{}", stored.tpdu.len(), tpdu::to_hex(&pdu))
            };
            self.hand_over(&head, Some(stored), now);
            return true;
        }
        let [_, _, name] = self.memories;
        let Some(number) = self.memory(name).put(stored) else {
            self.tell_full_memory(name.code());
            return false;
        };
        if route != 0 {
            self.indicate(mode, &format!("+CMTI: \"{}\",{number}", name.code()));
        }
        true
    }

    pub(super) fn report_arrived(&mut self, report: &StatusReport, now: Instant) -> bool {
        let [mode, _, _, route, _] = self.options.indications;
        let pdu_of = |smsc: &[u8], tpdu: &[u8]| tpdu::to_hex(&[smsc, tpdu].concat());
        let smsc = tpdu::smsc_prefix(&self.smsc);
        let tpdu = report.encode();
        match route {
            1 => {
                let odd = if self.settings.has(Manner::OddReports) { "," } else { "" };
                let before = self.firmware().before_report_length;
                let line = format!("+CDS: {before}{}{odd}\r\n{}", tpdu.len(), pdu_of(&smsc, &tpdu));
                self.hand_over(&line, None, now);
                true
            }
            2 => {
                let stored = Stored {
                    status: Status::Unread,
                    smsc,
                    tpdu,
                    party: report.receiver.to_text(),
                    text: report.status.to_string(),
                    time: self.time_text(now),
                };
                let [_, _, chosen] = self.memories;
                let name = if self.settings.has(Manner::ReportMemory) { MemoryName::Report } else { chosen };
                let Some(number) = self.memory(name).put(stored) else {
                    self.tell_full_memory(name.code());
                    return false;
                };
                self.indicate(mode, &format!("+CDSI: \"{}\",{number}", name.code()));
                true
            }
            // Not routed: the modem takes it from the network and keeps nothing.
            _ => true,
        }
    }

    /// Says once that nothing more fits, if it is a modem that does.
    fn tell_full_memory(&mut self, code: &str) {
        if self.settings.has(Manner::TellsFullMemory) && !std::mem::replace(&mut self.is_fullness_told, true) {
            self.unsolicited_text(&format!("^SMMEMFULL:\"{code}\""));
        }
    }

    fn stored_raw(&self, tpdu: &[u8], now: Instant) -> Stored {
        Stored {
            status: Status::Unread,
            smsc: tpdu::smsc_prefix(&self.smsc),
            tpdu: tpdu.to_vec(),
            party: String::new(),
            text: tpdu::to_hex(tpdu),
            time: self.time_text(now),
        }
    }

    fn stored_message(&self, message: &Deliver, now: Instant) -> Stored {
        Stored {
            status: Status::Unread,
            smsc: tpdu::smsc_prefix(&self.smsc),
            tpdu: message.encode(),
            party: message.originator.to_text(),
            text: message.text().unwrap_or_else(|| tpdu::to_hex(&message.user_data)),
            time: self.time_text(now),
        }
    }

    /// Gives a message to the computer without storing it; phase 2+ wants it acknowledged.
    fn hand_over(&mut self, line: &str, stored: Option<Stored>, now: Instant) {
        self.unsolicited_text(line);
        if self.options.message_service == 1 {
            let number = self.scheduled + 1;
            self.awaited_ack = Some((number, stored));
            self.at(now + ACK_TIME, Event::AckMissing(number));
        }
    }

    /// Says where something was stored, or keeps that to itself (mode 0).
    fn indicate(&mut self, mode: u8, line: &str) {
        if self.settings.has(Manner::SilentArrivals) {
            return;
        }
        let bytes = self.formatted(line);
        if mode == 0 {
            if self.buffered.len() < super::HELD_LIMIT {
                self.buffered.push(bytes);
            }
        } else {
            self.unsolicited(bytes);
        }
    }

    /// `AT+CNMI` was set: says or forgets what mode 0 kept, and takes what waited.
    pub(super) fn flush_buffered(&mut self, now: Instant) {
        let [mode, _, _, _, forget] = self.options.indications;
        if mode != 0 {
            let buffered = std::mem::take(&mut self.buffered);
            if forget == 0 {
                self.held.extend(buffered);
            }
        }
        self.deliver_pending(now);
    }

    /// `AT+CNMA`
    pub(super) fn acknowledge(&mut self, form: &Form) -> Result<Step, AtError> {
        match form {
            Form::Test => {
                self.info("+CNMA: (0-2)");
                return Ok(Step::Done);
            }
            Form::Set(value) => {
                Arguments::parse(value).number(0, 0..=2, AtError::Cms(304))?;
            }
            Form::Plain => {}
            Form::Read => return Err(AtError::Plain),
        }
        self.awaited_ack.take().map(|_| Step::Done).ok_or(AtError::Cms(340))
    }

    /// No acknowledgement came: direct handing over is switched off and the message is stored.
    pub(super) fn ack_missing(&mut self, number: u64) {
        if self.awaited_ack.as_ref().is_none_or(|(awaited, _)| *awaited != number) {
            return;
        }
        let [_, deliver, _, report, _] = &mut self.options.indications;
        *deliver = 0;
        *report = 0;
        let [_, _, name] = self.memories;
        if let Some((_, Some(stored))) = self.awaited_ack.take()
            && self.memory(name).put(stored).is_none()
        {
            tracing::debug!("an unacknowledged message was lost: the memory is full");
        }
    }
}

/// The data coding scheme of a DELIVER: behind the originator's address and the protocol identifier. 0 where it is cut short.
fn coding_of(tpdu: &[u8]) -> u8 {
    let digits = tpdu.get(1).copied().map_or(0, usize::from);
    tpdu.get(4 + digits.div_ceil(2)).copied().unwrap_or(0)
}
