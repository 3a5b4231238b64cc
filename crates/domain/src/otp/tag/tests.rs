use super::*;

fn pepper(id: u32) -> Pepper {
    let mut key = [0; 32];
    for (place, byte) in key.iter_mut().enumerate() {
        *byte = u8::try_from(place).unwrap();
    }
    key[0] = u8::try_from(id).unwrap();
    Pepper::new(KeyId(id), key)
}

fn binding() -> Binding {
    Binding {
        reference: "12345678901234567890".to_owned(),
        receiver: Receiver::from_canonical("628126666666").unwrap(),
        params: ["100000", "1234567890", "987654", "674527846556468254"].map(str::to_owned),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_tag_is_the_test_vector_of_the_specification() {
    assert_eq!(
        hex(binding().tag(&pepper(0), "123456").as_bytes()),
        "f4f5ed180e434f81b0d1a8879d9ace4e8ed315df68ef6e3183c50e1184b39be6\
         d077139b2f65620679c29cf2a0a7b6e082c6dee39e9f40faf8b09a7fcba3cc9b"
    );
}

#[test]
fn every_part_of_the_binding_changes_the_tag() {
    let tag = binding().tag(&pepper(0), "123456");
    let mut others = vec![binding().tag(&pepper(0), "123457"), binding().tag(&pepper(1), "123456")];
    let mut changed = binding();
    changed.reference.push('0');
    others.push(changed.tag(&pepper(0), "123456"));
    let changed = Binding { receiver: Receiver::from_canonical("628126666667").unwrap(), ..binding() };
    others.push(changed.tag(&pepper(0), "123456"));
    for place in 0..4 {
        let mut changed = binding();
        changed.params[place].clear();
        others.push(changed.tag(&pepper(0), "123456"));
    }
    // A border shifted between two fields.
    let mut changed = binding();
    changed.params[0] = "1000001".to_owned();
    changed.params[1] = "234567890".to_owned();
    others.push(changed.tag(&pepper(0), "123456"));
    for other in others {
        assert_ne!(tag, other);
    }
}

#[test]
fn a_guess_matches_under_the_pepper_that_made_the_tag() {
    let ring = PepperRing { current: pepper(2), previous: vec![pepper(1)] };
    assert_eq!(ring.all().map(|pepper| pepper.id.0).collect::<Vec<_>>(), [2, 1]);
    let guess = Guess::new(&binding(), &ring, &SecretText::new("123456"));
    for id in [1, 2] {
        let tag = binding().tag(&pepper(id), "123456");
        assert!(guess.matches(KeyId(id), &tag));
        assert!(!guess.matches(KeyId(3 - id), &tag), "the key id belongs to the tag");
        assert!(!guess.matches(KeyId(id), &binding().tag(&pepper(id), "123457")));
    }
    assert!(!guess.matches(KeyId(7), &binding().tag(&pepper(7), "123456")));
}

#[test]
fn ticket_keys_and_fingerprints_keep_their_fields_apart() {
    let key = [7; 32];
    assert_eq!(TicketKey::derive(&key, "shop", "1"), TicketKey::derive(&key, "shop", "1"));
    assert_ne!(TicketKey::derive(&key, "shop", "1"), TicketKey::derive(&key, "shop1", ""));
    assert_ne!(TicketKey::derive(&key, "shop", "1"), TicketKey::derive(&[8; 32], "shop", "1"));
    assert_eq!(Fingerprint::derive(&key, &[b"a", b"b"]), Fingerprint::derive(&key, &[b"a", b"b"]));
    assert_ne!(Fingerprint::derive(&key, &[b"a", b"b"]), Fingerprint::derive(&key, &[b"ab", b""]));
    assert_ne!(Fingerprint::derive(&key, &[b"a"]), Fingerprint::derive(&key, &[b"a", b""]));
}

#[test]
fn debug_shows_no_key_no_tag_and_no_full_receiver() {
    let shown = format!("{:?} {:?} {:?}", pepper(1), binding(), binding().tag(&pepper(1), "123456"));
    assert_eq!(shown, "Pepper(1, •••) Binding { receiver: 62812•••66, .. } Tag(•••)");
}
