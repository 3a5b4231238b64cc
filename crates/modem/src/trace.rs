//! The trace of the line: verbs and result codes, nothing else.
//!
//! For: bug reports. Never: a text, a PDU, a PIN or a number of somebody. What is not known to be harmless is counted,
//! not shown.

/// Traces what was written, by its verb.
pub(crate) fn written(modem: &str, verb: &str) {
    tracing::trace!(modem.name = %modem, "> {verb}");
}

/// Traces a line that was read.
pub(crate) fn received(modem: &str, line: &str) {
    if tracing::enabled!(tracing::Level::TRACE) {
        tracing::trace!(modem.name = %modem, "< {}", harmless(line));
    }
}

/// Returns what may be shown of a line from the modem.
pub(crate) fn harmless(line: &str) -> String {
    if matches!(line, ">" | "OK" | "ERROR") {
        return line.to_owned();
    }
    let is_verb = |text: &str| {
        text.len() <= 12
            && text.starts_with(['+', '^', '*', '$'])
            && text.chars().skip(1).all(|character| character.is_ascii_uppercase())
            && text.len() > 1
    };
    match line.split_once(':') {
        Some((verb @ ("+CMS ERROR" | "+CME ERROR"), code)) if code.trim().parse::<u16>().is_ok() => {
            format!("{verb}: {}", code.trim())
        }
        Some((verb, _)) if is_verb(verb) => format!("{verb}: …"),
        _ => format!("… {} characters", line.chars().count()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_verbs_and_result_codes_are_shown() {
        for (line, shown) in [
            ("OK", "OK"),
            ("+CMS ERROR: 38", "+CMS ERROR: 38"),
            ("+CME ERROR: SIM 1234 wrong", "… 26 characters"),
            ("+CMGS: 7", "+CMGS: …"),
            ("+CMT: \"+628126666666\",,\"26/11/21\"", "+CMT: …"),
            ("0011000B91261826", "… 16 characters"),
            ("AT+CPIN=\"1234\"", "… 14 characters"),
            ("Your code is 123456", "… 19 characters"),
            ("+YOURCODEIS123456: x", "… 20 characters"),
        ] {
            assert_eq!(harmless(line), shown);
        }
    }
}
