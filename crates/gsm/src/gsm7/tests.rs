use super::{DEFAULT, EXTENSION, NationalTables, decode, decode_national, encode, septets_needed, unpack};

#[test]
fn every_character_of_both_tables_comes_back() {
    let table: String = DEFAULT.iter().chain(EXTENSION.iter().map(|(_, character)| character)).collect();
    assert_eq!(table.chars().count(), 138);
    assert_eq!(decode(&encode(&table).unwrap()).as_str(), table);
    for septet in (0..128_u8).filter(|septet| *septet != 0x1B) {
        assert_eq!(encode(&decode(&[septet])).unwrap().as_slice(), [septet], "{septet:02X}");
    }
}

#[test]
fn the_codes_of_the_extension_table_are_those_of_the_sheet() {
    let rows =
        [('^', 0x14), ('{', 0x28), ('}', 0x29), ('\\', 0x2F), ('[', 0x3C), ('~', 0x3D), (']', 0x3E), ('|', 0x40)];
    for (character, code) in rows.into_iter().chain([('€', 0x65), ('\u{c}', 0x0A)]) {
        assert_eq!(encode(&character.to_string()).unwrap().as_slice(), [0x1B, code], "{character}");
    }
    assert_eq!(septets_needed("€1"), Some(3));
}

#[test]
fn what_is_not_in_the_alphabet_is_not_replaced() {
    for character in "`çáíóúâêôãõ“”‘’–—…\u{a0}\tΑΒΕ\u{1b}😀".chars() {
        assert_eq!(encode(&character.to_string()), None, "{character:?}");
    }
}

#[test]
fn unknown_extension_codes_are_shown_by_the_default_table() {
    assert_eq!(decode(&[0x1B, 0x41]).as_str(), "A");
    assert_eq!(decode(&[0x1B, 0x1B]).as_str(), " ");
    assert_eq!(decode(&[0x41, 0x1B]).as_str(), "A ");
    assert_eq!(decode(&[0x1B, 0x0D]).as_str(), "\r");
    assert_eq!(decode(&[0xC1]).as_str(), "A", "the eighth bit counts for nothing");
}

#[test]
fn known_national_tables_are_read_and_others_are_flagged() {
    type Row = (Option<u8>, Option<u8>, &'static [u8], &'static str, bool);
    let rows: [Row; 8] = [
        (None, Some(1), &[0x1B, 0x47, 0x1B, 0x69, 0x1B, 0x65, 0x07], "Ğı€ì", false),
        (Some(1), None, &[0x04, 0x07, 0x0B, 0x0C, 0x1C, 0x1D, 0x40, 0x60, 0x41], "€ıĞğŞşİçA", false),
        (None, Some(2), &[0x1B, 0x09, 0x1B, 0x41, 0x1B, 0x75, 0x1B, 0x28], "çÁú{", false),
        (None, Some(3), &[0x1B, 0x05, 0x1B, 0x7F, 0x1B, 0x7C, 0x1B, 0x12], "êâõΦ", false),
        (Some(3), None, &[0x41], "A", true),
        (None, Some(4), &[0x1B, 0x65], "€", true),
        (Some(13), Some(13), &[0x41], "A", true),
        (None, None, &[0x1B, 0x47], "G", false),
    ];
    for (locking, single, septets, text, is_flagged) in rows {
        let decoded = decode_national(septets, NationalTables { locking, single });
        assert_eq!((decoded.text.as_str(), decoded.is_flagged), (text, is_flagged), "{locking:?} {single:?}");
    }
}

#[test]
fn more_septets_than_there_are_octets_for_are_refused() {
    assert_eq!(unpack(&[0xFF; 7], 8, 0).map(|it| it.len()), Some(8));
    assert_eq!(unpack(&[0xFF; 7], 8, 1), None);
    assert_eq!(unpack(&[], 1, 0), None);
    assert_eq!(unpack(&[], usize::MAX, 0), None);
}
