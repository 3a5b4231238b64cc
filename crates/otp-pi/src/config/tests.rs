// long: one document and its complaints, section by section
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

fn parse(text: &str) -> Result<Config, ConfigError> {
    assemble(text, "", &[]).map(|loaded| loaded.config)
}

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
fn a_hash_is_never_printed_and_neither_is_the_password_of_an_address() {
    let hash = GOOD.replace("password = \"secret\"", "password_hash = \"$argon2id$secret\"");
    assert!(!format!("{:?}", parse(&hash).unwrap()).contains("secret"));
    let said = complaint(&format!("{GOOD}[otp]\nticket_store = \"redis://user:secret@host\"\n"));
    assert!(said.contains("otp.ticket_store: a password does not stand") && !said.contains("secret"), "{said}");
}

#[test]
fn tickets_can_be_on_a_server_and_its_password_in_a_file() {
    let password = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(password.path(), "s3cret\n").unwrap();
    let with = |address: &str, more: &str| {
        let file = password.path().display();
        format!("{GOOD}[otp]\nticket_store = \"{address}\"\nticket_store_password_file = \"{file}\"\n{more}")
    };
    for address in
        ["redis://127.0.0.1:6379/1", "mysql://otp@localhost/otp", "postgres://otp@[::1]/otp", "rediss://cache"]
    {
        let config = parse(&with(address, "")).unwrap();
        let store::TicketStoreKind::Server(server) = &config.store.ticket_store else { panic!("{address}") };
        assert!(address.ends_with(server.to_string().split_once("://").unwrap().1), "{server}");
        assert!(config.warnings.iter().all(|warning| !warning.key.contains("ticket_store")), "{address}");
        assert!(!format!("{config:?}").contains("s3cret"));
    }
    let exposed = parse(&with("redis://cache.example", "")).unwrap();
    assert!(exposed.warnings.iter().any(|warning| warning.key == "otp.ticket_store"));
    let unused =
        complaint(&with("redis://127.0.0.1", &format!("ticket_store_ca_file = \"{}\"\n", password.path().display())));
    assert!(unused.contains("otp.ticket_store_ca_file: a file of certificates needs an encrypted way"), "{unused}");
    let missing =
        complaint(&format!("{GOOD}[otp]\nticket_store = \"redis://h\"\nticket_store_password_file = \"/none\"\n"));
    assert!(missing.contains("otp.ticket_store_password_file: /none cannot be read"), "{missing}");
    let paper = complaint(&format!("{GOOD}[otp]\nticket_store = \"paper\"\n"));
    assert!(paper.contains("otp.ticket_store: \"paper\" is not known"), "{paper}");
}

