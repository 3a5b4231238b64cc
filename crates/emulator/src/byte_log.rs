//! The last bytes that went over one line, for failing tests and bug reports.
//!
//! Written by the modem's loop. It holds whatever was sent, codes included: never for production lines.

use std::collections::VecDeque;
use std::fmt;

/// Who said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The software under test, to the modem.
    ToModem,
    /// The modem, to the software under test.
    FromModem,
}

/// Bytes of one read or one write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Who said it.
    pub direction: Direction,
    /// Milliseconds since the network was made.
    pub at_millis: u64,
    /// What was said.
    pub bytes: Vec<u8>,
}

/// A bounded log of bytes; the oldest entries go first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ByteLog {
    entries: VecDeque<LogEntry>,
    held_bytes: usize,
}

impl ByteLog {
    /// Bytes kept at most.
    pub const LIMIT: usize = 256 * 1024;

    /// Appends an entry and forgets the oldest beyond the limit.
    pub(crate) fn push(&mut self, direction: Direction, at_millis: u64, bytes: &[u8]) {
        self.held_bytes += bytes.len();
        self.entries.push_back(LogEntry { direction, at_millis, bytes: bytes.to_vec() });
        while self.held_bytes > Self::LIMIT {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.held_bytes -= oldest.bytes.len();
        }
    }

    /// Returns the entries, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &LogEntry> {
        self.entries.iter()
    }

    /// Returns everything one side said, in one piece.
    #[must_use]
    pub fn said(&self, direction: Direction) -> Vec<u8> {
        self.entries.iter().filter(|entry| entry.direction == direction).flat_map(|entry| entry.bytes.clone()).collect()
    }
}

impl fmt::Display for ByteLog {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in &self.entries {
            let arrow = match entry.direction {
                Direction::ToModem => '>',
                Direction::FromModem => '<',
            };
            writeln!(out, "{:>8} {arrow} {}", entry.at_millis, entry.bytes.escape_ascii())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_read_like_a_transcript() {
        let mut log = ByteLog::default();
        log.push(Direction::ToModem, 3, b"AT\r");
        log.push(Direction::FromModem, 4, b"\r\nOK\r\n");
        assert_eq!(log.to_string(), "       3 > AT\\r\n       4 < \\r\\nOK\\r\\n\n");
    }

    #[test]
    fn the_oldest_bytes_go_first() {
        let mut log = ByteLog::default();
        for byte in [1, 2, 3] {
            log.push(Direction::ToModem, 0, &vec![byte; ByteLog::LIMIT / 2]);
        }
        assert_eq!(log.entries().map(|entry| entry.bytes[0]).collect::<Vec<_>>(), [2, 3]);
    }
}
