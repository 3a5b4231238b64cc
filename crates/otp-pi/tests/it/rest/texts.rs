//! What the phone gets, letter by letter: the lines for browsers and apps, the texts in other languages, and what is refused.

use serde_json::{Value, json};

use super::{PHONE, Stage, check_refused, response_code};
use crate::harness::{Setup, code_in};

const HASH: &str = "FA+9qCX9VSu";

/// Sends a code and answers the text that the phone shows, with `000000` in place of the code, which must be right.
fn shown(stage: &Stage, reference: &str, more: &Value) -> String {
    let mut data = json!({"reference": reference, "receiver": PHONE});
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let before = stage.emulator.transmissions().len();
    let answer = stage.ask("create-otp", data);
    assert_eq!(response_code(&answer), "000", "{answer}");
    let sent = stage.emulator.wait_for_transmissions(before + 1);
    let text = sent.last().unwrap()["text"].as_str().unwrap().to_owned();
    let code = code_in(&text, 6);
    assert_eq!(stage.validate(reference, &code), "000", "{text}");
    text.replace(&code, "000000")
}

#[test]
fn the_phone_gets_exactly_the_lines_that_browsers_and_apps_look_for() {
    let stage = Stage::new();
    let vectors = [
        (json!({"message": "%s is your code."}), "000000 is your code."),
        (json!({"message": "%s is your code.", "domain": "Example.com"}), "000000 is your code.\n@example.com #000000"),
        (
            json!({"message": "Kode: %s", "domain": "example.com", "embedded_domain": "pay.example"}),
            "Kode: 000000\n@example.com #000000 @pay.example",
        ),
        (json!({"message": "Ваш код: %s", "domain": "example.com"}), "Ваш код: 000000\n@example.com #000000"),
        (json!({"message": "%s is your code.", "app_hash": HASH}), "<#> 000000 is your code.\nFA+9qCX9VSu"),
        (json!({"message": "Ваш код: %s", "app_hash": HASH}), "<#> Ваш код: 000000\nFA+9qCX9VSu"),
        (
            json!({"message": "[%s] {€}", "domain": "example.com", "app_hash": HASH}),
            "<#> [000000] {€}\n@example.com #000000 FA+9qCX9VSu",
        ),
        (json!({"domain": "example.com"}), "Your code is 000000\n@example.com #000000"),
    ];
    for (number, (more, text)) in vectors.iter().enumerate() {
        assert_eq!(shown(&stage, &format!("r{number}"), more), *text, "{more}");
    }
}

#[test]
fn a_text_waits_with_its_lines_over_a_power_cut_and_in_memory_too() {
    for text_at_rest in ["sealed", "never"] {
        let directory = tempfile::TempDir::new().unwrap();
        let mut setup = Setup::without_modems();
        setup.modems = vec![directory.path().join("line")];
        if text_at_rest == "never" {
            setup.sms = "text_at_rest = \"never\"".to_owned();
            setup.api = "wait = \"sent\"\nwait_limit = \"1s\"".to_owned();
        }
        let mut gateway = setup.start();
        let data = json!({"reference": "r", "receiver": PHONE, "message": "Kode: %s", "domain": "example.com", "app_hash": HASH});
        assert_eq!(response_code(&gateway.ask("create-otp", data)), "000");
        if text_at_rest == "sealed" {
            gateway = gateway.kill().restart();
        }
        let emulator = crate::harness::Emulator::start(1, &[]);
        std::os::unix::fs::symlink(emulator.modems.first().unwrap(), directory.path().join("line")).unwrap();
        let text = emulator.text_with("Kode");
        let code = code_in(&text, 6);
        assert_eq!(text, format!("<#> Kode: {code}\n@example.com #{code} {HASH}"), "{text_at_rest}");
        let guess = json!({"reference": "r", "receiver": PHONE, "otp": code});
        assert_eq!(response_code(&gateway.ask("validate-otp", guess)), "000");
    }
}

