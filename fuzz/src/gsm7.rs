//! Texts: what is cut comes together again, what is packed unpacks, and every part fits into a PDU.

use gsm::gsm7::NationalTables;
use gsm::segment::{MAX_PARTS, SegmentError, count, join, segment};
use gsm::{Address, Encoding, Reference, Submit, gsm7, ucs2};

/// Reads bytes as octets and as a text. The first two bytes choose reference and fill bits.
pub fn gsm7(bytes: &[u8]) {
    let [first, second, bytes @ ..] = bytes else { return };
    let fill = second % 7;
    octets(bytes, fill, usize::from(*first));
    let reference = match second & 0x80 {
        0 => Reference::Eight(*first),
        _ => Reference::Sixteen(u16::from_be_bytes([*first, *second])),
    };
    let text = String::from_utf8_lossy(bytes);
    round_trip(&text, fill);
    cut_and_join(&text, reference);
    address(&text);
}

fn octets(bytes: &[u8], fill: u8, count: usize) {
    if let Some(septets) = gsm7::unpack(bytes, count, fill) {
        assert_eq!(septets.len(), count);
        let again = gsm7::unpack(&gsm7::pack(&septets, fill), count, fill).expect("what was packed");
        assert_eq!(again, septets);
    }
    let septets: Vec<u8> = bytes.iter().map(|byte| byte & 0x7F).collect();
    let text = gsm7::decode(&septets);
    assert!(text.chars().count() <= septets.len());
    let tables = NationalTables { locking: bytes.first().copied(), single: bytes.last().copied() };
    assert!(gsm7::decode_national(&septets, tables).text.chars().count() <= septets.len());
    let ussd = gsm7::unpack_ussd(bytes);
    assert!(gsm7::unpack_ussd(&gsm7::pack_ussd(&ussd)).starts_with(ussd.strip_suffix(b"\r").unwrap_or(&ussd)));
    let units = ucs2::from_octets(bytes);
    assert_eq!(ucs2::from_octets(&ucs2::to_octets(&units)), units);
}

fn round_trip(text: &str, fill: u8) {
    let septets = gsm7::encode(text);
    assert_eq!(gsm7::septets_needed(text), septets.as_ref().map(|septets| septets.len()));
    if let Some(septets) = septets {
        assert!(septets.iter().all(|septet| *septet < 0x80));
        assert_eq!(gsm7::decode(&septets).as_str(), text);
        let packed = gsm7::pack(&septets, fill);
        assert_eq!(gsm7::unpack(&packed, septets.len(), fill).expect("what was packed"), septets);
    }
    assert_eq!(ucs2::decode(&ucs2::encode(text)).as_str(), text);
}

fn cut_and_join(text: &str, reference: Reference) {
    let segments = match segment(text, reference) {
        Ok(segments) => segments,
        Err(SegmentError::TooLong(parts)) => {
            assert!(parts > MAX_PARTS);
            return;
        }
    };
    assert_eq!(segments.encoding, Encoding::of(text));
    if matches!(reference, Reference::Eight(_)) {
        assert_eq!(count(text), segments.parts.len());
    }
    let pieces: Vec<_> = segments.parts.iter().map(|part| part.text().expect("a text")).collect();
    assert_eq!(pieces.iter().map(|piece| piece.as_str()).collect::<String>(), text);
    let reversed: Vec<_> = segments.parts.iter().rev().cloned().collect();
    assert_eq!(join(&reversed).expect("all parts").as_str(), text);
    if segments.parts.len() > 1 {
        assert!(join(&segments.parts[1..]).is_none(), "a part is missing");
    }
    let receiver = Address::international("62812000001").expect("an address");
    for part in segments.parts {
        let submit = Submit::new(receiver.clone(), part);
        let pdu = submit.encode(None).expect("a part fits into a PDU");
        assert_eq!(Submit::decode(pdu.octets()).expect("our own PDU"), (None, submit));
    }
}

fn address(text: &str) {
    for address in [Address::parse(text), Address::alphanumeric(text)].into_iter().flatten() {
        let submit = Submit::new(address.clone(), gsm::UserData::octets(&[]));
        let pdu = submit.encode(Some(&address)).expect("an address fits");
        let (_, read) = Submit::decode(pdu.octets()).expect("our own PDU");
        assert_eq!(read.destination, address);
    }
}
