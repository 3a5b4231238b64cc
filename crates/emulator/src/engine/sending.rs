//! From `AT+CMGS` to its final result: prompt, PDU, air, transmission.
//!
//! A PDU is transmitted at the end of its air time, right before the final result; a modem that loses its power
//! earlier did not transmit. Called by the engine.
//!
//! # Standard
//! 3GPP TS 27.005 §3.5.1, §4.3 (`+CMGS`), §4.4 (`+CMGW`), §4.7 (`+CMSS`).

use std::time::Duration;

use tokio::time::Instant;

use crate::network::{Passage, Sent};
use crate::script::{Action, Moment};
use crate::settings::Manner;
use crate::tpdu::{Address, Submit, to_hex};

use super::command::{Arguments, Form};
use super::error::{AtError, WRONG_PDU_VALUE};
use super::fault::EchoFault;
use super::options::MemoryName;
use super::storage::{Status, Stored};
use super::{Engine, Mode, Next, Step};

/// Longest message after a prompt; more is refused at its end.
const BODY_LIMIT: usize = 700;

/// A message being typed after a prompt.
#[derive(Debug)]
pub(super) struct Exchange {
    store_as: Option<Status>,
    announced: Announced,
    body: Vec<u8>,
}

#[derive(Debug)]
enum Announced {
    /// Octets of the TPDU.
    Length(usize),
    /// Destination in text mode.
    Destination(Address),
}

/// A PDU in the air.
#[derive(Debug)]
pub(super) struct Flight {
    pdu: Vec<u8>,
    submit: Submit,
    message_reference: u8,
    passage: Passage,
    radio_time: Duration,
    answer_name: &'static str,
    stored_at: Option<(MemoryName, usize)>,
}

impl Engine {
    /// `AT+CMGS=<length>` and `AT+CMGW=<length>`: opens the prompt.
    pub(super) fn open_prompt(&mut self, is_store: bool, form: &Form, now: Instant) -> Result<Step, AtError> {
        let Form::Set(value) = form else { return Err(AtError::Plain) };
        if !is_store && (self.options.functionality != 1 || self.is_in_ussd()) {
            return Err(AtError::Cms(302));
        }
        if !self.job.rest.is_empty() {
            return Err(AtError::Plain);
        }
        let arguments = Arguments::parse(value);
        let announced = if self.options.message_format == 0 {
            let length = arguments.number(0, 8..=164, WRONG_PDU_VALUE)?.ok_or(WRONG_PDU_VALUE)?;
            Announced::Length(usize::try_from(length).map_err(|_| WRONG_PDU_VALUE)?)
        } else {
            let written = arguments.text(0).ok_or(AtError::Cms(305))?;
            let number =
                if written.starts_with('+') { Some(written.to_owned()) } else { self.options.charset.read(written) };
            let number = number.filter(|number| is_number(number)).ok_or(AtError::Cms(305))?;
            Announced::Destination(Address::from_text(&number))
        };
        let stat = if is_store { arguments.number(1, 0..=3, WRONG_PDU_VALUE)?.unwrap_or(2) } else { 2 };
        let store_as = is_store.then(|| Status::from_number(stat).unwrap_or(Status::Unsent));
        let exchange = Exchange { store_as, announced, body: Vec::with_capacity(400) };
        let answer = std::mem::take(&mut self.job.answer);
        self.out.extend(answer);
        if let Some(Action::PromptLate(time)) = self.action() {
            self.mode = Mode::Busy { until: now + time.0, next: Next::ShowPrompt(exchange) };
        } else {
            self.show_prompt(exchange, now);
        }
        Ok(Step::Later)
    }

    pub(super) fn show_prompt(&mut self, exchange: Exchange, now: Instant) {
        match self.action() {
            Some(Action::PromptLost) => {}
            Some(Action::PromptWithoutSpace) => self.out.extend(b"\r\n>"),
            _ => self.out.extend(b"\r\n> "),
        }
        match self.strike(Moment::Prompt, now) {
            Some(Ok(_)) => {}
            Some(Err(error)) => self.finish(Err(error), now),
            None => self.mode = Mode::Prompt(exchange),
        }
    }