#[test]
fn a_secret_that_the_database_keeps_does_not_stand_in_clear() {
    let kept = "[[modem]]\nname = \"a\"\nsim_pin = \"1234\"\n[[api_user]]\nusername = \"app\"\npassword = \"x\"\n";
    let warnings = assemble(GOOD, kept, &[]).unwrap().config.warnings;
    let keys: Vec<&str> = warnings.iter().map(|warning| warning.key.as_str()).collect();
    assert_eq!(keys, ["api_user[0].password"], "that of the file alone");
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_a_caret() {
    check(
        "[sms]\ncountry_code = \"62\"\ncuntry_code = 1\n[otp]\nlenght = 3\ncolour = 1",
        &[
            "line 3: sms.cuntry_code: there is no such key\n  |\n3 | cuntry_code = …\n  | ^^^^^^^^^^^\n  fix: did you mean country_code?",
            "line 5: otp.lenght: there is no such key",
            "did you mean length?",
            "line 6: otp.colour: there is no such key",
            "fix: take it out",
        ],
    );
    check(
        "[[modem]]\napn = \"1\"\n[email]\ndirect = true\n",
        &["line 2: modem[0].apn: this release cannot do that yet", "line 3: email: this release cannot do that yet"],
    );
    check("[smss]\n", &["line 1: smss: there is no such key", "did you mean sms?"]);
    check("[[modems]]\n", &["did you mean modem?"]);
    check("sms = 3\n", &["line 1: sms: it is a section"]);
    check("[modem]\nname = \"a\"\n", &["modem: it is a section", "[[modem]]"]);
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
    check(
        &format!("{GOOD}[retention]\naudit = \"1h\"\nmax_audit = \"1KiB\"\n"),
        &["retention.audit: the audit record must be kept", "retention.max_audit: the audit record needs room"],
    );
    check(&format!("{GOOD}[limits]\nmode = \"on\"\n"), &["limits.mode: \"on\" is not known", "\"off\""]);
}

#[test]
fn limits_without_a_word_about_them_are_the_standard_ones() {
    assert_eq!(parse(GOOD).unwrap().limits.rules, domain::limits::Rules::standard("62"));
}

#[test]
fn every_limit_that_cannot_be_is_told_with_its_key_and_a_way_out() {
    for (limit, expected) in [
        ("codes_per_receiver = [\"3/10\"]", ["limits.codes_per_receiver: \"3/10\": the period", "\"3/10m\""]),
        ("wrong_per_receiver = [\"0/1h\"]", ["limits.wrong_per_receiver: \"0/1h\": the count", "from 1 to 1000000"]),
        ("codes_per_prefix = [\"1/60m\", \"2/1h\"]", ["limits.codes_per_prefix: two of them", "the period of 2/1h"]),
        ("codes_per_client = [\"1/32d\"]", ["limits.codes_per_client", "between 1s and 31d"]),
        ("cool_down = [\"32d\"]", ["limits.cool_down", "at most 31d"]),
        ("lock = \"0s\"", ["limits.lock", "more than zero"]),
        ("lock = \"2d\"", ["limits.lock", "at most limits.longest_lock"]),
        ("longest_lock = \"32d\"", ["limits.longest_lock", "at most 31d"]),
        ("learning = \"32d\"", ["limits.learning", "at most 31d"]),
        ("alarm_below = 101", ["limits.alarm_below", "percent"]),
        ("destinations = [\"062\"]", ["limits.destinations: \"062\"", "without 0"]),
        ("destinations_denied = [\"*\"]", ["limits.destinations_denied: \"*\"", "prefix"]),
    ] {
        check(&format!("{GOOD}[limits]\n{limit}\n"), &expected);
    }
    let nine = ["1s", "2s", "3s", "4s", "5s", "6s", "7s", "8s", "9s"].map(|period| format!("\"1/{period}\"")).join(",");
    check(&format!("{GOOD}limits = [{nine}]\n"), &["api_user[0].limits: there are more than 8"]);
}

#[test]
fn all_problems_are_told_at_once() {
    check("[otp]\nlength = 3\nmax_attempts = 0\n", &["sms.country_code", "otp.length", "otp.max_attempts"]);
}

#[test]
fn a_profile_is_one_of_those_there_are() {
    let with = |name: &str| format!("{GOOD}[[modem]]\nname = \"b\"\nport = \"/dev/b\"\nprofile = \"{name}\"\n");
    let profile = |text: &str| parse(text).unwrap().modems[1].line.profile.map(|profile| profile.name);
    assert_eq!(profile(&with("auto")), None);
    assert_eq!(profile(&with("huawei-e3372")), Some("huawei-e3372"));
    check(&with("E3372"), &["modem[1].profile: \"E3372\" is not known", "fix: write one of \"auto\", \"sim800\", "]);
}

#[test]
fn two_modems_never_share_a_name_or_a_line() {
    let twice = format!("{GOOD}[[modem]]\nname = \"a\"\nport = \"/dev/ttyUSB0\"\n");
    check(
        &twice,
        &["modem[1].name: another modem has this name", "modem[1].port: modem a uses this line, and so does a"],
    );
}

#[test]
fn two_paths_of_one_line_are_no_two_lines() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("by-id");
    std::os::unix::fs::symlink("/dev/null", &link).unwrap();
    let twice = GOOD.replace("/dev/ttyUSB0", "/dev/null") + &format!("[[modem]]\nname = \"b\"\nport = {link:?}\n");
    let same = format!("modem[1].port: /dev/null is the line of modem a, and {} is the same for b", link.display());
    check(&twice, &[&same, "fix: one line, one modem"]);
    assert!(parse(&twice.replace("/dev/null", "/dev/zero")).is_ok());
}

