//! A modem is asked everything that a person would ask, one question after the other, with no message in between.
//!
//! For: one look that answers "why does it not send". Never: a command that changes anything, a PIN, or more patience than
//! two unanswered questions need. Called by `otp-pi modem check`, in a running gateway and without one.

use std::time::Duration;

use gsm::Address;
use gsm::at::{self, Operator, PinState, Registration, RegistrationStatus, SignalQuality, StorageUse};
use zeroize::Zeroizing;

use crate::command::Command;
use crate::handle::{Inquiry, ModemHandle};
use crate::profile::{GENERIC, Profile};
use crate::question::AskError;
use crate::report::{Fact, Report};
use crate::session::{printable, text};
use crate::status::Takes;

/// How long one answer may take; what needs longer is wrong.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many questions may stay unanswered in a row before no other is asked.
const UNANSWERED: u32 = 2;

/// Asks the modem how it is. Waits for its turn, then takes a second, or some if it does not answer.
///
/// A line that is not open, or a modem that does not answer, is a report as well.
pub async fn check(handle: &ModemHandle) -> Report {
    let mut report = Report { modem: handle.name().to_owned(), ..Report::default() };
    if handle.status().borrow().takes == Takes::Whole {
        report.status = handle.status().borrow().clone();
        told(&mut report);
        return report;
    }
    if let Ok(inquiry) = handle.inquire().await {
        let profile = Profile::find(handle.status().borrow().profile).unwrap_or(&GENERIC);
        let mut asker = Asker { inquiry, profile, unanswered: 0 };
        asker.fill_in(&mut report).await;
    }
    report.status = handle.status().borrow().clone();
    // Ours, and given back by now.
    report.status.busy = false;
    report
}

/// Fills in what the driver knows, where no AT command can be asked: ModemManager has asked them.
fn told(report: &mut Report) {
    let status = report.status.clone();
    if !status.is_open() {
        return;
    }
    let identity = status.identity;
    let fact = |value: Option<String>| value.map_or(Fact::Unasked, Fact::Told);
    report.manufacturer = fact(identity.manufacturer);
    report.model = fact(identity.model);
    report.revision = fact(identity.revision);
    report.imei = fact(identity.imei);
    report.imsi = fact(identity.imsi);
    report.iccid = fact(identity.iccid);
    report.operator = match status.operator {
        Some(name) => Fact::Told(Operator { mode: 0, name: Some(printable(&name)), technology: None }),
        None => Fact::Unasked,
    };
    report.signal = Fact::Told(SignalQuality { rssi: status.rssi, bit_error: None });
    report.registration = Fact::Told(match status.registration {
        crate::Registration::Home => RegistrationStatus::Home,
        crate::Registration::Roaming => RegistrationStatus::Roaming,
        crate::Registration::Searching => RegistrationStatus::Searching,
        crate::Registration::Denied => RegistrationStatus::Denied,
        crate::Registration::Idle => RegistrationStatus::Idle,
        crate::Registration::Unknown => RegistrationStatus::Unknown,
    });
}

struct Asker {
    inquiry: Inquiry,
    profile: &'static Profile,
    unanswered: u32,
}

/// The lines of an answer, or why there are none.
type Heard = Fact<Vec<Zeroizing<String>>>;

impl Asker {
    async fn fill_in(&mut self, report: &mut Report) {
        report.attention = read(self.ask("AT").await, |_| Some(()));
        report.pin = read(self.ask("AT+CPIN?").await, first(PinState::parse));
        report.signal = read(self.ask("AT+CSQ").await, first(SignalQuality::parse));
        let registration = |line: &str| Registration::parse_answer(line).map(|it| it.status);
        report.registration = read(self.ask("AT+CREG?").await, first(registration));
        report.registration_eps = read(self.ask("AT+CEREG?").await, first(registration));
        report.operator = read(self.ask("AT+COPS?").await, first(Operator::parse));
        if let Fact::Told(Operator { name: Some(name), .. }) = &mut report.operator {
            *name = printable(name);
        }
        report.service_center = read(self.ask("AT+CSCA?").await, service_center);
        report.manufacturer = read(self.ask("AT+CGMI").await, |lines| text(lines, "+CGMI"));
        report.model = read(self.ask("AT+CGMM").await, |lines| text(lines, "+CGMM"));
        report.revision = read(self.ask("AT+CGMR").await, |lines| text(lines, "+CGMR"));
        report.imei = read(self.ask("AT+CGSN").await, first(|line| at::imei(line).map(str::to_owned)));
        report.imsi = read(self.ask("AT+CIMI").await, first(|line| at::imsi(line).map(str::to_owned)));
        report.iccid = self.iccid().await;
        report.own_number = read(self.ask("AT+CNUM").await, own_number);
        report.storage = read(self.ask("AT+CPMS?").await, first(StorageUse::parse));
        if let Some(command) = self.profile.supply {
            let supply = |lines: &[Zeroizing<String>]| Some(lines.iter().find_map(|line| at::supply_millivolts(line)));
            report.supply_millivolts = read(self.ask(command).await, supply);
        }
    }

