//! `otp-pi message …`.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Place, id_of, send};
use crate::harness::{Emulator, Gateway, Setup};

const PHONE: &str = "08126666666";
const TEXT: &str = "nobody but the receiver reads this";
/// A message id that nothing has.
const NOBODY: &str = "01890000-0000-7000-8000-000000000000";

/// A gateway whose only modem is not there, so that everything waits.
fn waiting() -> Setup {
    Setup { modems: vec![PathBuf::from("/nowhere/line")], ..Setup::without_modems() }
}

fn create(gateway: &Gateway, reference: &str, text: &str) -> Value {
    gateway.ask("create-otp", json!({"reference": reference, "receiver": PHONE, "message": text}))
}

/// Asks for a code; answers its message id.
fn created(gateway: &Gateway, reference: &str, text: &str) -> String {
    assert_eq!(create(gateway, reference, text)["response_code"], "000");
    id_of(&gateway.ask("get-status", json!({"reference": reference})))
}

fn states(place: &impl Place, arguments: &[&str]) -> Vec<String> {
    let list = place.json(&[&["message", "list"], arguments].concat());
    let messages = list["messages"].as_array().unwrap();
    messages.iter().map(|message| message["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn messages_are_shown_alike_with_a_gateway_and_without_one_and_never_their_text() {
    let emulator = Emulator::with_script("[[receiver]]\nnumber = \"*404\"\ntreatment = { refuse = 1 }\n", &[]);
    let mut setup = Setup::with(&emulator);
    setup.more = "[[api_user]]\nusername = \"app\"\npassword = \"other\"\n".to_owned();
    let gateway = setup.start();
    gateway.wait_for_modems(1);
    let long = format!("{TEXT} {}", "x".repeat(200));
    let first = send(&gateway, PHONE, &long);
    let second = created(&gateway, "my-reference", "Your code is %s");
    let data = json!({"id": "own-7", "receiver": "08127770404", "message": TEXT, "class": "bulk"});
    let third = id_of(&gateway.ask_as("app", "other", "send-sms", data));
    for (id, state) in [(&first, "delivered"), (&second, "delivered")] {
        gateway.wait_for_state(id, state);
    }
    crate::harness::wait_for("the refusal", || {
        (gateway.json(&["message", "show", &third])["state"] == "failed").then_some(())
    });

    let look = |place: &dyn Fn(&[&str]) -> crate::harness::Ended| {
        let questions: Vec<Vec<&str>> = vec![
            vec!["message", "list"],
            vec!["message", "list", "--json"],
            vec!["message", "list", "--full"],
            vec!["message", "list", "--state", "failed", "--json"],
            vec!["message", "list", "--api-user", "app", "--json"],
            vec!["message", "show", &first],
            vec!["message", "show", &first, "--json"],
            vec!["message", "show", &second],
            vec!["message", "show", &third, "--full"],
        ];
        questions.iter().map(|question| place(question).told().to_owned()).collect::<Vec<_>>()
    };
    let online = look(&|question| gateway.operate(question));
    let stopped = gateway.stop();
    assert_eq!(look(&|question| stopped.operate(question)), online);

    let all = online.concat();
    assert!(!all.contains(TEXT) && !all.contains("code is"), "{all}");
    let [list, _, full, failed, of_app, shown, _, otp, refused] = online.try_into().unwrap();
    assert!(list.contains("62812•••66") && !list.contains("628126666666"), "{list}");
    assert!(full.contains("628126666666") && refused.contains("628127770404"), "{full} {refused}");
    assert_eq!(list.lines().count(), 4, "a header and three messages: {list}");
    assert!(list.lines().nth(1).unwrap().contains(&third), "the newest first: {list}");
    for one in [failed, of_app] {
        let one: Value = serde_json::from_str(&one).unwrap();
        assert_eq!(one["messages"][0]["message_id"], json!(third), "{one}");
        assert_eq!((one["messages"].as_array().unwrap().len(), &one["next"]), (1, &json!(null)));
    }
    assert!(shown.contains("part 2 of 2") && shown.contains("delivered") && shown.contains("m0"), "{shown}");
    assert!(otp.contains("class      otp"), "{otp}");
    assert!(refused.contains("own id     own-7") && refused.contains("(") && refused.contains("bulk"), "{refused}");
}

#[test]
fn a_long_list_comes_in_pages() {
    let gateway = waiting().start();
    let ids: Vec<String> = (0..7).map(|number| send(&gateway, PHONE, &format!("number {number}"))).collect();
    let page = gateway.json(&["message", "list", "--limit", "3"]);
    let next = page["next"].as_str().unwrap();
    let told = gateway.operate(&["message", "list", "--limit", "3"]);
    assert!(told.told().ends_with(&format!("more: --before {next}\n")), "{told:?}");
    let second = gateway.json(&["message", "list", "--limit", "100", "--before", next]);
    let of = |page: &Value| -> Vec<String> {
        let messages = page["messages"].as_array().unwrap();
        messages.iter().map(|message| message["message_id"].as_str().unwrap().to_owned()).collect()
    };
    let all: Vec<String> = of(&page).into_iter().chain(of(&second)).rev().collect();
    assert_eq!(all, ids);
    assert_eq!(states(&gateway, &["--state", "sent"]), Vec::<String>::new());
    assert_eq!(gateway.operate(&["message", "list", "--state", "sent"]).told(), "no messages\n");
}

#[test]
fn what_cannot_be_asked_is_said_in_words_with_its_exit_code() {
    let gateway = waiting().start();
    send(&gateway, PHONE, TEXT);
    for (arguments, words) in [
        (&["message", "show", NOBODY][..], "there is no such message"),
        (&["message", "cancel", NOBODY], "there is no such message"),
        (&["message", "retry", NOBODY], "there is no such message"),
        (&["message", "show", "7"], "\"7\" is no message id"),
        (&["message", "cancel", "x"], "\"x\" is no message id"),
        (&["message", "list", "--before", "x"], "\"x\" is no message id"),
        (&["message", "list", "--state", "lost"], "\"lost\" is no state; choose among queued, sending"),
    ] {
        let ended = gateway.operate(arguments);
        assert!(ended.refused().contains(words), "{ended:?}");
        let ended = gateway.operate(&[arguments, &["--json"]].concat());
        let answer = ended.json();
        let said = answer["error"].as_str().or(answer["what"].as_str()).unwrap_or_default();
        assert!(ended.code == Some(1) && said.contains(words), "{ended:?}");
    }
    for arguments in [
        &["message"][..],
        &["message", "show"],
        &["message", "list", "--limit", "0"],
        &["message", "list", "--limit", "501"],
        &["message", "cancel"],
    ] {
        assert_eq!(gateway.operate(arguments).code, Some(2), "{arguments:?}");
    }
}

/// Cancels a code and a text, with `place` as it is, and answers what was said.
fn cancel_both(place: &impl Place, otp: &str, text: &str) {
    let told = place.operate(&["message", "cancel", otp]);
    assert_eq!(told.told(), "cancelled: it will not be sent\n");
    assert_eq!(
        place.json(&["message", "cancel", text]),
        json!({"is_done": true, "what": "cancelled: it will not be sent"})
    );
    assert_eq!(states(place, &["--state", "cancelled"]).len(), 2);
    let again = place.operate(&["message", "cancel", otp]);
    assert!(again.refused().contains("not cancelled: it is cancelled, and only what waits"), "{again:?}");
    let again = place.operate(&["message", "cancel", otp, "--json"]);
    assert_eq!((again.code, &again.json()["is_done"]), (Some(1), &json!(false)), "{again:?}");
}

/// After both were cancelled: neither goes on air when there is a modem, and the reference can be used for something else.
fn nothing_of_it_goes_out(gateway: &Gateway, emulator: &Emulator, ids: [&str; 2]) {
    let answer = create(gateway, "taken", "something else %s");
    assert_eq!(answer["response_code"], "000", "the reference is free: {answer}");
    emulator.text_with("something else");
    gateway.send_sentinel(emulator, PHONE, "after it");
    assert_eq!((emulator.count("cancelled code"), emulator.count(TEXT)), (0, 0));
    for id in ids {
        let shown = gateway.json(&["message", "show", id]);
        let (state, reason) = (&shown["state"], &shown["reason"]);
        assert_eq!((state, reason), (&json!("cancelled"), &json!("cancelled by an operator")), "{shown}");
        assert_eq!((&shown["has_text"], &shown["attempts"]), (&json!(false), &json!([])), "{shown}");
    }
}

#[test]
fn what_is_cancelled_never_goes_on_air_and_its_reference_is_free() {
    let emulator = Emulator::start(1, &[]);
    let gateway = waiting().start();
    let otp = created(&gateway, "taken", "cancelled code %s");
    let text = send(&gateway, PHONE, TEXT);
    assert_eq!(create(&gateway, "taken", "something else %s")["response_code"], "1201");
    cancel_both(&gateway, &otp, &text);
    gateway.reload_as(&Setup::with(&emulator));
    gateway.wait_for_modems(1);
    nothing_of_it_goes_out(&gateway, &emulator, [&otp, &text]);
}

#[test]
fn what_is_cancelled_while_no_gateway_runs_is_not_sent_by_the_next_start() {
    let emulator = Emulator::start(1, &[]);
    let gateway = waiting().start();
    let otp = created(&gateway, "taken", "cancelled code %s");
    let text = send(&gateway, PHONE, TEXT);
    let stopped = gateway.stop();
    cancel_both(&stopped, &otp, &text);
    let gateway = stopped.restart_as(&Setup::with(&emulator));
    gateway.wait_for_modems(1);
    nothing_of_it_goes_out(&gateway, &emulator, [&otp, &text]);
}

#[test]
fn what_is_on_air_or_over_is_not_cancelled_and_that_is_said() {
    let emulator = Emulator::start(1, &["--air-time", "1s"]);
    let gateway = Setup::with(&emulator).start();
    gateway.wait_for_modems(1);
    let id = send(&gateway, PHONE, TEXT);
    gateway.wait_for_state(&id, "sending");
    let refused = gateway.operate(&["message", "cancel", &id]);
    assert!(refused.refused().contains("it is on air and cannot be called back"), "{refused:?}");
    gateway.wait_for_state(&id, "delivered");
    let refused = gateway.operate(&["message", "cancel", &id]);
    assert!(refused.refused().contains("not cancelled: it is delivered"), "{refused:?}");
    assert_eq!(emulator.count(TEXT), 1);
}

/// A modem that transmits its first message and does not say so, to receivers that never report.
const IN_DOUBT: &str = "[[receiver]]\nnumber = \"*\"\ntreatment = \"never_report\"\n\
                        [[fault]]\nwhen = \"AT+CMGS\"\nnth = 1\naction = \"lost_answer\"\n";

fn in_doubt(emulator: &Emulator) -> (Gateway, String) {
    let mut setup = Setup::with(emulator);
    setup.modem = "result_timeout = \"500ms\"".to_owned();
    let gateway = setup.start();
    gateway.wait_for_modems(1);
    let id = send(&gateway, PHONE, TEXT);
    gateway.wait_for_state(&id, "unknown");
    (gateway, id)
}

#[test]
fn a_message_of_unknown_outcome_is_sent_once_more_when_an_operator_says_so() {
    let emulator = Emulator::with_script(IN_DOUBT, &[]);
    let (gateway, id) = in_doubt(&emulator);
    let told = gateway.operate(&["message", "retry", &id]);
    assert_eq!(told.told(), "queued again: it may arrive twice\n");
    gateway.wait_for_state(&id, "sent");
    assert_eq!(emulator.count(TEXT), 2);
    let refused = gateway.operate(&["message", "retry", &id]);
    assert!(refused.refused().contains("not queued again: it is sent"), "{refused:?}");
    let shown = gateway.json(&["message", "show", &id]);
    let outcomes: Vec<_> = shown["attempts"].as_array().unwrap().iter().map(|one| one["outcome"].clone()).collect();
    assert_eq!(outcomes, ["unknown", "sent"], "{shown}");
}

#[test]
fn a_retry_while_no_gateway_runs_is_sent_by_the_next_start() {
    let emulator = Emulator::with_script(IN_DOUBT, &[]);
    let (gateway, id) = in_doubt(&emulator);
    let stopped = gateway.stop();
    assert_eq!(stopped.json(&["message", "retry", &id])["is_done"], json!(true));
    let refused = stopped.operate(&["message", "retry", &id]);
    assert!(refused.refused().contains("it is queued and under way as it is"), "{refused:?}");
    assert_eq!(emulator.count(TEXT), 1);
    let gateway = stopped.restart();
    gateway.wait_for_state(&id, "sent");
    assert_eq!(emulator.count(TEXT), 2);
}

#[test]
fn what_is_over_is_not_tried_again_and_the_reason_is_said() {
    let emulator = Emulator::with_script("[[receiver]]\nnumber = \"*404\"\ntreatment = { refuse = 1 }\n", &[]);
    let gateway = Setup::with(&emulator).start();
    gateway.wait_for_modems(1);
    let (delivered, failed) = (send(&gateway, PHONE, TEXT), send(&gateway, "08127770404", TEXT));
    gateway.wait_for_state(&delivered, "delivered");
    gateway.wait_for_state(&failed, "failed");
    for (id, words) in [
        (&delivered, "not queued again: it is delivered"),
        (&failed, "not queued again: it is failed, and texts are wiped when that is final"),
    ] {
        let refused = gateway.operate(&["message", "retry", id]);
        assert!(refused.refused().contains(words), "{refused:?}");
    }
}

#[test]
fn a_retry_into_a_full_queue_is_refused_and_changes_nothing() {
    let emulator = Emulator::with_script(IN_DOUBT, &[]);
    let mut setup = Setup::with(&emulator);
    setup.modem = "result_timeout = \"500ms\"\nrecipient_prefixes = [\"62812\"]".to_owned();
    setup.sms = "max_queue = 1\nfailover = \"wait\"".to_owned();
    setup.more =
        "[[modem]]\nname = \"absent\"\nport = \"/nowhere/line\"\nrecipient_prefixes = [\"62899\"]\n".to_owned();
    let gateway = setup.start();
    gateway.wait_for_modems(1);
    let id = send(&gateway, PHONE, TEXT);
    gateway.wait_for_state(&id, "unknown");
    let waits = send(&gateway, "08996666666", "it takes the only place");
    let refused = gateway.operate(&["message", "retry", &id]);
    assert!(refused.refused().contains("not queued again: the queue is full"), "{refused:?}");
    assert_eq!(gateway.json(&["message", "show", &id])["state"], "unknown");
    gateway.operate(&["message", "cancel", &waits]).told();
    crate::harness::wait_for("room", || (gateway.operate(&["message", "retry", &id]).code == Some(0)).then_some(()));
    gateway.wait_for_state(&id, "sent");
}
