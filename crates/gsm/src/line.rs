//! Cutting what a serial line says into lines and prompts.
//!
//! For: bytes in, [`Line`]s out, however the bytes were chunked: echoes, `CR LF`, `CR CR LF`, NULs at power-up and the
//! `> ` prompt, which no line end follows. Never grows without bound: a line is cut off at [`MAX_LINE`] bytes.
//! Called by `modem` (answers) and `emulator` (commands).
//!
//! # Standard
//! ITU-T V.250 §5.7; 3GPP TS 27.005 §4.3 (prompt).

use std::collections::VecDeque;

use zeroize::Zeroizing;

/// The most bytes of one line that are kept; what follows up to the line end is dropped.
pub const MAX_LINE: usize = 4096;

/// One thing the line said.
#[derive(Clone, PartialEq, Eq)]
pub enum Line {
    /// A line that is not empty, without its end and without control characters. May be the echo of a PDU.
    Text(Zeroizing<String>),
    /// The modem waits for a PDU.
    Prompt,
}

/// Prints the length of a text, never the text: it may be the echo of a PDU or a PIN.
impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Prompt => f.write_str("Prompt"),
        }
    }
}

/// Collects bytes until they are lines. An iterator: take lines after each push until there is none.
pub struct LineSplitter {
    buffer: Zeroizing<Vec<u8>>,
    lines: VecDeque<Line>,
    awaits_prompt: bool,
    follows_prompt: bool,
}

impl Default for LineSplitter {
    fn default() -> Self {
        Self::new()
    }
}

impl LineSplitter {
    /// A splitter that has seen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            // All the room at once: growing would leave an unwiped copy behind.
            buffer: Zeroizing::new(Vec::with_capacity(MAX_LINE)),
            lines: VecDeque::new(),
            awaits_prompt: false,
            follows_prompt: false,
        }
    }

    /// Says whether a `>` at the start of a line is a prompt. The first prompt found sets this back.
    pub fn expect_prompt(&mut self, is_expected: bool) {
        self.awaits_prompt = is_expected;
    }

    /// Takes bytes from the line.
    pub fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.push_byte(byte);
        }
    }

    /// Forgets the line begun and all lines not taken, as after a reset of the modem.
    pub fn clear(&mut self) {
        zeroize::Zeroize::zeroize(&mut *self.buffer);
        self.lines.clear();
        self.awaits_prompt = false;
        self.follows_prompt = false;
    }

    fn push_byte(&mut self, byte: u8) {
        let follows_prompt = std::mem::take(&mut self.follows_prompt);
        match byte {
            b'\r' | b'\n' => self.end_line(),
            // The blank of the prompt; some modems leave it out.
            b' ' if follows_prompt => {}
            b'>' if self.awaits_prompt && self.buffer.is_empty() => {
                self.awaits_prompt = false;
                self.follows_prompt = true;
                self.lines.push_back(Line::Prompt);
            }
            // NULs at power-up, flow control, an echoed Ctrl-Z or ESC.
            0x00..=0x08 | 0x0B..=0x1F | 0x7F => self.follows_prompt = follows_prompt,
            _ if self.buffer.len() < MAX_LINE => self.buffer.push(byte),
            _ => {}
        }
    }

    fn end_line(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let text = match std::str::from_utf8(&self.buffer) {
            Ok(text) => Zeroizing::new(text.to_owned()),
            // Not UTF-8: one character per byte, so that nothing is lost. Two bytes of room each.
            Err(_) => {
                let mut text = Zeroizing::new(String::with_capacity(self.buffer.len() * 2));
                text.extend(self.buffer.iter().map(|byte| char::from(*byte)));
                text
            }
        };
        zeroize::Zeroize::zeroize(&mut *self.buffer);
        self.lines.push_back(Line::Text(text));
    }
}

impl Iterator for LineSplitter {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        self.lines.pop_front()
    }
}

