//! What may be changed, and what an exported document brings back.

use std::time::Duration;

use domain::clock::WallTime;

use super::super::{Loaded, SEALED, assemble};
use super::*;

const FILE: &str = "[sms]\ncountry_code = \"62\"\n[otp]\nlength = 6\n[[modem]]\nname = \"south\"\nport = \"/dev/a\"\n\
                    [[api_user]]\nusername = \"shop\"\npassword = \"open sesame\"\n";

fn secret(text: &str) -> SecretText {
    SecretText::new(text)
}

fn loaded(database: &str) -> Loaded {
    assemble(FILE, database, &[]).unwrap()
}

/// The database's document after `change`, or why it was refused.
fn changed(database: &str, change: impl FnOnce(&mut Draft<'_>) -> Result<(), EditError>) -> Result<String, String> {
    let loaded = loaded(database);
    let mut draft = loaded.laid.draft(Some(&secret(database))).unwrap();
    change(&mut draft).map_err(|error| error.to_string())?;
    Ok(draft.into_document().expose().to_owned())
}

#[test]
fn keys_are_set_and_taken_out_where_nobody_else_sets_them() {
    let set = |key: &'static str, value: &'static str| changed("", |draft| draft.set(key, value));
    assert_eq!(set("otp.lifetime", "2m").unwrap(), "[otp]\nlifetime = \"2m\"\n");
    assert_eq!(set("modem.south.cost", "5").unwrap(), "[[modem]]\ncost = 5\nname = \"south\"\n");
    assert_eq!(set("modem.north.port", "/dev/n").unwrap(), "[[modem]]\nname = \"north\"\nport = \"/dev/n\"\n");
    assert_eq!(set("drain_timeout", "9s").unwrap(), "drain_timeout = \"9s\"\n");
    let gone = changed("[otp]\nlifetime = \"2m\"\n", |draft| draft.unset("otp.lifetime"));
    assert_eq!(gone.unwrap(), "");
    let gone = changed("[[modem]]\nname = \"south\"\ncost = 5\n", |draft| draft.unset("modem.south.cost"));
    assert_eq!(gone.unwrap(), "");
}

#[test]
fn what_cannot_be_changed_is_said_with_its_reason() {
    for (key, value, expected) in [
        ("otp.length", "8", "otp.length is set by the file (line 4): change it there"),
        ("modem.south.port", "/dev/b", "modem.south.port is set by the file (line 7): change it there"),
        ("otp.lenght", "8", "there is no key otp.lenght; did you mean otp.length?"),
        ("opt.length", "8", "there is no key opt.length; did you mean otp.length?"),
        ("modem.south.prot", "8", "did you mean modem.south.port?"),
        ("modem.port", "8", "there is no key modem.port"),
        ("otp.max_attempts", "many", "otp.max_attempts: it must be a whole number"),
        ("data_dir", "/x", "data_dir is needed before the database is open"),
        ("", "", "there is no key"),
    ] {
        let said = changed("", |draft| draft.set(key, value)).unwrap_err();
        assert!(said.contains(expected), "{key}: {said}");
    }
}

#[test]
fn api_users_come_change_and_go() {
    let add = |draft: &mut Draft<'_>| draft.add_api_user("app", "$argon2id$a", &["otp".to_owned()], Some("bulk"), &[]);
    let database = changed("", add).unwrap();
    assert_eq!(loaded(&database).config.api_users[1].username, "app");
    assert!(changed(&database, add).unwrap_err().contains("already"));
    let database = changed(&database, |draft| draft.set_password("app", "$argon2id$b")).unwrap();
    assert!(database.contains("$argon2id$b") && !database.contains("$argon2id$a"));
    let database = changed(&database, |draft| draft.set_active("app", false)).unwrap();
    assert!(!loaded(&database).config.api_users[1].is_active);
    assert_eq!(changed(&database, |draft| draft.remove_api_user("app")).unwrap(), "");
    assert!(changed("", |draft| draft.remove_api_user("shop")).unwrap_err().contains("set by the file"));
    assert!(changed("", |draft| draft.set_password("shop", "x")).unwrap_err().contains("set by the file"));
    assert!(changed("", |draft| draft.set_password("nobody", "x")).unwrap_err().contains("no API user \"nobody\""));
    let off = changed("", |draft| draft.set_active("shop", false)).unwrap();
    assert!(!loaded(&off).config.api_users[0].is_active, "a key that the file leaves open may be set");
}

#[test]
fn settings_are_listed_with_their_origin_and_secrets_are_not() {
    let all = loaded("[otp]\nlifetime = \"2m\"\n").laid.settings();
    let find = |key: &str| all.iter().find(|one| one.key == key).unwrap_or_else(|| panic!("{key}")).clone();
    let shown = |key: &str| (find(key).value, find(key).origin, find(key).is_locked);
    assert_eq!(shown("otp.length"), (Some("6".to_owned()), "file, line 4".to_owned(), true));
    assert_eq!(shown("otp.lifetime"), (Some("\"2m\"".to_owned()), "database".to_owned(), false));
    assert_eq!(shown("otp.max_attempts"), (Some("5".to_owned()), "default".to_owned(), false));
    assert_eq!(shown("modem.south.port"), (Some("\"/dev/a\"".to_owned()), "file, line 7".to_owned(), true));
    assert_eq!(shown("api_user.shop.password"), (None, "file, line 10".to_owned(), true));
    assert!(!format!("{all:?}").contains("sesame"));
}

#[test]
fn what_changed_is_told_without_secrets() {
    let old = loaded("[otp]\nlifetime = \"2m\"\n[[api_user]]\nusername = \"app\"\npassword_hash = \"$argon2id$a\"\n");
    let new = loaded("[otp]\nmax_attempts = 3\n[[api_user]]\nusername = \"app\"\npassword_hash = \"$argon2id$b\"\n");
    let said: Vec<String> = old.laid.changes(&new.laid).iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        ["api_user.app.password_hash: changed", "otp.lifetime: \"3m\", was \"2m\"", "otp.max_attempts: 3, was 5"]
    );
}

