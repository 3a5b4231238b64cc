//! Final results that mean failure, with the words of `AT+CMEE=2`.
//!
//! Called by every command of the engine.
//!
//! # Standard
//! 3GPP TS 27.007 §9.2, TS 27.005 §3.2.5.

/// Why a command failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtError {
    /// Unknown command or syntax.
    Plain,
    /// Mobile equipment error.
    Cme(u16),
    /// Message service error.
    Cms(u16),
}

/// Operation not allowed.
pub(crate) const NOT_ALLOWED: AtError = AtError::Cme(3);
/// A parameter out of range.
pub(crate) const WRONG_VALUE: AtError = AtError::Cme(50);
/// A parameter of a message command in PDU mode out of range.
pub(crate) const WRONG_PDU_VALUE: AtError = AtError::Cms(304);

impl AtError {
    /// Final result at a `+CMEE` level.
    pub(crate) fn line(self, level: u8) -> String {
        match (self, level) {
            (Self::Plain, _) | (_, 0) => "ERROR".to_owned(),
            (Self::Cme(code), 1) => format!("+CME ERROR: {code}"),
            (Self::Cms(code), 1) => format!("+CMS ERROR: {code}"),
            (Self::Cme(code), _) => format!("+CME ERROR: {}", cme_words(code)),
            (Self::Cms(code), _) => format!("+CMS ERROR: {}", cms_words(code)),
        }
    }
}

fn cme_words(code: u16) -> &'static str {
    match code {
        3 => "operation not allowed",
        4 => "operation not supported",
        10 => "SIM not inserted",
        11 => "SIM PIN required",
        12 => "SIM PUK required",
        13 => "SIM failure",
        14 => "SIM busy",
        15 => "SIM wrong",
        16 => "incorrect password",
        20 => "memory full",
        21 => "invalid index",
        22 => "not found",
        23 => "memory failure",
        30 => "no network service",
        31 => "network timeout",
        32 => "network not allowed - emergency calls only",
        50 => "incorrect parameters",
        515 => "please wait, init or command processing in progress",
        _ => "unknown",
    }
}

fn cms_words(code: u16) -> &'static str {
    match code {
        1 => "unassigned number",
        8 => "operator determined barring",
        10 => "call barred",
        21 => "short message transfer rejected",
        27 => "destination out of service",
        28 => "unidentified subscriber",
        30 => "unknown subscriber",
        38 => "network out of order",
        41 => "temporary failure",
        42 => "congestion",
        50 => "requested facility not subscribed",
        69 => "requested facility not implemented",
        300 => "ME failure",
        301 => "SMS service of ME reserved",
        302 => "operation not allowed",
        303 => "operation not supported",
        304 => "invalid PDU mode parameter",
        305 => "invalid text mode parameter",
        310 => "SIM not inserted",
        311 => "SIM PIN required",
        313 => "SIM failure",
        314 => "SIM busy",
        316 => "SIM PUK required",
        320 => "memory failure",
        321 => "invalid memory index",
        322 => "memory full",
        330 => "SMSC address unknown",
        331 => "no network service",
        332 => "network timeout",
        340 => "no +CNMA acknowledgement expected",
        _ => "unknown error",
    }
}
