//! Everything that the emulator can script × what the gateway makes of it: one row each, every row with a modem of its
//! own, all rows of a test at once on one gateway.
//!
//! A row's script is the file that a bug report would carry; `docs/emulator-scripts.md` explains its words. A word that
//! no row plays, or a moment of it, fails `every_word_of_a_script_is_played_at_every_moment_that_it_has`.

mod rows;

use std::collections::BTreeSet;

use emulator::{Action, Moment, Script, ScriptError};
use serde_json::{Value, json};

use crate::harness::{Client, Emulator, Gateway, PATIENCE, Setup, code_in, instant, pause, wait_for};

/// Shorter than the scripts' faults last, and long enough for a busy machine.
const TIMEOUTS: &str = "prompt_timeout = \"2s\"\nresult_timeout = \"3s\"\nanswer_timeout = \"400ms\"";

/// A script, and what is expected of the first message of a modem that plays it.
struct Row {
    script: &'static str,
    /// The state it comes to and stays in; with `|` in it either, where microseconds decide.
    state: &'static str,
    /// Code or reason of each attempt, `""` for one that went well, `"…"` for any number more.
    attempts: &'static [&'static str],
    /// How often each part goes on air; with several, one of them.
    sent: &'static [&'static [usize]],
    /// Whether the code of the last SMS on air, if there is one, is valid.
    is_valid: bool,
    /// Whether the message after it goes out.
    is_next_sent: bool,
}

/// What the first message of a modem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Text,
    /// Of three parts.
    Long,
}

/// One row while it is played.
struct Played<'a> {
    row: &'a Row,
    kind: Kind,
    emulator: Emulator,
    /// The receiver without its last digit: 1 for the first message, 2 for the next.
    receiver: String,
    /// How its status is asked.
    key: Value,
}

impl Played<'_> {
    fn send(&mut self, client: &mut Client) {
        let receiver = format!("{}1", self.receiver);
        let (command, data) = match self.kind {
            Kind::Code => {
                ("create-otp", json!({"reference": self.receiver, "receiver": receiver, "message": "Code: %s"}))
            }
            Kind::Text => ("send-sms", json!({"receiver": receiver, "message": "Short and plain"})),
            Kind::Long => ("send-sms", json!({"receiver": receiver, "message": "Three parts of a text. ".repeat(19)})),
        };
        let answer = client.ask(command, data);
        assert_eq!(answer["response_code"], "000", "{answer}");
        self.key = match self.kind {
            Kind::Code => json!({"reference": self.receiver}),
            Kind::Text | Kind::Long => json!({"message_id": answer["data"]["message_id"]}),
        };
    }

    fn send_next(&self, client: &mut Client) {
        let data = json!({"receiver": format!("{}2", self.receiver), "message": "The next one"});
        assert_eq!(client.ask("send-sms", data)["response_code"], "000");
    }

    fn on_air(&self, last_digit: char) -> Vec<Value> {
        let receiver = format!("{}{last_digit}", self.receiver);
        self.emulator.transmissions().into_iter().filter(|sent| sent["receiver"] == json!(receiver)).collect()
    }

    fn is_next_sent(&self) -> bool {
        !self.on_air('2').is_empty()
    }

    /// What is different from what the row expects of the first message.
    fn difference(&self, client: &mut Client) -> Option<String> {
        let status = client.ask("get-status", self.key.clone());
        let state = status["data"]["state"].as_str().unwrap_or_default();
        let attempts: Vec<&str> = status["data"]["attempts"].as_array()?.iter().map(reason).collect();
        let parts = if self.kind == Kind::Long { 3 } else { 1 };
        let mut sent = vec![0; parts];
        for part in self.on_air('1') {
            let number = usize::try_from(part["part"][0].as_u64().unwrap()).unwrap();
            *sent.get_mut(number - 1).expect("as many parts as expected") += 1;
        }
        let is_same = self.row.state.split(" | ").any(|expected| expected == state)
            && is_same(&attempts, self.row.attempts)
            && self.row.sent.contains(&sent.as_slice());
        (!is_same).then(|| format!("{state}, attempts {attempts:?}, on air {sent:?}"))
    }

    /// Whether the code that came last, if one did, is valid; asked once, as it is used up by that.
    fn is_valid(&self, client: &mut Client) -> Option<bool> {
        let last = self.on_air('1').pop()?;
        let code = code_in(last["text"].as_str().unwrap(), 6);
        let data = json!({"reference": self.receiver, "receiver": format!("{}1", self.receiver), "otp": code});
        Some(client.ask("validate-otp", data)["response_code"] == "000")
    }
}

