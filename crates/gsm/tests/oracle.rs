//! Two codecs nobody here wrote must read what this crate writes: python-gammu and python-gsmmodem-new.
//!
//! `OTP_PI_TEST_PYTHON` names the interpreter that has both; `OTP_PI_ORACLE_PDUS` the number of PDUs (100,000).

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests: a panic is a failed test")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use gsm::segment::{Reference, segment};
use gsm::status_report::Status;
use gsm::user_data::UserData;
use gsm::{Address, Deliver, Pdu, StatusReport, Submit, Timestamp, Validity};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};

const PLAIN: &str = "@£$¥èéùìòÇ\nØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCXYZÄÖÑÜ§¿abcxyzäöñüà";
const EXTENDED: &str = "^{}\\[~]|€";
const WIDE: &str = "Ваш код Жщ世界您好！ابت0123 abc";

#[expect(clippy::disallowed_methods, reason = "the interpreter and the count are named by whoever runs the tests")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

struct Dice(ChaCha8Rng);

impl Dice {
    fn below(&mut self, bound: u32) -> u32 {
        self.0.next_u32() % bound
    }

    fn octet(&mut self) -> u8 {
        self.0.next_u32().to_le_bytes()[0]
    }

    fn digits(&mut self, first: &str, count: u32) -> String {
        (0..count).fold(first.to_owned(), |digits, _| format!("{digits}{}", self.below(10)))
    }

    fn international(&mut self) -> Address {
        let count = 6 + self.below(8);
        Address::international(&self.digits("62", count)).unwrap()
    }

    fn text(&mut self, length: u32) -> String {
        let wide = self.below(4) == 0;
        let mut text = String::new();
        for _ in 0..length {
            let pool = match self.below(10) {
                0 if !wide => EXTENDED,
                _ if wide => WIDE,
                _ => PLAIN,
            };
            let count = u32::try_from(pool.chars().count()).unwrap();
            text.extend(pool.chars().nth(usize::try_from(self.below(count)).unwrap()));
        }
        text
    }

    fn time(&mut self) -> Timestamp {
        // To 2068: python reads the two-digit years 69 to 99 as of the last century.
        let seconds = 946_857_600 + i64::from(self.0.next_u32() >> 1);
        let quarters = i8::try_from(self.below(105)).unwrap() - 48;
        Timestamp::from_unix_seconds(seconds, quarters).unwrap()
    }

    fn parts(&mut self) -> (Vec<UserData>, Option<Reference>) {
        let is_long = self.below(3) == 0;
        let length = if is_long { 165 + self.below(250) } else { self.below(60) + 1 };
        let reference =
            if self.below(2) == 0 { Reference::Eight(self.octet()) } else { Reference::Sixteen(self.octet().into()) };
        let parts = segment(&self.text(length), reference).unwrap().parts;
        let is_concatenated = parts.len() > 1;
        (parts, is_concatenated.then_some(reference))
    }
}

fn number(address: &Address) -> String {
    if address.is_international() { format!("+{}", address.expose()) } else { address.expose().to_owned() }
}

fn line(kind: &str, pdu: &Pdu, address: &Address, data: Option<&UserData>) -> Value {
    let part = data.and_then(UserData::concatenation).map(|it| match it.reference {
        Reference::Eight(reference) => json!([8, reference, it.total, it.sequence]),
        Reference::Sixteen(reference) => json!([16, reference, it.total, it.sequence]),
    });
    json!({
        "kind": kind,
        "pdu": pdu.hex().as_str(),
        "length": pdu.tpdu_length(),
        "number": number(address),
        "text": data.and_then(UserData::text).map(|text| text.as_str().to_owned()),
        "gsm7": data.is_some_and(|data| data.alphabet() == gsm::dcs::Alphabet::Gsm7),
        "part": part,
    })
}

