//! What the command line says: results to standard output, complaints to standard error. A closed pipe is no failure.

use std::io::Write;

/// Writes one line of result.
pub(super) fn line(text: &str) {
    // The reader may be gone (`otp-pi … | head`): there is nobody left to tell.
    drop(writeln!(std::io::stdout().lock(), "{text}"));
}

/// Writes one complaint.
pub(super) fn error(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

/// Writes a result: for a script, or for the eye.
pub(super) fn result(json: bool, value: &impl serde::Serialize, text: impl FnOnce() -> String) -> anyhow::Result<()> {
    line(&if json { serde_json::to_string_pretty(value)? } else { text() });
    Ok(())
}
