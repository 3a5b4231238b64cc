//! What may be changed, and what an exported document brings back.

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
    let add = |draft: &mut Draft<'_>| draft.add_api_user("app", "$argon2id$a", &["otp".to_owned()], Some("bulk"));
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
    let left = changed(database, |draft| draft.add_api_user("old", "$argon2id$n", &[], None)).unwrap();
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