/// Code or reason of an attempt, without the meaning of the code.
fn reason(attempt: &Value) -> &str {
    attempt["error_code"].as_str().unwrap_or_default().split(" (").next().unwrap_or_default()
}

fn is_same(attempts: &[&str], expected: &[&str]) -> bool {
    match expected.split_last() {
        Some((&"…", first)) => {
            attempts.len() >= first.len() && attempts.iter().zip(first).all(|(found, expected)| found == expected)
        }
        _ => attempts == expected,
    }
}

/// One gateway with a modem for each row.
fn gateway_for(emulators: &[Emulator]) -> Gateway {
    let mut setup = Setup::without_modems();
    setup.sms = "failover = \"wait\"".to_owned();
    for (number, emulator) in emulators.iter().enumerate() {
        setup.more += &format!(
            "[[modem]]\nname = \"m{number}\"\nport = {:?}\nrecipient_prefixes = [\"{}\"]\n\
             {TIMEOUTS}\n",
            emulator.modems.first().unwrap(),
            prefix(number)
        );
    }
    let gateway = setup.start();
    gateway.wait_for_modems(emulators.len());
    gateway
}

fn prefix(number: usize) -> String {
    format!("62{}", 800 + number)
}

/// Waits until nothing is different any more, and answers what still is when patience ends.
fn differences(played: &[Played<'_>], mut difference: impl FnMut(&Played<'_>) -> Option<String>) -> Vec<String> {
    let start = instant();
    let mut open: Vec<&Played<'_>> = played.iter().collect();
    loop {
        let told: Vec<(&Played<'_>, String)> =
            open.into_iter().filter_map(|it| difference(it).map(|told| (it, told))).collect();
        if told.is_empty() || start.elapsed() > PATIENCE {
            let tell = |(it, told): (&Played<'_>, String)| {
                format!(
                    "{}\n  expected {}, attempts {:?}, on air {:?}\n  found {told}\n",
                    it.row.script, it.row.state, it.row.attempts, it.row.sent
                )
            };
            return told.into_iter().map(tell).collect();
        }
        open = told.into_iter().map(|(it, _)| it).collect();
        pause(std::time::Duration::from_millis(20));
    }
}

/// Plays all rows with messages of a kind.
fn play(kind: Kind, rows: &[Row]) {
    let emulators: Vec<Emulator> = rows.iter().map(|row| Emulator::with_script(row.script, &[])).collect();
    let gateway = gateway_for(&emulators);
    let mut client = gateway.connect();
    let mut played: Vec<Played<'_>> = rows
        .iter()
        .zip(emulators)
        .enumerate()
        .map(|(number, (row, emulator))| Played {
            row,
            kind,
            emulator,
            receiver: format!("{}12345", prefix(number)),
            key: Value::Null,
        })
        .collect();
    for row in &mut played {
        row.send(&mut client);
    }
    let mut wrong = differences(&played, |row| row.difference(&mut client));
    // Only now, so that it is the first message that meets the fault.
    for row in &played {
        row.send_next(&mut client);
    }
    wrong.extend(differences(&played, |row| {
        (row.row.is_next_sent && !row.is_next_sent()).then(|| "the next message is not sent".to_owned())
    }));
    // Nothing that came later has changed anything.
    wrong.extend(differences(&played, |row| row.difference(&mut client)));
    for row in &played {
        if !row.row.is_next_sent && row.is_next_sent() {
            wrong.push(format!("{}\n  the next message is sent", row.row.script));
        }
        let is_valid = row.row.is_valid;
        if kind == Kind::Code && row.is_valid(&mut client).is_some_and(|found| found != is_valid) {
            wrong.push(format!("{}\n  the code is {}valid\n", row.row.script, if is_valid { "not " } else { "" }));
        }
    }
    assert!(wrong.is_empty(), "{kind:?}: {} of {} rows differ:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn whatever_a_modem_does_to_a_code_ends_as_the_table_says() {
    play(Kind::Code, rows::SINGLE);
}

#[test]
fn whatever_a_modem_does_to_a_text_ends_as_the_table_says() {
    play(Kind::Text, rows::SINGLE);
}

#[test]
fn whatever_a_modem_does_to_a_part_of_a_long_text_ends_as_the_table_says() {
    play(Kind::Long, rows::LONG);
}

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../emulator/scripts");

#[test]
fn the_example_scripts_that_strike_one_sms_end_as_they_say() {
    play(Kind::Text, rows::EXAMPLES);
    play(Kind::Code, rows::EXAMPLES);
}

#[test]
fn the_example_script_of_receivers_does_with_each_what_it_says() {
    let emulator = Emulator::with_script(&example("receivers.toml"), &[]);
    let mut setup = Setup::with(&emulator);
    setup.modem = TIMEOUTS.to_owned();
    let gateway = setup.start();
    let mut client = gateway.connect();
    let endings = [
        ("01", "failed"),
        ("02", "undelivered"),
        ("03", "delivered"),
        ("04", "sent"),
        ("05", "delivered"),
        ("06", "delivered"),
        ("07", "delivered"),
        ("00", "delivered"),
    ];
    let ids = endings.map(|(ending, _)| {
        let receiver = format!("62812000000{ending}");
        let answer = client.ask("send-sms", json!({"receiver": receiver, "message": "hello"}));
        answer["data"]["message_id"].as_str().unwrap().to_owned()
    });
    for (id, (_, state)) in ids.iter().zip(endings) {
        gateway.wait_for_state(id, state);
    }
    assert_eq!(emulator.transmissions().len(), endings.len() - 1, "one is refused, none is sent twice");
}

#[test]
fn on_the_bad_evening_of_the_example_script_every_message_ends_and_none_goes_out_twice() {
    const MESSAGES: usize = 60;
    let emulator = Emulator::with_script(&example("bad-evening.toml"), &["--seed", "7"]);
    let mut setup = Setup::with(&emulator);
    setup.modem = TIMEOUTS.to_owned();
    let gateway = setup.start();
    let mut client = gateway.connect();
    let text = |number: usize| format!("Number {number} of the evening.");
    let ids: Vec<String> = (0..MESSAGES)
        .map(|number| {
            // A receiver each, so that no report can be taken for another's.
            let receiver = format!("628120000{number:04}");
            let answer = client.ask("send-sms", json!({"receiver": receiver, "message": text(number)}));
            answer["data"]["message_id"].as_str().unwrap().to_owned()
        })
        .collect();
    // Most are delivered; a report can be lost when the modem restarts under it.
    let state_of = |client: &mut Client, id: &String| {
        client.ask("get-status", json!({"message_id": id}))["data"]["state"].as_str().unwrap().to_owned()
    };
    for id in &ids {
        wait_for("a message to end", || {
            ["delivered", "sent", "unknown"].contains(&state_of(&mut client, id).as_str()).then_some(())
        });
    }
    for number in 0..MESSAGES {
        assert_eq!(emulator.count(&text(number)), 1, "{number}");
    }
}

fn example(name: &str) -> String {
    std::fs::read_to_string(std::path::Path::new(EXAMPLES).join(name)).unwrap()
}

#[test]
fn every_example_script_is_played() {
    let files = std::fs::read_dir(EXAMPLES).unwrap().map(|entry| entry.unwrap().path());
    let own_test = ["receivers.toml", "bad-evening.toml"].map(example);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let is_played = rows::EXAMPLES.iter().any(|row| row.script == text) || own_test.contains(&text);
        assert!(is_played, "no test plays {}", file.display());
    }
}

/// The words that could stand where the script has `?`, as the reader of scripts itself tells them.
fn words(script: &str) -> BTreeSet<String> {
    let Err(ScriptError::NotUnderstood(error)) = Script::parse(script) else { panic!("{script} is understood") };
    let told = error.message().split_once("expected ").unwrap().1.to_owned();
    told.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The word of an action, and its moment if it has one.
fn play_of(action: &Action, moment: Option<Moment>) -> (String, Option<Moment>) {
    let word = format!("{action:?}");
    let word = word.split('(').next().unwrap();
    let mut snake = String::new();
    for letter in word.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    (snake, moment)
}

/// Every action at every moment that a script can ask for.
fn all_plays() -> BTreeSet<(String, Option<Moment>)> {
    let moments = words("[[fault]]\nwhen = \"AT\"\naction = \"hang\"\nat = \"?\"\n");
    let mut plays = BTreeSet::new();
    for word in words("[[fault]]\nwhen = \"AT\"\naction = \"?\"\n") {
        let mut scripts = Vec::new();
        let values = ["1", "\"1s\""].map(str::to_owned).into_iter().chain(moments.iter().map(|it| format!("{it:?}")));
        for action in values.map(|value| format!("{{ {word} = {value} }}")).chain([format!("{word:?}")]) {
            let fault = format!("[[fault]]\nwhen = \"AT\"\naction = {action}\n");
            scripts.push(fault.clone());
            scripts.extend(moments.iter().map(|moment| format!("{fault}at = \"{moment}\"\n")));
        }
        let faults = scripts.iter().filter_map(|script| Script::parse(script).ok()).flat_map(|script| script.faults);
        let of_word: BTreeSet<_> = faults.map(|fault| play_of(&fault.action, fault.moment())).collect();
        assert!(of_word.iter().any(|(known, _)| *known == word), "{word} cannot be written: {of_word:?}");
        plays.extend(of_word);
    }
    plays
}

#[test]
fn every_word_of_a_script_is_played_at_every_moment_that_it_has() {
    let plays_of = |rows: &[Row]| -> BTreeSet<_> {
        let scripts = rows.iter().map(|row| Script::parse(row.script).unwrap());
        scripts.flat_map(|script| script.faults).map(|fault| play_of(&fault.action, fault.moment())).collect()
    };
    let (all, single, long) = (all_plays(), plays_of(rows::SINGLE), plays_of(rows::LONG));
    assert!(all.len() > 50, "{all:?}");
    let missing: Vec<_> = all.difference(&single).collect();
    assert!(missing.is_empty(), "no row plays {missing:?} with a single SMS");
    let words_of = |plays: &BTreeSet<(String, Option<Moment>)>| -> BTreeSet<String> {
        plays.iter().map(|(word, _)| word.clone()).collect()
    };
    let (all, long) = (words_of(&all), words_of(&long));
    let missing: Vec<_> = all.difference(&long).collect();
    assert!(missing.is_empty(), "no row plays {missing:?} with a long text");
    // What is not a fault: by its word alone.
    for script in ["[[receiver]]\nnumber = \"1\"\ntreatment = \"?\"\n", "[[modem]]\nmanners = [\"?\"]\n"] {
        for word in words(script) {
            let is_played = rows::SINGLE.iter().any(|row| row.script.contains(&word));
            assert!(is_played, "no row plays {word}");
        }
    }
}
