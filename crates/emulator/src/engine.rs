//! The AT engine of one modem: bytes and time in, bytes out. It does no I/O, so that tests run it in memory.
//!
//! One line at a time, as on a real port: what is typed while a command runs waits in a bounded buffer. Unsolicited
//! lines wait while a line is being typed or a prompt is open. Called by [`crate::Modem`] alone.
//!
//! # Standard
//! ITU-T V.250 §5, 3GPP TS 27.005, TS 27.007.

mod arrivals;
mod card;
mod charset;
mod command;
mod error;
mod general;
mod listing;
mod messages;
mod options;
mod radio;
mod sending;
mod storage;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::network::{Arrival, Network};
use crate::script::{Action, Fault, Faults, UnplugAt};
use crate::settings::ModemSettings;

use card::Card;
use command::Command;
use error::AtError;
use options::{MemoryName, Options};
use sending::{Exchange, Flight};
use storage::Memory;

/// Characters of a command line at most; longer lines answer `ERROR`.
const LINE_LIMIT: usize = 556;
/// Bytes that wait while the modem is busy; further ones are lost, as in a UART.
const INPUT_LIMIT: usize = 4096;
/// Bytes that wait for a reader; further ones are lost.
const OUTPUT_LIMIT: usize = 64 * 1024;
/// Unsolicited lines held back at most.
const HELD_LIMIT: usize = 64;

/// Answer of a command that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Carried out.
    Done,
    /// The line goes on later: a prompt is open or the air is busy.
    Later,
}

/// What the modem is doing.
#[derive(Debug)]
enum Mode {
    /// Reading a command line.
    Command,
    /// Reading a message after the prompt.
    Prompt(Exchange),
    /// Deaf until a time; input waits.
    Busy { until: Instant, next: Next },
    /// Starting; input is lost.
    Booting { until: Instant },
    /// Dead until unplugged.
    Hung,
    /// Without power.
    Off,
}

/// What follows a busy time.
#[derive(Debug)]
enum Next {
    Say(Vec<u8>, After),
    ShowPrompt(Exchange),
    Land(Box<Flight>),
}

/// What follows the final result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum After {
    #[default]
    Nothing,
    Reboot,
    Unplug(Option<Duration>),
}

/// What happens at a time of its own.
#[derive(Debug)]
enum Event {
    Arrival(Arrival),
    Line(Vec<u8>),
    SmsReady,
    AckMissing(u64),
}

/// The command line being carried out.
#[derive(Debug, Default)]
struct Job {
    rest: VecDeque<Command>,
    answer: Vec<u8>,
    garbage: Vec<u8>,
    inside: Vec<u8>,
    fault: Option<Fault>,
    is_mute: bool,
    delay: Duration,
    after: After,
}

/// A modem without its line.
#[derive(Debug)]
pub(crate) struct Engine {
    settings: ModemSettings,
    network: Network,
    faults: Faults,
    card: Card,
    options: Options,
    sim_memory: Memory,
    modem_memory: Memory,
    memories: [MemoryName; 3],
    smsc: String,
    next_reference: u8,
    is_sms_ready: bool,
    mode: Mode,
    input: VecDeque<u8>,
    line: Vec<u8>,
    last_line: Vec<u8>,
    job: Job,
    is_echo_lost: bool,
    out: Vec<u8>,
    held: VecDeque<Vec<u8>>,
    schedule: BTreeMap<(Instant, u64), Event>,
    scheduled: u64,
    undelivered: VecDeque<Arrival>,
    buffered: Vec<Vec<u8>>,
    awaited_ack: Option<(u64, Option<storage::Stored>)>,
    is_executing: bool,
    unplug: Option<Option<Duration>>,
}

impl Engine {
    pub(crate) fn new(settings: ModemSettings, network: Network, faults: Faults) -> Self {
        Self {
            card: Card::new(&settings),
            options: Options::new(&settings),
            sim_memory: Memory::new(settings.sim_capacity),
            modem_memory: Memory::new(settings.modem_capacity),
            memories: [MemoryName::Sim; 3],
            smsc: settings.smsc.clone(),
            next_reference: 0,
            is_sms_ready: false,
            mode: Mode::Off,
            input: VecDeque::new(),
            line: Vec::new(),
            last_line: Vec::new(),
            job: Job::default(),
            is_echo_lost: false,
            out: Vec::new(),
            held: VecDeque::new(),
            schedule: BTreeMap::new(),
            scheduled: 0,
            undelivered: VecDeque::new(),
            buffered: Vec::new(),
            awaited_ack: None,
            is_executing: false,
            unplug: None,
            settings,
            network,
            faults,
        }
    }

