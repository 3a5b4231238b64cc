//! Final result codes: the line that ends an answer.
//!
//! For: telling the end of an answer from its middle. Never takes a lone digit for a result unless asked to: digits are
//! answers too. Called by `modem`.
//!
//! # Standard
//! ITU-T V.250 §5.7.1; 3GPP TS 27.007 §9.2; 3GPP TS 27.005 §3.2.5.

use crate::error_code::ErrorCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FinalResult {
    /// Well.
    Ok,
    /// `ERROR`, or a vendor's word for it; no cause given.
    Error,
    /// `+CME ERROR`.
    Cme(ErrorCode),
    /// `+CMS ERROR`.
    Cms(ErrorCode),
    /// `NO CARRIER`. Also an unsolicited line when a call ends.
    NoCarrier,
    /// `NO DIALTONE`.
    NoDialtone,
    /// `BUSY`.
    Busy,
    /// `NO ANSWER`.
    NoAnswer,
    /// `CONNECT`, with or without a rate: the line carries data now.
    Connect,
}

impl FinalResult {
    /// Reads a line; `None` if it does not end an answer.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        if let Some(code) = after(line, "+CMS ERROR:") {
            return Some(Self::Cms(ErrorCode::parse_cms(code)));
        }
        if let Some(code) = after(line, "+CME ERROR:") {
            return Some(Self::Cme(ErrorCode::parse_cme(code)));
        }
        Some(match line {
            "OK" => Self::Ok,
            // `NA` and `COMMAND NOT SUPPORT`: Huawei sticks.
            "ERROR" | "COMMAND NOT SUPPORT" | "NA" => Self::Error,
            "NO CARRIER" => Self::NoCarrier,
            "NO DIALTONE" | "NO DIAL TONE" => Self::NoDialtone,
            "BUSY" => Self::Busy,
            "NO ANSWER" => Self::NoAnswer,
            "CONNECT" => Self::Connect,
            _ if line.starts_with("CONNECT ") => Self::Connect,
            // `MODEM ERROR: n`: Motorola.
            _ if line.starts_with("+EXT ERROR:") || line.starts_with("MODEM ERROR:") => Self::Error,
            _ => return None,
        })
    }

    /// Reads a numeric result, as a modem answers after `ATV0`. Seeing one means `ATV1` is to be sent.
    #[must_use]
    pub fn parse_numeric(line: &str) -> Option<Self> {
        Some(match line.trim() {
            "0" => Self::Ok,
            "1" => Self::Connect,
            "3" => Self::NoCarrier,
            "4" => Self::Error,
            _ => return None,
        })
    }

    /// The code, if the result has one.
    #[must_use]
    pub fn error_code(self) -> Option<ErrorCode> {
        match self {
            Self::Cme(code) | Self::Cms(code) => Some(code),
            _ => None,
        }
    }

    /// Whether the command ended well.
    #[must_use]
    pub fn is_ok(self) -> bool {
        matches!(self, Self::Ok | Self::Connect)
    }
}

/// What follows a prefix, whatever its case.
fn after<'a>(line: &'a str, prefix: &str) -> Option<&'a str> {
    line.get(..prefix.len()).filter(|head| head.eq_ignore_ascii_case(prefix))?;
    line.get(prefix.len()..).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::{ErrorCode, FinalResult};

    #[test]
    fn only_final_results_end_an_answer() {
        let rows = [
            ("OK", Some(FinalResult::Ok)),
            (" OK ", Some(FinalResult::Ok)),
            ("ERROR", Some(FinalResult::Error)),
            ("COMMAND NOT SUPPORT", Some(FinalResult::Error)),
            ("NA", Some(FinalResult::Error)),
            ("+EXT ERROR: 3", Some(FinalResult::Error)),
            ("MODEM ERROR: 12", Some(FinalResult::Error)),
            ("+CMS ERROR: 304", Some(FinalResult::Cms(ErrorCode::Cms(304)))),
            ("+CMS ERROR:38", Some(FinalResult::Cms(ErrorCode::Cms(38)))),
            ("+CMS ERROR: no network service", Some(FinalResult::Cms(ErrorCode::Cms(331)))),
            ("+CME ERROR: 14", Some(FinalResult::Cme(ErrorCode::Cme(14)))),
            ("+CME ERROR: SIM not inserted", Some(FinalResult::Cme(ErrorCode::Cme(10)))),
            ("+CME ERROR: SIM-BUSY", Some(FinalResult::Cme(ErrorCode::Cme(14)))),
            ("+CME ERROR: something else", Some(FinalResult::Cme(ErrorCode::Text))),
            ("+CME ERROR:", Some(FinalResult::Cme(ErrorCode::Text))),
            ("NO CARRIER", Some(FinalResult::NoCarrier)),
            ("NO DIALTONE", Some(FinalResult::NoDialtone)),
            ("BUSY", Some(FinalResult::Busy)),
            ("NO ANSWER", Some(FinalResult::NoAnswer)),
            ("CONNECT", Some(FinalResult::Connect)),
            ("CONNECT 9600", Some(FinalResult::Connect)),
            ("CONNECTED", None),
            ("OKAY", None),
            ("0", None),
            ("+CSQ: 1,99", None),
            ("", None),
            ("€€€€", None),
        ];
        for (line, expected) in rows {
            assert_eq!(FinalResult::parse(line), expected, "{line:?}");
        }
    }

    #[test]
    fn numeric_results_are_read_only_when_asked_for() {
        assert_eq!(FinalResult::parse_numeric("0"), Some(FinalResult::Ok));
        assert_eq!(FinalResult::parse_numeric("4\r"), Some(FinalResult::Error));
        assert_eq!(FinalResult::parse_numeric("2"), None);
    }
}
