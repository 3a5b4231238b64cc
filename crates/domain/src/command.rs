//! What callers ask for, and who may ask it.
//!
//! Every entrance turns its outside words into one [`Command`] and one [`Caller`]; [`Caller::may`] is the one table of
//! permissions. Receivers are outside text here: to canonicalise them needs settings, which the gateway has.

// An address alone: there are no sockets in `core`.
use core::net::IpAddr;
use std::fmt;

use crate::autofill::Autofill;
use crate::clock::WallTime;
use crate::locale::Locale;
use crate::message::{Class, MessageId};
use crate::secret::SecretText;

/// One request, whatever entrance it came through.
#[derive(Clone)]
pub enum Command {
    /// Send a code and remember it.
    CreateOtp(CreateOtp),
    /// Check a code.
    ValidateOtp(ValidateOtp),
    /// Give a reference up.
    CancelOtp {
        /// The caller's name of the transaction.
        reference: String,
    },
    /// Send a code under the reference that the receiver itself is; a live one gets another code.
    SendCode {
        /// As the caller wrote it.
        receiver: String,
    },
    /// Check a code that was sent under the reference that the receiver itself is.
    CheckCode {
        /// As the caller wrote it.
        receiver: String,
        /// What the user typed.
        otp: SecretText,
    },
    /// Ask whether a code of that reference can be entered; counts and uses nothing.
    FindCode {
        /// As the caller wrote it.
        receiver: String,
    },
    /// Send a text.
    Send(SendMessage),
    /// Ask where a message stands.
    GetStatus(StatusQuery),
    /// Send nothing more to a number.
    BlockMsisdn {
        /// As the caller wrote it.
        receiver: String,
    },
    /// Send to a number again.
    UnblockMsisdn {
        /// As the caller wrote it.
        receiver: String,
    },
    /// Ask the network something over one modem.
    RequestUssd(RequestUssd),
    /// List the modems.
    GetModemList,
    /// Answer.
    Echo,
}

/// `create-otp`.
#[derive(Clone)]
pub struct CreateOtp {
    /// The caller's name of the transaction.
    pub reference: String,
    /// Phone or mail address, as the caller wrote it.
    pub receiver: String,
    /// The caller's own id of this request, a replay key.
    pub id: Option<String>,
    /// The text with one `%s`; the configured one where absent.
    pub message: Option<SecretText>,
    /// Which of the configured texts.
    pub locale: Option<Locale>,
    /// Which site and which app may be offered the code.
    pub autofill: Autofill,
    /// Subject, for e-mail.
    pub subject: Option<String>,
    /// When the code becomes worthless.
    pub expiration: Option<WallTime>,
    /// When the request was made.
    pub date_time: Option<WallTime>,
    /// `param1` to `param4`, empty where absent.
    pub params: [String; 4],
    /// A new code for a live reference.
    pub resend: bool,
    /// The end user's address, where the caller tells it.
    pub client_ip: Option<IpAddr>,
}

/// `validate-otp`.
#[derive(Clone)]
pub struct ValidateOtp {
    /// The caller's name of the transaction.
    pub reference: String,
    /// Phone or mail address, as the caller wrote it.
    pub receiver: String,
    /// What the user typed.
    pub otp: SecretText,
    /// `param1` to `param4`, empty where absent.
    pub params: [String; 4],
}

/// `send-sms`, `send-email`, `send-message`: an `@` in the receiver makes it e-mail, whatever the command was called.
#[derive(Clone)]
pub struct SendMessage {
    /// The caller's own id, a replay key.
    pub id: Option<String>,
    /// Phone or mail address, as the caller wrote it.
    pub receiver: String,
    /// Subject, for e-mail.
    pub subject: Option<String>,
    /// The text.
    pub message: SecretText,
    /// When the message becomes worthless.
    pub expiration: Option<WallTime>,
    /// When the request was made.
    pub date_time: Option<WallTime>,
    /// How urgent it is; the caller's default where absent.
    pub class: Option<Class>,
}

/// `get-status`: by our id, the caller's own id, or the reference of an OTP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusQuery {
    /// Our name of the message.
    pub message_id: Option<MessageId>,
    /// The caller's own id.
    pub id: Option<String>,
    /// The reference of an OTP.
    pub reference: Option<String>,
}

/// `request-ussd`: a code, a reply to the answer before, or the end of the dialogue.
#[derive(Clone)]
pub struct RequestUssd {
    /// The modem's name.
    pub modem: String,
    /// The code: it may carry a voucher.
    pub code: Option<SecretText>,
    /// The reply: it may be a password.
    pub reply: Option<SecretText>,
    /// End the dialogue.
    pub cancels: bool,
}

