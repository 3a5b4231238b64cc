//! `otp-pi template lint`: texts looked at before anybody uses them, without a gateway.

use serde_json::json;

use crate::harness::{Setup, run_to_end};

#[test]
fn a_text_is_measured_with_what_is_put_around_it_and_a_good_one_ends_with_0() {
    let ended = run_to_end(&[
        "template",
        "lint",
        "--domain",
        "example.com",
        "--app-hash",
        "FA+9qCX9VSu",
        "--json",
        "Your code is %s",
    ]);
    ended.told();
    let expected = json!({"texts": [{
        "name": null, "good": true, "encoding": "gsm7", "units": 56, "room": 160, "sms": 1, "bytes": 56,
        "last_line": "@example.com #000000 FA+9qCX9VSu", "forced": [], "findings": [],
    }]});
    assert_eq!(ended.json(), expected);
    let words = run_to_end(&["template", "lint", "--length", "8", "Your code is %s"]);
    assert_eq!(words.told(), "GSM-7, septets: 21 (one SMS holds 160), SMS: 1, bytes: 21\n");
}

#[test]
fn what_forces_ucs2_is_named_with_its_place_and_what_to_write_instead() {
    let ended = run_to_end(&["template", "lint", "--json", "Your “code” is %s"]);
    ended.told();
    let text = &ended.json()["texts"][0];
    assert_eq!(text["encoding"], "ucs2");
    assert_eq!(
        text["forced"],
        json!([{"character": "“", "position": 6, "instead": "\""}, {"character": "”", "position": 11, "instead": "\""}])
    );
    assert_eq!(text["findings"][0]["severity"], "warning");
}

#[test]
fn what_a_caller_would_be_refused_ends_with_1_and_a_wrong_option_with_2() {
    let too_long = format!("{}%s", "a".repeat(301));
    for (arguments, words) in [
        (vec!["template", "lint", "Your code"], "error: the message holds no %s"),
        (vec!["template", "lint", too_long.as_str()], "error: it takes 3 SMS with its code"),
    ] {
        let ended = run_to_end(&arguments);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stdout.contains(words), "{ended:?}");
    }
    for arguments in [
        vec!["template", "lint"],
        vec!["template", "lint", "--all", "%s"],
        vec!["template", "lint", "--domain", "https://example.com", "%s"],
        vec!["template", "lint", "--app-hash", "short", "%s"],
        vec!["template", "lint", "--length", "3", "%s"],
    ] {
        let ended = run_to_end(&arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:?}");
    }
}

#[test]
fn all_configured_texts_are_looked_at_wherever_they_are_set_and_check_config_warns_of_them() {
    let mut setup = Setup::without_modems();
    setup.otp = "template = \"Your “code” is %s\"".to_owned();
    setup.more = "[[otp_template]]\nlocale = \"id\"\ntext = \"Kode: %s\"\n".to_owned();
    let gateway = setup.start();
    gateway.operate(&["settings", "set", "otp_template.fr.text", "Votre code : %s"]).told();
    let file = gateway.dir().join("otp-pi.toml");
    let ended = run_to_end(&["template", "lint", "--all", "--json", "--config", file.to_str().unwrap()]);
    ended.told();
    let answer = ended.json();
    let names: Vec<_> = answer["texts"].as_array().unwrap().iter().map(|text| text["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["otp.template", "otp_template.id.text", "otp_template.fr.text"]);
    let checked = gateway.operate(&["check-config"]);
    checked.told();
    assert!(
        checked.stderr.contains("warning: otp.template: 2 character(s) are not in the GSM alphabet"),
        "{checked:?}"
    );
    let mut twice = Setup::without_modems();
    twice.more = "[[otp_template]]\nlocale = \"id\"\ntext = \"%s\"\n[[otp_template]]\nlocale = \"ID\"\ntext = \"%s\"\n\
                  [[otp_template]]\nlocale = \"bahasa indonesia\"\ntext = \"Kode\"\n"
        .to_owned();
    let dir = tempfile::TempDir::new().unwrap();
    twice.write(&dir.path().join("otp-pi.toml"), &dir.path().join("data"));
    let refused = run_to_end(&["check-config", "--config", dir.path().join("otp-pi.toml").to_str().unwrap()]);
    assert!(refused.refused().contains("\"ID\" is there twice"), "{refused:?}");
    assert!(refused.refused().contains("it must be a language tag"), "{refused:?}");
}
