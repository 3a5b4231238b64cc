//! Reads the answers of the session's own commands out of their lines.
//!
//! Lenient about blanks, quotes and missing fields, strict about meaning: what does not parse is `None`.

/// Splits what follows the prefix into fields, without blanks and quotes; commas inside quotes stay.
pub(super) fn fields(line: &str) -> Vec<&str> {
    let rest = line.split_once(':').map_or(line, |(_, rest)| rest);
    let mut is_quoted = false;
    rest.split(|character: char| {
        is_quoted ^= character == '"';
        character == ',' && !is_quoted
    })
    .map(|field| field.trim().trim_matches('"').trim())
    .collect()
}

/// Reads `<rssi>` of `+CSQ`; 99 and what is out of range is not known.
pub(super) fn rssi(lines: &[String]) -> Option<u8> {
    lines.iter().find_map(|line| fields(line).first()?.parse().ok()).filter(|rssi| *rssi <= 31)
}

/// Turns `<rssi>` into dBm (3GPP TS 27.007 §8.5).
pub(super) fn dbm(rssi: u8) -> i16 {
    -113 + 2 * i16::from(rssi)
}

/// Reads `<stat>` of the answer `+CREG: <n>,<stat>…`.
pub(super) fn registration(lines: &[String]) -> Option<u8> {
    lines.iter().find_map(|line| {
        let fields = fields(line);
        fields.get(1)?.parse().ok()
    })
}

/// Reads `<stat>` of the URC `+CREG: <stat>[,…]`.
pub(super) fn registration_urc(line: &str) -> Option<u8> {
    fields(line).first()?.parse().ok()
}

/// Reads the operator's name of `+COPS: <mode>[,<format>,<name>…]`.
pub(super) fn operator(lines: &[String]) -> Option<String> {
    lines.iter().find_map(|line| fields(line).get(2).map(|name| printable(name))).filter(|name| !name.is_empty())
}

/// Reads the state of `+CPIN`.
pub(super) fn pin_state(lines: &[String]) -> Option<String> {
    lines.iter().find_map(|line| fields(line).first().map(|state| state.to_ascii_uppercase()))
}

/// Reads the address of `+CSCA`.
pub(super) fn service_center(lines: &[String]) -> Option<String> {
    lines.iter().find_map(|line| fields(line).first().map(|address| printable(address))).filter(|text| !text.is_empty())
}

/// Reads a free text, its prefix taken off.
pub(super) fn text(prefix: &str, lines: &[String]) -> Option<String> {
    let text: Vec<String> = lines
        .iter()
        .map(|line| printable(line.strip_prefix(prefix).unwrap_or(line).trim().trim_matches('"')))
        .filter(|line| !line.is_empty())
        .collect();
    (!text.is_empty()).then(|| text.join(" "))
}

/// Reads an IMEI: the first 15 digits, if their check digit is right (3GPP TS 23.003 annex B).
pub(super) fn imei(lines: &[String]) -> Option<String> {
    lines.iter().find_map(|line| {
        let digits: String = digits(line).chars().take(15).collect();
        (digits.len() == 15 && has_luhn_digit(&digits)).then_some(digits)
    })
}

/// Reads an IMSI: 6 to 15 digits.
pub(super) fn imsi(lines: &[String]) -> Option<String> {
    lines.iter().map(|line| digits(line)).find(|digits| (6..=15).contains(&digits.len()))
}

/// Reads an ICCID: 18 to 20 digits, a filling `F` taken off (ITU-T E.118).
pub(super) fn iccid(lines: &[String]) -> Option<String> {
    lines.iter().map(|line| digits(line)).find(|digits| (18..=20).contains(&digits.len()))
}

/// Reads the storage that messages are read from, of `+CPMS: "SM",…`.
pub(super) fn storage(lines: &[String]) -> Option<String> {
    lines.iter().find_map(|line| storage_name(fields(line).first()?))
}

/// Reads storage and index of `+CMTI: "SM",3` and `+CDSI: "SM",3`.
pub(super) fn place(line: &str) -> Option<(String, u16)> {
    let fields = fields(line);
    Some((storage_name(fields.first()?)?, fields.get(1)?.parse().ok()?))
}

/// Reads `<mr>` of `+CMGS: <mr>[,…]`.
pub(super) fn message_reference(line: &str) -> Option<u8> {
    fields(line).first()?.parse().ok()
}

