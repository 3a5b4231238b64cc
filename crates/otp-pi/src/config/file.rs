//! The TOML document as its owner writes it: sections, keys, defaults. Unknown keys are errors.
//!
//! Nothing is decided here: `super::resolve` turns this model into the Settings of the components. A section that is added
//! here is added to the list in `super::schema` too.

use std::path::PathBuf;

use serde::{Deserialize, Serialize, Serializer};

use super::units::{Listen, Size, Span};

macro_rules! defaults {
    ($type:ident { $($field:ident : $value:expr),* $(,)? }) => {
        impl Default for $type {
            fn default() -> Self {
                Self { $($field: $value),* }
            }
        }
    };
}

mod limits;
mod modem;
mod subscriber;

pub use limits::Limits;
pub use modem::ModemSection;
pub use subscriber::SubscriberSection;

fn seconds(count: u64) -> Span {
    Span(std::time::Duration::from_secs(count))
}

/// The whole document.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    /// Where the database and the keys live.
    pub data_dir: PathBuf,
    /// How long a part that is on air may take after SIGTERM.
    pub drain_timeout: Span,
    /// Where the keys come from.
    pub keys: KeysSection,
    /// About this device.
    pub device: Device,
    /// The API listeners.
    pub api: Api,
    /// The certificate of the HTTPS listeners.
    pub tls: Tls,
    /// Rules for codes.
    pub otp: Otp,
    /// The texts of codes in other languages.
    pub otp_template: Vec<OtpTemplateSection>,
    /// Rules for SMS.
    pub sms: Sms,
    /// Limits.
    pub limits: Limits,
    /// How long things are kept.
    pub retention: Retention,
    /// Log lines.
    pub log: Log,
    /// The modems.
    pub modem: Vec<ModemSection>,
    /// Who may call the API.
    pub api_user: Vec<ApiUserSection>,
    /// Brokers that bring commands.
    #[serde(deserialize_with = "subscriber::read")]
    pub subscriber: Vec<SubscriberSection>,
}
defaults!(File {
    data_dir: PathBuf::from("/var/lib/otp-pi"),
    drain_timeout: seconds(60),
    keys: KeysSection::default(),
    device: Device::default(),
    api: Api::default(),
    tls: Tls::default(),
    otp: Otp::default(),
    otp_template: Vec::new(),
    sms: Sms::default(),
    limits: Limits::default(),
    retention: Retention::default(),
    log: Log::default(),
    modem: Vec::new(),
    api_user: Vec::new(),
    subscriber: Vec::new(),
});

/// `[keys]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeysSection {
    /// A keys file that somebody else provides; empty: systemd's credential, else `keys/keys.json` in the data directory.
    pub file: PathBuf,
}

/// `[device]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Device {
    /// The name that pages and the login realm show.
    pub name: String,
    /// Whether the printed IMEI of a modem may be written back to it.
    pub allow_imei_write: bool,
    /// Where the device is, for example `"Asia/Jakarta"`: by that clock days and months of quotas begin. Empty: as the machine is set.
    pub time_zone: String,
}
defaults!(Device { name: "OTP-Pi".to_owned(), allow_imei_write: false, time_zone: String::new() });

