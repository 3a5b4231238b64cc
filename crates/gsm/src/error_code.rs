//! `+CMS ERROR` and `+CME ERROR` codes: what they mean and what to do about them.
//!
//! For: one table of meanings and one of classes. Never decides: the dispatcher and the modem's session do.
//! Called by [`crate::result_code`], `modem` and the SMS channel.
//!
//! # Standard
//! 3GPP TS 27.005 §3.2.5 (CMS), 3GPP TS 24.011 Annex E (0 to 127), 3GPP TS 23.040 §9.2.3.22 (128 to 255),
//! 3GPP TS 27.007 §9.2 (CME).

/// A cause that came with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// `+CMS ERROR: n`.
    Cms(u16),
    /// `+CME ERROR: n`.
    Cme(u16),
    /// Words that are in no table.
    Text,
}

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// Try again on this modem, after a pause.
    RetryHere,
    /// Try another modem or SIM.
    OtherModem,
    /// The message cannot be sent.
    GiveUp,
    /// The modem needs a person or another setting: take it out of the rotation.
    Configuration,
    /// It is not known whether the message was sent.
    Unknown,
    /// The service centre has the message already (197, duplicate).
    AlreadySent,
}

use ErrorClass::{AlreadySent, Configuration, GiveUp, OtherModem, RetryHere, Unknown};

