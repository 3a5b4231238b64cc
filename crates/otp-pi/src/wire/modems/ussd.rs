//! What the network says over USSD, and what a SIM is worth.

use domain::secret::SecretText;
use gsm::UssdStatus;
use serde_json::{Value, json};

use super::{Conclusion, Rendered};

/// Shows an answer.
#[must_use]
pub fn ussd(modem: &str, status: UssdStatus, text: &SecretText, raw: &SecretText) -> Rendered {
    let replyable = status == UssdStatus::ReplyExpected;
    let json = json!({
        "modem": modem,
        "status": status.word(),
        "text": text.expose(),
        "raw": raw.expose(),
        "replyable": replyable,
    });
    let text = text.expose().trim_end();
    let shown = if text.is_empty() { "(done, without a text)".to_owned() } else { printable(text) };
    Rendered { text: shown, json, conclusion: Conclusion::Good }
}

/// Shows that a dialogue was ended.
#[must_use]
pub fn ussd_ended(modem: &str) -> Rendered {
    let json = json!({"modem": modem, "status": "cancelled", "text": "", "raw": "", "replyable": false});
    Rendered { text: "the dialogue is ended".to_owned(), json, conclusion: Conclusion::Good }
}

/// Shows what a SIM is worth: as a number for scripts, and as people read it.
#[must_use]
pub fn balance(modem: &str, number: &str, shown: &str, is_low: bool) -> Rendered {
    let low = if is_low { ", below balance_low: top it up" } else { "" };
    let conclusion = if is_low { Conclusion::Warned } else { Conclusion::Good };
    let number: Value = serde_json::from_str(number).unwrap_or(Value::Null);
    let json = json!({"modem": modem, "balance": number, "low": is_low});
    Rendered { text: format!("{modem}: balance {shown}{low}"), json, conclusion }
}

/// What may go to a terminal: the network must not be able to steer it. Its line ends are its own.
fn printable(text: &str) -> String {
    let shown = |character: char| if character.is_control() && character != '\n' { '\u{fffd}' } else { character };
    text.replace("\r\n", "\n").replace('\r', "\n").chars().map(shown).collect()
}
