use super::{Address, AddressError, Reader, TypeOfAddress};
use crate::error::DecodeError;

fn encoded(address: &Address) -> Vec<u8> {
    let mut octets = Vec::new();
    address.encode_into(&mut octets);
    octets
}

#[test]
fn addresses_are_swapped_digits_or_packed_septets() {
    let rows: &[(Address, &[u8])] = &[
        (Address::parse("+27820001111").unwrap(), &[0x0B, 0x91, 0x72, 0x28, 0x00, 0x10, 0x11, 0xF1]),
        (Address::parse("1800").unwrap(), &[0x04, 0x81, 0x81, 0x00]),
        (Address::with_type(TypeOfAddress::NATIONAL, "12*#abc").unwrap(), &[7, 0xA1, 0x21, 0xBA, 0xDC, 0xFE]),
        (Address::alphanumeric("sipgate").unwrap(), &[0x0D, 0xD0, 0xF3, 0x34, 0xFC, 0x1C, 0xA6, 0x97, 0x01]),
    ];
    for (address, octets) in rows {
        assert_eq!(encoded(address), *octets, "{}", address.expose());
        assert_eq!(Address::decode(&mut Reader::new(octets), "address").as_ref(), Ok(address));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    assert_eq!(Address::international(""), Err(AddressError::Empty));
    assert_eq!(Address::international("+628"), Err(AddressError::Character));
    assert_eq!(Address::international("٠١٢"), Err(AddressError::Character));
    assert_eq!(Address::international(&"1".repeat(21)), Err(AddressError::TooLong));
    assert_eq!(Address::alphanumeric("twelve chars"), Err(AddressError::TooLong));
    assert_eq!(Address::alphanumeric("Ж"), Err(AddressError::Character));
    let long = [21, 0x91, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(Address::decode(&mut Reader::new(&long), "address"), Err(DecodeError::AddressTooLong(21)));
    let centre = [12, 0x91, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(Address::decode_service_center(&mut Reader::new(&centre)), Err(DecodeError::ServiceCenterTooLong(12)));
}

#[test]
fn the_tail_and_the_mask_show_the_end_only() {
    let address = Address::international("628126666666").unwrap();
    assert_eq!((address.tail(7), address.tail(99)), ("6666666", "628126666666"));
    assert_eq!(format!("{address:?}"), "Address(91 62812•••66)");
    assert_eq!(format!("{:?}", Address::parse("1800").unwrap()), "Address(81 •••)");
    assert!(address.is_international());
}