/// One row: first code, last code, meaning, class.
type Row = (u16, u16, &'static str, ErrorClass);

const CMS: &[Row] = &[
    (1, 1, "unassigned number", GiveUp),
    (8, 8, "operator determined barring", Configuration),
    (10, 10, "call barred", Configuration),
    (17, 17, "network failure", RetryHere),
    (21, 21, "short message transfer rejected", OtherModem),
    (22, 22, "memory capacity exceeded", RetryHere),
    (27, 27, "destination out of service", RetryHere),
    (28, 28, "unidentified subscriber", GiveUp),
    (29, 29, "facility rejected", OtherModem),
    (30, 30, "unknown subscriber", GiveUp),
    (38, 38, "network out of order", RetryHere),
    (41, 41, "temporary failure", RetryHere),
    (42, 42, "congestion", RetryHere),
    (47, 47, "resources unavailable", RetryHere),
    (50, 50, "requested facility not subscribed", Configuration),
    (69, 69, "requested facility not implemented", Configuration),
    (81, 81, "invalid transfer reference", RetryHere),
    (95, 95, "semantically incorrect message", GiveUp),
    (96, 96, "invalid mandatory information", GiveUp),
    (97, 97, "message type not implemented", GiveUp),
    (98, 98, "message not compatible with state", RetryHere),
    (99, 99, "information element not implemented", GiveUp),
    (111, 111, "protocol error", RetryHere),
    (127, 127, "interworking, unspecified", OtherModem),
    // Causes not listed count as 41, temporary failure (3GPP TS 24.011 §8.2.5.4).
    (0, 126, "network cause not listed", RetryHere),
    (128, 128, "telematic interworking not supported", GiveUp),
    (129, 129, "short message type 0 not supported", GiveUp),
    (130, 130, "cannot replace short message", GiveUp),
    (143, 143, "unspecified protocol identifier error", GiveUp),
    (144, 144, "data coding scheme not supported", GiveUp),
    (145, 145, "message class not supported", GiveUp),
    (159, 159, "unspecified data coding scheme error", GiveUp),
    (160, 160, "command cannot be actioned", GiveUp),
    (161, 161, "command unsupported", GiveUp),
    (175, 175, "unspecified command error", GiveUp),
    (176, 176, "pdu not supported", GiveUp),
    (128, 175, "service centre error not listed", GiveUp),
    (192, 192, "service centre busy", RetryHere),
    (193, 193, "no service centre subscription", Configuration),
    (194, 194, "service centre system failure", RetryHere),
    (195, 195, "invalid destination address", GiveUp),
    (196, 196, "destination barred", GiveUp),
    (197, 197, "duplicate rejected: already sent", AlreadySent),
    // To be encoded again without a validity period, once; a caller that cannot tries elsewhere.
    (198, 198, "validity period format not supported", OtherModem),
    (199, 199, "validity period not supported", OtherModem),
    (208, 208, "sim storage full", RetryHere),
    (209, 209, "no sms storage on the sim", RetryHere),
    (210, 210, "error in the modem", RetryHere),
    (211, 211, "memory capacity exceeded", RetryHere),
    (212, 212, "sim application toolkit busy", RetryHere),
    (177, 255, "unspecified error", OtherModem),
    (300, 300, "modem failure", RetryHere),
    (301, 301, "sms service of the modem reserved", RetryHere),
    (302, 302, "operation not allowed", RetryHere),
    (303, 303, "operation not supported", GiveUp),
    (304, 304, "invalid pdu mode parameter", GiveUp),
    (305, 305, "invalid text mode parameter", GiveUp),
    (310, 310, "sim not inserted", Configuration),
    (311, 311, "sim pin required", Configuration),
    (312, 312, "phone-sim pin required", Configuration),
    (313, 313, "sim failure", Configuration),
    (314, 314, "sim busy", RetryHere),
    (315, 315, "sim wrong", Configuration),
    (316, 316, "sim puk required", Configuration),
    (317, 317, "sim pin2 required", Configuration),
    (318, 318, "sim puk2 required", Configuration),
    (320, 320, "memory failure", RetryHere),
    (321, 321, "invalid memory index", RetryHere),
    (322, 322, "memory full", RetryHere),
    (330, 330, "service centre address unknown", Configuration),
    (331, 331, "no network service", OtherModem),
    (332, 332, "network timeout", Unknown),
    (340, 340, "no acknowledgement expected", RetryHere),
    (500, 500, "unknown error", Unknown),
    // Vendor codes: SIMCom, Siemens and Cinterion agree that nothing was sent.
    (513, 513, "message too long, or unable to store", GiveUp),
    (514, 514, "invalid parameter", GiveUp),
    (515, 515, "storage failure, or bad character in the address", GiveUp),
    // SIMCom says it when the network did not confirm in time: the message may be there.
    (521, 521, "network did not confirm, vendor error", Unknown),
    (529, 529, "sending is not allowed", Configuration),
    (549, 549, "bad pdu length", GiveUp),
    (512, u16::MAX, "vendor error", RetryHere),
];

const CME: &[Row] = &[
    (0, 0, "phone failure", RetryHere),
    (1, 1, "no connection to phone", RetryHere),
    (2, 2, "phone link reserved", RetryHere),
    // Also: the SIM is not ready yet.
    (3, 3, "operation not allowed", RetryHere),
    (4, 4, "operation not supported", OtherModem),
    (5, 5, "phone-sim pin required", Configuration),
    (6, 6, "phone-fsim pin required", Configuration),
    (7, 7, "phone-fsim puk required", Configuration),
    (10, 10, "sim not inserted", Configuration),
    (11, 11, "sim pin required", Configuration),
    (12, 12, "sim puk required", Configuration),
    (13, 13, "sim failure", Configuration),
    (14, 14, "sim busy", RetryHere),
    (15, 15, "sim wrong", Configuration),
    (16, 16, "incorrect password", Configuration),
    (17, 17, "sim pin2 required", Configuration),
    (18, 18, "sim puk2 required", Configuration),
    (20, 20, "memory full", GiveUp),
    (21, 21, "invalid index", GiveUp),
    (22, 22, "not found", GiveUp),
    (23, 23, "memory failure", GiveUp),
    (24, 24, "text string too long", GiveUp),
    (25, 25, "invalid characters in text string", GiveUp),
    (26, 26, "dial string too long", GiveUp),
    (27, 27, "invalid characters in dial string", GiveUp),
    (30, 30, "no network service", OtherModem),
    // As CMS 332: the network may have the message.
    (31, 31, "network timeout", Unknown),
    (32, 32, "emergency calls only", OtherModem),
    (40, 48, "personalisation lock", Configuration),
    (50, 50, "incorrect parameters", GiveUp),
    (51, 51, "command disabled", Configuration),
    (52, 52, "command aborted", RetryHere),
    (53, 53, "not attached", OtherModem),
    (54, 54, "emergency calls only", OtherModem),
    (55, 55, "restricted service", OtherModem),
    (56, 56, "fixed dialling numbers only", Configuration),
    (57, 57, "temporarily out of service", RetryHere),
    (58, 58, "alphabet not supported", GiveUp),
    (59, 59, "unexpected value", GiveUp),
    (60, 60, "system failure", RetryHere),
    (61, 61, "data missing", GiveUp),
    (62, 62, "call barred", Configuration),
    (100, 100, "unknown error", Unknown),
    (103, 103, "illegal subscriber", Configuration),
    (106, 106, "illegal modem", Configuration),
    (107, 107, "packet service not allowed", Configuration),
    (111, 111, "network not allowed", Configuration),
    (112, 112, "location area not allowed", Configuration),
    (113, 113, "roaming not allowed here", Configuration),
    // Codes of a data session; they say nothing about this message.
    (132, 132, "service option not supported", OtherModem),
    (133, 133, "service option not subscribed", OtherModem),
    (134, 134, "service option out of order", OtherModem),
    (148, 148, "unspecified packet service error", OtherModem),
    (149, 149, "pdp authentication failure", OtherModem),
    (150, 150, "invalid mobile class", OtherModem),
    (256, 256, "operation temporarily not allowed", RetryHere),
    (257, 257, "call barred", Configuration),
    (258, 258, "phone busy", RetryHere),
    (259, 259, "user abort", RetryHere),
    (260, 260, "invalid dial string", GiveUp),
    (261, 261, "supplementary service not executed", RetryHere),
    (262, 262, "sim blocked", Configuration),
    (263, 263, "invalid block", GiveUp),
    (515, 515, "please wait, device busy", RetryHere),
    (772, 772, "sim powered down", Configuration),
];

const NOT_LISTED: (&str, ErrorClass) = ("error not listed", Unknown);

impl ErrorCode {
    /// Reads what follows `+CMS ERROR:`, a number or the words of the table.
    #[must_use]
    pub fn parse_cms(text: &str) -> Self {
        number(text).or_else(|| by_words(CMS, text)).map_or(Self::Text, Self::Cms)
    }

    /// Reads what follows `+CME ERROR:`, a number or the words of the table.
    #[must_use]
    pub fn parse_cme(text: &str) -> Self {
        number(text).or_else(|| by_words(CME, text)).map_or(Self::Text, Self::Cme)
    }

    /// The number, unless it was words.
    #[must_use]
    pub fn number(self) -> Option<u16> {
        match self {
            Self::Cms(number) | Self::Cme(number) => Some(number),
            Self::Text => None,
        }
    }

    /// What it means, in the words of the standard where it has some.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        self.row().0
    }

    /// What to do about it.
    #[must_use]
    pub fn class(self) -> ErrorClass {
        self.row().1
    }

    /// Whether the same message may pass without a validity period.
    #[must_use]
    pub fn refuses_validity(self) -> bool {
        matches!(self, Self::Cms(198 | 199))
    }

    /// The first row that covers the code: single codes stand before the ranges around them.
    fn row(self) -> (&'static str, ErrorClass) {
        let (table, code) = match self {
            Self::Cms(code) => (CMS, code),
            Self::Cme(code) => (CME, code),
            Self::Text => return NOT_LISTED,
        };
        let row = table.iter().find(|(first, last, _, _)| (*first..=*last).contains(&code));
        row.map_or(NOT_LISTED, |(_, _, meaning, class)| (*meaning, *class))
    }
}

