use super::{Reference, UserData, join, segment};
use crate::user_data::{Concatenation, Payload};
use zeroize::Zeroizing;

#[test]
fn the_header_names_reference_total_and_part() {
    let segments = segment(&"A".repeat(200), Reference::Sixteen(0x1234)).unwrap();
    let second = Concatenation { reference: Reference::Sixteen(0x1234), total: 2, sequence: 2 };
    assert_eq!(segments.parts[1].concatenation(), Some(second));
    assert_eq!(segments.parts[1].header, [second.element()]);
    assert!(segment("A", Reference::Eight(1)).unwrap().parts[0].header.is_empty());
}

#[test]
fn impossible_part_numbers_are_no_concatenation() {
    for (total, sequence) in [(0, 0), (2, 0), (2, 3), (0, 1)] {
        let element = Concatenation { reference: Reference::Eight(1), total, sequence }.element();
        let data = UserData { header: vec![element], payload: Payload::Septets(Zeroizing::default()) };
        assert_eq!(data.concatenation(), None, "{sequence} of {total}");
    }
}

#[test]
fn a_surrogate_pair_that_another_sender_split_is_joined() {
    let part = |sequence, unit| UserData {
        header: vec![Concatenation { reference: Reference::Eight(1), total: 2, sequence }.element()],
        payload: Payload::Units(Zeroizing::new(vec![unit])),
    };
    assert_eq!(join(&[part(2, 0xDE00), part(1, 0xD83D)]).unwrap().as_str(), "😀");
    assert_eq!(join(&[part(1, 0xD83D), part(1, 0xD83D)]), None);
    assert_eq!(join(&[]), None);
}
