//! What is recorded: one word for each kind of event, who, from where, on what, and what changed.
//!
//! Pure. The words are kept for years and read by scripts: one that was written once stays.

use domain::clock::WallTime;
use serde::{Deserialize, Serialize};

/// Signs of one value; longer ones are cut.
const LONGEST: usize = 200;
/// Changes of one event; the rest is counted.
const MOST_CHANGES: usize = 50;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $word:literal),* $(,)?) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum AuditKind {
            $($(#[$doc])* $kind),*
        }

        impl AuditKind {
            /// All there are, in the order of the page about them.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The word in rows and answers.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $word),*
                }
            }
        }
    };
}

kinds! {
    /// A gateway works.
    Started = "gateway-started",
    /// A gateway was asked to stop.
    Stopped = "gateway-stopped",
    /// Settings are other ones.
    SettingsChanged = "settings-changed",
    /// The settings in the database were replaced by a document.
    SettingsImported = "settings-imported",
    /// The settings in the database were forgotten.
    SettingsReset = "settings-reset",
    /// The settings left the gateway, with their secrets sealed under a passphrase or without them.
    SettingsExported = "settings-exported",
    /// Somebody may call the API who could not before.
    ApiUserAdded = "api-user-added",
    /// An API user is another one: password, scopes, class, on or off.
    ApiUserChanged = "api-user-changed",
    /// An API user is gone.
    ApiUserRemoved = "api-user-removed",
    /// New keys are current.
    KeysRotated = "keys-rotated",
    /// The keys were made, with the database.
    KeysMade = "keys-made",
    /// The keys were lost, and what they sealed was given up.
    KeysReset = "keys-reset",
    /// A certificate was put into service in place of another one.
    CertificateChanged = "certificate-changed",
    /// The database was copied.
    BackupMade = "backup-made",
    /// An operator cancelled a message.
    MessageCancelled = "message-cancelled",
    /// An operator queued a message again.
    MessageRetried = "message-retried",
    /// An operator read texts of messages that came in.
    InboxRead = "inbox-read",
    /// An operator answered a message that came in.
    InboxReplied = "inbox-replied",
    /// An operator deleted a message that came in.
    InboxDeleted = "inbox-deleted",
    /// An operator sent an SMS past the API.
    SentByHand = "sent-by-hand",
    /// An operator asked a modem an AT command.
    ModemCommand = "modem-command",
    /// A person did something about the PIN of a SIM.
    SimPin = "sim-pin",
    /// A person wrote the IMEI of a device.
    ImeiWritten = "imei-written",
    /// A modem does not do its work, and nothing that was tried helped; or others take its messages.
    ModemAlarm = "modem-alarm",
    /// An operator has a modem get no messages.
    ModemDrained = "modem-drained",
    /// An operator lets a drained modem back.
    ModemResumed = "modem-resumed",
    /// An operator asked the network over USSD.
    UssdByHand = "ussd-by-hand",
    /// A SIM refused its PIN.
    PinRefused = "pin-refused",
    /// A receiver is blocked.
    ReceiverBlocked = "receiver-blocked",
    /// A receiver is not blocked any more.
    ReceiverUnblocked = "receiver-unblocked",
    /// Logins from one address failed so often that more are not tried for a while.
    LoginsThrottled = "logins-throttled",
    /// A receiver is locked after too many wrong codes.
    ReceiverLocked = "receiver-locked",
    /// Few codes are entered: new receivers are held back.
    HeldBack = "new-receivers-held-back",
    /// New receivers are let in again.
    LetIn = "new-receivers-let-in",
    /// What limits had counted was forgotten.
    LimitsReset = "limits-reset",
    /// Somebody else than the gateway's own user and root asked on the control socket.
    OperatorRefused = "operator-refused",
    /// An act that stands in an earlier row came to nothing.
    ActFailed = "act-failed",
    /// The oldest rows were removed, for their age or for room.
    Trimmed = "audit-trimmed",
    /// Events of one kind are counted for a while and not written.
    Suppressed = "audit-suppressed",
    /// A start found that the record is not as it was left.
    Broken = "audit-broken",
}

impl AuditKind {
    /// Finds the kind of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == word)
    }

    /// How many rows an hour may be written of what somebody outside can cause; None for what only the owner does.
    pub(super) const fn hourly(self) -> Option<u32> {
        match self {
            Self::ReceiverBlocked | Self::ReceiverUnblocked => Some(300),
            Self::ReceiverLocked | Self::HeldBack | Self::LetIn => Some(100),
            Self::LoginsThrottled | Self::OperatorRefused | Self::PinRefused | Self::ModemAlarm => Some(30),
            Self::Started
            | Self::Stopped
            | Self::SettingsChanged
            | Self::SettingsImported
            | Self::SettingsReset
            | Self::SettingsExported
            | Self::ApiUserAdded
            | Self::ApiUserChanged
            | Self::ApiUserRemoved
            | Self::KeysRotated
            | Self::KeysMade
            | Self::KeysReset
            | Self::CertificateChanged
            | Self::BackupMade
            | Self::MessageCancelled
            | Self::MessageRetried
            | Self::InboxRead
            | Self::InboxReplied
            | Self::InboxDeleted
            | Self::SentByHand
            | Self::ModemCommand
            | Self::SimPin
            | Self::ImeiWritten
            | Self::ModemDrained
            | Self::ModemResumed
            | Self::UssdByHand
            | Self::LimitsReset
            | Self::ActFailed
            | Self::Trimmed
            | Self::Suppressed
            | Self::Broken => None,
        }
    }
}