    /// Switches the modem on. Without `is_quiet` it says its boot lines when it has started.
    pub(crate) fn power_on(&mut self, is_quiet: bool, now: Instant) {
        self.power_off();
        self.card.lock();
        self.options = Options::new(&self.settings);
        self.memories = [MemoryName::Sim; 3];
        if is_quiet && self.settings.boot_time.is_zero() && self.settings.sms_ready_time.is_zero() {
            self.mode = Mode::Command;
            self.is_sms_ready = self.card.is_open();
            return;
        }
        self.mode = Mode::Booting { until: now + self.settings.boot_time };
        self.tick(now);
    }

    /// Takes the power away: whatever was going on is gone; stored messages and the card stay.
    pub(crate) fn power_off(&mut self) {
        self.is_executing = false;
        self.is_sms_ready = false;
        self.mode = Mode::Off;
        self.job = Job::default();
        self.input.clear();
        self.line.clear();
        self.out.clear();
        self.held.clear();
        self.awaited_ack = None;
        self.is_echo_lost = false;
        let waiting = std::mem::take(&mut self.schedule);
        // What others sent is not lost with the power: the network keeps it.
        self.schedule = waiting.into_iter().filter(|(_, event)| matches!(event, Event::Arrival(_))).collect();
    }

    /// Takes bytes from the line.
    pub(crate) fn receive(&mut self, bytes: &[u8], now: Instant) {
        let free = INPUT_LIMIT.saturating_sub(self.input.len());
        self.input.extend(bytes.iter().take(free));
        self.work(now);
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: Instant) {
        loop {
            match &self.mode {
                Mode::Busy { until, .. } if *until <= now => self.resume(now),
                Mode::Booting { until } if *until <= now => self.booted(now),
                _ => {}
            }
            let due = self.schedule.first_entry().filter(|entry| entry.key().0 <= now);
            let Some(entry) = due else { break };
            match entry.remove() {
                Event::Arrival(arrival) => self.undelivered.push_back(arrival),
                Event::Line(line) => self.unsolicited(line),
                Event::SmsReady => self.sms_ready(),
                Event::AckMissing(number) => self.ack_missing(number),
            }
        }
        self.deliver_pending(now);
        self.work(now);
    }

