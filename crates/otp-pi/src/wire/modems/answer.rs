//! The answer to one raw AT command, as a terminal would show it.

use ::modem::{Answer, AskError, Command};
use serde_json::json;

use super::{Conclusion, Rendered};

/// Shows an answer.
#[must_use]
pub fn answer(command: &Command, answer: &Answer) -> Rendered {
    let lines: Vec<&str> = answer.lines.iter().map(|line| line.as_str()).collect();
    let meaning = answer.result.error_code().map(gsm::ErrorCode::meaning);
    let mut text = String::new();
    for line in &lines {
        text.push_str(&printable(line));
        text.push('\n');
    }
    if answer.is_cut {
        text.push_str("… the answer was longer; the rest is left out\n");
    }
    text.push_str(&printable(&answer.result_line));
    if let Some(meaning) = meaning {
        text.push_str(" (");
        text.push_str(meaning);
        text.push(')');
    }
    let is_ok = answer.result.is_ok();
    let json = json!({
        "command": command.verb(),
        "ok": is_ok,
        "lines": lines,
        "is_cut": answer.is_cut,
        "result": answer.result_line,
        "meaning": meaning,
    });
    Rendered { text, json, conclusion: if is_ok { Conclusion::Good } else { Conclusion::Bad } }
}

/// Shows that there is no whole answer, with what came of it.
#[must_use]
pub fn no_answer(command: &Command, error: &AskError) -> Rendered {
    let lines: Vec<&str> = match error {
        AskError::NoResult { lines } => lines.iter().map(|line| line.as_str()).collect(),
        AskError::NotOpen { .. } | AskError::Prompted | AskError::Interrupted { .. } => Vec::new(),
    };
    let mut text: String = lines.iter().map(|line| format!("{}\n", printable(line))).collect();
    text.push_str(&error.to_string());
    let json = json!({"command": command.verb(), "ok": false, "lines": lines, "error": error.to_string()});
    Rendered { text, json, conclusion: Conclusion::Bad }
}

/// What may go to a terminal: a modem must not be able to steer it.
fn printable(line: &str) -> String {
    line.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}