/// In whose name something is done, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditBy {
    /// Who: `uid 0`, `api user shop`, `gateway`.
    pub actor: String,
    /// From where: `control socket`, `shell`, an address, `file`, `start`.
    pub origin: String,
}

impl AuditBy {
    /// Joins the two.
    #[must_use]
    pub fn new(actor: impl Into<String>, origin: impl Into<String>) -> Self {
        Self { actor: actor.into(), origin: origin.into() }
    }

    /// The gateway by itself.
    #[must_use]
    pub fn gateway(origin: &str) -> Self {
        Self::new("gateway", origin)
    }
}

/// One thing that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditChange {
    /// The key, or what it is.
    pub what: String,
    /// What it was; None where it was not, or must not be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// What it is; `changed` for a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
}

/// One event. Never give it a secret, a text, a code or a full number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    pub(super) kind: AuditKind,
    pub(super) by: AuditBy,
    pub(super) subject: String,
    pub(super) changes: Vec<AuditChange>,
    /// Changes that were too many.
    pub(super) more: usize,
}

impl AuditEvent {
    /// An event about `subject`: an API user, a message id, a masked receiver, a path; empty where there is none to name.
    #[must_use]
    pub fn new(kind: AuditKind, by: &AuditBy, subject: impl AsRef<str>) -> Self {
        let by = AuditBy { actor: cut(&by.actor), origin: cut(&by.origin) };
        Self { kind, by, subject: cut(subject.as_ref()), changes: Vec::new(), more: 0 }
    }

    /// Adds what changed, or what else is to be known: a value that is new, and the one that it was.
    #[must_use]
    pub fn with(mut self, what: &str, old: Option<&str>, new: Option<&str>) -> Self {
        if self.changes.len() < MOST_CHANGES {
            self.changes.push(AuditChange { what: cut(what), old: old.map(cut), new: new.map(cut) });
        } else {
            self.more = self.more.saturating_add(1);
        }
        self
    }

    /// The event that tells that this one came to nothing.
    #[must_use]
    pub fn failed(&self) -> Self {
        let of = Self::new(AuditKind::ActFailed, &self.by, &self.subject);
        of.with("event", None, Some(self.kind.as_str()))
    }

    /// On what.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> AuditKind {
        self.kind
    }

    /// The changes as a row keeps them.
    pub(super) fn details(&self) -> Option<String> {
        let mut changes = self.changes.clone();
        if self.more > 0 {
            changes.push(AuditChange { what: format!("and {} more", self.more), old: None, new: None });
        }
        serde_json::to_string(&changes).ok()
    }
}

/// An event and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) at: WallTime,
    pub(crate) event: AuditEvent,
}

/// A text of bounded length.
fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back_and_comes_once() {
        for (place, kind) in AuditKind::ALL.iter().enumerate() {
            assert_eq!(AuditKind::parse(kind.as_str()), Some(*kind));
            assert_eq!(AuditKind::ALL.iter().position(|other| other.as_str() == kind.as_str()), Some(place));
        }
        assert_eq!(AuditKind::parse("no-such-event"), None);
    }

    #[test]
    fn the_page_lists_every_event() {
        let page = include_str!("../../../../docs/audit.md");
        for kind in AuditKind::ALL {
            assert!(
                page.contains(&format!("| `{}` |", kind.as_str())),
                "{} is missing in docs/audit.md",
                kind.as_str()
            );
        }
    }

    #[test]
    fn an_event_is_of_bounded_size_whatever_it_is_told() {
        let long = "ä".repeat(5_000);
        let mut event =
            AuditEvent::new(AuditKind::SettingsImported, &AuditBy::new(long.as_str(), long.as_str()), &long);
        for _ in 0..1_000 {
            event = event.with(&long, Some(&long), Some(&long));
        }
        let details = event.details().unwrap();
        assert!(details.len() < 70_000, "{}", details.len());
        let changes: Vec<AuditChange> = serde_json::from_str(&details).unwrap();
        assert_eq!(changes.last().unwrap().what, "and 950 more");
        assert_eq!(event.subject.chars().count(), LONGEST + 1);
    }
}
