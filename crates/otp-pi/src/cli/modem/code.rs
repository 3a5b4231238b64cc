//! A PIN or PUK that a person gives: from a file, or typed at a terminal without being shown. Never an argument, which others can see.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use domain::secret::SecretText;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::cli::place;

/// The longest code that is read; a PUK has eight digits.
const LONGEST: usize = 64;

/// Reads a code: the first line of the file, or what is typed.
///
/// # Errors
/// The file cannot be read, or there is neither a file nor a terminal.
pub(super) fn read(what: &str, option: &str, file: Option<&Path>) -> anyhow::Result<SecretText> {
    if let Some(file) = file {
        return place::read_line(file, LONGEST);
    }
    anyhow::ensure!(
        io::stdin().is_terminal(),
        "the {what} is missing: name a file with {option}, or run this at a terminal and type it"
    );
    let hidden = Hidden::begin()?;
    let mut terminal = io::stderr().lock();
    write!(terminal, "{what}: ")?;
    terminal.flush()?;
    let mut line = Zeroizing::new(String::with_capacity(LONGEST));
    io::stdin().read_line(&mut line)?;
    drop(hidden);
    writeln!(terminal)?;
    Ok(SecretText::new(line.trim()))
}

/// A terminal that does not show what is typed, until dropped.
struct Hidden(rustix::termios::Termios);

impl Hidden {
    fn begin() -> anyhow::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing anyway.
        tcsetattr(io::stdin(), OptionalActions::Now, &self.0).ok();
    }
}
