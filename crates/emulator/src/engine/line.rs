//! Reading a command line and carrying it out, command by command.
//!
//! Called by the engine when bytes arrive.
//!
//! # Standard
//! ITU-T V.250 §5.2.

use tokio::time::Instant;

use crate::script::Moment;
use crate::settings::Manner;

use super::command::{self, Command};
use super::error::AtError;
use super::fault::EchoFault;
use super::{Engine, Job, LINE_LIMIT, Step};

impl Engine {
    pub(super) fn echo(&mut self, byte: u8) {
        let is_echoed = match self.echo_fault {
            EchoFault::None => self.options.echo,
            EchoFault::Lost => false,
            EchoFault::Forced => true,
        };
        if is_echoed {
            self.out.push(byte);
        }
    }

    pub(super) fn typed(&mut self, byte: u8, now: Instant) {
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
    pub(super) fn start(&mut self, line: &[u8], now: Instant) {
        self.echo_fault = EchoFault::None;
        let found = line.windows(2).position(|pair| pair.eq_ignore_ascii_case(b"AT"));
        let found = found.filter(|at| *at == 0 || !self.settings.has(Manner::StrictPrefix));
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

    pub(super) fn run(&mut self, now: Instant) {
        while let Some(command) = self.job.rest.pop_front() {
            match self.struck(&command, now).unwrap_or_else(|| self.execute(&command, now)) {
                Ok(Step::Done) => {}
                Ok(Step::Later) => return,
                Err(error) => {
                    self.job.rest.clear();
                    // A message that is refused never comes to its later moments.
                    if command.has_body() {
                        self.finish(Err(error), now);
                    } else {
                        self.end(Err(error), now);
                    }
                    return;
                }
            }
        }
        self.end(Ok(()), now);
    }

    /// Ends a line that was carried out, or refused, as its fault says.
    fn end(&mut self, result: Result<(), AtError>, now: Instant) {
        match self.strike(Moment::AfterTransmission, now) {
            Some(Ok(_)) => {}
            Some(Err(error)) => self.finish(Err(error), now),
            None => self.finish(result, now),
        }
    }

    pub(super) fn execute(&mut self, command: &Command, now: Instant) -> Result<Step, AtError> {
        self.firmware_command(command)
            .or_else(|| self.general(command))
            .or_else(|| self.card_command(command, now))
            .or_else(|| self.radio_command(command, now))
            .or_else(|| self.message_settings(command, now))
            .or_else(|| self.message_command(command, now))
            .unwrap_or(Err(AtError::Plain))
    }
}