impl Command {
    /// Answers the command's own name; aliases are the wire's matter.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CreateOtp(_) => "create-otp",
            Self::ValidateOtp(_) => "validate-otp",
            Self::CancelOtp { .. } => "cancel-otp",
            Self::SendCode { .. } => "send-code",
            Self::CheckCode { .. } => "check-code",
            Self::FindCode { .. } => "find-code",
            Self::Send(_) => "send-message",
            Self::GetStatus(_) => "get-status",
            Self::BlockMsisdn { .. } => "block-msisdn",
            Self::UnblockMsisdn { .. } => "unblock-msisdn",
            Self::RequestUssd(_) => "request-ussd",
            Self::GetModemList => "get-modem-list",
            Self::Echo => "echo",
        }
    }

    /// Answers what a caller needs for it; `None` where any caller may. (`get-status` shows only own messages.)
    pub fn scope(&self) -> Option<Scope> {
        match self {
            Self::CreateOtp(_)
            | Self::ValidateOtp(_)
            | Self::CancelOtp { .. }
            | Self::SendCode { .. }
            | Self::CheckCode { .. }
            | Self::FindCode { .. } => Some(Scope::Otp),
            Self::Send(send) if send.receiver.contains('@') => Some(Scope::Email),
            Self::Send(_) => Some(Scope::Sms),
            Self::BlockMsisdn { .. } | Self::UnblockMsisdn { .. } => Some(Scope::Block),
            Self::RequestUssd(_) => Some(Scope::Ussd),
            Self::GetModemList => Some(Scope::Modems),
            Self::GetStatus(_) | Self::Echo => None,
        }
    }
}

impl fmt::Debug for Command {
    /// Names the command only: receivers stand here as they were written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for CreateOtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateOtp").finish_non_exhaustive()
    }
}

impl fmt::Debug for ValidateOtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValidateOtp").finish_non_exhaustive()
    }
}

impl fmt::Debug for SendMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendMessage").finish_non_exhaustive()
    }
}

impl fmt::Debug for RequestUssd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestUssd").field("modem", &self.modem).finish_non_exhaustive()
    }
}

/// What an API user may do.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Scope {
    /// Create, validate and cancel OTPs.
    Otp,
    /// Send SMS.
    Sms,
    /// Send e-mail.
    Email,
    /// Block and unblock numbers.
    Block,
    /// Request USSD.
    Ussd,
    /// List modems.
    Modems,
    /// Read the metrics.
    Metrics,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 7] =
        [Self::Otp, Self::Sms, Self::Email, Self::Block, Self::Ussd, Self::Modems, Self::Metrics];

    /// Answers the word used in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Otp => "otp",
            Self::Sms => "sms",
            Self::Email => "email",
            Self::Block => "block",
            Self::Ussd => "ussd",
            Self::Modems => "modems",
            Self::Metrics => "metrics",
        }
    }

    /// Finds the scope of a word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Otp => 1,
            Self::Sms => 1 << 1,
            Self::Email => 1 << 2,
            Self::Block => 1 << 3,
            Self::Ussd => 1 << 4,
            Self::Modems => 1 << 5,
            Self::Metrics => 1 << 6,
        }
    }
}

/// A set of scopes.
#[derive(Copy, Clone, PartialEq, Eq, Default)]
pub struct ScopeSet(u8);

impl ScopeSet {
    /// No scope.
    pub const EMPTY: Self = Self(0);

    /// Answers the set of all scopes.
    pub fn all() -> Self {
        Scope::ALL.into_iter().collect()
    }

    /// Tells whether the scope is in the set.
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Answers the scopes in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |set, scope| set | scope.bit()))
    }
}

impl fmt::Debug for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Through which door a command came.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Entrance {
    /// The envelope over HTTP.
    Rest,
    /// One of the two small dialects.
    Simple,
    /// A message broker.
    Broker,
    /// The admin web.
    Admin,
    /// The command line.
    Cli,
}

impl Entrance {
    /// Answers the word used in rows and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::Simple => "simple",
            Self::Broker => "broker",
            Self::Admin => "admin",
            Self::Cli => "cli",
        }
    }

    /// Finds the entrance of a word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Rest, Self::Simple, Self::Broker, Self::Admin, Self::Cli].into_iter().find(|door| door.as_str() == text)
    }
}

/// In whose name a command runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// The API user; tickets, messages and limits are his.
    pub api_user: String,
    /// What he may do.
    pub scopes: ScopeSet,
    /// How urgent his sends are where they do not say.
    pub default_class: Class,
    /// Through which door he came.
    pub entrance: Entrance,
    /// By which subscriber, where the door is a broker.
    pub subscriber: Option<String>,
    /// From which address, where the door knows one; for the record alone.
    pub peer: Option<IpAddr>,
}

impl Caller {
    /// Tells whether the caller may run the command.
    pub fn may(&self, command: &Command) -> bool {
        command.scope().is_none_or(|scope| self.scopes.contains(scope))
    }
}

#[cfg(test)]
mod tests;
