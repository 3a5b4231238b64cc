//! One task owns one serial line and speaks AT to the modem on it.
//!
//! For: opening and locking the line, initialising the modem, sending SUBMITs with a mint hook, following signal,
//! registration and operator, handing out reports and inbound SMS, and getting a stuck line going again.
//! Never: knowledge of what an OTP is, routes or queues; no task is started here ([`Actor::run`] is given to the
//! caller's tracker); no text, PDU or PIN reaches a log.
//! Called by: the SMS channel of `otp-pi`, and its `modem` commands.
//!
//! Map: [`Settings::build`] gives a [`ModemHandle`] (status, turns) and an [`Actor`] (I/O). The conversation itself is
//! `session`, which does no I/O: bytes, time and requests go in, actions come out. [`ModemHandle::ask`] puts a person's
//! [`Command`] between, [`check()`] asks everything and makes a [`Report`], [`advice()`] says what to do about it;
//! [`ModemHandle::ussd`] begins a dialogue with the network, [`discovery`] finds lines before there is a modem, and a [`Locator`] those of modems that are known by who they are. `heal` says what
//! is tried with a modem that does not do its work. `manager` is the second driver: another actor behind the same handle, for modems that ModemManager has.

mod actor;
mod advice;
mod check;
mod command;
pub mod discovery;
mod event;
mod handle;
mod heal;
mod locator;
mod manager;
mod pin;
mod profile;
mod question;
mod report;
mod same_line;
mod serial;
mod session;
mod settings;
mod status;
mod submission;
pub mod tool;
mod trace;
mod ussd;
mod wanted;

pub use actor::{Actor, ActorError};
pub use advice::{Advice, AdviceKind, Weight, advice};
pub use check::check;
pub use command::{Command, CommandError, Effect, MAX_COMMAND, Refusal};
pub use event::{Inbound, InboundReceipt, ModemEvent, ModemEventKind};
pub use handle::{Inquiry, ModemHandle, Turn};
pub use heal::{HealCounts, HealNews, HealStep, PowerError, PowerSwitch, Trouble};
pub use locator::{Locator, Search};
pub use pin::{Pin, PinError, PinKeeper, PinMemory, Tried};
pub use profile::{ImeiWays, Lte, Pattern, Profile, UssdWays, Way};
pub use question::{Answer, AskError, LONGEST_PATIENCE};
pub use report::{Fact, Report, Strength, Verdict, registration_words};
pub use same_line::is_same_line;
pub use settings::{DataBits, Driver, Parity, Settings, SmsCenter, SmsCenterError, StopBits, Timeouts};
pub use status::{Identity, LineFault, Phase, Registration, Status, Takes};
pub use submission::{Prepare, Refused, Rest, SendError, Sent, Submission, is_speechless};
pub use ussd::{
    MAX_USSD_CODE, MAX_USSD_REPLY, UssdCode, UssdCodeError, UssdDialogue, UssdError, UssdRefusal, UssdReply,
};
pub use wanted::{Fit, Iccid, Imei, Wanted, WantedError};
