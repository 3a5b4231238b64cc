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
    let timeouts = config.modems[0].line.timeouts;
    assert_eq!((timeouts.prompt, timeouts.result), (Duration::from_secs(10), Duration::from_secs(120)));
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