/// Reads `<length>`, the last field of `+CDS: <length>`, `+CDS: ,<length>`, `+CMT: [<alpha>],<length>` and `+CMGR`.
pub(super) fn pdu_length(line: &str) -> Option<usize> {
    fields(line).last()?.parse().ok()
}

/// Reads `<length>` of an answer to `AT+CMGR`.
pub(super) fn stored_length(lines: &[String]) -> Option<usize> {
    lines.iter().find(|line| line.starts_with("+CMGR:")).and_then(|line| pdu_length(line))
}

/// Answers whether a line is one PDU: hexadecimal digits in pairs.
pub(super) fn is_pdu(line: &str) -> bool {
    line.len() >= 4 && line.len().is_multiple_of(2) && line.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Takes a storage name only if it could never be anything else: it is written to the line again.
fn storage_name(text: &str) -> Option<String> {
    (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())).then(|| text.to_owned())
}

fn digits(line: &str) -> String {
    let rest = line.split_once(':').map_or(line, |(_, rest)| rest);
    rest.trim().trim_matches('"').chars().take_while(char::is_ascii_digit).collect()
}

fn has_luhn_digit(digits: &str) -> bool {
    let sum: u32 = digits
        .chars()
        .rev()
        .filter_map(|digit| digit.to_digit(10))
        .enumerate()
        .map(|(at, digit)| if at % 2 == 1 { digit * 2 / 10 + digit * 2 % 10 } else { digit })
        .sum();
    sum.is_multiple_of(10)
}

/// Keeps what can be shown of a text from the line, at most 64 characters.
fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn answers_of_real_modems_are_read() {
        assert_eq!(rssi(&lines("+CSQ: 21,0")), Some(21));
        assert_eq!(rssi(&lines("+CSQ: 99,99")), None);
        assert_eq!(dbm(21), -71);
        assert_eq!(registration(&lines("+CREG: 2,1,\"0B,\"0100701\",7")), Some(1));
        assert_eq!(registration(&lines("+CREG:002,005,\"18d8\",\"ffff\"")), Some(5));
        assert_eq!(registration(&lines("+CREG: 1")), None, "that is the URC");
        assert_eq!(registration(&lines("+CREG: 5\n+CREG: 1,2")), Some(2), "a URC inside the answer");
        assert_eq!(registration_urc("+CREG: 5,\"00\""), Some(5));
        assert_eq!(operator(&lines("+COPS: 0,0,\"PT, Telkomsel\",2")).as_deref(), Some("PT, Telkomsel"));
        assert_eq!(operator(&lines("+COPS: 0")), None);
        assert_eq!(pin_state(&lines("+CPIN: \"SIM PIN\"")).as_deref(), Some("SIM PIN"));
        assert_eq!(service_center(&lines("+CSCA: \"+6281100000\",145")).as_deref(), Some("+6281100000"));
        assert_eq!(text("+CGMI:", &lines("+CGMI: \"SIMCOM_Ltd\"")).as_deref(), Some("SIMCOM_Ltd"));
        assert_eq!(iccid(&lines("+CCID: \"8962100000000000001F\"")).as_deref(), Some("8962100000000000001"));
        assert_eq!(iccid(&lines("89621000000000000012")).as_deref(), Some("89621000000000000012"));
        assert_eq!(imsi(&lines("510100000000001")).as_deref(), Some("510100000000001"));
        assert_eq!(storage(&lines("+CPMS: \"SM\",0,20,\"SM\",0,20,\"SM\",0,20")).as_deref(), Some("SM"));
        assert_eq!(place("+CMTI: \"SM\",3"), Some(("SM".to_owned(), 3)));
        assert_eq!(place("+CMTI: \"SM\"\rATD1\",3"), None);
        assert_eq!(message_reference("+CMGS: 7,\"ack\""), Some(7));
        assert_eq!(message_reference("+CMGS: 300"), None);
    }

    #[test]
    fn an_imei_is_taken_only_with_its_check_digit() {
        assert_eq!(imei(&lines("+CGSN: \"490154203237518\"")).as_deref(), Some("490154203237518"));
        assert_eq!(imei(&lines("49015420323751801")).as_deref(), Some("490154203237518"), "with software version");
        assert_eq!(imei(&lines("490154203237519")), None);
    }
}
