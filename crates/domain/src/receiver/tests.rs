use proptest::prelude::*;

use super::*;

fn plan() -> NumberingPlan {
    NumberingPlan { country_code: CountryCode::parse("62").unwrap() }
}

fn parse(text: &str) -> Result<String, ReceiverError> {
    Receiver::parse(text, &plan()).map(|receiver| receiver.expose().to_owned())
}

#[test]
fn receivers_become_canonical() {
    for (text, canonical) in [
        ("08126666666", "628126666666"),
        ("+628126666666", "628126666666"),
        ("00628126666666", "628126666666"),
        ("628126666666", "628126666666"),
        (" +62 (812) 666-66.66\t", "628126666666"),
        ("+1 202 555 0123", "12025550123"),
        ("0812345", "62812345"),
        ("1234567", "1234567"),
        ("123456789012345", "123456789012345"),
        ("٠٨١٢٦٦٦٦٦٦٦", "628126666666"),
        ("۰۸۱۲۶۶۶۶۶۶۶", "628126666666"),
        ("+６２８１２６６６６６６６", "628126666666"),
        (" Some.One+Tag@Example.ORG ", "some.one+tag@example.org"),
        ("a@localhost", "a@localhost"),
    ] {
        assert_eq!(parse(text).as_deref(), Ok(canonical), "{text}");
    }
}

#[test]
fn what_is_no_receiver_is_refused_with_its_reason() {
    use ReceiverError::{Empty, NoCountryCode, NotADigit, NotAnAddress, ShortCode, TooLong, TooShort};
    for (text, error) in [
        ("", Empty),
        ("  -() ", Empty),
        ("+", Empty),
        ("0812x666", NotADigit),
        ("62+8126666666", NotADigit),
        ("++628126666666", NotADigit),
        ("0812\r666666\"", NotADigit),
        ("०८१२६६६६६६६", NotADigit),
        ("123456", ShortCode),
        ("112", ShortCode),
        ("+12345", TooShort),
        ("0812", TooShort),
        ("1234567890123456", TooLong),
        ("00812345678901234567890", TooLong),
        ("012345678901234", TooLong),
        ("+08126666666", NoCountryCode),
        ("0008126666666", NoCountryCode),
        ("@", NotAnAddress),
        ("a@", NotAnAddress),
        ("@example.org", NotAnAddress),
        ("a@b@example.org", NotAnAddress),
        ("a..b@example.org", NotAnAddress),
        ("a@example..org", NotAnAddress),
        ("a@-example.org", NotAnAddress),
        ("a b@example.org", NotAnAddress),
        ("a@example.org\r\nBcc: x@y.z", NotAnAddress),
        ("<a@example.org>", NotAnAddress),
    ] {
        assert_eq!(parse(text), Err(error), "{text:?}");
    }
    assert_eq!(parse(&format!("{}@example.org", "a".repeat(65))), Err(NotAnAddress));
}

#[test]
fn receivers_are_shown_masked() {
    for (canonical, shown) in [
        ("628126666666", "62812•••66"),
        ("12345678901", "12345•••01"),
        ("1234567", "1•••67"),
        ("alice@example.org", "a•••@example.org"),
        ("a@example.org", "•••@example.org"),
    ] {
        let receiver = Receiver::from_canonical(canonical).unwrap();
        assert_eq!(receiver.to_string(), shown);
        assert_eq!(format!("{receiver:?}"), shown);
    }
    let msisdn = Msisdn::from_canonical("628126666666").unwrap();
    assert_eq!(format!("{msisdn} {msisdn:?}"), "62812•••66 62812•••66");
}

#[test]
fn the_tail_is_the_last_digits() {
    let msisdn = Msisdn::from_canonical("628126666789").unwrap();
    assert_eq!([msisdn.tail(0), msisdn.tail(7), msisdn.tail(99)], ["", "6666789", "628126666789"]);
}

#[test]
fn only_canonical_text_is_taken_as_canonical() {
    for text in ["", "0812666666", "+628126666666", "123456", "1234567890123456", "62812x66666", "A@example.org"] {
        assert!(Receiver::from_canonical(text).is_none(), "{text}");
    }
}

#[test]
fn country_codes_are_one_to_three_digits() {
    assert_eq!(CountryCode::parse("+62").unwrap().as_str(), "62");
    for text in ["", "+", "0", "062", "6200", "6x", "６２"] {
        assert_eq!(CountryCode::parse(text), Err(ReceiverError::BadCountryCode), "{text}");
    }
}

proptest! {
    #[test]
    fn parsing_never_panics_and_what_it_answers_is_stable(text in "\\PC*") {
        check_stable(&text)?;
    }

    #[test]
    fn parsing_of_number_like_text_is_stable(text in "[+0-9٠-٩ ().-]{0,24}") {
        check_stable(&text)?;
    }

    #[test]
    fn parsing_of_address_like_text_is_stable(text in "[A-Za-z0-9.+ -]{0,8}@[A-Za-z0-9.-]{0,12}") {
        check_stable(&text)?;
    }

    #[test]
    fn a_masked_number_hides_four_digits_or_more(digits in "[1-9][0-9]{6,14}") {
        let shown = Msisdn::from_canonical(&digits).unwrap().to_string();
        let visible = shown.chars().filter(char::is_ascii_digit).count();
        prop_assert!(digits.len() - visible >= 4);
    }
}

fn check_stable(text: &str) -> Result<(), TestCaseError> {
    if let Ok(receiver) = Receiver::parse(text, &plan()) {
        prop_assert_eq!(Receiver::parse(receiver.expose(), &plan()), Ok(receiver.clone()));
        prop_assert_eq!(Receiver::from_canonical(receiver.expose()), Some(receiver.clone()));
        let length = receiver.msisdn().map(|msisdn| msisdn.expose().len());
        prop_assert!(length.is_none_or(|length| (7..=15).contains(&length)));
    }
    Ok(())
}
