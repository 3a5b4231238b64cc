use super::*;
use domain::clock::WallTime;
use serde_json::{Value, json};

include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/requests.rs"));

const PARAMS: [&str; 4] = ["100000", "1234567890", "987654", "674527846556468254"];
const PUBLISHER_PARAMS: [&str; 4] = ["123456", "7890", "98765", "64875384"];
const PUBLISHER_REFERENCE: &str = "9e107d9d372bb6826bd81d3542a419d6";

/// Shows every field of a command on one line, so that a table can hold what is expected.
fn shown(command: &Command) -> String {
    let time = |at: Option<WallTime>| at.map_or("-".to_owned(), |at| at.as_unix_millis().to_string());
    let some = |text: &Option<String>| text.clone().unwrap_or("-".to_owned());
    match command {
        Command::CreateOtp(otp) => format!(
            "create {} {} [{}] {} exp={} at={} {} resend={}",
            otp.reference,
            otp.receiver,
            otp.message.as_ref().map_or("-", SecretText::expose),
            some(&otp.subject),
            time(otp.expiration),
            time(otp.date_time),
            otp.params.join(","),
            otp.resend
        ),
        Command::ValidateOtp(otp) => {
            format!("validate {} {} [{}] {}", otp.reference, otp.receiver, otp.otp.expose(), otp.params.join(","))
        }
        Command::CancelOtp { reference } => format!("cancel {reference}"),
        Command::Send(send) => format!(
            "send {} {} [{}] {} exp={} at={} {:?}",
            some(&send.id),
            send.receiver,
            send.message.expose(),
            some(&send.subject),
            time(send.expiration),
            time(send.date_time),
            send.class
        ),
        Command::RequestUssd(ussd) => format!(
            "ussd {} {:?} {:?} {}",
            ussd.modem,
            ussd.code.as_ref().map(SecretText::expose),
            ussd.reply.as_ref().map(SecretText::expose),
            ussd.cancels
        )
        .replace("None", "-"),
        Command::GetStatus(query) => format!(
            "status {} {} {}",
            query.message_id.map_or("-".to_owned(), |id| id.to_string()),
            some(&query.id),
            some(&query.reference)
        ),
        Command::BlockMsisdn { receiver } => format!("block {receiver}"),
        Command::UnblockMsisdn { receiver } => format!("unblock {receiver}"),
        Command::GetModemList => "modems".to_owned(),
        Command::Echo => "echo".to_owned(),
        // No envelope asks for these.
        Command::SendCode { .. } | Command::CheckCode { .. } | Command::FindCode { .. } => command.name().to_owned(),
    }
}

fn parsed(body: &str) -> Parsed {
    parse(body.as_bytes()).unwrap_or_else(|failure| panic!("{}: {body}", failure.error))
}

fn refused(body: &str) -> (&'static str, String) {
    match parse(body.as_bytes()) {
        Ok(parsed) => panic!("accepted as {}: {body}", shown(&parsed.command)),
        Err(failure) => (failure.outcome.code(), failure.error),
    }
}

fn with_data(command: &str, data: &str) -> String {
    format!("{{\"command\":\"{command}\",\"data\":{data}}}")
}

fn shown_data(command: &str, data: &str) -> String {
    shown(&parsed(&with_data(command, data)).command)
}

fn refused_data(command: &str, data: &str) -> (&'static str, String) {
    refused(&with_data(command, data))
}

