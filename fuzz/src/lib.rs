//! What must hold of every parser, whatever bytes it is given.
//!
//! Called by the fuzz targets, and by the tests of `otp-pi`, which replay the kept corpora through the same functions. Each
//! function panics when something does not hold; none may do input or output.

mod at;
mod basic;
mod config;
mod envelope;
mod gsm7;
mod inbox;
mod pdu;
mod rate;
mod simple;
mod ussd;

pub use at::at_lines;
pub use basic::basic_header;
pub use config::config;
pub use envelope::envelope;
pub use gsm7::gsm7;
pub use inbox::inbox;
pub use pdu::pdu_decode;
pub use rate::rate;
pub use simple::simple;
pub use ussd::ussd;

/// A secret that seeds hold where secrets stand: it must not come out again.
pub const SECRET: &str = "hunter2";

/// One check.
pub type Check = fn(&[u8]);

/// Every target with its name, which is that of its corpus too.
pub const TARGETS: &[(&str, Check)] = &[
    ("pdu_decode", pdu_decode),
    ("at_lines", at_lines),
    ("gsm7", gsm7),
    ("rate", rate),
    ("envelope", envelope),
    ("simple", simple),
    ("config", config),
    ("basic_header", basic_header),
    ("inbox", inbox),
    ("ussd", ussd),
];

/// Whether the secret may stand in a key of a JSON body: errors do name keys. What is no JSON cannot be looked at.
fn has_secret_key(body: &[u8]) -> bool {
    fn in_keys(value: &serde_json::Value) -> bool {
        match value {
            serde_json::Value::Object(members) => {
                members.iter().any(|(key, value)| key.contains(SECRET) || in_keys(value))
            }
            serde_json::Value::Array(values) => values.iter().any(in_keys),
            _ => false,
        }
    }
    serde_json::from_slice(body).map_or(true, |value| in_keys(&value))
}