/// Prints how much is pending, never what.
impl std::fmt::Debug for LineSplitter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LineSplitter({} bytes, {} lines)", self.buffer.len(), self.lines.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::{Line, LineSplitter, MAX_LINE};

    fn split(bytes: &[u8], awaits_prompt: bool, chunk: usize) -> Vec<String> {
        let mut splitter = LineSplitter::new();
        splitter.expect_prompt(awaits_prompt);
        let mut lines = Vec::new();
        for part in bytes.chunks(chunk.max(1)) {
            splitter.push(part);
            lines.extend(splitter.by_ref().map(|line| match line {
                Line::Text(text) => text.as_str().to_owned(),
                Line::Prompt => "<PROMPT>".to_owned(),
            }));
        }
        lines
    }

    #[test]
    fn lines_and_prompts_are_found_however_the_bytes_come() {
        let rows: &[(&[u8], bool, &[&str])] = &[
            (b"\r\nOK\r\n", false, &["OK"]),
            (b"AT+CSQ\r\r\n+CSQ: 17,99\r\n\r\nOK\r\n", false, &["AT+CSQ", "+CSQ: 17,99", "OK"]),
            (b"\r\r\n+CSQ: 17,99\r\r\n\r\r\nOK\r\r\n", false, &["+CSQ: 17,99", "OK"]),
            (b"\0\0\r\nRDY\0\r\n", false, &["RDY"]),
            (b"\r\n> ", true, &["<PROMPT>"]),
            (b"\r\n>", true, &["<PROMPT>"]),
            (b"AT+CMGS=29\r\r\n> 0001AB\x1a\r\n+CMGS: 7\r\n", true, &["AT+CMGS=29", "<PROMPT>", "0001AB", "+CMGS: 7"]),
            (b"\r\n+CMTI: \"SM\",3\r\n\r\n> ", true, &["+CMTI: \"SM\",3", "<PROMPT>"]),
            (b"\r\n> \r\n", false, &["> "]),
            (b"a > b\r\n", true, &["a > b"]),
            (b"\r\n> > x\r\n", true, &["<PROMPT>", "> x"]),
            (b"half", false, &[]),
            (b"caf\xe9\r\n", false, &["caf\u{e9}"]),
            ("\u{20ac}\r\n".as_bytes(), false, &["\u{20ac}"]),
        ];
        for (bytes, awaits_prompt, expected) in rows {
            for chunk in [1, 2, 3, 1000] {
                let shown = String::from_utf8_lossy(bytes);
                assert_eq!(split(bytes, *awaits_prompt, chunk), *expected, "{shown:?} by {chunk}");
            }
        }
    }

    #[test]
    fn a_line_without_end_is_cut_off_and_the_next_one_is_whole() {
        let mut bytes = vec![b'x'; 3 * MAX_LINE];
        bytes.extend_from_slice(b"\r\nOK\r\n");
        let lines = split(&bytes, false, 100);
        assert_eq!((lines[0].len(), lines[1].as_str()), (MAX_LINE, "OK"));
    }

    #[test]
    fn clearing_forgets_half_a_line() {
        let mut splitter = LineSplitter::new();
        splitter.push(b"\r\nOLD\r\nhalf");
        splitter.clear();
        splitter.push(b"OK\r\n");
        assert_eq!(splitter.collect::<Vec<_>>(), [Line::Text(zeroize::Zeroizing::new("OK".to_owned()))]);
    }

    #[test]
    fn debug_prints_no_text() {
        let mut splitter = LineSplitter::new();
        splitter.push(b"SECRET\r\nSECRET");
        assert!(!format!("{splitter:?} {:?}", splitter.lines).contains("SECRET"));
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(bytes: Vec<u8>, chunk in 1_usize..20, awaits_prompt: bool) {
            let whole = split(&bytes, awaits_prompt, usize::MAX);
            prop_assert_eq!(split(&bytes, awaits_prompt, chunk), whole.clone());
            prop_assert!(whole.iter().all(|line| !line.is_empty() && !line.contains(['\r', '\n', '\0'])));
        }

        #[test]
        fn line_noise_of_line_characters_makes_no_difference(text in "[\r\n> A\0\x1a\"]{0,40}", chunk in 1_usize..5) {
            prop_assert_eq!(split(text.as_bytes(), true, chunk), split(text.as_bytes(), true, usize::MAX));
        }
    }
}