/// `[api]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Api {
    /// Plain HTTP listeners.
    pub http_listen: Listen,
    /// HTTPS listeners; none when empty.
    pub https_listen: Listen,
    /// Path of the OTP commands. The path never selects the command.
    pub otp_path: String,
    /// Path of the message commands.
    pub message_path: String,
    /// Path of the SMS commands.
    pub sms_path: String,
    /// Path of the e-mail commands.
    pub email_path: String,
    /// Path of the blocking commands.
    pub block_path: String,
    /// Path of the unblocking commands.
    pub unblock_path: String,
    /// `"000"`, or `"0000"`, which the original appliance answered.
    pub success_code: String,
    /// `"accept"` or `"reject"`: what the same id with other content is.
    pub id_conflict: String,
    /// `"user"` or `"entrance"`: within what an id of a caller stands for one message.
    pub id_scope: String,
    /// `"accepted"` or `"sent"`: what an answer waits for.
    pub wait: String,
    /// How long it waits at most.
    pub wait_limit: Span,
    /// Speaks the two small dialects.
    pub simple_otp: bool,
    /// Networks that may speak them without a login.
    pub simple_otp_open: Vec<String>,
    /// The API user in whose name those act.
    pub simple_otp_user: String,
    /// Tells the caller how many tries are left in 1202 answers.
    pub attempts_left: bool,
    /// Most connections at once.
    pub max_connections: usize,
    /// Most of them from one address.
    pub max_connections_per_address: usize,
}
defaults!(Api {
    http_listen: Listen(vec![std::net::SocketAddr::from(([0, 0, 0, 0], 8899))]),
    https_listen: Listen(Vec::new()),
    otp_path: "/api/otp".to_owned(),
    message_path: "/api/message".to_owned(),
    sms_path: "/api/sms".to_owned(),
    email_path: "/api/email".to_owned(),
    block_path: "/api/block".to_owned(),
    unblock_path: "/api/unblock".to_owned(),
    success_code: "000".to_owned(),
    id_conflict: "accept".to_owned(),
    id_scope: "user".to_owned(),
    wait: "accepted".to_owned(),
    wait_limit: seconds(30),
    simple_otp: true,
    simple_otp_open: Vec::new(),
    simple_otp_user: String::new(),
    attempts_left: false,
    max_connections: 1024,
    max_connections_per_address: 256,
});

impl Api {
    /// The paths that take an envelope, each with its key.
    pub(super) fn paths(&self) -> [(&'static str, &str); 6] {
        [
            ("api.otp_path", &self.otp_path),
            ("api.message_path", &self.message_path),
            ("api.sms_path", &self.sms_path),
            ("api.email_path", &self.email_path),
            ("api.block_path", &self.block_path),
            ("api.unblock_path", &self.unblock_path),
        ]
    }
}

/// `[tls]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// The certificate and its chain in PEM form; self-signed when empty.
    pub certificate: PathBuf,
    /// Its private key in PEM form.
    pub private_key: PathBuf,
}
defaults!(Tls { certificate: PathBuf::new(), private_key: PathBuf::new() });

/// `[otp]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Otp {
    /// Digits of a code, 4 to 10.
    pub length: u8,
    /// How long a code lives after it was handed to the channel.
    pub lifetime: Span,
    /// How long a code may live whatever the caller asks.
    pub max_lifetime: Span,
    /// How many guesses a code allows.
    pub max_attempts: u32,
    /// The text of codes whose caller names none, with one `%s`.
    pub template: String,
    /// Folds 1203 and 1204 into 1202.
    pub uniform_failures: bool,
    /// `"sqlite"`, `"memory"`, or the address of a server without its password.
    pub ticket_store: String,
    /// The server's password: the first line of this file.
    pub ticket_store_password_file: PathBuf,
    /// Whom to trust as the server, in PEM, instead of whom the system trusts.
    pub ticket_store_ca_file: PathBuf,
}
defaults!(Otp {
    length: 6,
    lifetime: seconds(180),
    max_lifetime: seconds(600),
    max_attempts: 5,
    template: "Your code is %s".to_owned(),
    uniform_failures: false,
    ticket_store: "sqlite".to_owned(),
    ticket_store_password_file: PathBuf::new(),
    ticket_store_ca_file: PathBuf::new(),
});

/// `[[otp_template]]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct OtpTemplateSection {
    /// The language, unique: a tag such as `id` or `pt-BR`.
    pub locale: String,
    /// The text of codes whose caller asks for it and names none, with one `%s`.
    pub text: String,
}

