//! Where a running gateway's modem stands: what it is doing, what was done to get it going again, whether it is drained.

use ::modem::Status;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Conclusion, Rendered};

/// One modem of a running gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its name.
    pub modem: String,
    /// What it is doing, in a word.
    pub phase: String,
    /// How it was healed.
    pub healing: Healing,
    /// Why it is given no message that another can take.
    pub drained: Option<String>,
}

/// How a modem was healed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healing {
    /// The step that was taken last, while it is not well.
    pub step: Option<String>,
    /// Each step's word and how often it was taken since the gateway started; without those that never were.
    pub counts: Vec<(String, u64)>,
}

impl Healing {
    /// Reads a modem's status.
    #[must_use]
    pub fn of(status: &Status) -> Self {
        let taken = status.heal.all().into_iter().filter(|(_, count)| *count > 0);
        Self {
            step: status.heal_step.map(|step| step.word().to_owned()),
            counts: taken.map(|(step, count)| (step.word().to_owned(), count)).collect(),
        }
    }

    /// Says it in words; none where nothing was ever done.
    pub(super) fn words(&self) -> Option<String> {
        let counts: Vec<String> = self.counts.iter().map(|(step, count)| format!("{step} {count}")).collect();
        match (&self.step, counts.is_empty()) {
            (None, true) => None,
            (Some(step), _) => Some(format!("at {step}; since the start: {}", counts.join(", "))),
            (None, false) => Some(format!("well; since the start: {}", counts.join(", "))),
        }
    }

    pub(super) fn json(&self) -> Value {
        let counts: serde_json::Map<_, _> =
            self.counts.iter().map(|(step, count)| (step.clone(), json!(count))).collect();
        json!({"step": self.step, "counts": counts})
    }
}

impl Standing {
    /// Its rows for people.
    pub(super) fn rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = vec![("state", self.phase.clone())];
        rows.extend(self.drained.as_ref().map(|why| ("drained", why.clone())));
        rows.extend(self.healing.words().map(|words| ("healing", words)));
        rows
    }

    pub(super) fn json(&self) -> Value {
        json!({"phase": self.phase, "drained": self.drained, "healing": self.healing.json()})
    }
}

/// Shows what came of draining a modem by hand.
#[must_use]
pub fn drained(modem: &str, is_news: bool, others: usize) -> Rendered {
    let what = if is_news { "gets no message any more" } else { "got no message already" };
    let mut text = format!("modem {modem} {what}, until `otp-pi modem resume {modem}` or the next start");
    if others == 0 {
        text.push_str("; no other modem is ready: messages wait");
    }
    let conclusion = if others == 0 { Conclusion::Warned } else { Conclusion::Good };
    Rendered { text, json: json!({"modem": modem, "is_drained": true, "other_ready_modems": others}), conclusion }
}

/// Shows what came of letting a modem back.
#[must_use]
pub fn resumed(modem: &str, why: Option<&str>) -> Rendered {
    let text = match why {
        Some(why) => format!("modem {modem} gets messages again; it was drained: {why}"),
        None => format!("modem {modem} was not drained"),
    };
    Rendered { text, json: json!({"modem": modem, "is_drained": false, "was": why}), conclusion: Conclusion::Good }
}

#[cfg(test)]
mod tests {
    use ::modem::{HealCounts, HealStep};

    use super::*;

    #[test]
    fn what_was_done_to_a_modem_is_told_with_its_counts_and_nothing_where_nothing_was() {
        let counts = HealCounts { escapes: 12, resets: 1, ..HealCounts::default() };
        for (heal, heal_step, words) in [
            (HealCounts::default(), None, None),
            (counts, None, Some("well; since the start: escape 12, reset 1")),
            (counts, Some(HealStep::Alarm), Some("at alarm; since the start: escape 12, reset 1")),
        ] {
            let healing = Healing::of(&Status { heal, heal_step, ..Status::default() });
            assert_eq!(healing.words().as_deref(), words);
        }
        let healing = Healing::of(&Status { heal: counts, heal_step: Some(HealStep::Reset), ..Status::default() });
        assert_eq!(healing.json(), json!({"step": "reset", "counts": {"escape": 12, "reset": 1}}));
    }

    #[test]
    fn who_drains_the_last_modem_is_warned() {
        assert_eq!(drained("one", true, 1).conclusion, Conclusion::Good);
        let last = drained("one", true, 0);
        assert!(last.conclusion == Conclusion::Warned && last.text.contains("messages wait"), "{last:?}");
    }
}
