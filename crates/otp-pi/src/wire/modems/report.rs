//! How modems are.

use ::modem::{Advice, Fact, Report, Strength, Verdict, Weight, advice, registration_words};
use domain::receiver::Msisdn;
use gsm::at::{Operator, PinState, RegistrationStatus, SignalQuality};
use serde_json::{Map, Value, json};

use super::standing::Healing;
use super::{Conclusion, Rendered, table, wrapped};

/// Columns of the advice.
const WIDTH: usize = 100;

/// One modem that was looked at.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Its line.
    pub line: String,
    /// How it is.
    pub report: Report,
    /// Why a running gateway gives it no message that another can take.
    pub drained: Option<String>,
}

/// Shows how modems are; the conclusion is that of the worst.
#[must_use]
pub fn reports(checked: &[Checked]) -> Rendered {
    let all: Vec<(&Checked, Vec<Advice>)> = checked.iter().map(|one| (one, advice(&one.report))).collect();
    let blocks: Vec<String> = all.iter().map(|(one, advice)| block(one, advice)).collect();
    let modems: Vec<Value> = all.iter().map(|(one, advice)| as_json(one, advice)).collect();
    let worst = all.iter().map(|(one, advice)| conclusion(one, advice)).max().unwrap_or(Conclusion::Good);
    Rendered { text: blocks.join("\n\n"), json: json!({"modems": modems}), conclusion: worst }
}

fn conclusion(checked: &Checked, advice: &[Advice]) -> Conclusion {
    match checked.report.verdict_with(advice) {
        Verdict::Good if checked.drained.is_some() => Conclusion::Warned,
        Verdict::Good => Conclusion::Good,
        Verdict::Warned => Conclusion::Warned,
        Verdict::Bad => Conclusion::Bad,
    }
}

fn block(checked: &Checked, advice: &[Advice]) -> String {
    let report = &checked.report;
    let verdict = match conclusion(checked, advice) {
        Conclusion::Good => "can send",
        Conclusion::Warned => "can send, with warnings",
        Conclusion::Bad | Conclusion::Unclear => "CANNOT SEND",
    };
    let mut text = format!("{} on {}: {verdict}", report.modem, checked.line);
    let mut rows = rows(report);
    rows.extend(checked.drained.as_ref().map(|why| ("drained", why.clone())));
    if !rows.is_empty() {
        text.push_str("\n\n");
        text.push_str(table(&rows).trim_end());
    }
    if !advice.is_empty() {
        text.push('\n');
    }
    for (number, advice) in (1..).zip(advice) {
        let mark = match advice.weight {
            Weight::Blocks => "to do",
            Weight::Warns => "warning",
            Weight::Notes => "note",
        };
        let line = format!("{number}. {mark}: {}", advice.text);
        text.push_str(&format!("\n  {}", wrapped(&line, 5, WIDTH)));
    }
    text
}

/// What was answered. What a modem need not know is left out where it does not.
fn rows(report: &Report) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    let mut add = |name, words: Option<String>| rows.extend(words.map(|words| (name, words)));
    add("AT", words(&report.attention, |()| "OK".to_owned()));
    add("SIM", words(&report.pin, |pin| pin_words(*pin, report.status.pin_tries_left)));
    add("signal", words(&report.signal, |signal| signal_words(*signal)));
    add("registration", words(&report.registration, |status| registration_words(*status).to_owned()));
    add("LTE registration", told(&report.registration_eps, |status| registration_words(*status).to_owned()));
    add("operator", words(&report.operator, operator_words));
    add("SMSC", words(&report.service_center, |number| number.clone().unwrap_or_else(|| "none is set".to_owned())));
    add("maker", words(&report.manufacturer, Clone::clone));
    add("model", words(&report.model, Clone::clone));
    add("revision", words(&report.revision, Clone::clone));
    add("profile", Some(report.status.profile.to_owned()).filter(|name| !name.is_empty()));
    add("IMEI", words(&report.imei, Clone::clone));
    add("IMSI", words(&report.imsi, |imsi| masked_imsi(imsi)));
    add("ICCID", words(&report.iccid, Clone::clone));
    add("own number", told(&report.own_number, |number| own_number(number.as_ref())));
    add("storage", told(&report.storage, |storage| format!("{} of {} messages", storage.used, storage.total)));
    add("supply", report.supply_millivolts.told().copied().flatten().map(volts));
    if let Some(routing) = report.status.message_routing {
        add("reports", Some(format!("come by themselves (AT+CNMI={routing})")));
    }
    add("healing", Healing::of(&report.status).words());
    rows
}

/// A fact in words; none if it was not asked.
fn words<T>(fact: &Fact<T>, told: impl Fn(&T) -> String) -> Option<String> {
    match fact {
        Fact::Unasked => None,
        Fact::Unanswered => Some("no answer".to_owned()),
        Fact::Unclear => Some("answered, but not in a way that is understood".to_owned()),
        Fact::Refused(result) => Some(refused(result)),
        Fact::Told(value) => Some(told(value)),
    }
}

fn told<T>(fact: &Fact<T>, words: impl Fn(&T) -> String) -> Option<String> {
    fact.told().map(words)
}

fn refused(result: &str) -> String {
    let meaning = gsm::FinalResult::parse(result).and_then(gsm::FinalResult::error_code).map(gsm::ErrorCode::meaning);
    let shown: String = result.chars().filter(|character| !character.is_control()).take(60).collect();
    match meaning {
        Some(meaning) => format!("{shown} ({meaning})"),
        None => shown,
    }
}