/// The code and its meaning, for logs and people.
impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cms(number) => write!(f, "CMS {number} ({})", self.meaning()),
            Self::Cme(number) => write!(f, "CME {number} ({})", self.meaning()),
            Self::Text => f.write_str(self.meaning()),
        }
    }
}

fn number(text: &str) -> Option<u16> {
    text.trim().parse().ok()
}

/// Finds words by their letters and digits only: firmware is free with hyphens, blanks and case.
fn by_words(table: &[Row], text: &str) -> Option<u16> {
    let bare = |text: &str| -> String {
        text.chars().filter(|it| it.is_ascii_alphanumeric()).map(|it| it.to_ascii_lowercase()).collect()
    };
    let wanted = bare(text);
    table.iter().find(|(first, last, words, _)| first == last && bare(words) == wanted).map(|(first, ..)| *first)
}

#[cfg(test)]
mod tests {
    use super::{AlreadySent, Configuration, ErrorClass, ErrorCode, GiveUp, OtherModem, RetryHere, Unknown};

    fn check(code: impl Fn(u16) -> ErrorCode, rows: &[(ErrorClass, &[u16])]) {
        for (class, numbers) in rows {
            for number in *numbers {
                assert_eq!(code(*number).class(), *class, "{}", code(*number));
            }
        }
    }

