//! What a configuration may say, and how it is told what is wrong.

use std::time::Duration;

use super::*;

const GOOD: &str = r#"
[sms]
country_code = "62"
[[modem]]
name = "a"
port = "/dev/ttyUSB0"
recipient_prefixes = ["0871", "62872"]
[[api_user]]
username = "shop"
password = "secret"
"#;

fn complaint(text: &str) -> String {
    match parse(text) {
        Ok(_) => panic!("it was taken:\n{text}"),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let said = complaint(text);
    for part in expected {
        assert!(said.contains(part), "{part:?} is not in:\n{said}");
    }
}

#[test]
fn the_example_configuration_is_good() {
    let config = parse(include_str!("../../../../config/otp-pi.example.toml")).unwrap();
    assert_eq!(config.modems.len(), 4);
}

#[test]
fn defaults_are_those_of_the_specification() {
    let config = parse(GOOD).unwrap();
    assert_eq!(config.gateway.lifetime, Duration::from_secs(180));
    assert_eq!(config.gateway.max_lifetime, Duration::from_secs(600));
    assert_eq!((config.gateway.max_attempts, config.gateway.code_length.digits()), (5, 6));
    assert_eq!(config.api.listen, ["0.0.0.0:8899".parse().unwrap()]);
    assert_eq!(config.dispatch.drain_timeout, Duration::from_secs(60));
}

#[test]
fn prefixes_are_stored_as_numbers_are() {
    assert_eq!(parse(GOOD).unwrap().routes.modems[0].prefixes, ["62871", "62872"]);
}

#[test]
fn a_password_in_clear_is_taken_with_a_warning_and_never_printed() {
    let config = parse(GOOD).unwrap();
    assert_eq!(config.warnings[0].key, "api_user[0].password");
    assert!(!format!("{config:?}").contains("secret"));
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_a_caret() {
    check("[sms]\ncountry_code = \"62\"\ncuntry = 1\n", &["line 3", "^", "unknown field `cuntry`"]);
    check("[smss]\n", &["line 1", "unknown field `smss`"]);
}

#[test]
fn a_malformed_line_is_shown_without_its_value() {
    for line in
        ["password = \"hunter2", "pasword = \"hunter2\"", "password = hunter2", "password = { a = \"hunter2\" }"]
    {
        let said = complaint(&format!("[[api_user]]\n{line}\n"));
        assert!(said.contains("line 2") && said.contains('^'), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn each_problem_names_line_key_fault_and_fix() {
    check(&GOOD.replace("\"62\"", "\"\""), &["line 3: sms.country_code: it is missing", "fix: "]);
    check(
        &format!("{GOOD}[otp]\nlength = 3\n"),
        &["otp.length: a code has 4 to 10 digits, not 3", "fix: write a number"],
    );
    check(&format!("{GOOD}[otp]\nlifetime = \"20m\"\n"), &["otp.lifetime: it must be"]);
    check(&format!("{GOOD}[otp]\nlifetime = \"3 minutes\"\n"), &["not a duration", "^"]);
    check(&GOOD.replace("/dev/ttyUSB0", ""), &["modem[0].port: it is missing"]);
    check(&GOOD.replace("\"0871\"", "\"O871\""), &["line 7: modem[0].recipient_prefixes", "is not a prefix"]);
    check(&GOOD.replace("password = \"secret\"", ""), &["api_user[0].password_file", "exactly one of"]);
    check(&format!("{GOOD}[api]\nhttp_listen = \"localhost\"\n"), &["not a listen address", "^"]);
    check(&format!("{GOOD}[limits]\nmode = \"on\"\n"), &["limits.mode: \"on\" is not known", "\"off\""]);
}

#[test]
fn all_problems_are_told_at_once() {
    check("[otp]\nlength = 3\nmax_attempts = 0\n", &["sms.country_code", "otp.length", "otp.max_attempts"]);
}

#[test]
fn two_modems_never_share_a_name_or_a_line() {
    let twice = format!("{GOOD}[[modem]]\nname = \"a\"\nport = \"/dev/ttyUSB0\"\n");
    check(&twice, &["modem[1].name: another modem has this name", "modem[1].port: another modem uses this line"]);
}

#[test]
fn an_open_network_needs_an_active_api_user_who_may_send_codes() {
    let open = |api: &str, user: &str| {
        let text =
            GOOD.replace("[[api_user]]", &format!("[api]\nsimple_otp_open = [\"127.0.0.0/8\"]\n{api}\n[[api_user]]"));
        format!("{text}{user}")
    };
    let named = "simple_otp_user = \"shop\"";
    let config = parse(&open(named, "")).unwrap();
    let simple = config.api.simple.unwrap();
    assert_eq!((simple.open.len(), simple.open_user.as_str()), (1, "shop"));
    check(&open("", ""), &["api.simple_otp_user: it is missing", "fix: write the username of an [[api_user]]"]);
    check(
        &open("simple_otp_user = \"nobody\"", ""),
        &["line 10: api.simple_otp_user: there is no API user \"nobody\"", "fix: add [[api_user]]"],
    );
    check(&open(named, "active = false\n"), &["the API user \"shop\" is switched off", "fix: write active = true"]);
    check(&open(named, "scopes = [\"sms\"]\n"), &["\"shop\" may not send codes", "fix: add \"otp\" to its scopes"]);
    assert!(parse(&open("simple_otp = false", "")).unwrap().api.simple.is_none());
}

#[test]
fn an_open_network_is_checked_and_one_of_everybody_is_unwise() {
    let open = |network: &str| format!("{GOOD}[api]\nsimple_otp_open = [{network:?}]\nsimple_otp_user = \"shop\"\n");
    check(&open("localhost"), &["api.simple_otp_open: \"localhost\": it does not begin with an IP address", "fix: "]);
    check(&open("10.0.0.1/8"), &["has bits behind the fixed ones; the network is 10.0.0.0/8"]);
    let warnings = parse(&open("0.0.0.0/0")).unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.key == "api.simple_otp_open"), "{warnings:?}");
}

#[test]
fn the_text_of_codes_is_checked_like_that_of_a_request() {
    assert_eq!(parse(GOOD).unwrap().gateway.template.expose(), "Your code is %s");
    let with = |template: &str| format!("{GOOD}[otp]\ntemplate = {template:?}\n");
    assert_eq!(parse(&with("%s: kode Anda")).unwrap().gateway.template.expose(), "%s: kode Anda");
    check(&with("Your code"), &["otp.template: the message holds no %s", "fix: write a short text with one %s"]);
    check(&with("%s %s"), &["otp.template: the message holds more than one %s"]);
    check(&with(&("x".repeat(320) + "%s")), &["otp.template: it takes 3 SMS with its code, at most 2"]);
}

#[test]
fn an_answer_waits_for_as_long_as_is_written_and_at_most_half_a_minute() {
    let wait = |keys: &str| format!("{GOOD}[api]\n{keys}\n");
    assert_eq!(parse(GOOD).unwrap().gateway.wait, None);
    assert_eq!(parse(&wait("wait = \"sent\"")).unwrap().gateway.wait, Some(Duration::from_secs(30)));
    let short = parse(&wait("wait = \"sent\"\nwait_limit = \"5s\"")).unwrap();
    assert_eq!(short.gateway.wait, Some(Duration::from_secs(5)));
    assert!(short.api.render.code_state);
    check(&wait("wait = \"delivered\""), &["api.wait: \"delivered\" is not known", "\"accepted\", \"sent\""]);
    for limit in ["0s", "31s"] {
        check(
            &wait(&format!("wait_limit = {limit:?}")),
            &["api.wait_limit: it must be more than zero and at most 30s"],
        );
    }
}

#[test]
fn a_path_of_the_small_dialects_is_not_taken_by_the_envelope() {
    let taken = |path: &str, more: &str| format!("{GOOD}[api]\notp_path = {path:?}\n{more}\n");
    for path in ["/send_otp", "/verify_otp/", "/health"] {
        check(&taken(path, ""), &["api.otp_path", "belongs to the small dialects", "simple_otp = false"]);
        assert!(parse(&taken(path, "simple_otp = false")).is_ok());
    }
}
