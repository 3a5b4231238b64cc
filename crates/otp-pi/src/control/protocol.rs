//! What is said over the control socket: one JSON line asks, one JSON line answers.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use domain::secret::SecretText;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use store::AuditMark;

/// The longest document that may be imported, in bytes.
pub const LONGEST_DOCUMENT: usize = 512 * 1024;

/// The longest line, in bytes: JSON writes a quote or a line end of an imported document in two.
pub(super) const LONGEST_LINE: usize = 2 * LONGEST_DOCUMENT + 64 * 1024;

/// The socket's name in the data directory.
pub(super) const SOCKET: &str = "control.sock";

/// What an operator asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Lists messages.
    MessageList {
        /// Only those in this state.
        state: Option<String>,
        /// Only those of this API user.
        api_user: Option<String>,
        /// Only those accepted before this one.
        before: Option<String>,
        /// How many at most.
        limit: usize,
        /// Receivers in full.
        reveals: bool,
    },
    /// Shows one message.
    MessageShow {
        /// Which.
        message_id: String,
        /// Its receiver in full.
        reveals: bool,
    },
    /// Cancels a message that waits.
    MessageCancel {
        /// Which.
        message_id: String,
    },
    /// Queues a message of unknown outcome again.
    MessageRetry {
        /// Which.
        message_id: String,
    },
    /// Asks about SMS that came in.
    Inbox {
        /// What.
        ask: InboxRequest,
    },
    /// Explains where a receiver stands with the limits.
    LimitsExplain {
        /// The receiver, as people write it.
        receiver: Secret,
        /// As if this API user asked.
        api_user: Option<String>,
        /// For an end user at this address.
        client_ip: Option<IpAddr>,
    },
    /// Tells who is held back.
    LimitsList,
    /// Forgets what is counted: for whom is named, or everything.
    LimitsReset {
        /// The receiver, as people write it.
        receiver: Option<Secret>,
        /// Or a country, by its calling code.
        country: Option<String>,
        /// Or an API user.
        api_user: Option<String>,
        /// Or an end user's address.
        client_ip: Option<IpAddr>,
    },
    /// Tells on which lines the modems are.
    ModemLines,
    /// Lists the API users.
    ApiUserList,
    /// Adds an API user.
    ApiUserAdd {
        /// Its name.
        username: String,
        /// Its password.
        password: Secret,
        /// What it may do; all when empty.
        scopes: Vec<String>,
        /// The class of its sends.
        class: Option<String>,
        /// From where it may call; from anywhere when empty.
        networks: Vec<String>,
    },
    /// Sets an API user's password, and ends those that it had.
    ApiUserPasswd {
        /// Its name.
        username: String,
        /// Its password.
        password: Secret,
    },
    /// Sets an API user's password, and lets the old one be good for some time more.
    ApiUserRotate {
        /// Its name.
        username: String,
        /// Its password.
        password: Secret,
        /// How long the old one stays.
        keep_seconds: u64,
        /// Even if two are valid already.
        is_forced: bool,
    },
    /// Ends the password of an API user that is being rotated out.
    ApiUserRetire {
        /// Its name.
        username: String,
    },
    /// Switches an API user on or off.
    ApiUserActive {
        /// Its name.
        username: String,
        /// On?
        is_active: bool,
    },
    /// Forgets an API user.
    ApiUserRemove {
        /// Its name.
        username: String,
    },
    /// Lists what is in force.
    SettingsList,
    /// Sets keys, all or none.
    SettingsSet {
        /// Keys with their values: they may be secrets.
        values: Vec<(String, Secret)>,
    },
    /// Takes keys or whole objects out, all or none.
    SettingsUnset {
        /// The keys.
        keys: Vec<String>,
    },
    /// Forgets all that the database keeps.
    SettingsReset,
    /// One document of all that is set.
    SettingsExport {
        /// What its secrets are sealed with.
        passphrase: Option<Secret>,
    },
    /// Replaces what the database keeps.
    SettingsImport {
        /// The document.
        document: Secret,
        /// What its secrets are sealed with.
        passphrase: Option<Secret>,
    },
    /// Reads the settings again.
    Reload,
    /// Copies the database.
    Backup {
        /// Where to, as this side writes it.
        path: PathBuf,
    },
    /// Looks at modems; all when none is named.
    ModemCheck {
        /// Names, or paths of lines.
        modems: Vec<String>,
    },
    /// Asks a modem.
    ModemAt {
        /// Its name, or the path of its line.
        modem: String,
        /// The AT command: a person may type a secret by mistake.
        command: Secret,
        /// How long the answer may take.
        patience_seconds: Option<u64>,
    },
    /// Sends one SMS at once.
    ModemSend {
        /// The modem's name, or the path of its line.
        modem: String,
        /// To whom: E.164 digits.
        receiver: Secret,
        /// What.
        text: Secret,
    },
    /// Tells where the modems stand.
    ModemStandings,
    /// Does something to a modem, its SIM or its device.
    Tool {
        /// What.
        ask: ToolRequest,
    },
    /// Tells what SIMs have sent, or forgets it.
    ModemUse {
        /// Of this modem; of all when none is named.
        modem: Option<String>,
        /// Forget it.
        is_reset: bool,
    },
    /// Explains which modem would take a number.
    RouteExplain {
        /// The receiver, as people write it.
        receiver: Secret,
    },
    /// Asks the network over one modem; one of code, reply and cancel.
    Ussd {
        /// The modem's name, or the path of its line.
        modem: String,
        /// Which dialogue: chosen by who began it.
        talk: String,
        /// A code: it may carry a voucher.
        code: Option<Secret>,
        /// A reply to the answer before: it may be a password.
        reply: Option<Secret>,
        /// No reply comes.
        cancels: bool,
    },
    /// Asks what a SIM is worth, now.
    ModemBalance {
        /// The modem's name, or the path of its line.
        modem: String,
    },
    /// Tells what is known of all SIMs' balances.
    Balances,
    /// Tells about the keys.
    KeysStatus,
    /// Rotates the keys.
    KeysRotate,
    /// Lists what was recorded.
    AuditList {
        /// Only since then, in milliseconds since the Unix epoch.
        since: Option<i64>,
        /// Only this event.
        event: Option<String>,
        /// Only before this row.
        before: Option<i64>,
        /// How many at most.
        limit: usize,
    },
    /// Looks whether the record is whole and as it was written.
    AuditVerify {
        /// A row that was noted elsewhere.
        noted: Option<AuditMark>,
    },
    /// Tells how it is.
    Status,
}