    fn action(&self) -> Option<&Action> {
        self.job.fault.as_ref().map(|fault| &fault.action)
    }

    pub(super) fn typed_after_prompt(&mut self, byte: u8, now: Instant) {
        let Mode::Prompt(exchange) = &mut self.mode else { return };
        let is_text = matches!(exchange.announced, Announced::Destination(_));
        match byte {
            0x1a => {
                let Mode::Prompt(exchange) = std::mem::replace(&mut self.mode, Mode::Command) else { return };
                self.echo_fault = EchoFault::None;
                match self.take_message(exchange, now) {
                    Ok(Step::Later) => {}
                    Ok(Step::Done) => self.finish(Ok(()), now),
                    Err(error) => self.finish(Err(error), now),
                }
                return;
            }
            0x1b => {
                // Given up: nothing is sent, the answer is OK.
                self.echo_fault = EchoFault::None;
                self.job.lacks_result = self.settings.has(Manner::SilentEscape);
                self.finish(Ok(()), now);
                return;
            }
            0x08 | 0x7f => {
                exchange.body.pop();
            }
            b'\n' => {}
            b'\r' if !is_text => {}
            _ => {
                if exchange.body.len() <= BODY_LIMIT {
                    exchange.body.push(if byte == b'\r' { b'\n' } else { byte });
                }
            }
        }
        self.echo(byte);
        if is_text && byte == b'\r' {
            self.out.extend(b"\r\n> ");
        }
    }

    fn take_message(&mut self, exchange: Exchange, now: Instant) -> Result<Step, AtError> {
        if let Some(Action::LostAnswerNotTransmitted | Action::OkToEverything) = self.action() {
            return Ok(Step::Done);
        }
        if let Some(result) = self.strike(Moment::AfterPdu, now) {
            return result;
        }
        let (pdu, submit) = match exchange.announced {
            Announced::Length(length) => {
                let hex = std::str::from_utf8(&exchange.body).map_err(|_| WRONG_PDU_VALUE)?;
                Submit::from_hex(hex.trim(), length).map_err(|_| WRONG_PDU_VALUE)?
            }
            Announced::Destination(to) => self.compose(&to, &exchange.body)?,
        };
        if let Some(status) = exchange.store_as {
            let number = self.store_submit(status, &pdu, &submit)?;
            self.info(&format!("+CMGW: {number}"));
            return self.strike(Moment::AfterTransmission, now).unwrap_or(Ok(Step::Done));
        }
        self.fly("+CMGS", pdu, submit, None, now)
    }

    /// Makes the PDU of a text-mode message.
    fn compose(&self, to: &Address, body: &[u8]) -> Result<(Vec<u8>, Submit), AtError> {
        let wrong = AtError::Cms(305);
        let text = String::from_utf8_lossy(body);
        let text = self.options.charset.read(&text).ok_or(wrong)?;
        let [first, validity, protocol, coding] = self.options.text_parameters;
        let validity: &[u8] = if first & 0x18 == 0x10 { &[validity] } else { &[] };
        let tpdu = Submit::encode_text(to, &text, first, validity, protocol, coding).ok_or(wrong)?;
        let submit = Submit::decode(&tpdu).map_err(|_| wrong)?;
        Ok(([&[0], tpdu.as_slice()].concat(), submit))
    }

    fn store_submit(&mut self, status: Status, pdu: &[u8], submit: &Submit) -> Result<usize, AtError> {
        let smsc_octets = 1 + usize::from(pdu.first().copied().unwrap_or(0));
        let (smsc, tpdu) = pdu.split_at_checked(smsc_octets).ok_or(WRONG_PDU_VALUE)?;
        let message = Stored {
            status,
            smsc: smsc.to_vec(),
            tpdu: tpdu.to_vec(),
            party: submit.destination.to_text(),
            text: submit.text.clone().unwrap_or_else(|| to_hex(&submit.user_data)),
            time: String::new(),
        };
        let [_, name, _] = self.memories;
        self.memory(name).put(message).ok_or(AtError::Cms(322))
    }

