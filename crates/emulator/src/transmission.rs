//! One PDU that went through the air: what the receivers' phones and the tests see.
//!
//! Called by [`crate::Network`], which makes them, and by everybody who counts SMS.

use serde::{Deserialize, Serialize};

/// A PDU the radio took from a modem; the binary writes each as one JSON line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transmission {
    /// Name of the modem that sent it.
    pub modem: String,
    /// Number of this transmission in its network, counted from 1.
    pub sequence: u64,
    /// Digits of the destination without `+`; the text of an alphanumeric one.
    pub receiver: String,
    /// Text of this single part; `None` for 8-bit data.
    pub text: Option<String>,
    /// The PDU as the modem was given it, SMSC address included, in upper-case hexadecimal.
    pub pdu_hex: String,
    /// TP-MR the modem chose, as answered in `+CMGS`.
    pub message_reference: u8,
    /// Reference of a concatenated message, shared by its parts; `None` for a single SMS.
    pub concat_reference: Option<u16>,
    /// Number of this part and how many there are; `(1, 1)` for a single SMS.
    pub part: (u8, u8),
    /// Whether a delivery report was asked for (TP-SRR).
    pub report_requested: bool,
    /// Network time of the transmission, milliseconds since the Unix epoch.
    pub at_millis: i64,
    /// Radio time that it took: setting up the link, unless that was still open, and the air.
    #[serde(default)]
    pub radio_millis: u64,
    /// Whether the modem answered that it was not sent: a lie. Written only where it is so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_denied: bool,
}