    /// Asks one question, unless the modem has stopped answering.
    async fn ask(&mut self, text: &str) -> Heard {
        let Ok(command) = Command::parse(text) else { return Fact::Unasked };
        if self.unanswered >= UNANSWERED {
            return Fact::Unasked;
        }
        match self.inquiry.ask(command, PATIENCE).await {
            Ok(answer) => {
                self.unanswered = 0;
                if answer.result.is_ok() { Fact::Told(answer.lines) } else { Fact::Refused(answer.result_line) }
            }
            // Wavecom modems say the state of the SIM and no OK.
            Err(AskError::NoResult { lines }) if !lines.is_empty() => Fact::Told(lines),
            Err(AskError::NotOpen { .. }) => {
                self.unanswered = UNANSWERED;
                Fact::Unanswered
            }
            Err(AskError::NoResult { .. } | AskError::Prompted | AskError::Interrupted { .. }) => {
                self.unanswered += 1;
                Fact::Unanswered
            }
        }
    }

    /// Asks for the ICCID in one maker's way after the other.
    async fn iccid(&mut self) -> Fact<String> {
        let mut refused = Fact::Unasked;
        for way in self.profile.card {
            let told = read(self.ask(way.command).await, first(|line| at::iccid(line).map(str::to_owned)));
            if matches!(told, Fact::Told(_) | Fact::Unanswered | Fact::Unasked) {
                return told;
            }
            // A code tells more than the plain ERROR of a command that is not known.
            if refused == Fact::Unasked || matches!(&told, Fact::Refused(result) if result.contains(':')) {
                refused = told;
            }
        }
        refused
    }
}

/// Reads the lines of an answer.
fn read<T>(heard: Heard, read: impl Fn(&[Zeroizing<String>]) -> Option<T>) -> Fact<T> {
    match heard {
        Fact::Told(lines) => read(&lines).map_or(Fact::Unclear, Fact::Told),
        Fact::Refused(result) => Fact::Refused(result),
        Fact::Unanswered => Fact::Unanswered,
        Fact::Unasked | Fact::Unclear => Fact::Unasked,
    }
}

/// Reads the first line that can be read so.
fn first<T>(read: impl Fn(&str) -> Option<T>) -> impl Fn(&[Zeroizing<String>]) -> Option<T> {
    move |lines| lines.iter().find_map(|line| read(line))
}

/// Reads the service centre; an empty one is told as none.
fn service_center(lines: &[Zeroizing<String>]) -> Option<Option<String>> {
    let line = lines.iter().find(|line| at::answer(line, "+CSCA").is_some())?;
    let shown = |address: Address| {
        let plus = if address.is_international() { "+" } else { "" };
        format!("{plus}{}", printable(address.expose()))
    };
    match at::service_center(line).map(shown) {
        Some(number) => Some(Some(number)),
        None => is_empty_number(line).then_some(None),
    }
}

/// Answers whether the number in a `+CSCA` line is there and empty.
fn is_empty_number(line: &str) -> bool {
    at::answer(line, "+CSCA")
        .is_some_and(|rest| rest.split(',').next().is_some_and(|it| it.trim_matches([' ', '"']).is_empty()))
}

/// Reads the first own number; none at all is the usual answer.
fn own_number(lines: &[Zeroizing<String>]) -> Option<Option<Address>> {
    Some(lines.iter().find_map(|line| at::own_number(line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<Zeroizing<String>> {
        vec![Zeroizing::new(text.to_owned())]
    }

    #[test]
    fn an_empty_service_centre_is_told_from_one_that_cannot_be_read() {
        for (line, expected) in [
            ("+CSCA: \"+6281100000\",145", Some(Some("+6281100000"))),
            ("+CSCA: \"081100000\",129", Some(Some("081100000"))),
            ("+CSCA: \"\",129", Some(None)),
            ("+CSCA: ,129", Some(None)),
            ("+CSCA:", Some(None)),
            ("+CSCA: \"~~\",129", None),
            ("+CSQ: 1,1", None),
        ] {
            let read = service_center(&lines(line));
            assert_eq!(read.as_ref().map(Option::as_deref), expected, "{line:?}");
        }
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_unclear_and_an_error_is_not() {
        assert_eq!(read(Fact::Told(lines("rubbish")), first(SignalQuality::parse)), Fact::Unclear);
        let refused = read(Fact::Refused("ERROR".to_owned()), first(SignalQuality::parse));
        assert!(refused.is_refused() && refused.told().is_none());
    }
}