    /// `AT+CMSS=<index>`: sends a stored message.
    pub(super) fn send_stored(&mut self, form: &Form, now: Instant) -> Result<Step, AtError> {
        let Form::Set(value) = form else { return Err(AtError::Plain) };
        let wrong = AtError::Cms(321);
        let arguments = Arguments::parse(value);
        if arguments.len() > 1 {
            // Another destination for a stored message is not supported.
            return Err(AtError::Cms(303));
        }
        let number =
            arguments.number(0, 1..=255, wrong)?.and_then(|number| usize::try_from(number).ok()).ok_or(wrong)?;
        let [_, name, _] = self.memories;
        let message = self.memory(name).get_mut(number).ok_or(wrong)?;
        if !matches!(message.status, Status::Unsent | Status::Sent) {
            return Err(AtError::Cms(302));
        }
        let pdu = [message.smsc.as_slice(), &message.tpdu].concat();
        let submit = Submit::decode(&message.tpdu).map_err(|_| WRONG_PDU_VALUE)?;
        if let Some(Action::LostAnswerNotTransmitted | Action::OkToEverything) = self.action() {
            return Ok(Step::Done);
        }
        if let Some(result) = self.strike(Moment::AfterPdu, now) {
            return result;
        }
        self.fly("+CMSS", pdu, submit, Some((name, number)), now)
    }

    /// Brings a PDU into the air, if the network is there.
    fn fly(
        &mut self,
        answer_name: &'static str,
        pdu: Vec<u8>,
        submit: Submit,
        stored_at: Option<(MemoryName, usize)>,
        now: Instant,
    ) -> Result<Step, AtError> {
        if self.options.functionality != 1 {
            return Err(AtError::Cms(302));
        }
        if pdu.first() == Some(&0) && self.smsc.is_empty() {
            return Err(AtError::Cms(330));
        }
        if !self.is_registered() {
            return Err(AtError::Cms(331));
        }
        let message_reference = self.next_reference;
        self.next_reference = self.next_reference.wrapping_add(1);
        let passage = self.network.passage(&submit.destination.text);
        let setup = if self.has_link(now) { Duration::ZERO } else { self.network.settings().link_setup };
        let radio_time = setup + passage.air_time;
        let flight = Flight { pdu, submit, message_reference, passage, radio_time, answer_name, stored_at };
        if radio_time > Duration::ZERO {
            self.mode = Mode::Busy { until: now + radio_time, next: Next::Land(Box::new(flight)) };
        } else {
            self.land(&flight, now);
        }
        Ok(Step::Later)
    }

    /// The air time is over: the PDU counts as transmitted and is answered.
    pub(super) fn land(&mut self, flight: &Flight, now: Instant) {
        if let Some(code) = flight.passage.refused {
            self.finish(Err(AtError::Cms(code)), now);
            return;
        }
        let sent = Sent {
            modem: &self.settings.name,
            msisdn: &self.settings.msisdn,
            pdu: &flight.pdu,
            submit: &flight.submit,
            message_reference: flight.message_reference,
            radio_time: flight.radio_time,
            is_denied: self.will_deny(),
        };
        if !matches!(self.action(), Some(Action::Swallow)) {
            self.network.transmit(sent, flight.passage, now);
            if let Some(report) = self.network.early_report(sent, flight.passage, now) {
                // The command is not answered yet, and the line is free all the same.
                let is_executing = std::mem::take(&mut self.is_executing);
                self.report_arrived(&report, now);
                self.is_executing = is_executing;
            }
        }
        self.hold_link(now);
        if let Some((name, number)) = flight.stored_at
            && let Some(message) = self.memory(name).get_mut(number)
        {
            message.status = Status::Sent;
        }
        match self.strike(Moment::AfterTransmission, now) {
            Some(Ok(_)) => return,
            Some(Err(error)) => {
                self.finish(Err(error), now);
                return;
            }
            None => {}
        }
        self.info(&format!("{}: {}", flight.answer_name, flight.message_reference));
        self.finish(Ok(()), now);
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (1..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'*' || byte == b'#')
}