#[test]
fn lines_that_make_a_text_too_long_are_1401_and_nothing_is_accepted() {
    let gateway = Setup::without_modems().start();
    let data = |message: String, more: Value| {
        let mut data = json!({"reference": "r", "receiver": PHONE, "message": message});
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        data
    };
    for (data, word) in [
        (data(format!("{}%s", "a".repeat(119)), json!({"app_hash": HASH})), "141 bytes"),
        (data(format!("{}%s", "é".repeat(60)), json!({"app_hash": HASH})), "142 bytes"),
        (data(format!("{}%s", "a".repeat(290)), json!({"domain": "example.com"})), "3 SMS"),
        (data("%s".to_owned(), json!({"domain": "example.com/login"})), "domain"),
        (data("%s".to_owned(), json!({"embedded_domain": "pay.example"})), "embedded_domain"),
        (data("%s".to_owned(), json!({"app_hash": "FA-9qCX9VSu"})), "app_hash"),
        (data("%s".to_owned(), json!({"locale": "?"})), "locale"),
        (data("%s".to_owned(), json!({"id": "x".repeat(129)})), "id is longer"),
    ] {
        check_refused(&gateway, "create-otp", &data, "1401", word);
    }
}

#[test]
fn a_request_without_a_message_gets_the_text_of_its_language() {
    let stage = Stage::with(|setup| {
        setup.otp = "template = \"Code: %s\"".to_owned();
        setup.more = "[[otp_template]]\nlocale = \"id\"\ntext = \"Kode Anda: %s\"\n\
                      [[otp_template]]\nlocale = \"pt-BR\"\ntext = \"Seu codigo: %s\"\n"
            .to_owned();
        setup.environment = vec![("OTP_PI__OTP_TEMPLATE__ES_MX__TEXT", "Clave: %s".to_owned())];
    });
    for (number, (more, text)) in [
        (json!({}), "Code: 000000"),
        (json!({"locale": "id"}), "Kode Anda: 000000"),
        (json!({"locale": "id-ID"}), "Kode Anda: 000000"),
        (json!({"locale": "pt_br"}), "Seu codigo: 000000"),
        (json!({"locale": "pt"}), "Code: 000000"),
        (json!({"locale": "es-MX"}), "Clave: 000000"),
        (json!({"locale": "de", "domain": "example.com"}), "Code: 000000\n@example.com #000000"),
        (json!({"locale": "id", "message": "Mine %s"}), "Mine 000000"),
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(shown(&stage, &format!("r{number}"), more), *text, "{more}");
    }
    // Changed while it works, without a restart; the file's own are locked.
    let set = stage.gateway.operate(&["settings", "set", "otp_template.fr.text", "Votre code : %s"]);
    assert!(set.told().contains("otp_template.fr.text"), "{set:?}");
    assert_eq!(shown(&stage, "french", &json!({"locale": "fr-CA"})), "Votre code : 000000");
    let refused = stage.gateway.operate(&["settings", "set", "otp_template.fr.text", "Votre code"]);
    assert!(refused.refused().contains("the message holds no %s"), "{refused:?}");
    let locked = stage.gateway.operate(&["settings", "set", "otp_template.id.text", "%s"]);
    assert!(locked.refused().contains("is set by the file"), "{locked:?}");
}

#[test]
fn what_changes_the_text_is_part_of_what_a_retry_must_repeat() {
    let stage = Stage::with(|setup| setup.otp = "template = \"first %s\"".to_owned());
    let plain = json!({"reference": "r", "receiver": PHONE, "locale": "id"});
    assert_eq!(response_code(&stage.ask("create-otp", plain.clone())), "000");
    stage.emulator.text_with("first ");
    for (field, value) in [
        ("locale", json!("en")),
        ("message", json!("first %s")),
        ("domain", json!("example.com")),
        ("app_hash", json!(HASH)),
    ] {
        let mut other = plain.clone();
        other[field] = value;
        check_refused(&stage.gateway, "create-otp", &other, "1201", "reference");
    }
    // The same request, also when its text is another by now.
    let changed = Setup::with(&stage.emulator);
    stage.gateway.reload_as(&changed);
    assert_eq!(response_code(&stage.ask("create-otp", plain)), "000");
    stage.gateway.send_sentinel(&stage.emulator, PHONE, "end");
    assert_eq!(stage.emulator.transmissions().len(), 2, "one code and the sentinel");
}