fn from_environment(variables: &[(&str, &str)]) -> Result<Loaded, String> {
    let variables: Vec<_> = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    assemble(GOOD, "", &variables).map_err(|error| error.to_string())
}

#[test]
fn the_environment_is_above_the_file_and_locks_what_it_sets() {
    let loaded = from_environment(&[
        ("OTP_PI__OTP__LENGTH", "8"),
        ("OTP_PI__OTP__UNIFORM_FAILURES", "true"),
        ("OTP_PI__OTP__LIFETIME", "90s"),
        ("OTP_PI__DATA_DIR", "/elsewhere"),
        ("OTP_PI__API__HTTP_LISTEN", "127.0.0.1:1, [::1]:2"),
        ("OTP_PI__MODEM__A__RECIPIENT_PREFIXES", "62811, 62812"),
        ("OTP_PI__MODEM__NEW_ONE__PORT", "/dev/new"),
        ("OTP_PI__API_USER__SHOP__SCOPES", "[\"otp\"]"),
        ("OTHER__OTP__LENGTH", "9"),
    ])
    .unwrap();
    let config = loaded.config;
    assert_eq!(config.gateway.code_length.digits(), 8);
    assert!(config.api.render.uniform_failures);
    assert_eq!(config.gateway.lifetime, Duration::from_secs(90));
    assert_eq!(config.store.data_dir, Path::new("/elsewhere"));
    assert_eq!(config.api.listen.len(), 2);
    assert_eq!(config.routes.modems[0].prefixes, ["62811", "62812"]);
    assert_eq!(config.modems[1].line.name, "new_one");
    assert_eq!(config.api_users.len(), 1);
    let origin = loaded.laid.layers.origin("modem[0].recipient_prefixes");
    assert_eq!(origin.to_string(), "OTP_PI__MODEM__A__RECIPIENT_PREFIXES");
    assert!(origin.is_locked() && loaded.laid.layers.origin("modem[0].port").is_locked());
}

#[test]
fn a_bad_variable_is_named_with_what_was_meant() {
    for (name, value, expected) in [
        (
            "OTP_PI__OTP__LENGHT",
            "6",
            "OTP_PI__OTP__LENGHT: otp.lenght: there is no such key\n  fix: did you mean length?",
        ),
        ("OTP_PI__OPT__LENGTH", "6", "opt: there is no such key\n  fix: did you mean otp?"),
        ("OTP_PI__DATADIR", "/x", "datadir: there is no such key\n  fix: did you mean data_dir?"),
        ("OTP_PI__OTP", "x", "otp: there is no such key"),
        ("OTP_PI__OTP__LENGTH", "six", "otp.length: it must be a whole number"),
        ("OTP_PI__OTP__UNIFORM_FAILURES", "yes", "it must be true or false"),
        ("OTP_PI__OTP__LIFETIME", "soon", "OTP_PI__OTP__LIFETIME: otp.lifetime: not a duration: \"soon\""),
        ("OTP_PI__OTP__LENGTH", "3", "OTP_PI__OTP__LENGTH: otp.length: a code has 4 to 10 digits"),
        ("OTP_PI__MODEM__PORT", "/dev/x", "modem: it is a list, and the variable does not say which name"),
        ("OTP_PI__MODEM__A__NAME", "b", "modem.name: there is no such key"),
        ("OTP_PI__API_USER__SHOP__SCOPES", "[\"otp\"", "it must be a list like a,b"),
    ] {
        let said = from_environment(&[(name, value)]).map(drop).unwrap_err();
        assert!(said.contains(expected), "{name}={value}:\n{said}");
    }
}

#[test]
fn the_database_fills_in_what_nobody_else_sets() {
    let database = "[otp]\nlength = 8\n[sms]\ncountry_code = \"1\"\n[[modem]]\nname = \"b\"\nport = \"/dev/b\"\n\
                    [[modem]]\nname = \"a\"\nport = \"/dev/c\"\ncost = 5\n";
    let loaded = assemble(GOOD, database, &[]).unwrap();
    assert_eq!(loaded.config.gateway.code_length.digits(), 8);
    assert_eq!(loaded.config.gateway.plan.country_code.as_str(), "62", "locked by the file");
    let paths: Vec<_> = loaded.config.modems.iter().map(|modem| modem.line.path.to_str().unwrap()).collect();
    assert_eq!(paths, ["/dev/ttyUSB0", "/dev/b"]);
    let bad = assemble(GOOD, "[otp]\nlength = 3\n", &[]).map(drop).unwrap_err().to_string();
    assert!(bad.contains("database: otp.length: a code has"), "{bad}");
}

