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
mod fault;
mod firmware;
mod general;
mod line;
mod listing;
mod messages;
mod options;
mod radio;
mod sending;
mod speech;
mod storage;
mod ussd;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::network::{Arrival, Network};
use crate::script::{Fault, Faults, Moment};
use crate::settings::{Manner, ModemSettings};

use card::Card;
use command::Command;
use fault::EchoFault;
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
    /// Deaf and dumb until a time; input is lost.
    Silent { until: Instant },
    /// Dead until it is cured.
    Hung(Cure),
    /// Without power.
    Off,
}

/// What brings a modem that hangs back to life. Power does in any case.
#[derive(Debug)]
enum Cure {
    Power,
    /// An order to restart, as far as it was typed.
    Reset(Vec<u8>),
    /// The line is opened again.
    Reopening,
}

/// What follows a busy time.
#[derive(Debug)]
enum Next {
    Say(Vec<u8>, After),
    ShowPrompt(Exchange),
    Land(Box<Flight>),
}

/// What follows the final result.
#[derive(Debug, Default)]
enum After {
    #[default]
    Nothing,
    Reboot,
    /// The fault of this job.
    Strike(Box<Job>),
}

/// What happens at a time of its own.
#[derive(Debug)]
enum Event {
    Arrival(Arrival),
    /// The network's word in a USSD dialogue.
    Ussd {
        dialogue: u64,
        line: Vec<u8>,
        is_end: bool,
    },
    SmsReady,
    AckMissing(u64),
    /// The line of a modem that restarts disappears.
    Vanish,
    /// The model says the next of its lines.
    Chatter(usize),
}

/// The command line being carried out.
#[derive(Debug, Default)]
struct Job {
    rest: VecDeque<Command>,
    answer: Vec<u8>,
    inside: Vec<u8>,
    fault: Option<Fault>,
    /// When the fault strikes, if it has not yet.
    moment: Option<Moment>,
    is_mute: bool,
    /// No final result ends the answer.
    lacks_result: bool,
    /// The answer is its final result alone.
    lacks_information: bool,
    delay: Duration,
    after: After,
}

/// A modem without its line.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "what a modem is doing has several independent sides")]
pub(crate) struct Engine {
    settings: ModemSettings,
    network: Network,
    faults: Faults,
    card: Card,
    options: Options,
    sim_memory: Memory,
    modem_memory: Memory,
    report_memory: Memory,
    memories: [MemoryName; 3],
    smsc: String,
    next_reference: u8,
    /// The link to the network is open until then.
    link_until: Option<Instant>,
    is_sms_ready: bool,
    /// Whether the model was told to say nothing of its own accord.
    is_quieted: bool,
    mode: Mode,
    input: VecDeque<u8>,
    line: Vec<u8>,
    last_line: Vec<u8>,
    job: Job,
    echo_fault: EchoFault,
    out: Vec<u8>,
    held: VecDeque<Vec<u8>>,
    schedule: BTreeMap<(Instant, u64), Event>,
    scheduled: u64,
    undelivered: VecDeque<Arrival>,
    buffered: Vec<Vec<u8>>,
    /// That the memory is full was said, and nothing was deleted since.
    is_fullness_told: bool,
    awaited_ack: Option<(u64, Option<storage::Stored>)>,
    /// An IMEI that was written; it is the device's after its next start.
    written_imei: Option<String>,
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
            report_memory: Memory::new(settings.report_capacity),
            memories: [MemoryName::Sim; 3],
            smsc: settings.smsc.clone(),
            next_reference: 0,
            link_until: None,
            is_sms_ready: false,
            is_quieted: false,
            mode: Mode::Off,
            input: VecDeque::new(),
            line: Vec::new(),
            last_line: Vec::new(),
            job: Job::default(),
            echo_fault: EchoFault::None,
            out: Vec::new(),
            held: VecDeque::new(),
            schedule: BTreeMap::new(),
            scheduled: 0,
            undelivered: VecDeque::new(),
            buffered: Vec::new(),
            is_fullness_told: false,
            awaited_ack: None,
            written_imei: None,
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
        if let Some(imei) = self.written_imei.take() {
            self.settings.imei = imei;
        }
        self.options = Options::new(&self.settings);
        self.memories = [MemoryName::Sim; 3];
        self.begin_chatter(now);
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
        self.link_until = None;
        self.mode = Mode::Off;
        self.job = Job::default();
        self.input.clear();
        self.line.clear();
        self.out.clear();
        self.held.clear();
        self.awaited_ack = None;
        self.echo_fault = EchoFault::None;
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
                Mode::Silent { until } if *until <= now => self.wake(),
                _ => {}
            }
            let due = self.schedule.first_entry().filter(|entry| entry.key().0 <= now);
            let Some(entry) = due else { break };
            match entry.remove() {
                Event::Arrival(arrival) => self.undelivered.push_back(arrival),
                Event::Ussd { dialogue, line, is_end } => self.ussd_due(dialogue, line, is_end),
                Event::SmsReady => self.sms_ready(),
                Event::AckMissing(number) => self.ack_missing(number),
                Event::Vanish => self.vanish(),
                Event::Chatter(turn) => self.chatter(turn, now),
            }
        }
        self.deliver_pending(now);
        self.work(now);
    }

    /// When [`Engine::tick`] is due next.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let busy = match &self.mode {
            Mode::Busy { until, .. } | Mode::Booting { until } | Mode::Silent { until } => Some(*until),
            Mode::Command | Mode::Prompt(_) | Mode::Hung(_) | Mode::Off => None,
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
                Mode::Hung(_) => {
                    self.hears_while_hung(now);
                    break;
                }
                Mode::Booting { .. } | Mode::Silent { .. } | Mode::Off => {
                    self.input.clear();
                    break;
                }
            }
        }
        if self.out.len() > OUTPUT_LIMIT {
            self.out.truncate(OUTPUT_LIMIT);
        }
    }

    fn resume(&mut self, now: Instant) {
        let Mode::Busy { next, .. } = std::mem::replace(&mut self.mode, Mode::Command) else { return };
        match next {
            Next::Say(bytes, after) => self.say(&bytes, after, now),
            Next::ShowPrompt(exchange) => self.show_prompt(exchange, now),
            Next::Land(flight) => self.land(&flight, now),
        }
    }

    fn booted(&mut self, now: Instant) {
        self.mode = Mode::Command;
        if self.settings.has(Manner::SilentStart) {
            self.is_sms_ready = self.card.is_open();
            return;
        }
        let pin = self.pin_state();
        self.firmware().boot.iter().for_each(|line| self.unsolicited_text(&line.replace("{pin}", pin)));
        if self.card.is_open() {
            self.card_opened(now);
        }
    }

    /// The card was opened: registration comes, SMS soon after.
    fn card_opened(&mut self, now: Instant) {
        self.firmware().opened.iter().for_each(|line| self.unsolicited_text(line));
        self.registration_changed();
        self.at(now + self.settings.sms_ready_time, Event::SmsReady);
    }

    fn sms_ready(&mut self) {
        self.is_sms_ready = true;
        self.firmware().ready.iter().for_each(|line| self.unsolicited_text(line));
    }
}

#[cfg(test)]
mod tests;