fn submits(dice: &mut Dice, lines: &mut Vec<Value>) {
    let destination = dice.international();
    let (reference, octet) = (dice.octet(), dice.octet());
    let validity = match dice.below(3) {
        0 => None,
        1 => Some(Validity::Relative(octet)),
        _ => Some(Validity::Absolute(dice.time())),
    };
    for user_data in dice.parts().0 {
        let mut submit = Submit::new(destination.clone(), user_data);
        submit.message_reference = reference;
        submit.validity = validity;
        submit.status_report_request = octet & 1 == 0;
        submit.reject_duplicates = octet & 2 == 0;
        let mut value = line("submit", &submit.encode(None).unwrap(), &destination, Some(&submit.user_data));
        value["reference"] = reference.into();
        value["validity_seconds"] = json!(validity.and_then(Validity::duration).map(|it| it.as_secs()));
        value["validity_date"] = match validity {
            Some(Validity::Absolute(timestamp)) => timestamp.to_string().into(),
            _ => Value::Null,
        };
        lines.push(value);
    }
}

fn delivers(dice: &mut Dice, lines: &mut Vec<Value>) {
    let originator = match dice.below(3) {
        0 => Address::alphanumeric(["sipgate", "Bank", "A", "InternetSMS"][usize::from(dice.octet() % 4)]).unwrap(),
        1 => Address::parse(&dice.digits("1", 3)).unwrap(),
        _ => dice.international(),
    };
    let service_center = dice.international();
    let timestamp = dice.time();
    for user_data in dice.parts().0 {
        let deliver = Deliver {
            more_messages: false,
            loop_prevention: false,
            status_report_indication: false,
            reply_path: false,
            originator: originator.clone(),
            protocol_id: 0,
            dcs: Submit::new(originator.clone(), user_data.clone()).dcs,
            timestamp: Some(timestamp),
            user_data,
        };
        let pdu = deliver.encode(Some(&service_center)).unwrap();
        let mut value = line("deliver", &pdu, &originator, Some(&deliver.user_data));
        value["time"] = timestamp.to_string().into();
        value["center"] = number(&service_center).into();
        lines.push(value);
    }
}

fn reports(dice: &mut Dice, lines: &mut Vec<Value>) {
    let statuses = [0x00, 0x01, 0x02, 0x20, 0x25, 0x40, 0x46, 0x49, 0x60, 0x65];
    let recipient = dice.international();
    let status = statuses[usize::from(dice.octet()) % statuses.len()];
    let mut report = StatusReport::new(dice.octet(), recipient.clone(), Status(status));
    let (taken, discharged) = (dice.time(), dice.time());
    report.service_center_time = Some(taken);
    report.discharge_time = Some(discharged);
    let mut value = line("report", &report.encode(None).unwrap(), &recipient, None);
    value["reference"] = report.message_reference.into();
    value["status"] = status.into();
    value["time"] = taken.to_string().into();
    value["discharge"] = discharged.to_string().into();
    lines.push(value);
}

#[test]
fn two_independent_codecs_agree() {
    let Some(python) = environment("OTP_PI_TEST_PYTHON") else {
        writeln!(std::io::stdout(), "skipped: oracle (OTP_PI_TEST_PYTHON not set)").unwrap();
        return;
    };
    let count = environment("OTP_PI_ORACLE_PDUS").map_or(100_000, |count| count.parse().unwrap());
    let mut dice = Dice(ChaCha8Rng::seed_from_u64(20_261_121));
    let mut lines = Vec::with_capacity(count + 8);
    while lines.len() < count {
        match dice.below(5) {
            0 | 1 => submits(&mut dice, &mut lines),
            2 | 3 => delivers(&mut dice, &mut lines),
            _ => reports(&mut dice, &mut lines),
        }
    }
    let input = lines.iter().fold(String::new(), |mut input, line| {
        writeln!(input, "{line}").unwrap();
        input
    });
    let mut child = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/pdu_oracle.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The script reads all before it writes, so that neither side can wait for the other.
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "the codecs disagree:\n{said}");
    assert!(said.ends_with(&format!("{} pdus, 0 mismatches\n", lines.len())), "{said}");
}
