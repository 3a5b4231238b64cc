//! Every command of the envelope, over any broker: what is answered there is what REST answers.

use serde_json::{Value, json};

use crate::harness::{Emulator, code_in};

const PHONE: &str = "08126666666";

/// Goes through all commands. `ask` publishes a command and answers what is answered.
pub(super) fn go_through_all(emulator: &Emulator, ask: &dyn Fn(&str, Value) -> Value) {
    let expect = |command: &str, data: Value, code: &str| -> Value {
        let answer = ask(command, data);
        assert_eq!((&answer["command"], &answer["response_code"]), (&json!(command), &json!(code)), "{answer}");
        answer
    };
    for (create, validate) in [("create-otp", "validate-otp"), ("request-otp", "verify-otp")] {
        let reference = format!("of-{create}");
        let text = format!("{create} %s");
        expect(create, json!({"reference": reference, "receiver": PHONE, "message": text}), "000");
        let otp = code_in(&emulator.text_with(create), 6);
        let guess = |otp: &str| json!({"reference": reference, "receiver": PHONE, "otp": otp});
        let wrong = if otp == "000000" { "000001" } else { "000000" };
        expect(validate, guess(wrong), "1202");
        expect(validate, guess(&otp), "000");
        expect(validate, guess(&otp), "1202");
    }
    expect("create-otp", json!({"reference": "to-cancel", "receiver": PHONE, "message": "cancel %s"}), "000");
    expect("cancel-otp", json!({"reference": "to-cancel"}), "000");
    for command in ["send-sms", "send-message", "send-email", "send-mail"] {
        let id = format!("id-{command}");
        let data = json!({"id": id, "receiver": PHONE, "message": format!("text of {command}")});
        expect(command, data, "000");
        emulator.text_with(&format!("text of {command}"));
        let status = expect("get-status", json!({"id": id}), "000");
        assert_eq!(status["data"]["id"], json!(id), "{status}");
    }
    expect("send-mail", json!({"receiver": "someone@domain.tld", "subject": "s", "message": "m"}), "1102");
    expect("block-msisdn", json!({"receiver": "08123334444"}), "000");
    expect("send-sms", json!({"receiver": "08123334444", "message": "blocked"}), "1301");
    expect("unblock-msisdn", json!({"receiver": "08123334444"}), "000");
    let list = expect("get-modem-list", json!({}), "000");
    assert!(list["data"]["modem_list"].is_object(), "{list}");
    expect("echo", json!({}), "000");
    expect("set-gpio-value", json!({"gpio_number": 1}), "1402");
    expect("send-sms", json!({"message": "to nobody"}), "1401");
    expect("request-ussd", json!({"modem_id": "m0", "ussd_code": "*888#"}), "000");
}
