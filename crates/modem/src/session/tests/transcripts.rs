//! Conversations with each family, written down in files that a person can read and a bug report can bring: see
//! `tests/transcripts/README.md`. They are played strictly, byte by byte: what is said and does not stand there fails.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Handed, Settings, Talk, pdu};
use crate::pin::Pin;
use crate::profile::Profile;

/// A transcript being played.
struct Player<'a> {
    talk: Talk,
    settings: Settings,
    /// What the session did and the transcript has not mentioned yet.
    did: VecDeque<String>,
    /// What ends the modem's lines.
    line_end: String,
    place: &'a str,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts")
}

/// Turns `\r`, `\n`, `\0` and `\s` (a blank at the end of a line) into what they stand for.
fn unescaped(text: &str) -> String {
    text.replace("\\r", "\r").replace("\\n", "\n").replace("\\0", "\0").replace("\\s", " ")
}

/// Writes what the session did as a transcript does: `> AT`, `> <ESC>`, `= sent 7`.
fn written(did: &str) -> String {
    let words = |text: &str| text.replace("Some(", "").replace("finished ", "").replace(')', "").replace("None", "-");
    match did.strip_prefix('(') {
        Some(event) => format!("= {}", words(event)),
        None if did == "\r" => "> <CR>".to_owned(),
        None => format!("> {}", did.trim_end_matches('\r')),
    }
}

impl Player<'_> {
    fn play(text: &str, place: &str) {
        let mut settings = Settings::new("m", "/dev/null");
        for line in text.lines() {
            if let Some(pin) = line.strip_prefix("! pin ") {
                settings.sim_pin = Some(Pin::parse(pin).unwrap());
            }
        }
        let talk = Talk::with(settings.clone());
        let mut player = Player { talk, settings, did: VecDeque::new(), line_end: "\r\n".to_owned(), place };
        player.look();
        for (number, line) in (1..).zip(text.lines()) {
            if !line.is_empty() && !line.starts_with('#') {
                player.line(number, line);
            }
        }
        player.nothing_is_left(text.lines().count() + 1);
    }

    fn line(&mut self, number: usize, line: &str) {
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        match mark {
            ">" | "=" => {
                let did = self.did.pop_front();
                assert_eq!(did.as_deref(), Some(line), "{} line {number}; then {:?}", self.place, self.did);
                return;
            }
            "?" => return self.status(number, rest),
            // How its lines end does not wait for anything, and its PIN was given before it began.
            "!" if rest.starts_with("line-end ") || rest.starts_with("pin ") => {
                if let Some(end) = rest.strip_prefix("line-end ") {
                    self.line_end = unescaped(end);
                }
                return;
            }
            _ => self.nothing_is_left(number),
        }
        match mark {
            "<" => self.hear(&format!("\r\n{rest}{}", self.line_end)),
            "<<" => self.hear(&unescaped(rest)),
            "!" => self.happen(number, rest),
            _ => panic!("{} line {number}: {line:?} has no mark", self.place),
        }
    }

    /// Fails if the session did something that the transcript does not know of.
    fn nothing_is_left(&self, number: usize) {
        assert!(self.did.is_empty(), "{} line {number}: before it came {:?}", self.place, self.did);
    }

    fn hear(&mut self, text: &str) {
        for character in text.chars() {
            let did = self.talk.hears(character.encode_utf8(&mut [0; 4]));
            self.did.extend(did.iter().map(|did| written(did)));
        }
    }

    fn look(&mut self) {
        let did = self.talk.did();
        self.did.extend(did.iter().map(|did| written(did)));
    }

    fn happen(&mut self, number: usize, what: &str) {
        let words: Vec<&str> = what.split(' ').collect();
        let did = match words[..] {
            ["wait", millis] => self.talk.waits(Duration::from_millis(millis.trim_end_matches("ms").parse().unwrap())),
            ["submit"] => self.talk.submits(),
            ["pdu"] => self.talk.prepares(pdu()),
            ["taken", storage, index] => {
                let index: u16 = index.parse().unwrap();
                let lies_there = |handed: &Handed| handed.place.storage == *storage && handed.place.index == index;
                let which = self.talk.handed.iter().rposition(lies_there).expect("it was handed on");
                self.talk.takes(which)
            }
            ["reopened"] => {
                self.talk.session.lost();
                self.look();
                self.nothing_is_left(number);
                let now = self.talk.now;
                self.talk = Talk::with(self.settings.clone());
                self.talk.now = now.max(self.talk.now);
                self.talk.did()
            }
            _ => panic!("{} line {number}: {what:?} cannot happen", self.place),
        };
        self.did.extend(did.iter().map(|did| written(did)));
    }

    fn status(&self, number: usize, claim: &str) {
        let (name, expected) = claim.split_once(' ').unwrap_or((claim, ""));
        let status = self.talk.session.status();
        let identity = &status.identity;
        let told = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let is = match name {
            "phase" => status.phase.word().to_owned(),
            "profile" => status.profile.to_owned(),
            "routing" => status.message_routing.unwrap_or("-").to_owned(),
            "manufacturer" => told(&identity.manufacturer),
            "model" => told(&identity.model),
            "revision" => told(&identity.revision),
            "imei" => told(&identity.imei),
            "imsi" => told(&identity.imsi),
            "iccid" => told(&identity.iccid),
            "operator" => told(&status.operator),
            "smsc" => told(&status.smsc),
            "rssi" => status.rssi.map_or_else(|| "-".to_owned(), |rssi| rssi.to_string()),
            "tries" => status.pin_tries_left.map_or_else(|| "-".to_owned(), |tries| tries.to_string()),
            "registration" => format!("{:?}", status.registration).to_lowercase(),
            "recoveries" => status.recoveries.to_string(),
            _ => panic!("{} line {number}: nobody knows {name:?}", self.place),
        };
        assert_eq!(is, expected, "{} line {number}: {name}", self.place);
    }
}

