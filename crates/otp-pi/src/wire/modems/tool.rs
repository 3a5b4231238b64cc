//! What a person is told about a SIM and about an IMEI. Codes are never among it.

use ::modem::Imei;
use ::modem::tool::{CardReport, Restored, ToolError};
use gsm::at::PinState;
use serde_json::{Value, json};

use super::{Conclusion, Rendered, table};

/// How a SIM stands.
#[must_use]
pub fn card(modem: &str, report: CardReport) -> Rendered {
    let (word, asks) = match report.state {
        Some(PinState::Ready | PinState::SimPin2 | PinState::SimPuk2) => ("ready", "nothing"),
        Some(PinState::SimPin) => ("pin-needed", "its PIN"),
        Some(PinState::SimPuk) => ("puk-needed", "its PUK: ten wrong ones and the SIM is lost"),
        Some(PinState::PhoneLock) => {
            ("locked-device", "the code of the device, which is locked to another SIM or network")
        }
        Some(PinState::NotReady) => ("busy", "not known: it is starting up"),
        Some(PinState::NotInserted) => ("missing", "not known: there is no SIM"),
        None => ("unknown", "not known: the modem does not tell"),
    };
    let lock = match report.is_locked {
        Some(true) => "on: the SIM asks for its PIN whenever it gets power",
        Some(false) => "off",
        None => "not known",
    };
    let tries = |left: Option<u8>| left.map_or_else(|| "not known".to_owned(), |left| format!("{left} left"));
    let rows = [
        ("asks for", asks.to_owned()),
        ("PIN lock", lock.to_owned()),
        ("PIN tries", tries(report.pin_tries)),
        ("PUK tries", tries(report.puk_tries)),
    ];
    let text = format!("SIM of {modem}\n{}", table(&rows)).trim_end().to_owned();
    let json = json!({
        "modem": modem,
        "state": word,
        "pin_lock": report.is_locked,
        "pin_tries": report.pin_tries,
        "puk_tries": report.puk_tries,
    });
    Rendered { text, json, conclusion: Conclusion::Good }
}

/// The IMEI of a device.
#[must_use]
pub fn imei(modem: &str, imei: Option<&str>) -> Rendered {
    let text = imei.map_or_else(|| format!("{modem} tells no IMEI"), |imei| format!("{modem} has IMEI {imei}"));
    let conclusion = if imei.is_some() { Conclusion::Good } else { Conclusion::Bad };
    Rendered { text, json: json!({"modem": modem, "imei": imei}), conclusion }
}

/// An IMEI that was written; good only when the device says it.
#[must_use]
pub fn restored(modem: &str, wanted: &Imei, Restored { before, after }: &Restored) -> Rendered {
    let had = before.as_deref().unwrap_or("none");
    let (conclusion, text) = match after.as_deref() {
        Some(after) if after == wanted.expose() => {
            (Conclusion::Good, format!("{modem} has IMEI {after} again; it had {had}"))
        }
        Some(after) => {
            (Conclusion::Bad, format!("{modem} took IMEI {} and says {after} after its restart", wanted.expose()))
        }
        None => (
            Conclusion::Unclear,
            format!(
                "{modem} took IMEI {} and has not come back yet: look with `otp-pi modem imei show`",
                wanted.expose()
            ),
        ),
    };
    Rendered { text, json: json!({"modem": modem, "before": before, "imei": after}), conclusion }
}

/// Something that was not done.
#[must_use]
pub fn no_tool(error: &ToolError) -> Rendered {
    let (kind, left, conclusion) = match error {
        ToolError::NotAsked(_) => ("not-asked", None, Conclusion::Bad),
        ToolError::NotNow(_) => ("not-now", None, Conclusion::Bad),
        ToolError::FewTries { left, .. } => ("few-tries", Some(*left), Conclusion::Bad),
        ToolError::WrongCode { left } => ("wrong-code", *left, Conclusion::Bad),
        ToolError::Refused { .. } => ("refused", None, Conclusion::Bad),
        ToolError::Unclear(_) => ("unclear", None, Conclusion::Unclear),
    };
    let json: Value = json!({"error": error.to_string(), "kind": kind, "tries_left": left});
    Rendered { text: error.to_string(), json, conclusion }
}