#[test]
fn an_export_goes_into_another_gateway_with_its_secrets_sealed_or_without_them() {
    let from = loaded("[otp]\nlifetime = \"2m\"\n[[api_user]]\nusername = \"app\"\npassword_hash = \"$argon2id$x\"\n");
    let plain = from.laid.export(None).unwrap();
    assert!(!plain.contains("sesame") && !plain.contains("argon2id") && plain.contains("2m"), "{plain}");
    let mut seal = |key: &str, clear: &SecretText| Ok(format!("{SEALED}{key}:{}", clear.expose().to_uppercase()));
    let sealed = from.laid.export(Some(&mut seal)).unwrap();
    assert!(sealed.contains("OPEN SESAME") && !sealed.contains("open sesame"), "{sealed}");

    let to = assemble("[sms]\ncountry_code = \"1\"\n", "", &[]).unwrap();
    let mut open =
        |key: &str, sealed: &str| Ok(secret(&sealed.strip_prefix(&format!("{SEALED}{key}:")).unwrap().to_lowercase()));
    let imported = to.laid.import(&secret(&sealed), None, &mut open).unwrap();
    assert_eq!(imported.left_out, ["sms.country_code is set by the file (line 2): change it there"]);
    let there = assemble("[sms]\ncountry_code = \"1\"\n", imported.document.expose(), &[]).unwrap();
    assert_eq!((there.config.api_users.len(), there.config.modems.len()), (2, 1));
    assert!(imported.document.expose().contains("open sesame"));

    let imported = to.laid.import(&secret(&plain), None, &mut |_, _| Err("sealed".to_owned())).unwrap();
    let said = imported.left_out.join("\n");
    assert!(said.contains("api_user.app: its password is not in the document"), "{said}");
    let kept = "[[api_user]]\nusername = \"app\"\npassword_hash = \"$argon2id$kept\"\n";
    let to = assemble("[sms]\ncountry_code = \"1\"\n", kept, &[]).unwrap();
    let imported = to.laid.import(&secret(&plain), Some(&secret(kept)), &mut |_, _| Err("sealed".to_owned())).unwrap();
    assert!(imported.document.expose().contains("$argon2id$kept"), "{imported:?}");
    let refused = to.laid.import(&secret(&sealed), None, &mut |_, _| Err("it is sealed".to_owned())).unwrap_err();
    assert!(refused.to_string().contains("it is sealed") && refused.to_string().contains("passphrase"), "{refused}");
}

