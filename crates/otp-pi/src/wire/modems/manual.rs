//! What became of one SMS that a person sent by hand.

use domain::receiver::Msisdn;
use serde_json::{Value, json};

use super::{Conclusion, Rendered};

/// What became of one SMS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manual {
    /// The modem's name.
    pub modem: String,
    /// To whom.
    pub receiver: Msisdn,
    /// What became of each part, in order; never empty.
    pub parts: Vec<PartState>,
}

/// What became of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartState {
    /// The network took it.
    Sent {
        /// TP-MR, by which a delivery report would name it; none if the modem did not tell.
        message_reference: Option<u8>,
    },
    /// It is certain that it was not sent.
    NotSent {
        /// Why, in words.
        why: String,
    },
    /// It was handed to the modem, and nobody can know what became of it.
    Unknown {
        /// Why, in words.
        why: String,
    },
    /// An earlier part was not sent for sure.
    NotTried,
}

impl PartState {
    /// Tells whether it is certain that it was not sent.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        matches!(self, Self::NotSent { .. } | Self::NotTried)
    }
}

impl Manual {
    /// Says what it comes to. Where a part may be on air, sending again may double it: that is unclear, not bad.
    #[must_use]
    pub fn conclusion(&self) -> Conclusion {
        let is_sent = |part: &PartState| matches!(part, PartState::Sent { .. });
        if self.parts.iter().all(is_sent) {
            Conclusion::Good
        } else if self.parts.iter().any(|part| is_sent(part) || matches!(part, PartState::Unknown { .. })) {
            Conclusion::Unclear
        } else {
            Conclusion::Bad
        }
    }

    fn word(&self) -> &'static str {
        match self.conclusion() {
            Conclusion::Good | Conclusion::Warned => "sent",
            Conclusion::Bad => "not-sent",
            Conclusion::Unclear if self.parts.iter().any(|part| matches!(part, PartState::Unknown { .. })) => "unknown",
            Conclusion::Unclear => "incomplete",
        }
    }
}

/// Shows it.
#[must_use]
pub fn manual(outcome: &Manual) -> Rendered {
    let headline = match outcome.word() {
        "sent" => "sent: the network has taken it",
        "not-sent" => "not sent",
        "incomplete" => "incomplete: some parts went out; to send it again would double them",
        _ => "outcome unknown: it may arrive; to send it again may double it",
    };
    let mut text = format!("{} to {}: {headline}", outcome.modem, outcome.receiver);
    for (number, part) in (1..).zip(&outcome.parts) {
        text.push_str(&format!("\n  part {number} of {}: {}", outcome.parts.len(), part_words(part)));
    }
    let parts: Vec<Value> = (1..).zip(&outcome.parts).map(|(number, part)| part_json(number, part)).collect();
    let json = json!({
        "modem": outcome.modem,
        "receiver": outcome.receiver.to_string(),
        "state": outcome.word(),
        "parts": parts,
    });
    Rendered { text, json, conclusion: outcome.conclusion() }
}

fn part_words(part: &PartState) -> String {
    match part {
        PartState::Sent { message_reference: Some(reference) } => format!("sent, reference {reference}"),
        PartState::Sent { message_reference: None } => "sent; the modem told no reference".to_owned(),
        PartState::NotSent { why } => format!("not sent: {why}"),
        PartState::Unknown { why } => format!("unknown: {why}"),
        PartState::NotTried => "not tried".to_owned(),
    }
}

fn part_json(number: usize, part: &PartState) -> Value {
    match part {
        PartState::Sent { message_reference } => {
            json!({"part": number, "state": "sent", "message_reference": message_reference})
        }
        PartState::NotSent { why } => json!({"part": number, "state": "not-sent", "error": why}),
        PartState::Unknown { why } => json!({"part": number, "state": "unknown", "error": why}),
        PartState::NotTried => json!({"part": number, "state": "not-tried"}),
    }
}
