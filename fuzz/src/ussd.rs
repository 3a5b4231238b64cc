//! Dialogues with the network: what may be dialled and replied, and the amount in what is answered.

use modem::{MAX_USSD_CODE, MAX_USSD_REPLY, UssdCode, UssdReply};
use otp_pi::ussd::{Amount, Pattern};

/// The first line is dialled and replied, the second is the pattern of an amount, the rest is the answer of the network.
pub fn ussd(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.splitn(3, '\n');
    let (dialled, pattern, answer) =
        (lines.next().unwrap_or(""), lines.next().unwrap_or(""), lines.next().unwrap_or(""));
    dial(dialled);
    for text in answer.lines().chain([answer]) {
        amount(text);
    }
    if let Ok(pattern) = Pattern::parse(pattern)
        && let Some(found) = pattern.find(answer)
    {
        shown(found);
    }
}

fn dial(text: &str) {
    let bare = text.trim_matches(' ');
    match UssdCode::parse(text) {
        Ok(code) => {
            assert!((2..=MAX_USSD_CODE).contains(&bare.len()) && UssdCode::is_like(text));
            // It is written between quotes.
            assert!(bare.bytes().all(|byte| byte.is_ascii_digit() || b"*#+".contains(&byte)), "{bare:?}");
            assert_eq!(UssdCode::parse(bare), Ok(code.clone()));
            assert_eq!(format!("{code:?}"), "UssdCode(•••)", "a code may be a voucher");
            assert!(UssdReply::parse(bare).is_ok(), "what may be dialled may be replied");
        }
        Err(refusal) => assert!(bare.len() < 4 || !refusal.to_string().contains(bare), "{refusal}"),
    }
    if let Ok(reply) = UssdReply::parse(text) {
        assert!((1..=MAX_USSD_REPLY).contains(&text.chars().count()) && !text.chars().any(char::is_control));
        assert_eq!(format!("{reply:?}"), "UssdReply(•••)", "a reply may be a password");
    }
}

fn amount(text: &str) {
    if let Some(amount) = Amount::parse(text) {
        assert!(text.contains(|character: char| character.is_ascii_digit()));
        assert_eq!(Amount::parse(&format!(" {text} ")), Some(amount), "blanks around it change nothing");
        shown(amount);
    }
}

/// For people it is written so that it reads the same again; of three decimals without thousands nobody can say what they are.
fn shown(amount: Amount) {
    let written = amount.to_string();
    let is_ambiguous =
        !written.contains(',') && written.rsplit_once('.').is_some_and(|(_, decimals)| decimals.len() == 3);
    assert!(is_ambiguous || Amount::parse(&written) == Some(amount), "{written}");
    let number = amount.number();
    assert!(number.parse::<f64>().is_ok_and(f64::is_finite), "{number}");
}
