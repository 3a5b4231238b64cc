//! USSD on the wire (3GPP TS 27.007 §7.15): a code is written, the modem says OK, and some time later `+CUSD` brings the answer.
//!
//! While the network has a dialogue with us nothing else is said, so that no line of a long answer is taken for something else; what comes
//! unasked is taken in all the same. A code is written in one way after the other until the modem takes one, which is remembered. Whatever
//! ends a dialogue before the network did is followed by `AT+CUSD=2`: an open one keeps messages from being sent. Never: waiting
//! for a person for longer than [`Timeouts::ussd_idle`](crate::Timeouts::ussd_idle).

mod answers;

use std::fmt;
use std::time::Instant;

use gsm::{ErrorCode, UssdForm, UssdReader};
use zeroize::Zeroizing;

use super::step::Step;
use super::{Action, Session, State};
use crate::profile::Profile;
use crate::status::Phase;
use crate::trace;
use crate::ussd::{UssdAct, UssdDone, UssdError};

/// What is kept between dialogues.
#[derive(Debug, Default)]
pub(super) struct Ussd {
    /// What waits for its turn on the wire.
    waiting: Option<UssdAct>,
    /// The way in which this modem takes codes, once one was answered.
    form: Option<UssdForm>,
}

/// A dialogue on the wire.
pub(super) struct Dialogue {
    stage: Stage,
    form: UssdForm,
    /// Ways that were not tried yet.
    ways: Vec<UssdForm>,
    text: Zeroizing<String>,
    command: Zeroizing<String>,
    /// Whether somebody waits for what comes of it.
    is_awaited: bool,
    /// Whether the caller has gone: it is ended as soon as that can be said.
    is_abandoned: bool,
    /// What was refused so far.
    refused: Option<ErrorCode>,
    /// An answer that is being put together.
    reader: Option<UssdReader>,
    pub(super) deadline: Instant,
    /// When the dialogue ends even if somebody keeps replying.
    ends_at: Instant,
    /// What its caller is told when it has been ended.
    ending: Option<UssdDone>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// What the profile says before a code was written.
    Preparing,
    /// The character set was asked to be UCS-2.
    Charset,
    /// The code was written; OK is awaited.
    Asking,
    /// The modem took it; the network's answer is awaited.
    Awaiting,
    /// The network waits for a reply, and nobody has given one yet.
    Open,
    /// `AT+CUSD=2` was written.
    Ending,
    /// The character set was asked to be GSM again.
    Restoring,
}

/// Prints how far it is, never what is said.
impl fmt::Debug for Dialogue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Dialogue").field("stage", &self.stage).field("form", &self.form).finish_non_exhaustive()
    }
}

/// Returns the ways to write a code, in the order in which they are tried: the one that has worked first, then the profile's, then the
/// others in the order in which a modem of which nothing is known may be asked.
fn ways(profile: &Profile, worked: Option<UssdForm>) -> Vec<UssdForm> {
    let mut ways: Vec<UssdForm> = Vec::new();
    for form in worked.into_iter().chain(profile.ussd.forms.first().copied()).chain(UssdForm::ALL) {
        if !ways.contains(&form) {
            ways.push(form);
        }
    }
    ways
}