#[test]
fn every_documented_request_is_read_as_it_is_meant() {
    let times = "exp=1629685838000 at=1629685778000";
    let params = PARAMS.join(",");
    let reference = "12345678901234567890";
    let create = format!("create {reference} 08126666666 [Your OTP is %s] - {times} {params} resend=false");
    let validate = format!("validate {reference} 08126666666 [123456] {params}");
    let send = format!("send 123456 08126666666 [Your OTP is 1234] - {times} None");
    let publisher = PUBLISHER_PARAMS.join(",");
    let expected = [
        ("2021-08-18-send-sms", "send 123456 08126666666 [OTP Anda adalah 1234] - exp=- at=- None".to_owned()),
        ("2021-08-18-send-email", "send 123456 someone@domain.tld [OTP Anda adalah 1234] - exp=- at=- None".to_owned()),
        ("2021-08-18-block-msisdn", "block 08126666666".to_owned()),
        ("2021-08-18-unblock-msisdn", "unblock 08126666666".to_owned()),
        ("2021-09-23-create-otp", create.clone()),
        ("2021-09-23-validate-otp", validate.clone()),
        ("2021-09-23-send-sms", send.clone()),
        ("2021-09-23-send-email", format!("send 123456 someone@domain.tld [Your OTP is 1234] - {times} None")),
        ("2021-09-23-block-msisdn", "block 08126666666".to_owned()),
        ("2021-09-23-unblock-msisdn", "unblock 08126666666".to_owned()),
        ("2021-09-26-create-otp", create),
        ("2021-09-26-validate-otp", validate),
        ("2021-09-26-send-sms", send),
        (
            "2021-09-26-send-email",
            format!("send 123456 someone@domain.tld [Your OTP is 1234] Your OTP Code {times} None"),
        ),
        ("2021-09-26-block-msisdn", "block 08126666666".to_owned()),
        ("2021-09-26-unblock-msisdn", "unblock 08126666666".to_owned()),
        (
            "publisher-request-otp",
            format!(
                "create {PUBLISHER_REFERENCE} 0812661111 [Kode OTP Anda adalah %s] - {times} {publisher} resend=false"
            ),
        ),
        (
            "publisher-request-otp-without-params",
            format!("create {PUBLISHER_REFERENCE} 0812661111 [Kode OTP Anda adalah %s] - {times} ,,, resend=false"),
        ),
        ("publisher-verify-otp", format!("validate {PUBLISHER_REFERENCE} 0812661111 [329180] {publisher}")),
        ("publisher-send-sms", format!("send 1629685778 0812661111 [Halo, lihat https://domain.tld/x] - {times} None")),
        ("publisher-send-email", format!("send 1629685778 someone@domain.tld [Halo] Kabar {times} None")),
        ("publisher-send-message", format!("send 1629685778 0812661111 [Kode OTP Anda adalah 123456] - {times} None")),
        ("publisher-block-msisdn", "block 0812661111".to_owned()),
        ("publisher-unblock-msisdn", "unblock 0812661111".to_owned()),
        ("publisher-get-modem-list", "modems".to_owned()),
        ("publisher-get-modem-list-delay", "modems".to_owned()),
        ("publisher-request-ussd", "ussd 0123456789abcdef0123456789abcdef Some(\"*888#\") - false".to_owned()),
        ("publisher-set-gpio-value", "1402 this command is not offered by this gateway yet".to_owned()),
        (
            "postman-request-otp",
            format!("create 1629685778123 08126666666 [Your OTP is %s] - {times} {params} resend=false"),
        ),
        ("postman-verify-otp", format!("validate 1629685778123 08126666666 [123456] {params}")),
    ];
    assert_eq!(expected.len(), DOCUMENTED_REQUESTS.len());
    for (request, (name, expected)) in DOCUMENTED_REQUESTS.iter().zip(expected) {
        assert_eq!(request.name, name);
        for body in [request.body.to_owned(), request.body.replace('\n', "\r\n")] {
            let found = match parse(body.as_bytes()) {
                Ok(parsed) => shown(&parsed.command),
                Err(failure) => format!("{} {}", failure.outcome.code(), failure.error),
            };
            assert_eq!(found, expected, "{name}");
        }
    }
}

#[test]
fn the_printed_lengths_are_those_of_bodies_with_carriage_returns() {
    for request in DOCUMENTED_REQUESTS {
        let length = request.body.replace('\n', "\r\n").len();
        assert!(request.content_length.is_none_or(|printed| printed == length), "{}: {length}", request.name);
        assert!(request.path.starts_with("/api/"), "{}", request.name);
        if request.body.contains("date_time") {
            assert!(request.body.contains(DATE_TIME), "{}", request.name);
        }
        if request.body.contains("expiration") {
            assert!(request.body.contains(EXPIRATION), "{}", request.name);
        }
    }
}