/// The transcripts: name and text.
fn all() -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "txt"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    all.sort();
    all
}

#[test]
fn every_transcript_is_played_to_its_end_without_a_word_that_it_does_not_have() {
    for (name, text) in all() {
        Player::play(&text, &name);
    }
}

#[test]
fn every_profile_has_a_transcript_of_a_message_a_report_an_answer_and_a_restart() {
    let all = all();
    for profile in Profile::all() {
        let of_it: Vec<&String> = all
            .iter()
            .map(|(_, text)| text)
            .filter(|text| text.contains(&format!("? profile {}\n", profile.name)))
            .collect();
        assert!(!of_it.is_empty(), "{} has none", profile.name);
        for line in ["= sent ", "= report ", "= inbound "] {
            assert!(of_it.iter().any(|text| text.contains(&format!("\n{line}"))), "{}: {line}", profile.name);
        }
        let begins_twice = |text: &&String| text.matches("\n> AT+CGMI\n").count() > 1;
        assert!(of_it.iter().any(begins_twice), "{}: no restart", profile.name);
    }
}

#[test]
fn a_transcript_fails_on_a_word_too_many_one_too_few_and_another_one() {
    let good = "> <ESC>\n! wait 50ms\n> <CR>\n! wait 50ms\n> ATQ0V1E0\n< OK\n> AT+CMEE?\n";
    Player::play(good, "good");
    for (wrong, what) in [
        (good.replace("> <CR>\n", ""), "too many"),
        (good.replace("> <CR>\n", "> <CR>\n> <CR>\n"), "too few"),
        (good.replace("> AT+CMEE?", "> AT+CMEE=1"), "another"),
        (good.replace("> AT+CMEE?\n", ""), "too many at the end"),
        (format!("{good}? phase ready\n"), "another state"),
        (format!("{good}x\n"), "no mark"),
    ] {
        let played = std::panic::catch_unwind(|| Player::play(&wrong, "wrong"));
        assert!(played.is_err(), "{what}");
    }
}
