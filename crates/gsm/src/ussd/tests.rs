use proptest::prelude::{any, prop_assert, prop_assert_eq, prop_assume, proptest};

use super::{UssdForm, UssdReader, UssdStatus};

/// Puts lines together as a session would and answers the status and the text.
fn read(lines: &[&str], form: Option<UssdForm>) -> Option<(UssdStatus, String)> {
    let (first, rest) = lines.split_first()?;
    let mut reader = UssdReader::begin(first)?;
    for line in rest {
        assert!(!reader.is_whole(), "{lines:?}: more is taken for somebody else's");
        reader.push(line);
    }
    let answer = reader.finish(form);
    assert_eq!(answer.raw.as_str(), lines.join("\n"));
    Some((answer.status, answer.text.as_str().to_owned()))
}

#[test]
fn codes_are_written_in_three_ways() {
    for (text, form, written) in [
        ("*100#", UssdForm::Plain, Some(("*100#", 15))),
        ("*100#", UssdForm::Packed, Some(("AA180C3602", 15))),
        ("*888#", UssdForm::Packed, Some(("2A1C0E3702", 15))),
        // Seven characters: the seven bits left are a carriage return.
        ("*123*1#", UssdForm::Packed, Some(("AA986CA68A8D1A", 15))),
        ("*100#", UssdForm::Ucs2, Some(("002A0031003000300023", 15))),
        ("*888#", UssdForm::Ucs2, Some(("002A0038003800380023", 15))),
        ("*123*1#", UssdForm::Ucs2, Some(("002A003100320033002A00310023", 15))),
        ("да", UssdForm::Ucs2, Some(("04340430", 72))),
        ("да", UssdForm::Packed, None),
        ("да", UssdForm::Plain, None),
        // What would end the argument, or is another character in the modem's alphabet, is not plain.
        ("a\"b", UssdForm::Plain, None),
        ("a;b", UssdForm::Plain, None),
        ("a\\b", UssdForm::Plain, None),
        ("a@b", UssdForm::Plain, None),
        ("a$b", UssdForm::Plain, None),
        ("a\r\u{1a}\u{1b}", UssdForm::Plain, None),
        ("a\"b", UssdForm::Packed, Some(("619118", 15))),
    ] {
        let encoded = form.encode(text);
        assert_eq!(encoded.as_ref().map(|(text, dcs)| (text.as_str(), *dcs)), written, "{text:?} {form:?}");
    }
    assert!(UssdForm::Packed.encode(&"1".repeat(182)).is_some_and(|(hex, _)| hex.len() == 320));
    assert!(UssdForm::Packed.encode(&"1".repeat(183)).is_none());
}

#[test]
fn answers_are_read_however_they_come() {
    use UssdStatus::{Final, NetworkTimeOut, NotSupported, OtherClient, ReplyExpected, Terminated, Unknown};
    for (lines, form, status, text) in [
        (&["+CUSD: 0,\"Saldo Rp10000\",15"][..], None, Final, "Saldo Rp10000"),
        (&["+CUSD: 0, \"Saldo Rp10000\", 15"], None, Final, "Saldo Rp10000"),
        (&["+CUSD:1,\"1 Pulsa 2 Nomor\",15"], None, ReplyExpected, "1 Pulsa 2 Nomor"),
        // The coding is missing, with or without its comma.
        (&["+CUSD: 0,\"Saldo Rp10000\""], None, Final, "Saldo Rp10000"),
        (&["+CUSD: 0,\"Saldo Rp10000\","], None, Final, "Saldo Rp10000"),
        // Without quotes; an amount behind a comma is none.
        (&["+CUSD: 0,Saldo Rp10000,15"], None, Final, "Saldo Rp10000"),
        (&["+CUSD: 0,Saldo 10,50"], None, Final, "Saldo 10,50"),
        // Over several lines, with quotes in it.
        (&["+CUSD: 1,\"Menu", "1 Pulsa", "2 Nomor\",15"], None, ReplyExpected, "Menu\n1 Pulsa\n2 Nomor"),
        (&["+CUSD: 1,\"Say \"1\"", "or \"2\"\",15"], None, ReplyExpected, "Say \"1\"\nor \"2\""),
        (&["+CUSD: 1,Menu", "1 Pulsa"], None, ReplyExpected, "Menu\n1 Pulsa"),
        // Nothing but a status.
        (&["+CUSD: 2"], None, Terminated, ""),
        (&["+CUSD: 3"], None, OtherClient, ""),
        (&["+CUSD: 4"], None, NotSupported, ""),
        (&["+CUSD: 5"], None, NetworkTimeOut, ""),
        (&["+CUSD: 7"], None, Unknown, ""),
        (&["+CUSD: 0,\"\",15"], None, Final, ""),
        // UTF-16: as its coding says, as it looks, and with rubbish behind a NUL.
        (&["+CUSD: 0,\"04110430043B0430043D0441\",72"], None, Final, "Баланс"),
        (&["+CUSD: 2,\"00480061006C006F\",15"], None, Terminated, "Halo"),
        (&["+CUSD: 0,\"00480061006C006F\""], None, Final, "Halo"),
        (&["+CUSD: 0,\"00480061006C006F0000D83DFFFF\",72"], None, Final, "Halo"),
        (&["+CUSD: 0,\"Halo\",72"], None, Final, "Halo"),
        // Two packed letters of a language before UTF-16.
        (&["+CUSD: 0,\"697200480061006C006F\",17"], None, Final, "Halo"),
        // Packed septets, as they look and as this modem is known to write them; digits alone are digits.
        (&["+CUSD: 0,\"31D98C56B3DD70\",15"], Some(UssdForm::Packed), Final, "12345678"),
        (&["+CUSD: 0,\"628110000001\",15"], None, Final, "628110000001"),
        (&["+CUSD: 0,\"FACE\",15"], Some(UssdForm::Plain), Final, "FACE"),
        (&["+CUSD: 0,\"00310032\",15"], None, Final, "12"),
        // Octets.
        (&["+CUSD: 0,\"48616C6F\",68"], None, Final, "Halo"),
        (&["+CUSD: 0,\"C3A9\",244"], None, Final, "é"),
        (&["+CUSD: 0,\"48E96C\",68"], None, Final, "Hél"),
        // A quote that is never closed.
        (&["+CUSD: 0,\"Halo"], None, Final, "Halo"),
    ] {
        assert_eq!(read(lines, form), Some((status, text.to_owned())), "{lines:?}");
    }
}