/// What an operator does to a modem, its SIM or its device.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ToolRequest {
    /// Looks at the SIM of a modem.
    SimStatus {
        /// The modem's name, or the path of its line.
        modem: String,
    },
    /// Does something about the PIN of a SIM.
    SimPin {
        /// The modem's name, or the path of its line.
        modem: String,
        /// What; see [`crate::operator::PinVerb`].
        verb: crate::operator::PinVerb,
        /// The PIN that the SIM has, or its PUK.
        code: Secret,
        /// The PIN that it shall have, where it gets another.
        new_pin: Option<Secret>,
        /// Even if a wrong code would block the SIM.
        may_be_last: bool,
    },
    /// Asks a device for its IMEI.
    ImeiShow {
        /// The modem's name, or the path of its line.
        modem: String,
    },
    /// Writes the IMEI that is printed on a device.
    ImeiRestore {
        /// The modem's name, or the path of its line.
        modem: String,
        /// Its 15 digits.
        imei: String,
        /// The same, typed once more.
        confirmation: String,
    },
    /// Gives a modem no message any more.
    Drain {
        /// Its name, or the path of its line.
        modem: String,
    },
    /// Lets a drained modem back.
    Resume {
        /// Its name, or the path of its line.
        modem: String,
    },
}

/// What an operator asks about SMS that came in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum InboxRequest {
    /// Lists SMS that came in.
    List {
        /// Only those that this modem got.
        modem: Option<String>,
        /// Only those of this sender, as people write him.
        sender: Option<Secret>,
        /// Only those that were not read.
        is_unread: bool,
        /// Only those that came before this one.
        before: Option<String>,
        /// How many at most.
        limit: usize,
        /// Senders and texts in full.
        reveals: bool,
    },
    /// Shows one SMS that came in, with its text.
    Show {
        /// Which.
        message_id: String,
    },
    /// Answers one.
    Reply {
        /// Which.
        message_id: String,
        /// What to answer.
        text: Secret,
    },
    /// Deletes some.
    Delete {
        /// Which.
        message_ids: Vec<String>,
    },
    /// Marks some.
    Mark {
        /// Which.
        message_ids: Vec<String>,
        /// As read, or as not read.
        is_read: bool,
    },
}

/// What the other side answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It was done, with this result.
    Done(Value),
    /// It was not, for this reason.
    Failed(String),
}

/// A text that travels in clear over the socket and is shown nowhere else.
#[derive(Clone)]
pub struct Secret(pub SecretText);

impl Secret {
    /// Takes over a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretText::new(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("•••")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}