/// `[sms]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sms {
    /// The home country's calling code, without `+`. Required for `serve`.
    pub country_code: String,
    /// Refuses what is past its deadline when it comes, and drops it in the queue.
    pub drop_expired: bool,
    /// How long after its `date_time` a send without `expiration` is wanted.
    pub expiration_offset: Span,
    /// `"hold"` or `"resend"`: what happens to a message whose outcome is unknowable.
    pub unknown_policy: String,
    /// `"sealed"` or `"never"`: how texts that wait are kept.
    pub text_at_rest: String,
    /// Asks the network for delivery reports.
    pub delivery_reports: bool,
    /// A modem none of whose last messages is reported within this time, where others' are, is drained; `"0s"`: never.
    pub report_patience: Span,
    /// `"other"` or `"wait"`: what a message does whose own modems are all out of order.
    pub failover: String,
    /// Most messages that may wait.
    pub max_queue: usize,
    /// How long a message that comes in waits for its parts before it is told without them.
    pub incomplete_after: Span,
}
defaults!(Sms {
    country_code: String::new(),
    drop_expired: true,
    expiration_offset: seconds(600),
    unknown_policy: "hold".to_owned(),
    text_at_rest: "sealed".to_owned(),
    delivery_reports: true,
    report_patience: seconds(600),
    failover: "other".to_owned(),
    max_queue: 100_000,
    incomplete_after: seconds(3600),
});

/// `[retention]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// How long the journal keeps what happened.
    pub journal: Span,
    /// How long SMS that came in are kept.
    pub inbox: Span,
    /// How large the database may grow before the oldest journal rows go.
    pub max_db: Size,
    /// How long the audit record is kept.
    pub audit: Span,
    /// How large the audit record may grow before its oldest rows go.
    pub max_audit: Size,
}
defaults!(Retention {
    journal: seconds(90 * 86_400),
    inbox: seconds(365 * 86_400),
    max_db: Size(2 << 30),
    audit: seconds(365 * 86_400),
    max_audit: Size(32 << 20),
});

/// `[log]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// A filter such as `"info"`.
    pub filter: String,
    /// `"text"` or `"json"`.
    pub format: String,
}
defaults!(Log { filter: "info".to_owned(), format: "text".to_owned() });

/// `[[api_user]]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiUserSection {
    /// The login name, unique, without `:`.
    pub username: String,
    /// The password in clear; `check-config` warns.
    pub password: Option<PlainPassword>,
    /// A file whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// An Argon2id hash in PHC form.
    pub password_hash: Option<PlainPassword>,
    /// The password before it, in clear; `check-config` warns.
    pub previous_password: Option<PlainPassword>,
    /// A file whose first line is the password before it.
    pub previous_password_file: Option<PathBuf>,
    /// The hash of the password before it.
    pub previous_password_hash: Option<PlainPassword>,
    /// When that ends, as `2026-12-01T12:00:00Z`; when it is taken out where empty.
    pub previous_until: String,
    /// From where the account may be used; from anywhere when there is none.
    pub networks: Vec<String>,
    /// Where the owner of the account is reached.
    pub email: String,
    /// Where the owner of the account is reached.
    pub phone: String,
    /// What the account may do.
    pub scopes: Vec<String>,
    /// `"transactional"` or `"bulk"`: the class of sends that name none.
    pub class: String,
    /// How many codes and messages it may have sent, as `"N/period"`.
    pub limits: Vec<String>,
    /// May be used.
    pub active: bool,
}
defaults!(ApiUserSection {
    username: String::new(),
    password: None,
    password_file: None,
    password_hash: None,
    previous_password: None,
    previous_password_file: None,
    previous_password_hash: None,
    previous_until: String::new(),
    networks: Vec::new(),
    email: String::new(),
    phone: String::new(),
    scopes: ["otp", "sms", "email", "block", "ussd", "modems"].map(str::to_owned).to_vec(),
    class: "transactional".to_owned(),
    limits: Vec::new(),
    active: true,
});

/// A password that the owner wrote into the file, or its hash. Prints dots.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct PlainPassword(pub String);

impl std::fmt::Debug for PlainPassword {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("•••")
    }
}

/// For the list of keys only; a password is never written back.
impl Serialize for PlainPassword {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("•••")
    }
}