    /// When [`Engine::tick`] is due next.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let busy = match &self.mode {
            Mode::Busy { until, .. } | Mode::Booting { until } => Some(*until),
            Mode::Command | Mode::Prompt(_) | Mode::Hung | Mode::Off => None,
        };
        let event = self.schedule.keys().next().map(|(due, _)| *due);
        busy.into_iter().chain(event).min()
    }

    /// Takes what reaches the modem through the air at a time.
    pub(crate) fn arrive(&mut self, due: Instant, arrival: Arrival) {
        self.at(due, Event::Arrival(arrival));
    }

    /// Takes the bytes to be written to the line.
    pub(crate) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Whether a fault pulled the modem out, and after what time it comes back.
    pub(crate) fn take_unplug(&mut self) -> Option<Option<Duration>> {
        self.unplug.take()
    }

    pub(crate) fn add_fault(&mut self, fault: Fault) {
        self.faults.add(fault);
    }

    fn at(&mut self, due: Instant, event: Event) {
        self.scheduled += 1;
        self.schedule.insert((due, self.scheduled), event);
    }

    fn work(&mut self, now: Instant) {
        loop {
            match &self.mode {
                Mode::Command => {
                    let Some(byte) = self.input.pop_front() else { break };
                    self.typed(byte, now);
                }
                Mode::Prompt(_) => {
                    let Some(byte) = self.input.pop_front() else { break };
                    self.typed_after_prompt(byte, now);
                }
                Mode::Busy { .. } => break,
                Mode::Booting { .. } | Mode::Hung | Mode::Off => {
                    self.input.clear();
                    break;
                }
            }
        }
        if self.out.len() > OUTPUT_LIMIT {
            self.out.truncate(OUTPUT_LIMIT);
        }
    }

    fn echo(&mut self, byte: u8) {
        if self.options.echo && !self.is_echo_lost {
            self.out.push(byte);
        }
    }

    fn typed(&mut self, byte: u8, now: Instant) {
        match byte {
            b'\n' if self.line.is_empty() => {}
            b'\r' => {
                self.echo(byte);
                let line = std::mem::take(&mut self.line);
                self.start(&line, now);
            }
            0x08 | 0x7f => {
                self.echo(byte);
                self.line.pop();
            }
            _ => {
                self.echo(byte);
                if self.line.len() <= LINE_LIMIT {
                    self.line.push(byte);
                }
                if self.line.eq_ignore_ascii_case(b"A/") {
                    self.line.clear();
                    let line = self.last_line.clone();
                    self.start(&line, now);
                }
            }
        }
    }

    /// Carries out a line; what stands before `AT` is noise, a line without `AT` is nothing.
    fn start(&mut self, line: &[u8], now: Instant) {
        self.is_echo_lost = false;
        let found = line.windows(2).position(|pair| pair.eq_ignore_ascii_case(b"AT"));
        let Some(after) = found.and_then(|at| line.get(at + 2..)) else {
            self.release_held();
            return;
        };
        self.last_line = line.to_vec();
        self.is_executing = true;
        if line.len() > LINE_LIMIT {
            self.finish(Err(AtError::Plain), now);
            return;
        }
        let text: String = String::from_utf8_lossy(after).chars().filter(|letter| !letter.is_control()).collect();
        self.job = Job { rest: command::split(&text).into(), ..Job::default() };
        if self.job.rest.is_empty() {
            // A bare AT can be struck too.
            self.job.rest.push_back(Command {
                name: String::new(),
                form: command::Form::Plain,
                written: "AT".to_owned(),
            });
        }
        self.run(now);
    }

    fn run(&mut self, now: Instant) {
        while let Some(command) = self.job.rest.pop_front() {
            match self.struck(&command, now).unwrap_or_else(|| self.execute(&command, now)) {
                Ok(Step::Done) => {}
                Ok(Step::Later) => return,
                Err(error) => {
                    self.job.rest.clear();
                    self.finish(Err(error), now);
                    return;
                }
            }
        }
        self.finish(Ok(()), now);
    }

    /// Asks the script; answers the result when the command is not carried out at all.
    fn struck(&mut self, command: &Command, now: Instant) -> Option<Result<Step, AtError>> {
        let fault = self.faults.strike(&command.written)?;
        let has_body = matches!(command.name.as_str(), "+CMGS" | "+CMGW" | "+CMSS");
        let skipped = match &fault.action {
            Action::LostAnswer => {
                self.job.is_mute = true;
                None
            }
            Action::LostAnswerNotTransmitted => {
                self.job.is_mute = true;
                (!has_body).then_some(Ok(Step::Done))
            }
            Action::CmsError(code) if !has_body => Some(Err(AtError::Cms(*code))),
            Action::CmsErrorBeforePrompt(code) => Some(Err(AtError::Cms(*code))),
            Action::CmeError(code) => Some(Err(AtError::Cme(*code))),
            Action::Error => Some(Err(AtError::Plain)),
            Action::UrcInside(line) => {
                self.job.inside = self.formatted(line);
                None
            }
            Action::Garbage(noise) => {
                self.job.garbage = noise.clone().into_bytes();
                None
            }
            Action::Delay(time) => {
                self.job.delay = time.0;
                None
            }
            Action::Unplug(UnplugAt::Command) => {
                self.unplug = Some(fault.replug_after);
                self.mode = Mode::Hung;
                Some(Ok(Step::Later))
            }
            Action::Unplug(_) if !has_body => {
                self.job.is_mute = true;
                self.job.after = After::Unplug(fault.replug_after);
                None
            }
            Action::LostEcho => {
                self.is_echo_lost = true;
                None
            }
            Action::Hang => {
                self.mode = Mode::Hung;
                Some(Ok(Step::Later))
            }
            Action::Reset => {
                self.power_on(false, now);
                Some(Ok(Step::Later))
            }
            Action::CmsError(_)
            | Action::CmsErrorTransmitted(_)
            | Action::Unplug(_)
            | Action::PromptWithoutSpace
            | Action::PromptLate(_)
            | Action::PromptLost => None,
        };
        self.job.fault = Some(fault);
        skipped
    }

    fn execute(&mut self, command: &Command, now: Instant) -> Result<Step, AtError> {
        self.general(command)
            .or_else(|| self.card_command(command, now))
            .or_else(|| self.radio_command(command, now))
            .or_else(|| self.message_settings(command, now))
            .or_else(|| self.message_command(command, now))
            .unwrap_or(Err(AtError::Plain))
    }

    /// Ends the line with its final result.
    fn finish(&mut self, result: Result<(), AtError>, now: Instant) {
        let job = std::mem::take(&mut self.job);
        let mut bytes = job.garbage;
        bytes.extend(job.answer);
        bytes.extend(job.inside);
        bytes.extend(self.final_result(result));
        if job.is_mute {
            bytes.clear();
        }
        if job.delay.is_zero() {
            self.say(&bytes, job.after, now);
        } else {
            self.mode = Mode::Busy { until: now + job.delay, next: Next::Say(bytes, job.after) };
        }
    }

    fn say(&mut self, bytes: &[u8], after: After, now: Instant) {
        self.out.extend(bytes);
        self.mode = Mode::Command;
        self.is_executing = false;
        self.release_held();
        match after {
            After::Nothing => {}
            After::Reboot => {
                let said = std::mem::take(&mut self.out);
                self.power_on(false, now);
                let boot_lines = std::mem::replace(&mut self.out, said);
                self.out.extend(boot_lines);
            }
            After::Unplug(replug_after) => {
                self.unplug = Some(replug_after);
                self.mode = Mode::Hung;
            }
        }
    }

    fn resume(&mut self, now: Instant) {
        let Mode::Busy { next, .. } = std::mem::replace(&mut self.mode, Mode::Command) else { return };
        match next {
            Next::Say(bytes, after) => self.say(&bytes, after, now),
            Next::ShowPrompt(exchange) => self.show_prompt(exchange),
            Next::Land(flight) => self.land(&flight, now),
        }
    }

    fn booted(&mut self, now: Instant) {
        self.mode = Mode::Command;
        for line in ["RDY", "+CFUN: 1"] {
            self.unsolicited_text(line);
        }
        self.unsolicited_text(match self.card.state() {
            card::State::Absent => "+CPIN: NOT INSERTED",
            card::State::PinNeeded => "+CPIN: SIM PIN",
            card::State::PukNeeded => "+CPIN: SIM PUK",
            card::State::Dead => "+CPIN: NOT READY",
            card::State::Open => "+CPIN: READY",
        });
        if self.card.is_open() {
            self.card_opened(now);
        }
    }

    /// The card was opened: registration comes, SMS soon after.
    fn card_opened(&mut self, now: Instant) {
        self.unsolicited_text("Call Ready");
        self.registration_changed();
        self.at(now + self.settings.sms_ready_time, Event::SmsReady);
    }

    fn sms_ready(&mut self) {
        self.is_sms_ready = true;
        self.unsolicited_text("SMS Ready");
    }

    fn final_result(&self, result: Result<(), AtError>) -> Vec<u8> {
        if self.options.quiet {
            return Vec::new();
        }
        let line = result.map_or_else(|error| error.line(self.options.error_level), |()| "OK".to_owned());
        match (self.options.verbose, line.as_str()) {
            (false, "OK") => b"0\r".to_vec(),
            (false, "ERROR") => b"4\r".to_vec(),
            _ => self.formatted(&line),
        }
    }

    /// Adds a line of information text to the answer.
    fn info(&mut self, line: &str) {
        let bytes = self.formatted(line);
        self.job.answer.extend(bytes);
    }

    /// Frames a line (V.250 §5.7.1).
    fn formatted(&self, line: &str) -> Vec<u8> {
        let start = if self.options.verbose { "\r\n" } else { "" };
        format!("{start}{line}\r\n").into_bytes()
    }

    fn unsolicited_text(&mut self, line: &str) {
        let bytes = self.formatted(line);
        self.unsolicited(bytes);
    }

    /// Says a line of its own accord, now or when the line being typed is done.
    fn unsolicited(&mut self, bytes: Vec<u8>) {
        let is_free = match &self.mode {
            Mode::Command => self.line.is_empty() && !self.is_executing,
            Mode::Busy { next: Next::Land(_), .. } => true,
            Mode::Busy { .. } | Mode::Prompt(_) | Mode::Booting { .. } | Mode::Hung | Mode::Off => false,
        };
        if is_free && self.held.is_empty() {
            self.out.extend(bytes);
        } else if self.held.len() < HELD_LIMIT {
            self.held.push_back(bytes);
        }
    }

    fn release_held(&mut self) {
        for bytes in std::mem::take(&mut self.held) {
            self.out.extend(bytes);
        }
    }
}

#[cfg(test)]
mod tests;