#[test]
fn every_key_is_explained_in_the_example() {
    let example = include_str!("../../../../config/otp-pi.example.toml");
    let schema = schema::Schema::new();
    let mut sections: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    let mut section = String::new();
    for line in example.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_start_matches('[').split([']', '.']).next().unwrap().to_owned();
        }
        let lines = sections.entry(section.clone()).or_default();
        *lines = format!("{lines}{}\n", line.trim_start_matches(['#', ' ']));
    }
    for known in schema.sections() {
        let text = sections.get(known.name).unwrap_or_else(|| panic!("[{}] is not in the example", known.name));
        for key in known.keys() {
            assert!(text.lines().any(|line| line.starts_with(&format!("{key} = "))), "{}.{key}", known.name);
        }
    }
}

fn with_broker(lines: &str) -> String {
    format!("{GOOD}[subscriber.redis]\nenabled = true\nhost = \"localhost\"\napi_user = \"shop\"\n{lines}")
}

#[test]
fn a_broker_is_called_by_the_name_of_its_section() {
    let intakes = parse(&with_broker("password = \"secret\"\n[subscriber.far]\nkind = \"nats\"\n")).unwrap().intakes;
    assert_eq!(intakes.len(), 1, "the other is not enabled");
    let redis = &intakes[0];
    assert_eq!((redis.name.as_str(), redis.server.port, redis.topic.as_str()), ("redis", 6379, "sms"));
    assert!(
        matches!(&redis.broker, crate::intake::Broker::Redis(redis) if redis.mode == crate::intake::RedisMode::PubSub)
    );
    assert!(!format!("{redis:?}").contains("secret"));
    let as_list = "[[subscriber]]\nname = \"mine\"\nkind = \"mosquitto\"\nenabled = true\nhost = \"::1\"\ntls = true\n\
                   api_user = \"shop\"\n";
    let intakes = parse(&format!("{GOOD}{as_list}")).unwrap().intakes;
    assert_eq!((intakes[0].name.as_str(), intakes[0].server.address().as_str()), ("mine", "[::1]:8883"));
}

#[test]
fn a_broker_is_set_by_environment_and_database_as_well() {
    let database = "[[subscriber]]\nname = \"redis\"\nhost = \"10.0.0.1\"\ntopic = \"mine\"\nrefresh = \"30m\"\n";
    let variables = [("OTP_PI__SUBSCRIBER__REDIS__TOPIC".to_owned(), "orders".to_owned())];
    let loaded = assemble(&with_broker(""), database, &variables).unwrap();
    let redis = &loaded.config.intakes[0];
    assert_eq!((redis.server.host.as_str(), redis.topic.as_str()), ("localhost", "orders"), "above the database");
    assert_eq!(redis.refresh, Some(Duration::from_secs(1800)), "where nobody else says it");
    let settings = loaded.laid.settings();
    let topic = settings.iter().find(|one| one.key == "subscriber.redis.topic").unwrap();
    assert!(topic.is_locked && topic.origin.contains("OTP_PI__SUBSCRIBER__REDIS__TOPIC"), "{}", topic.origin);
    let exported = loaded.laid.export(None).unwrap();
    assert_eq!(assemble(GOOD, &exported, &[]).unwrap().config.intakes, loaded.config.intakes);
}

