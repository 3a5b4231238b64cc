//! What the modem says: information text, final results and unsolicited lines.
//!
//! Called by every command.
//!
//! # Standard
//! ITU-T V.250 §5.7.

use tokio::time::Instant;

use super::error::AtError;
use super::{After, Engine, HELD_LIMIT, Mode, Next};

impl Engine {
    /// Ends the line with its final result.
    pub(super) fn finish(&mut self, result: Result<(), AtError>, now: Instant) {
        let mut job = std::mem::take(&mut self.job);
        let after = Self::after(&mut job);
        let mut bytes = if job.lacks_information { Vec::new() } else { job.answer };
        bytes.extend(job.inside);
        if !job.lacks_result {
            bytes.extend(self.final_result(result));
        }
        if job.is_mute {
            bytes.clear();
        }
        if job.delay.is_zero() {
            self.say(&bytes, after, now);
        } else {
            self.mode = Mode::Busy { until: now + job.delay, next: Next::Say(bytes, after) };
        }
    }

    pub(super) fn say(&mut self, bytes: &[u8], after: After, now: Instant) {
        self.out.extend(bytes);
        self.mode = Mode::Command;
        self.is_executing = false;
        self.release_held();
        match after {
            After::Nothing => {}
            After::Reboot => self.reboot(now),
            After::Strike(job) => self.strike_after_result(*job, now),
        }
    }

    pub(super) fn final_result(&self, result: Result<(), AtError>) -> Vec<u8> {
        if self.options.quiet {
            return Vec::new();
        }
        let line = match result {
            Ok(()) => "OK".to_owned(),
            Err(AtError::Plain) if self.options.verbose => self.firmware().error.to_owned(),
            Err(error) => error.line(self.options.error_level),
        };
        match (self.options.verbose, line.as_str()) {
            (false, "OK") => b"0\r".to_vec(),
            (false, "ERROR") => b"4\r".to_vec(),
            _ => self.formatted(&line),
        }
    }

    /// Adds a line of information text to the answer.
    pub(super) fn info(&mut self, line: &str) {
        let bytes = self.formatted(line);
        self.job.answer.extend(bytes);
    }

    /// Frames a line (V.250 §5.7.1).
    pub(super) fn formatted(&self, line: &str) -> Vec<u8> {
        let start = if self.options.verbose { "\r\n" } else { "" };
        format!("{start}{line}{}", self.firmware().line_end).into_bytes()
    }

    pub(super) fn unsolicited_text(&mut self, line: &str) {
        let bytes = self.formatted(line);
        self.unsolicited(bytes);
    }

    /// Says a line of its own accord, now or when the line being typed is done.
    pub(super) fn unsolicited(&mut self, bytes: Vec<u8>) {
        let is_free = match &self.mode {
            Mode::Command => self.line.is_empty() && !self.is_executing,
            Mode::Busy { next: Next::Land(_), .. } => true,
            Mode::Busy { .. }
            | Mode::Prompt(_)
            | Mode::Booting { .. }
            | Mode::Silent { .. }
            | Mode::Hung(_)
            | Mode::Off => false,
        };
        if is_free && self.held.is_empty() {
            self.out.extend(bytes);
        } else if self.held.len() < HELD_LIMIT {
            self.held.push_back(bytes);
        }
    }

    pub(super) fn release_held(&mut self) {
        for bytes in std::mem::take(&mut self.held) {
            self.out.extend(bytes);
        }
    }
}