#[test]
fn every_age_of_a_command_is_understood_and_answered_by_its_own_name() {
    let otp = r#"{"reference":"r","receiver":"0812","message":"%s","otp":"1"}"#;
    let send = r#"{"receiver":"0812","message":"m"}"#;
    for (name, data, expected) in [
        ("create-otp", otp, "create r 0812 [%s] - exp=- at=- ,,, resend=false"),
        ("request-otp", otp, "create r 0812 [%s] - exp=- at=- ,,, resend=false"),
        ("validate-otp", otp, "validate r 0812 [1] ,,,"),
        ("verify-otp", otp, "validate r 0812 [1] ,,,"),
        ("cancel-otp", otp, "cancel r"),
        ("send-sms", send, "send - 0812 [m] - exp=- at=- None"),
        ("send-email", send, "send - 0812 [m] - exp=- at=- None"),
        ("send-mail", send, "send - 0812 [m] - exp=- at=- None"),
        ("send-message", send, "send - 0812 [m] - exp=- at=- None"),
        ("get-status", otp, "status - - r"),
        ("block-msisdn", send, "block 0812"),
        ("unblock-msisdn", send, "unblock 0812"),
        ("get-modem-list", "{}", "modems"),
        ("echo", "{}", "echo"),
    ] {
        let parsed = parsed(&with_data(name, data));
        assert_eq!(shown(&parsed.command), expected, "{name}");
        assert_eq!(parsed.envelope.command, name);
    }
}

