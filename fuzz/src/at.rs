//! What a serial line says: the same however it is cut into reads, and every answer within its range.

use gsm::line::MAX_LINE;
use gsm::{FinalResult, Line, LineSplitter, UssdForm, UssdReader, at};

/// Cuts bytes into lines and reads each as everything that it could be. The first byte says how the bytes come: its
/// highest bit whether a prompt is awaited, the others how many at a time.
pub fn at_lines(bytes: &[u8]) {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let awaits_prompt = first & 0x80 != 0;
    let lines = split(bytes, awaits_prompt, usize::MAX);
    assert_eq!(split(bytes, awaits_prompt, usize::from(first & 0x7F).max(1)), lines);
    assert!(lines.iter().filter(|line| **line == Line::Prompt).count() <= usize::from(awaits_prompt));
    for line in &lines {
        if let Line::Text(text) = line {
            assert!(!text.is_empty() && text.chars().count() <= MAX_LINE);
            assert!(!text.contains(|c: char| c.is_ascii_control() && c != '\t'), "a control character");
            read(text);
        }
    }
    ussd(&lines);
}

/// Every answer with the lines behind it, in every form that the modem may be known to write.
fn ussd(lines: &[Line]) {
    let texts: Vec<&str> =
        lines.iter().filter_map(|line| if let Line::Text(text) = line { Some(text.as_str()) } else { None }).collect();
    for (place, text) in texts.iter().enumerate() {
        for form in [None, Some(UssdForm::Plain), Some(UssdForm::Ucs2), Some(UssdForm::Packed)] {
            let Some(mut reader) = UssdReader::begin(text) else { break };
            for more in texts.iter().skip(place + 1).take(8) {
                if reader.is_whole() {
                    break;
                }
                reader.push(more);
            }
            let answer = reader.finish(form);
            assert!(!answer.text.contains('\0'), "what stands behind a NUL");
        }
    }
}

fn split(bytes: &[u8], awaits_prompt: bool, chunk: usize) -> Vec<Line> {
    let mut splitter = LineSplitter::new();
    splitter.expect_prompt(awaits_prompt);
    let mut lines = Vec::new();
    for part in bytes.chunks(chunk) {
        splitter.push(part);
        lines.extend(splitter.by_ref());
    }
    lines
}

fn read(line: &str) {
    let final_result = FinalResult::parse(line);
    if let Some(code) = final_result.and_then(FinalResult::error_code) {
        assert!(!code.meaning().is_empty());
        // Every code has a class; asking for it must not panic.
        let _ = (code.class(), code.number(), code.refuses_validity());
    }
    assert!(final_result.is_none() || at::Urc::parse(line).is_none(), "a line ends an answer or comes unasked");
    if let Some(signal) = at::SignalQuality::parse(line) {
        assert!(signal.dbm().is_none_or(|dbm| (-113..=-51).contains(&dbm)));
        assert!(signal.bit_error.is_none_or(|class| class <= 7));
    }
    assert!(at::imei(line).is_none_or(|imei| imei.len() == 15 && is_digits(imei)));
    assert!(at::imsi(line).is_none_or(|imsi| (14..=15).contains(&imsi.len()) && is_digits(imsi)));
    assert!(at::iccid(line).is_none_or(|iccid| (18..=20).contains(&iccid.len()) && is_digits(iccid)));
    for address in [at::own_number(line), at::service_center(line)].into_iter().flatten() {
        let length = address.expose().chars().count();
        assert!((1..=20).contains(&length));
        // The type stands before it, and a short number may be a part of that.
        assert!(length <= 7 || !format!("{address:?}").contains(address.expose()), "shown in full");
    }
    if let Some(storage) = at::StorageSupport::parse(line) {
        // With no list at all every storage would seem to be there.
        assert!(!storage.0.is_empty() && !storage.has("no such storage"));
    }
    if let Ok(quoted) = at::quote(line) {
        let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).expect("quotes around it");
        assert_eq!(inner, line);
        assert!(inner.len() <= at::MAX_QUOTED);
        assert!(inner.bytes().all(|byte| (0x20..0x7F).contains(&byte) && byte != b'"' && byte != b'\\'));
    }
    let _ = (at::Registration::parse_answer(line), at::Registration::parse_urc(line), at::Operator::parse(line));
    let _ = (at::StorageUse::parse(line), at::ListedMessage::parse(line), at::ReadMessage::parse(line));
    let _ = (at::PinState::parse(line), at::PinTries::parse(line), at::submitted_reference(line));
    let _ = (FinalResult::parse_numeric(line), at::text_answer(line, "+CGMM"), at::ValueSet::parse(line));
    if let Some(support) = at::NewMessageSupport::parse(line) {
        let _ = (support.allows([2, 1, 0, 1, 0]), support.allows([u16::MAX; 5]));
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}
