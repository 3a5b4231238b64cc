//! PDUs as a modem hands them out: what is read can be written, and reads the same again.

use std::fmt::Debug;

use gsm::{Address, DecodeError, Deliver, EncodeError, Pdu, StatusReport, Submit, Timestamp, UserData};

/// Reads octets as each kind of PDU, with and without a service centre address.
pub fn pdu_decode(bytes: &[u8]) {
    if let Some(submit) = again(bytes, Submit::decode, Submit::decode_tpdu, Submit::encode) {
        data(&submit.user_data);
    }
    if let Some(deliver) = again(bytes, Deliver::decode, Deliver::decode_tpdu, Deliver::encode) {
        deliver.timestamp.into_iter().for_each(time);
        data(&deliver.user_data);
    }
    if let Some(report) = again(bytes, StatusReport::decode, StatusReport::decode_tpdu, StatusReport::encode) {
        assert!(!report.status.meaning().is_empty());
        [report.service_center_time, report.discharge_time].into_iter().flatten().for_each(time);
        report.user_data.iter().for_each(data);
    }
    if let Ok(pdu) = Pdu::from_octets(bytes.to_vec().into()) {
        hex(&pdu);
    }
}

/// What a reader gives: the service centre and the rest.
type Read<T> = Result<(Option<Address>, T), DecodeError>;

/// Reads, writes and reads again.
fn again<T: Debug + PartialEq>(
    bytes: &[u8],
    decode: fn(&[u8]) -> Read<T>,
    decode_tpdu: fn(&[u8]) -> Result<T, DecodeError>,
    encode: fn(&T, Option<&Address>) -> Result<Pdu, EncodeError>,
) -> Option<T> {
    let (center, read) = decode(bytes).ok()?;
    let pdu = encode(&read, center.as_ref()).expect("what was read can be written");
    hex(&pdu);
    let (center_again, read_again) = decode(pdu.octets()).expect("what was written can be read");
    assert_eq!(read_again, read);
    assert_eq!(decode_tpdu(pdu.tpdu()).expect("without its centre too"), read);
    // The length of a service centre counts octets: whether the last one holds one septet or two of a name cannot be told.
    // There are no such centres.
    if center.as_ref().is_none_or(|center| !center.kind().is_alphanumeric()) {
        assert_eq!(center_again, center);
    }
    Some(read)
}

fn hex(pdu: &Pdu) {
    assert_eq!(&Pdu::from_hex(&pdu.hex()).expect("our own digits"), pdu);
    assert_eq!(&Pdu::from_hex_with_length(&pdu.hex(), pdu.tpdu_length()).expect("our own digits"), pdu);
    assert_eq!(pdu.tpdu().len(), pdu.tpdu_length());
    assert!(pdu.octets().ends_with(pdu.tpdu()));
}

fn time(time: Timestamp) {
    assert_eq!(Timestamp::decode(time.encode()), Some(time));
    assert_eq!(Timestamp::from_unix_seconds(time.unix_seconds(), time.offset_quarters()), Some(time));
    assert_eq!(time.to_string().len(), "2026-11-21T00:00:00+00:00".len());
}

fn data(data: &UserData) {
    // 160 septets, 70 units or none: no part is longer, and escape pairs only make it shorter.
    let text = data.text();
    assert!(text.as_ref().is_none_or(|text| text.chars().count() <= 160));
    if let Some(place) = data.concatenation() {
        assert!((1..=place.total).contains(&place.sequence));
        assert!(place.total == 1 || gsm::segment::join(std::slice::from_ref(data)).is_none(), "a part is no whole");
    } else {
        assert_eq!(gsm::segment::join(std::slice::from_ref(data)), text);
    }
}