#[test]
fn unknown_commands_are_1402_and_a_missing_one_is_1401() {
    for (body, code, error) in [
        (r#"{"command":"send-fax","data":{}}"#, "1402", "unknown command"),
        (r#"{"command":"send-fax","data":[1]}"#, "1402", "unknown command"),
        (r#"{"command":7,"data":{}}"#, "1402", "unknown command"),
        (r#"{"data":{}}"#, "1401", "command is missing"),
        (r#"{"command":" ","data":{}}"#, "1401", "command is missing"),
        (r#"{"command":null}"#, "1401", "command is missing"),
        (r#"{"command":["echo"]}"#, "1401", "command must be text"),
    ] {
        assert_eq!(refused(body), (code, error.to_owned()), "{body}");
    }
}

#[test]
fn what_is_not_json_is_1403_without_an_envelope() {
    for body in ["", "{", "[]", "null", "receiver=0812", r#"{"command":"echo","command":"echo"}"#] {
        let failure = parse(body.as_bytes()).err().unwrap();
        assert_eq!(failure.outcome.code(), "1403", "{body}");
        assert!(failure.envelope.is_none(), "{body}");
    }
}

#[test]
fn missing_fields_are_named() {
    for (command, data, error) in [
        ("create-otp", r#"{"receiver":"0812","message":"%s"}"#, "data.reference is missing"),
        ("create-otp", r#"{"reference":"r","message":"%s"}"#, "data.receiver is missing"),
        (
            "create-otp",
            r#"{"reference":"r","receiver":"0812","message":""}"#,
            "data.message is missing: it is there, and empty",
        ),
        ("create-otp", r#"{"reference":"  ","receiver":"0812","message":"%s"}"#, "data.reference is missing"),
        ("create-otp", r#"{"reference":null,"receiver":"0812","message":"%s"}"#, "data.reference is missing"),
        ("validate-otp", r#"{"receiver":"0812","otp":"1"}"#, "data.reference is missing"),
        ("validate-otp", r#"{"reference":"r","otp":"1"}"#, "data.receiver is missing"),
        ("validate-otp", r#"{"reference":"r","receiver":"0812"}"#, "data.otp is missing"),
        ("validate-otp", r#"{"reference":"r","receiver":"0812","otp":""}"#, "data.otp is missing"),
        ("cancel-otp", "{}", "data.reference is missing"),
        ("send-sms", r#"{"message":"m"}"#, "data.receiver is missing"),
        ("send-sms", r#"{"receiver":"0812","message":" "}"#, "data.message is missing"),
        ("get-status", "{}", "data.message_id, data.id or data.reference is missing"),
        ("block-msisdn", "{}", "data.receiver is missing"),
        ("unblock-msisdn", "null", "data.receiver is missing"),
    ] {
        assert_eq!(refused_data(command, data), ("1401", error.to_owned()), "{command} {data}");
    }
    assert_eq!(refused(r#"{"command":"block-msisdn"}"#), ("1401", "data.receiver is missing".to_owned()));
}

#[test]
fn wrong_types_are_named_and_their_values_are_not_repeated() {
    let create = |field: &str| format!(r#"{{"reference":"r","receiver":"0812","message":"%s",{field}}}"#);
    let send = |field: &str| format!(r#"{{"receiver":"0812","message":"m",{field}}}"#);
    for (command, data, error) in [
        ("create-otp", create(r#""param3":[1]"#), "data.param3 must be text"),
        ("create-otp", create(r#""subject":{}"#), "data.subject must be text"),
        ("create-otp", create(r#""resend":"secret""#), "data.resend must be true or false"),
        (
            "create-otp",
            create(r#""expiration":"secret""#),
            "data.expiration must be a Unix time in seconds or milliseconds",
        ),
        ("create-otp", create(r#""date_time":[]"#), "data.date_time must be text or a number"),
        ("send-sms", send(r#""date_time":"secret""#), "data.date_time must be a Unix time in seconds or milliseconds"),
        ("send-sms", send(r#""id":[1]"#), "data.id must be text"),
        ("send-sms", send(r#""class":"otp""#), "data.class must be transactional or bulk"),
        ("send-sms", send(r#""class":"secret""#), "data.class must be transactional or bulk"),
        ("get-status", r#"{"message_id":"secret"}"#.to_owned(), "data.message_id is not a message id"),
        ("block-msisdn", r#"{"receiver":["0812"]}"#.to_owned(), "data.receiver must be text"),
        ("block-msisdn", r#"{"receiver":"0812","date_time":{}}"#.to_owned(), "data.date_time must be text or a number"),
        ("block-msisdn", "[1]".to_owned(), "data must be an object"),
        ("block-msisdn", "\"secret\"".to_owned(), "data must be an object"),
        ("echo", "false".to_owned(), "data must be an object"),
        ("echo", "5".to_owned(), "data must be an object"),
        ("block-msisdn", "123456789012345678901234567890".to_owned(), "data must be an object"),
    ] {
        assert_eq!(refused_data(command, &data), ("1401", error.to_owned()), "{command} {data}");
    }
    for field in [r#""callback_topic":[]"#, r#""callback_delay":"soon""#, r#""callback_delay":{}"#] {
        let (code, error) = refused(&format!(r#"{{"command":"echo",{field}}}"#));
        assert!(code == "1401" && error.starts_with("callback_"), "{error}");
    }
}

#[test]
fn numbers_and_booleans_stand_for_text_with_every_digit() {
    let data = r#"{"reference":12345678901234567890123,"receiver":62812666,"otp":123456,"param1":0.10,"param2":true}"#;
    assert_eq!(shown_data("validate-otp", data), "validate 12345678901234567890123 62812666 [123456] 0.10,true,,");
}

#[test]
fn texts_are_trimmed_but_a_code_and_a_message_to_send_are_not() {
    let otp = r#"{"reference":" r\n","receiver":"\t0812 ","message":" is %s ","otp":" 1 ","param1":" p "}"#;
    assert_eq!(shown_data("create-otp", otp), "create r 0812 [is %s] - exp=- at=- p,,, resend=false");
    assert_eq!(shown_data("validate-otp", otp), "validate r 0812 [ 1 ] p,,,");
    let send = r#"{"id":" 7 ","receiver":" 0812 ","message":" m\n","subject":" s "}"#;
    assert_eq!(shown_data("send-sms", send), "send 7 0812 [ m\n] s exp=- at=- None");
}

#[test]
fn the_receiver_has_three_names() {
    for (data, receiver) in [
        (r#"{"msisdn":"0812"}"#, "0812"),
        (r#"{"recipient":"0813"}"#, "0813"),
        (r#"{"recipient":"0813","msisdn":"0812","receiver":"0811"}"#, "0811"),
        (r#"{"receiver":"","recipient":"0813","msisdn":"0812"}"#, "0812"),
        (r#"{"receiver":null,"msisdn":62812}"#, "62812"),
    ] {
        let parsed = parsed(&with_data("block-msisdn", data));
        assert_eq!(shown(&parsed.command), format!("block {receiver}"), "{data}");
        assert_eq!(parsed.envelope.receiver.as_deref(), Some(receiver), "{data}");
    }
}

#[test]
fn times_are_seconds_or_milliseconds_as_number_or_text() {
    let read = |value: &str| {
        let data = format!(r#"{{"receiver":"0812","message":"m","expiration":{value}}}"#);
        match parse(with_data("send-sms", &data).as_bytes()) {
            Ok(Parsed { command: Command::Send(send), .. }) => {
                send.expiration.map_or("absent".to_owned(), |at| at.as_unix_millis().to_string())
            }
            Ok(_) => "another command".to_owned(),
            Err(failure) => failure.outcome.code().to_owned(),
        }
    };
    for (value, expected) in [
        ("1629685838", "1629685838000"),
        ("\"1629685838\"", "1629685838000"),
        ("\" 1629685838 \"", "1629685838000"),
        ("1629685838000", "1629685838000"),
        ("99999999999", "99999999999000"),
        ("100000000000", "100000000000"),
        ("1629685838.5", "1629685838500"),
        ("1629685838.123987", "1629685838123"),
        ("1629685838123.9", "1629685838123"),
        ("1", "1000"),
        ("0", "absent"),
        ("\"\"", "absent"),
        ("null", "absent"),
        ("253402300799999", "253402300799999"),
        ("253402300800000", "1401"),
        ("99999999999999999999", "1401"),
        ("-1", "1401"),
        ("1e9", "1401"),
        ("true", "1401"),
        ("\"+1629685838\"", "1401"),
        ("\"1629685838.\"", "1401"),
        ("\".5\"", "1401"),
        ("\"2021-08-23\"", "1401"),
        ("[]", "1401"),
    ] {
        assert_eq!(read(value), expected, "{value}");
    }
}

#[test]
fn resend_and_class_are_read() {
    let create = |resend: &str| {
        let data = format!(r#"{{"reference":"r","receiver":"0812","message":"%s","resend":{resend}}}"#);
        shown_data("create-otp", &data).ends_with("resend=true")
    };
    for (value, expected) in [("true", true), ("\"True\"", true), ("1", true), ("\"1\"", true)] {
        assert_eq!(create(value), expected, "{value}");
    }
    for value in ["false", "\"false\"", "0", "null", "\"\""] {
        assert!(!create(value), "{value}");
    }
    for (class, expected) in [("bulk", "Some(Bulk)"), ("transactional", "Some(Transactional)"), ("", "None")] {
        let data = format!(r#"{{"receiver":"0812","message":"m","class":"{class}"}}"#);
        assert!(shown_data("send-sms", &data).ends_with(expected), "{class}");
    }
}

#[test]
fn status_is_asked_by_message_id() {
    let id = "0190163d-8694-739b-aea5-966c26f8ad91";
    assert_eq!(shown_data("get-status", &format!(r#"{{"message_id":"{id}","id":7}}"#)), format!("status {id} 7 -"));
}

#[test]
fn the_envelope_keeps_what_the_answer_repeats_in_its_type() {
    for (date_time, expected) in [
        ("1629685778", json!(1_629_685_778)),
        ("\" 1629685778\"", json!(" 1629685778")),
        ("1629685778.25", json!(1_629_685_778.25)),
    ] {
        let data = format!(r#"{{"date_time":{date_time},"id":7,"receiver":" 0812","message":"m"}}"#);
        let envelope = parsed(&with_data("send-sms", &data)).envelope;
        assert_eq!(envelope.date_time.map(|value| value.to_string()), Some(expected.to_string()));
        assert_eq!(envelope.id, Some(json!(7)));
        assert_eq!(envelope.receiver.as_deref(), Some("0812"));
    }
}

#[test]
fn a_refused_field_still_leaves_the_envelope() {
    let body = with_data("create-otp", r#"{"date_time":5,"reference":"r","receiver":"0812","message":""}"#);
    let envelope = parse(body.as_bytes()).err().unwrap().envelope.unwrap();
    assert_eq!(envelope.command, "create-otp");
    assert_eq!(envelope.date_time, Some(json!(5)));
    assert_eq!((envelope.reference.as_deref(), envelope.receiver.as_deref()), (Some("r"), Some("0812")));
}

#[test]
fn the_callback_is_kept_for_brokers() {
    for (delay, expected) in [("50", Some(50)), ("\"50\"", Some(50)), ("-50", Some(50)), ("\"\"", None), ("null", None)]
    {
        let body = format!(r#"{{"command":"echo","callback_topic":" t ","callback_delay":{delay}}}"#);
        let envelope = parsed(&body).envelope;
        assert_eq!(envelope.callback_topic.as_deref(), Some("t"));
        assert_eq!(envelope.callback_delay, expected.map(Duration::from_millis), "{delay}");
    }
    assert_eq!(parsed(r#"{"command":"echo"}"#).envelope.callback_topic, None);
}

#[test]
fn debug_output_holds_no_receiver_code_or_text() {
    let body = with_data(
        "validate-otp",
        r#"{"reference":"ref-secret","receiver":"08126666","otp":"987654","param1":"p-secret"}"#,
    );
    let shown = format!("{:?}", parsed(&body));
    for secret in ["secret", "0812", "987654"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

proptest::proptest! {
    #[test]
    fn no_body_makes_it_panic(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        drop(parse(&body));
    }

    #[test]
    fn no_field_makes_it_panic(command in "(create|validate|cancel)-otp|send-sms|get-status|block-msisdn", value in ".*") {
        for name in ["reference", "receiver", "message", "expiration", "date_time", "otp", "message_id", "class"] {
            let mut body = json!({"command": command, "data": {"reference": "r", "receiver": "1", "message": "m", "otp": "1"}});
            body["data"][name] = Value::String(value.clone());
            drop(parse(body.to_string().as_bytes()));
        }
    }
}

#[test]
fn what_phones_look_for_is_read_and_what_is_no_host_hash_or_language_is_refused_by_its_name() {
    let body = |more: &Value| {
        let mut data = json!({"reference": "r", "receiver": "08126666666", "message": "%s"});
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"command": "create-otp", "data": data}).to_string()
    };
    let good = json!({"id": 17, "domain": "Login.Example.com ", "embedded_domain": "shop.example", "app_hash": "FA+9qCX9VSu", "locale": "id_ID"});
    let Command::CreateOtp(otp) = parsed(&body(&good)).command else { panic!("another command") };
    let domain = otp.autofill.domain.unwrap();
    assert_eq!((domain.host.as_str(), domain.embedded.unwrap().as_str()), ("login.example.com", "shop.example"));
    assert_eq!(otp.autofill.app_hash.unwrap().as_str(), "FA+9qCX9VSu");
    assert_eq!((otp.locale.unwrap().as_str(), otp.id.as_deref()), ("id-id", Some("17")));
    for (more, error) in [
        (json!({"domain": "https://example.com"}), "data.domain: it must be a host name alone"),
        (json!({"domain": "example.com:8443"}), "data.domain: it must be a host name alone"),
        (json!({"domain": "localhost"}), "data.domain: it must be a full name"),
        (json!({"domain": ["example.com"]}), "data.domain must be text"),
        (json!({"domain": "example.com", "embedded_domain": "a b"}), "data.embedded_domain: it must be a host"),
        (json!({"embedded_domain": "shop.example"}), "data.embedded_domain needs data.domain"),
        (json!({"app_hash": "short"}), "data.app_hash: it must be the 11 characters"),
        (json!({"locale": "bahasa indonesia"}), "data.locale: it must be a language tag"),
        (json!({"message": " "}), "data.message is missing"),
        (json!({"message": {}}), "data.message must be text"),
    ] {
        let (code, said) = refused(&body(&more));
        assert!(code == "1401" && said.starts_with(error), "{more}: {code} {said}");
    }
    let Command::CreateOtp(otp) = parsed(&body(&json!({"message": null}))).command else { panic!("another command") };
    assert!(otp.message.is_none() && otp.autofill == Autofill::default() && otp.locale.is_none());
}