#[test]
fn what_is_wrong_with_a_broker_is_told_by_its_name() {
    for (lines, expected) in [
        ("hots = \"x\"\n", "subscriber.redis.hots: there is no such key"),
        ("hots = \"x\"\n", "did you mean host?"),
        ("qos = 2\n", "subscriber.redis.qos: a subscriber of this kind has no qos"),
        (
            "mode = \"list\"\n",
            "subscriber.redis.mode: \"list\" is not known\n  fix: write one of \"pubsub\", \"stream\"",
        ),
        ("timeout = \"0s\"\n", "subscriber.redis.timeout: it is not between 100ms and 5m"),
        ("refresh = \"1ms\"\n", "subscriber.redis.refresh: it is shorter than a second"),
        ("unacknowledged = 0\n", "subscriber.redis.unacknowledged: with 0 nothing could be taken"),
        ("topic = \"\"\n", "subscriber.redis.topic: it is empty"),
        ("callback_prefix = \"sms\"\n", "subscriber.redis.callback_prefix: commands are read from there"),
        ("tls = true\ntls_ca_file = \"/nowhere\"\n", "subscriber.redis.tls_ca_file: /nowhere cannot be read"),
        (
            "tls = true\ntls_certificate = \"/dev/null\"\n",
            "subscriber.redis.tls_private_key: it is missing beside the other",
        ),
        (
            "tls = true\ntls_ca_file = \"/dev/null\"\n",
            "subscriber.redis.tls: there is no certificate of an authority in it",
        ),
        ("password = \"a\"\npassword_file = \"/x\"\n", "subscriber.redis.password: there is also a password_file"),
        ("[subscriber.other]\nenabled = true\n", "subscriber.other.kind: \"other\" is not known"),
        ("[subscriber.nats]\nenabled = true\n", "subscriber.nats.host: it is missing"),
        ("[subscriber.nats]\nenabled = true\n", "subscriber.nats.api_user: it is missing"),
        ("[subscriber.nats]\nenabled = true\nhost = \"x\"\napi_user = \"nobody\"\n", "there is no such API user"),
        (
            "[subscriber.mqtt]\nenabled = true\nhost = \"::1\"\napi_user = \"shop\"\ntopic = \"sms#\"\ngroup = \"a/b\"\n",
            "subscriber.mqtt.topic: it is no topic filter of MQTT",
        ),
        ("[subscriber]\nnats = 5\n", "subscriber.nats: there is no such key"),
    ] {
        check(&with_broker(lines), &[expected]);
    }
    check(
        &format!("subscriber = 5\n{GOOD}"),
        &["subscriber: it is a section", "write [subscriber.NAME] on a line of its own"],
    );
    let warnings = parse(&with_broker(
        "password = \"x\"\n[subscriber.nats]\nenabled = true\nhost = \"far\"\napi_user = \"shop\"\n",
    ));
    let warnings: Vec<_> = warnings.unwrap().warnings.into_iter().map(|warning| warning.key).collect();
    for key in ["subscriber.redis.password", "subscriber.nats.tls"] {
        assert!(warnings.iter().any(|one| one == key), "{warnings:?}");
    }
}

proptest::proptest! {
    #[test]
    fn no_document_makes_it_panic_and_no_secret_is_repeated(
        section in "(\\[\\[?(modem|api_user|otp|subscriber|subscriber.redis|subscriber.redis.x|x)\\]\\]?\n)?",
        lines in "((password|sim_pin) ?= ?(\"s3cr3t\"|'s3cr3t|s3cr3t|\\[\"s3cr3t\"\\]|\"s3cr3t)\n|(length|name) ?= ?(12|\"a\"|\\[1\\])\n){0,4}",
    ) {
        if let Err(error) = assemble(&format!("{section}{lines}"), "", &[]) {
            proptest::prop_assert!(!error.to_string().contains("s3cr3t"), "{error}");
        }
    }
}

#[test]
fn https_is_off_and_self_signed_unless_it_is_asked_for() {
    let config = parse(GOOD).unwrap();
    assert_eq!((config.api.https_listen, config.tls.files), (Vec::new(), None));
    let two = parse(&format!("{GOOD}[api]\nhttps_listen = [\":8443\", \"192.0.2.7:8444\"]\n")).unwrap();
    assert_eq!(two.api.https_listen, ["0.0.0.0:8443".parse().unwrap(), "192.0.2.7:8444".parse().unwrap()]);
    assert_eq!(two.tls.addresses, ["192.0.2.7".parse::<std::net::IpAddr>().unwrap()], "a wildcard is no name");
    assert_eq!(two.tls.directory, Path::new("/var/lib/otp-pi/tls"));
}