#[test]
fn a_document_that_is_none_is_refused_as_a_whole() {
    let loaded = loaded("");
    let mut open = |_: &str, _: &str| Err::<SecretText, _>("no".to_owned());
    let refused = loaded.laid.import(&secret("[otp]\nlenght = 3\n"), None, &mut open).unwrap_err().to_string();
    assert!(refused.contains("line 2: otp.lenght: there is no such key"), "{refused}");
    assert_eq!(loaded.laid.draft(Some(&secret("["))).map(drop).unwrap_err(), EditError::Damaged);
}

#[test]
fn an_object_is_taken_out_whole_and_leaves_nothing_to_its_namesake() {
    let database = "[[modem]]\nname = \"gone\"\ncost = 5\n[[api_user]]\nusername = \"old\"\nactive = false\n";
    let left = changed(database, |draft| draft.unset("modem.gone")).unwrap();
    assert!(!left.contains("modem") && left.contains("old"), "{left}");
    let left = changed(database, |draft| draft.remove_api_user("old")).unwrap();
    assert!(!left.contains("old") && left.contains("gone"), "{left}");
    let left = changed(database, |draft| draft.add_api_user("old", "$argon2id$n", &[], None, &[])).unwrap();
    assert!(left.contains("$argon2id$n") && !left.contains("active"), "{left}");
    assert!(changed(database, |draft| draft.unset("modem.nobody")).is_err());
}

#[test]
fn a_secret_is_locked_by_its_file() {
    let file = format!("{FILE}[[api_user]]\nusername = \"other\"\npassword_hash = \"$argon2id$x\"\n");
    let loaded = assemble(&file, "", &[]).unwrap();
    let mut draft = loaded.laid.draft(None).unwrap();
    let refused = draft.set("api_user.other.password", "x").unwrap_err().to_string();
    assert!(refused.starts_with("api_user.other.password_hash is set by the file"), "{refused}");
    draft.set("api_user.new.password", "open sesame").unwrap();
    assert!(!format!("{draft:?} {:?}", loaded.laid.file).contains("sesame"));
    assert!(!format!("{:?}", loaded.laid.file).contains("argon2id"));
}

#[test]
fn what_is_wrong_in_the_database_is_called_as_people_write_it() {
    let database = "[[modem]]\nname = \"own\"\nport = \"/dev/o\"\nparity = \"strange\"\n";
    let said = assemble(FILE, database, &[]).map(drop).unwrap_err().to_string();
    assert!(said.contains("database: modem.own.parity") && said.contains("settings set or unset"), "{said}");
}

// --- secrets ------------------------------------------------------------------------------------------------------

const NOW: WallTime = WallTime::from_unix_millis(1_790_000_000_000);
const APP: &str = "[[api_user]]\nusername = \"app\"\npassword_hash = \"$argon2id$one\"\n";

fn rotated(database: &str, hash: &str, is_forced: bool, now: WallTime) -> Result<String, String> {
    changed(database, |draft| draft.rotate_password("app", hash, Duration::from_hours(1), is_forced, now))
}

#[test]
fn a_rotated_password_is_kept_as_the_previous_one_until_its_time() {
    let database = rotated(APP, "$argon2id$two", false, NOW).unwrap();
    let expected = "[[api_user]]\npassword_hash = \"$argon2id$two\"\nprevious_password_hash = \"$argon2id$one\"\n\
                    previous_until = \"2026-09-21T15:13:20Z\"\nusername = \"app\"\n";
    assert_eq!(database, expected);
    let user = loaded(&database).config.api_users.remove(1);
    assert_eq!(user.previous.unwrap().until, Some(NOW.saturating_add(Duration::from_hours(1))));
    // However the old one was given.
    let clear = rotated("[[api_user]]\nusername = \"app\"\npassword = \"x\"\n", "$argon2id$two", false, NOW).unwrap();
    assert!(
        clear.contains("previous_password = \"x\"") && clear.contains("password_hash = \"$argon2id$two\""),
        "{clear}"
    );
}