    #[test]
    fn every_cms_code_has_the_class_of_the_table() {
        check(
            ErrorCode::Cms,
            &[
                (RetryHere, &[17, 22, 27, 38, 41, 42, 47, 81, 98, 111, 192, 194, 208, 209, 210, 211, 212]),
                (RetryHere, &[300, 301, 302, 314, 320, 321, 322, 340, 2, 60, 512, 517, 528, 531, 532]),
                (OtherModem, &[21, 29, 127, 198, 199, 255, 331, 200]),
                (GiveUp, &[1, 28, 30, 95, 96, 97, 99, 128, 129, 130, 143, 144, 145, 159, 160, 161, 175, 150]),
                (GiveUp, &[176, 195, 196, 303, 304, 305, 513, 514, 515, 549]),
                (Configuration, &[8, 10, 50, 69, 193, 310, 311, 312, 313, 315, 316, 317, 318, 330, 529]),
                (Unknown, &[332, 500, 260, 400]),
                (AlreadySent, &[197]),
            ],
        );
    }

    #[test]
    fn every_cme_code_has_the_class_of_the_table() {
        check(
            ErrorCode::Cme,
            &[
                (RetryHere, &[0, 1, 2, 3, 14, 52, 57, 60, 256, 258, 259, 261, 515]),
                (OtherModem, &[4, 30, 32, 53, 54, 55, 132, 133, 134, 148, 149, 150]),
                (GiveUp, &[20, 21, 22, 23, 24, 25, 26, 27, 50, 58, 59, 61, 260, 263]),
                (Configuration, &[5, 6, 7, 10, 11, 12, 13, 15, 16, 17, 18, 40, 44, 48, 51, 56, 62, 103, 106, 107]),
                (Configuration, &[111, 112, 113, 257, 262, 772]),
                (Unknown, &[31, 100, 999]),
            ],
        );
    }

    #[test]
    fn words_are_matched_by_letters_and_digits_only() {
        let rows = [
            ("SIM busy", ErrorCode::Cme(14)),
            ("sim-busy", ErrorCode::Cme(14)),
            (" 014", ErrorCode::Cme(14)),
            ("SIM PIN required", ErrorCode::Cme(11)),
            ("whatever", ErrorCode::Text),
            ("99999", ErrorCode::Text),
            ("-1", ErrorCode::Text),
        ];
        for (text, expected) in rows {
            assert_eq!(ErrorCode::parse_cme(text), expected, "{text:?}");
        }
        assert_eq!(ErrorCode::parse_cms("Network timeout"), ErrorCode::Cms(332));
        assert_eq!(ErrorCode::Text.class(), Unknown);
    }

    #[test]
    fn a_code_is_shown_with_its_meaning() {
        assert_eq!(ErrorCode::Cms(304).to_string(), "CMS 304 (invalid pdu mode parameter)");
        assert!(ErrorCode::Cms(198).refuses_validity() && !ErrorCode::Cme(198).refuses_validity());
    }
}