#[test]
fn a_packed_answer_is_known_by_its_looks() {
    for text in ["Saldo Rp10000", "Ihr Guthaben: 5,00 EUR", "1 Pulsa\n2 Nomor", "*123*1#", "Pulsa 1", "8 chars "] {
        let (hex, dcs) = UssdForm::Packed.encode(text).unwrap();
        let line = format!("+CUSD: 0,\"{}\",{dcs}", hex.as_str());
        assert_eq!(read(&[&line], None), Some((UssdStatus::Final, text.to_owned())), "{line}");
    }
}

#[test]
fn what_is_no_answer_is_none_and_an_answer_is_whole_when_its_quotes_are_closed() {
    for line in ["+CUSD", "+CUSD:", "+CUSD: x", "+CUSD: \"a\"", "+CSQ: 1,2", "OK", "AT+CUSD=1,\"*1#\",15"] {
        assert!(UssdReader::begin(line).is_none(), "{line}");
    }
    for (line, is_whole) in [
        ("+CUSD: 2", true),
        ("+CUSD: 0,\"a\",15", true),
        ("+CUSD: 0,\"a\"", true),
        ("+CUSD: 0,\"a", false),
        ("+CUSD: 0,\"5\" screen\"", false),
        ("+CUSD: 0,a", false),
        ("+CUSD: 0,\"", false),
    ] {
        assert_eq!(UssdReader::begin(line).unwrap().is_whole(), is_whole, "{line}");
    }
}

#[test]
fn no_debug_shows_a_text() {
    let mut reader = UssdReader::begin("+CUSD: 0,\"SECRET").unwrap();
    reader.push("SECRET\"");
    assert!(!format!("{reader:?}").contains("SECRET"));
    assert!(!format!("{:?}", reader.finish(None)).contains("SECRET"));
}

#[test]
fn an_answer_without_end_is_cut_off() {
    let mut reader = UssdReader::begin("+CUSD: 0,\"x").unwrap();
    for _ in 0..10_000 {
        reader.push("0123456789");
    }
    assert!(reader.finish(None).raw.len() <= super::MAX_BYTES);
}

proptest! {
    #[test]
    fn any_line_is_read_without_panic(line in "(\\+CUSD: ?)?[0-9,\"A-Fa-z\\x00 \u{e9}\u{4e2d}]{0,60}", more in any::<String>()) {
        if let Some(mut reader) = UssdReader::begin(&line) {
            reader.push(&more);
            let _whole = reader.is_whole();
            for form in [None, Some(UssdForm::Plain), Some(UssdForm::Ucs2), Some(UssdForm::Packed)] {
                let mut copy = UssdReader::begin(&line).unwrap();
                copy.push(&more);
                let _answer = copy.finish(form);
            }
        }
    }

    #[test]
    fn what_is_written_is_read_again(text in "[ -~\u{e4}\u{e8}\u{df}€]{1,160}") {
        for form in [UssdForm::Ucs2, UssdForm::Packed] {
            let Some((hex, dcs)) = form.encode(&text) else { continue };
            let line = format!("+CUSD: 1,\"{}\",{dcs}", hex.as_str());
            let answer = UssdReader::begin(&line).unwrap().finish(Some(form));
            prop_assert_eq!(answer.text.as_str(), text.as_str());
        }
    }

    #[test]
    fn nothing_that_ends_an_argument_is_ever_written(text in any::<String>()) {
        for form in UssdForm::ALL {
            if let Some((written, _)) = form.encode(&text) {
                prop_assert!(crate::at::quote(written.as_str()).is_ok() || written.len() > crate::at::MAX_QUOTED);
                prop_assert!(written.bytes().all(|byte| (0x20..0x7F).contains(&byte) && byte != b'"' && byte != b';'));
            }
        }
    }

    #[test]
    fn a_usual_text_is_read_again_whatever_is_known(text in "[A-Z][a-z]{2,8}( [A-Za-z]{2,9}){1,14}") {
        let (packed, dcs) = UssdForm::Packed.encode(&text).unwrap();
        // Octets whose hexadecimal digits are all decimal may as well be a number: they are taken as they stand.
        prop_assume!(packed.bytes().any(|digit| digit.is_ascii_alphabetic()));
        let line = format!("+CUSD: 1,\"{}\",{dcs}", packed.as_str());
        let answer = UssdReader::begin(&line).unwrap().finish(None);
        prop_assert_eq!(answer.text.as_str(), text.as_str());
    }
}