#[test]
fn a_third_password_is_refused_while_two_are_valid_unless_it_is_forced() {
    let database = rotated(APP, "$argon2id$two", false, NOW).unwrap();
    let refused = rotated(&database, "$argon2id$three", false, NOW).unwrap_err();
    for part in ["app has two passwords already", "until 2026-09-21T15:13:20Z", "api-user retire app", "--force"] {
        assert!(refused.contains(part), "{part:?} is not in {refused}");
    }
    for (is_forced, now) in [(true, NOW), (false, NOW.saturating_add(Duration::from_hours(1)))] {
        let database = rotated(&database, "$argon2id$three", is_forced, now).unwrap();
        assert!(
            database.contains("previous_password_hash = \"$argon2id$two\"") && !database.contains("$one"),
            "{database}"
        );
    }
}

#[test]
fn a_retired_password_is_gone_and_there_is_none_to_retire_then() {
    let database = rotated(APP, "$argon2id$two", false, NOW).unwrap();
    let database = changed(&database, |draft| draft.retire_password("app")).unwrap();
    assert!(
        database.contains("$argon2id$two") && !database.contains("previous") && !database.contains("$one"),
        "{database}"
    );
    let refused = changed(&database, |draft| draft.retire_password("app")).unwrap_err();
    assert_eq!(refused, "app has no previous password");
}

#[test]
fn a_password_that_is_set_ends_all_that_were_there() {
    let database = rotated(APP, "$argon2id$two", false, NOW).unwrap();
    let database = changed(&database, |draft| draft.set_password("app", "$argon2id$three")).unwrap();
    assert_eq!(
        database,
        APP.replace("[[api_user]]\nusername = \"app\"\n", "[[api_user]]\n").replace("one", "three")
            + "username = \"app\"\n"
    );
}

#[test]
fn secrets_that_the_file_has_are_rotated_there() {
    for change in [
        &|draft: &mut Draft<'_>| draft.rotate_password("shop", "$argon2id$x", Duration::from_hours(1), true, NOW),
        &|draft: &mut Draft<'_>| draft.retire_password("shop"),
        &|draft: &mut Draft<'_>| draft.set("api_user.shop.previous_password", "x"),
    ] as [&dyn Fn(&mut Draft<'_>) -> Result<(), EditError>; 3]
    {
        let refused = changed("", change).unwrap_err();
        assert_eq!(refused, "api_user.shop.password is set by the file (line 10): change it there");
    }
}

#[test]
fn a_previous_password_stays_in_an_import_only_with_its_time() {
    let database = rotated(APP, "$argon2id$two", false, NOW).unwrap();
    let mut open = |_: &str, _: &str| Err::<SecretText, _>("no".to_owned());
    let mut import = |document: &str| {
        let imported = loaded(&database).laid.import(&secret(document), Some(&secret(&database)), &mut open).unwrap();
        imported.document.expose().to_owned()
    };
    let plain = loaded(&database).laid.export(None).unwrap();
    assert!(!plain.contains("argon2id") && plain.contains("previous_until"), "{plain}");
    let same = import(&plain);
    assert!(same.contains("previous_password_hash = \"$argon2id$one\"") && same.contains("$argon2id$two"), "{same}");
    let other = import("[[api_user]]\nusername = \"app\"\nactive = false\n");
    assert!(other.contains("$argon2id$two") && !other.contains("previous"), "{other}");
    let later = import(&plain.replace("2026-09-21", "2036-09-21"));
    assert!(!later.contains("$argon2id$one"), "{later}");
    assert!(assemble(FILE, &later, &[]).is_ok(), "a time alone says nothing and does no harm");
}
