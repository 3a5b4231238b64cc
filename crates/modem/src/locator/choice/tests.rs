use std::time::Duration;

use super::*;
use crate::locator::knowledge::Heard;
use crate::status::Identity;
use crate::wanted::{Imei, Wanted};

/// What was seen, put together by hand.
#[derive(Default)]
struct Sight {
    found: Vec<Candidate>,
    ports: BTreeMap<PathBuf, Stamp>,
    taken: BTreeSet<LineKey>,
    asking: BTreeSet<LineKey>,
    knowledge: Knowledge,
}

impl Sight {
    fn seen(&self) -> Seen<'_> {
        Seen { found: &self.found, ports: &self.ports, taken: &self.taken, asking: &self.asking }
    }

    /// A line that may be asked, of a device.
    fn line(&mut self, name: &str, device: &str, number: u64) -> LineKey {
        let candidate = Candidate::plain(name, device, number);
        self.found.push(candidate.clone());
        candidate.key
    }

    fn heard(&mut self, key: &LineKey, imei: Option<&str>, now: Instant) {
        let identity = |imei: &str| Identity { imei: Some(imei.to_owned()), ..Identity::default() };
        let heard = imei.map_or(Heard::Nothing, |imei| Heard::Identity(identity(imei)));
        self.knowledge.note(key.clone(), heard, now);
    }

    fn to_ask(&self, asks_cards: bool, now: Instant) -> Vec<String> {
        let next = to_ask(&self.seen(), &self.knowledge, asks_cards, now);
        next.into_iter().map(|candidate| candidate.device.display().to_string()).collect()
    }

    fn choose(&self, port: Option<&str>, now: Instant) -> Result<String, bool> {
        let wanted = Wanted { imei: Some(Imei::parse(OWN).unwrap()), iccid: None };
        let wish = Wish { port: port.map(PathBuf::from), wanted, baud_rate: 115_200 };
        match choose(&wish, &self.seen(), &self.knowledge, now) {
            Choice::Take(_, path) => Ok(path.display().to_string()),
            Choice::Wait(absence) => Err(absence.is_wrong),
        }
    }
}

const OWN: &str = "490154203237518";
const OTHER: &str = "867856030000019";

#[tokio::test]
async fn of_each_device_one_line_is_asked_until_one_has_told_who_it_is() {
    let (mut sight, now) = (Sight::default(), Instant::now());
    let first = sight.line("a0", "a", 1);
    let second = sight.line("a1", "a", 2);
    sight.line("b0", "b", 3);
    assert_eq!(sight.to_ask(false, now), ["a0", "b0"]);
    sight.asking.insert(first.clone());
    assert_eq!(sight.to_ask(false, now), ["b0"], "one line of a device at a time");
    sight.asking.clear();
    sight.heard(&first, None, now);
    assert_eq!(sight.to_ask(false, now), ["a1", "b0"]);
    sight.heard(&second, Some(OTHER), now);
    let much_later = now + Duration::from_secs(86_400);
    assert_eq!(sight.to_ask(false, much_later), ["b0"], "a device that is known is not asked again");
    assert_eq!(sight.to_ask(true, much_later), ["a1", "b0"], "unless a card is looked for");
    sight.taken.insert(first);
    assert_eq!(sight.to_ask(true, much_later), ["b0"], "a device that somebody has is left alone");
}

#[tokio::test]
async fn a_line_that_says_nothing_is_asked_again_after_growing_pauses_and_at_once_when_plugged_in_anew() {
    let (mut sight, mut now) = (Sight::default(), Instant::now());
    let line = sight.line("a0", "a", 1);
    let pauses = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300].into_iter().flat_map(|pause| [pause; 3]);
    for pause in pauses {
        sight.heard(&line, None, now);
        let (before, then) = (now + Duration::from_millis(pause * 1000 - 1), now + Duration::from_secs(pause));
        assert_eq!(sight.to_ask(false, before), [""; 0], "{pause} s");
        assert_eq!(sight.to_ask(false, then), ["a0"], "{pause} s");
        now = then;
    }
    sight.heard(&line, None, now);
    sight.found.clear();
    sight.line("a0", "a", 2);
    assert_eq!(sight.to_ask(false, now), ["a0"]);
}

#[tokio::test]
async fn a_modem_gets_its_own_line_unless_another_is_known_to_be_there() {
    let (mut sight, now) = (Sight::default(), Instant::now());
    assert_eq!(sight.choose(None, now), Err(false));
    assert_eq!(sight.choose(Some("/port"), now), Err(false), "it is not there");
    let at_port = sight.line("/port", "a", 1);
    sight.ports.insert("/port".into(), sight.found[0].stamp);
    assert_eq!(sight.choose(Some("/port"), now), Ok("/port".to_owned()), "nobody knows who is there");
    assert_eq!(sight.choose(None, now), Err(false), "whoever is there has to be asked first");
    sight.heard(&at_port, Some(OTHER), now);
    let much_later = now + Duration::from_secs(86_400);
    assert_eq!(sight.choose(Some("/port"), much_later), Err(true));
    let elsewhere = sight.line("/elsewhere", "b", 2);
    sight.heard(&elsewhere, Some(OWN), now);
    assert_eq!(sight.choose(Some("/port"), now), Ok("/elsewhere".to_owned()));
    assert_eq!(sight.choose(None, now), Ok("/elsewhere".to_owned()));
    sight.taken.insert(elsewhere);
    assert_eq!(sight.choose(None, now), Err(false), "somebody has it");
}

#[tokio::test]
async fn a_silent_line_of_its_own_is_tried_again_and_one_that_has_answered_is_not_given_up() {
    let (mut sight, now) = (Sight::default(), Instant::now());
    let at_port = sight.line("/port", "a", 1);
    sight.ports.insert("/port".into(), sight.found[0].stamp);
    sight.knowledge.note(at_port.clone(), Heard::NothingAtPort, now);
    assert_eq!(sight.choose(Some("/port"), now), Err(false));
    assert_eq!(sight.choose(Some("/port"), now + Duration::from_secs(1)), Ok("/port".to_owned()));
    sight.heard(&at_port, Some(OWN), now);
    sight.knowledge.note(at_port, Heard::NothingAtPort, now);
    assert_eq!(sight.choose(Some("/port"), now), Ok("/port".to_owned()), "it hangs, and it is the right one");
}
