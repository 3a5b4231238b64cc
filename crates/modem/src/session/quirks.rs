//! Where modems differ: the ways to say the same thing, tried in this order until one is accepted.
//!
//! Generic so far: no table by model. A new way goes here, with the device that needs it.

/// Ways to ask for the ICCID (SIMCom, SIM7600, Quectel, Huawei, ZTE): command and name of the answer.
pub(crate) const CARD_COMMANDS: [(&str, &str); 5] = [
    ("AT+CCID", "+CCID"),
    ("AT+CICCID", "+ICCID"),
    ("AT+QCCID", "+QCCID"),
    ("AT^ICCID?", "^ICCID"),
    ("AT+ZGETICCID", "+ZGETICCID"),
];

/// Ways to ask for the PIN tries left (3GPP TS 27.007 §8.65, SIMCom, Quectel, Huawei).
pub(super) const PIN_TRIES_COMMANDS: [(&str, &str); 4] =
    [("AT+CPINR=\"SIM PIN\"", "+CPINR"), ("AT+SPIC", "+SPIC"), ("AT+QPINC?", "+QPINC"), ("AT^CPIN?", "^CPIN")];

/// `AT+CNMI` with delivery reports, best first (3GPP TS 27.005 §3.4.1).
const ROUTING_WITH_REPORTS: [(&str, &str); 5] = [
    ("AT+CNMI=2,1,2,1,0", "2,1,2,1,0"),
    ("AT+CNMI=2,1,2,2,0", "2,1,2,2,0"),
    ("AT+CNMI=1,1,0,1,0", "1,1,0,1,0"),
    ("AT+CNMI=1,1,0,2,0", "1,1,0,2,0"),
    ("AT+CNMI=2,1,2,0,0", "2,1,2,0,0"),
];

/// `AT+CNMI` without delivery reports.
const ROUTING_WITHOUT_REPORTS: [(&str, &str); 3] =
    [("AT+CNMI=2,1,2,0,0", "2,1,2,0,0"), ("AT+CNMI=2,1,0,0,0", "2,1,0,0,0"), ("AT+CNMI=1,1,0,0,0", "1,1,0,0,0")];

/// Returns the ways of routing that fit the settings: command and its parameters.
pub(super) fn routings(delivery_reports: bool) -> &'static [(&'static str, &'static str)] {
    if delivery_reports { &ROUTING_WITH_REPORTS } else { &ROUTING_WITHOUT_REPORTS }
}