#[test]
fn two_listeners_never_share_an_address() {
    let api = |lines: &str| format!("{GOOD}[api]\n{lines}\n");
    check(
        &api("https_listen = \":8899\""),
        &["line 12: api.https_listen: 0.0.0.0:8899 is taken: api.http_listen has 0.0.0.0:8899", "fix: give each"],
    );
    check(&api("http_listen = [\":5000\", \":5000\"]"), &["api.http_listen: 0.0.0.0:5000 is taken"]);
    check(
        &api("http_listen = \"127.0.0.1:5000\"\nhttps_listen = \":5000\""),
        &["0.0.0.0:5000 is taken: api.http_listen has 127.0.0.1:5000"],
    );
}

#[test]
fn a_certificate_that_cannot_be_served_is_a_problem_where_it_is_used() {
    let tls = |api: &str, lines: &str| format!("{GOOD}[api]\n{api}\n[tls]\n{lines}\n");
    let on = "https_listen = \":8443\"";
    let missing = "certificate = \"/nowhere/a.pem\"\nprivate_key = \"/nowhere/a.key\"";
    check(
        &tls(on, missing),
        &["line 14: tls.certificate: /nowhere/a.pem cannot be read: No such file", "fix: check the path"],
    );
    parse(&tls("", missing)).unwrap();
    check(&tls("", "certificate = \"/nowhere/a.pem\""), &["tls.private_key: it is missing beside the other"]);
    check(&tls("", "private_key = \"/nowhere/a.key\""), &["tls.certificate: it is missing beside the other"]);
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
fn the_networks_of_an_api_user_are_checked_with_the_fix() {
    let with = |networks: &str| format!("{GOOD}networks = {networks}\n");
    let config = parse(&with("[\"10.0.0.0/8\", \"2001:db8::/32\", \"192.0.2.7\"]")).unwrap();
    let networks: Vec<String> = config.api_users[0].networks.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7/32"]);
    for (networks, words) in [
        ("[\"office\"]", "line 11: api_user[0].networks: \"office\": it does not begin with an IP address"),
        ("[\"10.0.0.1/8\"]", "has bits behind the fixed ones; the network is 10.0.0.0/8"),
        ("[\"10.0.0.0/33\"]", "behind the slash must stand how many bits are fixed, at most 32"),
        ("[\"::ffff:10.0.0.0/104\"]", "it is IPv4 written as IPv6"),
    ] {
        check(&with(networks), &[words, "fix: write networks like "]);
    }
}

#[test]
fn an_open_network_outside_the_networks_of_its_api_user_is_unwise() {
    let api = "[api]\nsimple_otp_open = [\"127.0.0.0/8\", \"192.168.1.0/24\"]\nsimple_otp_user = \"shop\"\n";
    let warnings = |networks: &str| {
        let text = GOOD.replace("[[api_user]]", &format!("{api}[[api_user]]\nnetworks = [{networks}]"));
        let warnings = parse(&text).unwrap().warnings;
        warnings.into_iter().filter(|one| one.key == "api.simple_otp_open").map(|one| one.what).collect::<Vec<_>>()
    };
    let words = "nobody from 192.168.1.0/24 gets in: it is outside the networks of the API user \"shop\"";
    assert_eq!(warnings("\"127.0.0.1\", \"::1\""), [words]);
    assert_eq!(warnings("\"127.0.0.1\", \"192.168.0.0/16\""), [""; 0]);
    assert_eq!(warnings(""), [""; 0]);
}

#[test]
fn a_password_that_is_rotated_out_in_the_file_is_one_with_a_time() {
    let with = |keys: &str| format!("{GOOD}{keys}\n");
    let config = parse(&with("previous_password = \"older\"\nprevious_until = \"2026-12-01T19:00:00+07:00\"")).unwrap();
    let keys: Vec<&str> = config.warnings.iter().map(|warning| warning.key.as_str()).collect();
    assert_eq!(keys, ["api_user[0].password", "api_user[0].previous_password"]);
    assert!(!format!("{config:?}").contains("older"));
    let until = config.api_users[0].previous.as_ref().unwrap().until.unwrap();
    assert_eq!(Some(until), read_time("2026-12-01T12:00:00Z"));
    for (keys, words) in [
        ("previous_until = \"soon\"", "line 11: api_user[0].previous_until: \"soon\" is not a time"),
        ("previous_password_hash = \"md5\"", "line 11: api_user[0].previous_password_hash: it is not an Argon2id hash"),
        ("previous_password = \"\"", "api_user[0].previous_password_file: the password is empty"),
        ("previous_password_file = \"/nowhere/old\"", "/nowhere/old cannot be read"),
        ("previous_password = \"a\"\nprevious_password_hash = \"$argon2id$b\"", "there must be at most one of"),
    ] {
        check(&with(keys), &[words, "fix: "]);
    }
    for keys in ["previous_password_hash = \"$argon2id$x\"", "previous_until = \"2026-12-01T12:00:00Z\""] {
        let warnings = parse(&with(keys)).unwrap().warnings;
        assert!(warnings.iter().any(|warning| warning.key == "api_user[0].previous_until"), "{warnings:?}");
    }
}

#[test]
fn the_text_of_codes_is_checked_like_that_of_a_request() {
    assert_eq!(parse(GOOD).unwrap().gateway.texts.fallback.expose(), "Your code is %s");
    let with = |template: &str| format!("{GOOD}[otp]\ntemplate = {template:?}\n");
    assert_eq!(parse(&with("%s: kode Anda")).unwrap().gateway.texts.fallback.expose(), "%s: kode Anda");
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
fn texts_that_never_touch_the_disk_need_answers_that_wait() {
    let never = |api: &str| GOOD.replace("[sms]", &format!("[api]\n{api}\n[sms]\ntext_at_rest = \"never\""));
    assert_eq!(parse(GOOD).unwrap().store.text_at_rest, store::TextAtRest::Sealed);
    assert_eq!(parse(&never("wait = \"sent\"")).unwrap().store.text_at_rest, store::TextAtRest::Never);
    check(
        &never("wait = \"accepted\""),
        &["line 5: sms.text_at_rest: what is in memory only is lost", "fix: write api.wait = \"sent\" too"],
    );
    check(
        &GOOD.replace("[sms]", "[sms]\ntext_at_rest = \"clear\""),
        &["sms.text_at_rest: \"clear\" is not known", "\"sealed\", \"never\""],
    );
}

#[test]
fn a_path_of_the_small_dialects_is_not_taken_by_the_envelope() {
    let taken = |path: &str, more: &str| format!("{GOOD}[api]\notp_path = {path:?}\n{more}\n");
    for path in ["/send_otp", "/verify_otp/", "/health"] {
        check(&taken(path, ""), &["api.otp_path", "belongs to the small dialects", "simple_otp = false"]);
        assert!(parse(&taken(path, "simple_otp = false")).is_ok());
    }
}

#[test]
fn a_keys_file_is_taken_only_where_one_is_named() {
    let keys_file = |text: &str| parse(text).unwrap().keys_file;
    assert_eq!(keys_file(GOOD), None);
    assert_eq!(keys_file(&format!("{GOOD}[keys]\nfile = \"\"\n")), None);
    assert_eq!(keys_file(&format!("{GOOD}[keys]\nfile = \"/etc/k\"\n")), Some("/etc/k".into()));
}

#[test]
fn an_older_pepper_is_honoured_as_long_as_a_code_may_live() {
    let config = parse(&format!("{GOOD}[otp]\nmax_lifetime = \"8m\"\n")).unwrap();
    assert_eq!(config.store.longest_lifetime, Duration::from_secs(480));
}

#[test]
fn an_address_may_have_some_connections_and_not_none() {
    let with = |most: &str| format!("{GOOD}[api]\nmax_connections_per_address = {most}\n");
    assert_eq!(parse(GOOD).unwrap().api.max_connections_per_address, 256);
    assert_eq!(parse(&with("1")).unwrap().api.max_connections_per_address, 1);
    check(&with("0"), &["api.max_connections_per_address: with 0 nobody could connect", "write 256"]);
}

#[test]
fn a_modem_that_modem_manager_has_is_named_by_its_line_or_by_its_imei() {
    let with = |lines: &str| GOOD.replace("port = \"/dev/ttyUSB0\"", lines);
    for (lines, place) in [
        ("driver = \"modemmanager\"\nimei = \"867856030000019\"", "ModemManager's with IMEI …00019"),
        ("driver = \"modemmanager\"\nport = \"/dev/cdc-wdm0\"", "/dev/cdc-wdm0"),
    ] {
        let config = parse(&with(lines)).unwrap();
        let [ModemConfig { line, .. }] = config.modems.as_slice() else { panic!("one modem") };
        assert_eq!(line.driver, ::modem::Driver::ModemManager);
        assert_eq!(crate::channel::place(&line.path, &line.wanted, line.driver), place);
    }
    let imei = "driver = \"modemmanager\"\nimei = \"867856030000019\"";
    check(&with("driver = \"modemmanager\""), &["modem[0].port: it is missing"]);
    check(&with("driver = \"modemmanager\"\nimei = \"867856030000018\""), &["modem[0].imei: its last digit"]);
    check(&with(&format!("{imei}\niccid = \"8962100000000000001\"")), &["modem[0].iccid: it does nothing"]);
    check(
        &with(&format!("{imei}\nbalance_code = \"*888#\"\nbalance_pattern = \"([0-9]+)\"")),
        &["modem[0].balance_code: it does nothing"],
    );
    check(&with("driver = \"mm\"\nport = \"/dev/x\""), &["modem[0].driver: \"mm\" is not known"]);
}

#[test]
fn quotas_have_their_resets_and_zone_and_what_cannot_be_is_refused() {
    let modem = |lines: &str| format!("{GOOD}\n[[modem]]\nname = \"m9\"\nport = \"/dev/ttyUSB9\"\n{lines}\n");
    let good = modem(
        "recipient_prefixes = [\"0812\"]\ncost = 50\nother_cost = 350\nmonthly_limit = 9\nquota_reset = \"21:30\"\nmonthly_reset_day = 17",
    );
    let config = parse(&good).unwrap();
    let plan = &config.modems.last().unwrap().sim_plan;
    assert_eq!((plan.quota.monthly.unwrap().get(), plan.quota.daily), (9, None));
    assert_eq!(plan.quota.resets, domain::quota::Resets::new(21 * 60 + 30, 17).unwrap());
    assert_eq!(
        (plan.tariff.prefixes.as_slice(), plan.tariff.own, plan.tariff.other),
        (&["62812".to_owned()][..], 50, 350)
    );
    check(&modem("quota_reset = \"noon\""), &["quota_reset", "no time of day", "00:00"]);
    check(&modem("monthly_reset_day = 31"), &["monthly_reset_day", "1 to 28"]);
    check(
        &format!("{GOOD}\n[device]\ntime_zone = \"Mars/Base\"\n"),
        &["device.time_zone", "Mars/Base", "Asia/Jakarta"],
    );
    let warned = parse(&modem("daily_limit = 10\nmonthly_limit = 9")).unwrap().warnings;
    assert!(warned.iter().any(|warning| warning.key.contains("daily_limit")), "{warned:?}");
}

#[test]
fn a_modem_is_named_by_its_line_or_by_who_it_is_and_no_two_are_the_same() {
    let base = "[sms]\ncountry_code = \"62\"\n";
    let modem = |name: &str, keys: &str| format!("[[modem]]\nname = \"{name}\"\n{keys}\n");
    let (imei, iccid) = ("imei = \"490154203237518\"", "iccid = \"8962100000000000001\"");
    for (sections, expected) in [
        (modem("a", ""), "modem[0].port: it is missing"),
        (modem("a", "imei = \"490154203237519\""), "modem[0].imei: its last digit does not fit the others"),
        (modem("a", "imei = \"4901\""), "modem[0].imei: an imei has 15 digits"),
        (modem("a", "iccid = \"1234\""), "modem[0].iccid: an iccid has 18 to 20 digits and begins with 89"),
        (
            modem("a", imei) + &modem("b", imei),
            "modem[1].imei: modem a has this imei, and so does b\n  fix: one imei, one modem",
        ),
        (modem("a", iccid) + &modem("b", iccid), "modem[1].iccid: modem a has this iccid, and so does b"),
    ] {
        check(&format!("{base}{sections}"), &[expected]);
    }
}
