use std::time::Duration;

use super::super::tests::known_user;
use super::*;

const NOW: WallTime = WallTime::from_unix_millis(1_790_000_000_000);
const HERE: &str = "10.0.0.7";

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn told(uses: &[SecretUse]) -> Vec<(Option<&str>, i64, String)> {
    let since = |at: WallTime| at.as_unix_millis() - NOW.as_unix_millis();
    let mut told = Vec::new();
    for one in uses {
        told.push((one.secret_hash.as_deref(), since(one.at), one.address.to_string()));
    }
    told.sort();
    told
}

#[test]
fn many_uses_are_one_to_write_and_none_when_nothing_has_happened_since() {
    let uses = LastUses::default();
    for millis in 0..1_000 {
        uses.note("shop", Some("a"), NOW.saturating_add(Duration::from_millis(millis)), address(HERE));
    }
    uses.note("shop", None, NOW, address("::ffff:127.0.0.1"));
    let expected = [(None, 0, "127.0.0.1".to_owned()), (Some("a"), 999, HERE.to_owned())];
    assert_eq!(told(&uses.take_unwritten()), expected);
    assert_eq!(told(&uses.take_unwritten()), []);
    assert_eq!(told(&uses.all()), expected, "still to be shown");
}

#[test]
fn what_could_not_be_written_is_written_next_time() {
    let uses = LastUses::default();
    uses.note("shop", Some("a"), NOW, address(HERE));
    let taken = uses.take_unwritten();
    uses.put_back(&taken);
    assert_eq!(uses.take_unwritten(), taken);
}

#[test]
fn a_secret_that_became_the_previous_one_keeps_its_use_and_one_that_is_gone_does_not() {
    let uses = LastUses::default();
    for hash in ["first", "second"] {
        uses.note("shop", Some(hash), NOW, address(HERE));
    }
    let mut shop = known_user("shop", "third");
    shop.previous = Some(super::super::PreviousSecret { hash: "second".to_owned(), until: None });
    uses.forget_gone(&[shop]);
    assert_eq!(told(&uses.all()), [(Some("second"), 0, HERE.to_owned())]);
}