fn pin_words(pin: PinState, tries: Option<u8>) -> String {
    let left = tries.map(|tries| format!(" ({tries} tries left)")).unwrap_or_default();
    match pin {
        PinState::Ready => "ready".to_owned(),
        PinState::SimPin => format!("asks for its PIN{left}"),
        PinState::SimPuk => "asks for its PUK".to_owned(),
        PinState::SimPin2 | PinState::SimPuk2 => "ready (its second PIN is not needed)".to_owned(),
        PinState::PhoneLock => "the device is locked to another SIM or network".to_owned(),
        PinState::NotReady => "not ready yet".to_owned(),
        PinState::NotInserted => "none".to_owned(),
    }
}

fn pin_word(pin: PinState) -> &'static str {
    match pin {
        PinState::Ready => "ready",
        PinState::SimPin => "pin",
        PinState::SimPuk => "puk",
        PinState::SimPin2 => "pin2",
        PinState::SimPuk2 => "puk2",
        PinState::PhoneLock => "device-lock",
        PinState::NotReady => "not-ready",
        PinState::NotInserted => "not-inserted",
    }
}

fn signal_words(signal: SignalQuality) -> String {
    match (signal.dbm(), signal.rssi) {
        (Some(dbm), Some(rssi)) => format!("{dbm} dBm, {} ({rssi} of 31)", Strength::of_dbm(dbm).word()),
        _ => "not known (99)".to_owned(),
    }
}

fn operator_words(operator: &Operator) -> String {
    let technology = operator.technology.map(|it| format!(", {}", it.name())).unwrap_or_default();
    operator.name.as_ref().map_or_else(|| "none".to_owned(), |name| format!("{name}{technology}"))
}

fn volts(millivolts: u16) -> String {
    format!("{}.{:02} V", millivolts / 1000, millivolts % 1000 / 10)
}

/// Country and network stay (at most six digits), the person behind it does not.
fn masked_imsi(imsi: &str) -> String {
    format!("{}•••{}", imsi.get(..5).unwrap_or_default(), imsi.get(imsi.len().saturating_sub(2)..).unwrap_or_default())
}

fn own_number(number: Option<&gsm::Address>) -> String {
    match number {
        None => "the SIM does not know it, as most".to_owned(),
        Some(number) => {
            let digits = number.expose().trim_start_matches('+');
            Msisdn::from_canonical(digits).map_or_else(|| "•••".to_owned(), |msisdn| format!("+{msisdn}"))
        }
    }
}

fn as_json(checked: &Checked, advice: &[Advice]) -> Value {
    let report = &checked.report;
    let mut answers = Map::new();
    let mut put = |name: &str, value: Value| drop(answers.insert(name.to_owned(), value));
    put("attention", fact(&report.attention, |()| Value::Bool(true)));
    put("sim", fact(&report.pin, |pin| json!(pin_word(*pin))));
    put(
        "signal",
        fact(&report.signal, |signal| {
            let word = signal.dbm().map(|dbm| Strength::of_dbm(dbm).word());
            json!({"rssi": signal.rssi, "dbm": signal.dbm(), "word": word})
        }),
    );
    let registration =
        |status: &RegistrationStatus| json!({"can_send": status.can_send(), "words": registration_words(*status)});
    put("registration", fact(&report.registration, registration));
    put("registration_lte", fact(&report.registration_eps, registration));
    put(
        "operator",
        fact(
            &report.operator,
            |operator| json!({"name": operator.name, "technology": operator.technology.map(gsm::at::AccessTechnology::name)}),
        ),
    );
    put("smsc", fact(&report.service_center, |number| json!(number)));
    let plain = |text: &String| json!(text);
    put("manufacturer", fact(&report.manufacturer, plain));
    put("model", fact(&report.model, plain));
    put("revision", fact(&report.revision, plain));
    put("imei", fact(&report.imei, plain));
    put("imsi", fact(&report.imsi, |imsi| json!(masked_imsi(imsi))));
    put("iccid", fact(&report.iccid, plain));
    put("own_number", fact(&report.own_number, |number| json!(number.as_ref().map(|number| own_number(Some(number))))));
    put("storage", fact(&report.storage, |storage| json!({"used": storage.used, "total": storage.total})));
    put("supply_millivolts", fact(&report.supply_millivolts, |millivolts| json!(millivolts)));
    let told: Vec<Value> = advice.iter().map(one_advice).collect();
    json!({
        "modem": report.modem,
        "line": checked.line,
        "verdict": conclusion(checked, advice).word(),
        "phase": report.status.phase.word(),
        "detail": report.status.detail,
        "profile": Some(report.status.profile).filter(|name| !name.is_empty()),
        "pin_tries_left": report.status.pin_tries_left,
        "message_routing": report.status.message_routing,
        "drained": checked.drained,
        "healing": Healing::of(&report.status).json(),
        "answers": answers,
        "advice": told,
    })
}

fn one_advice(advice: &Advice) -> Value {
    let weight = match advice.weight {
        Weight::Blocks => "blocks",
        Weight::Warns => "warns",
        Weight::Notes => "notes",
    };
    json!({"kind": advice.kind.word(), "weight": weight, "text": advice.text})
}

fn fact<T>(fact: &Fact<T>, value: impl Fn(&T) -> Value) -> Value {
    match fact {
        Fact::Unasked => json!({"state": "unasked"}),
        Fact::Unanswered => json!({"state": "unanswered"}),
        Fact::Unclear => json!({"state": "unclear"}),
        Fact::Refused(result) => json!({"state": "refused", "error": refused(result)}),
        Fact::Told(told) => json!({"state": "told", "value": value(told)}),
    }
}