impl Session {
    /// Takes an act; there is at most one, and no submission beside it.
    pub(crate) fn ussd(&mut self, act: UssdAct, now: Instant) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Ussd(dialogue) if dialogue.stage == Stage::Open => self.act_in_dialogue(dialogue, act, now),
            other => {
                self.state = other;
                self.ussd.waiting = Some(act);
            }
        }
        self.pump(now);
    }

    /// Takes the news that the caller is gone, or that the line is to be let go.
    pub(crate) fn abandon_ussd(&mut self, now: Instant) {
        if let Some(UssdAct::Say { .. }) = self.ussd.waiting {
            self.ussd.waiting = None;
            self.actions.push_back(Action::Ussd(Some(Err(UssdError::Over))));
        }
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Ussd(mut dialogue) => match dialogue.stage {
                Stage::Awaiting | Stage::Open => self.end_dialogue(dialogue, Err(UssdError::Over), now),
                Stage::Preparing | Stage::Charset | Stage::Asking => {
                    dialogue.is_abandoned = true;
                    self.state = State::Ussd(dialogue);
                }
                Stage::Ending | Stage::Restoring => self.state = State::Ussd(dialogue),
            },
            other => self.state = other,
        }
        self.pump(now);
    }

    /// Answers whether a dialogue is on the wire; after [`Session::abandon_ussd`] not for long.
    pub(crate) fn is_in_ussd(&self) -> bool {
        matches!(self.state, State::Ussd(_))
    }

    /// The way in which this modem took a code that was answered.
    pub(crate) fn ussd_form(&self) -> Option<UssdForm> {
        self.ussd.form
    }

    /// Begins with a modem of which the way is known.
    pub(crate) fn with_ussd_form(mut self, form: Option<UssdForm>) -> Self {
        self.ussd.form = form;
        self
    }

    /// Begins the act that waits, if it may be said now; answers whether it did.
    pub(super) fn begins_ussd(&mut self, now: Instant) -> bool {
        if self.ussd.waiting.is_none() || self.status.phase == Phase::Recovering || self.is_unsettled() {
            return false;
        }
        match self.ussd.waiting.take() {
            None => false,
            // No dialogue is open, else it would be the state.
            Some(UssdAct::Cancel) => {
                self.actions.push_back(Action::Ussd(Some(Ok(None))));
                false
            }
            Some(UssdAct::Say { is_reply: true, .. }) => {
                self.actions.push_back(Action::Ussd(Some(Err(UssdError::Over))));
                false
            }
            Some(UssdAct::Say { .. }) if self.status.phase != Phase::Ready => {
                self.actions.push_back(Action::Ussd(Some(Err(UssdError::NotReady {
                    detail: format!("the modem is {}", self.status.phase.word()),
                }))));
                false
            }
            Some(UssdAct::Say { text, .. }) => {
                let dialogue = Dialogue {
                    stage: Stage::Asking,
                    form: UssdForm::Plain,
                    ways: ways(self.profile, self.ussd.form),
                    text,
                    command: Zeroizing::default(),
                    is_awaited: true,
                    is_abandoned: false,
                    refused: None,
                    reader: None,
                    deadline: now,
                    ends_at: now + self.settings.timeouts.ussd_longest,
                    ending: None,
                };
                match self.profile.ussd.prepare {
                    Some(command) => self.say_in_dialogue(dialogue, Stage::Preparing, command, now),
                    None => self.try_next_way(dialogue, now),
                }
                true
            }
        }
    }

    /// Does what is asked of an open dialogue.
    fn act_in_dialogue(&mut self, mut dialogue: Dialogue, act: UssdAct, now: Instant) {
        match act {
            UssdAct::Cancel => {
                dialogue.is_awaited = true;
                self.end_dialogue(dialogue, Ok(None), now);
            }
            UssdAct::Say { text, is_reply: true } => {
                (dialogue.text, dialogue.is_awaited, dialogue.refused) = (text, true, None);
                // The character set is that of this way: another is only tried where this one cannot say it.
                dialogue.ways = vec![dialogue.form];
                if dialogue.form != UssdForm::Ucs2 {
                    dialogue.ways.extend(ways(self.profile, Some(dialogue.form)).into_iter().skip(1));
                }
                self.try_next_way(dialogue, now);
            }
            UssdAct::Say { is_reply: false, .. } => {
                self.ussd.waiting = Some(act);
                self.end_dialogue(dialogue, Ok(None), now);
            }
        }
    }

    /// Writes the code in the next way in which it can be written, or gives up.
    fn try_next_way(&mut self, mut dialogue: Dialogue, now: Instant) {
        let was_ucs2 = dialogue.form == UssdForm::Ucs2;
        while !dialogue.ways.is_empty() {
            let form = dialogue.ways.remove(0);
            if form.encode(&dialogue.text).is_none() {
                continue;
            }
            dialogue.form = form;
            if form == UssdForm::Ucs2 && !was_ucs2 {
                self.say_in_dialogue(dialogue, Stage::Charset, "AT+CSCS=\"UCS2\"", now);
            } else {
                self.say_text(dialogue, now);
            }
            return;
        }
        let refused = Err(UssdError::Refused { code: dialogue.refused });
        self.end_dialogue(dialogue, refused, now);
    }

    fn say_text(&mut self, mut dialogue: Dialogue, now: Instant) {
        let Some((written, dcs)) = dialogue.form.encode(&dialogue.text) else {
            self.try_next_way(dialogue, now);
            return;
        };
        let mut command = Zeroizing::new(String::with_capacity(written.len() + 20));
        // What a form writes cannot end the argument.
        command.push_str("AT+CUSD=1,\"");
        command.push_str(&written);
        command.push_str(&format!("\",{dcs}"));
        trace::written(&self.settings.name, "AT+CUSD=…");
        self.write_command(&command);
        dialogue.command = command;
        dialogue.reader = None;
        self.stay(dialogue, Stage::Asking, now + self.settings.timeouts.card);
    }

    fn say_in_dialogue(&mut self, mut dialogue: Dialogue, stage: Stage, command: &'static str, now: Instant) {
        trace::written(&self.settings.name, command);
        self.write_command(command);
        dialogue.command = Zeroizing::new(command.to_owned());
        self.stay(dialogue, stage, now + self.settings.timeouts.command);
    }

    fn stay(&mut self, mut dialogue: Dialogue, stage: Stage, deadline: Instant) {
        dialogue.stage = stage;
        dialogue.deadline = deadline;
        self.state = State::Ussd(dialogue);
    }

    /// Ends a dialogue that the network may still have open, and tells `ending` once it has.
    fn end_dialogue(&mut self, mut dialogue: Dialogue, ending: UssdDone, now: Instant) {
        dialogue.ending = Some(ending);
        dialogue.reader = None;
        self.say_in_dialogue(dialogue, Stage::Ending, "AT+CUSD=2", now);
    }

    /// Goes back to the usual character set, if it is another.
    fn restore(&mut self, dialogue: Dialogue, now: Instant) {
        if dialogue.form == UssdForm::Ucs2 {
            self.say_in_dialogue(dialogue, Stage::Restoring, Step::Charset.verb(), now);
        } else {
            self.dialogue_over(dialogue);
        }
    }

    fn dialogue_over(&mut self, dialogue: Dialogue) {
        self.state = State::Idle;
        if let Some(ending) = dialogue.ending.filter(|_| dialogue.is_awaited) {
            self.actions.push_back(Action::Ussd(Some(ending)));
        }
        self.actions.push_back(Action::Ussd(None));
    }

    /// Ends the dialogue that is on the wire without a word; one that waits goes on waiting.
    pub(super) fn interrupt_ussd(&mut self, why: &str) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Ussd(dialogue) => {
                if dialogue.is_awaited {
                    self.actions.push_back(Action::Ussd(Some(Err(interrupted(why)))));
                }
                self.actions.push_back(Action::Ussd(None));
            }
            other => self.state = other,
        }
    }

    /// Ends the dialogue, whether it is on the wire or waits.
    pub(super) fn fail_ussd(&mut self, why: &str) {
        self.interrupt_ussd(why);
        if self.ussd.waiting.take().is_some() {
            self.actions.push_back(Action::Ussd(Some(Err(UssdError::NotReady { detail: why.to_owned() }))));
        }
    }
}

fn interrupted(why: &str) -> UssdError {
    UssdError::Interrupted { detail: why.to_owned() }
}
