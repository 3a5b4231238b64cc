//! A command that a person typed: read strictly, and sorted into what may be asked, what may change settings, and what is
//! refused.
//!
//! For: raw AT beside a driver that must know the state of its line. One line is one command: nothing passes that some
//! firmware could take for two, for a control character, or for the beginning of a text. What this crate or another
//! command does itself (sending, PIN, formats) is refused with its reason. Never: showing an argument; `Debug` and the
//! trace get the verb. Called by [`crate::ModemHandle::ask`]'s callers.
//!
//! # Standard
//! ITU-T V.250 §5.2–§5.4 (command lines).

use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::pin::Pin;

/// The most characters of a command, `AT` included.
pub const MAX_COMMAND: usize = 256;
/// The most characters of a command's name; longer ones are no command of any maker.
const MAX_NAME: usize = 20;
/// Digits of an IMEI (3GPP TS 23.003 §6.2.1).
const IMEI_DIGITS: usize = 15;
/// What stands before the name of an extended command: the standards' `+` and the marks of makers.
const MARKS: [char; 9] = ['+', '^', '*', '$', '#', '%', '!', '@', '-'];

/// Says why a text is not asked as a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// It does not begin with `AT`.
    #[error("a command begins with AT, like AT+CSQ")]
    NotAt,
    /// More than [`MAX_COMMAND`] characters.
    #[error("a command has at most 256 characters")]
    TooLong,
    /// A control character, or one that is not ASCII.
    #[error("a command is one line of printable ASCII characters")]
    Character,
    /// A semicolon, which begins another command.
    #[error("a semicolon begins another command: ask them one by one")]
    Chained,
    /// It is not one command in one of the forms `AT+NAME`, `AT+NAME?`, `AT+NAME=?`, `AT+NAME=…`.
    #[error("this is not one command: write it like AT+CSQ, AT+CREG?, AT+COPS=? or AT+CFUN=1,1, without blanks")]
    Malformed,
    /// It is a command, and it is not asked.
    #[error("refused: {0}")]
    Refused(Refusal),
}

/// Says why a command is refused, as a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It sends or stores a message, or waits for its text.
    #[error("it would send or store a message past the block list and the records; use `otp-pi modem send`")]
    Message,
    /// It dials, takes a call or carries data.
    #[error("it would turn the line from commands to a call or to data")]
    Data,
    /// It takes a PIN, PUK or another code with few tries.
    #[error("it takes a code that may be tried a few times only; set `sim_pin_file`, or enter it in a phone")]
    Pin,
    /// It writes the IMEI or the memory where it lies.
    #[error("it could write the IMEI, which is a crime in several countries")]
    Imei,
    /// It changes how answers look, or what this program has set.
    #[error("it changes how the modem answers, which this program sets itself")]
    Format,
    /// It changes the line's speed or manners, or takes the line away.
    #[error("it changes or takes away the line on which this program speaks")]
    Line,
    /// It speaks to the SIM past the modem.
    #[error("it speaks to the SIM past the modem, where a PIN can be tried and files be overwritten")]
    Card,
    /// It switches the modem off.
    #[error("it switches the modem off, and only a hand could switch it on again; AT+CFUN=1,1 restarts most modems")]
    Power,
    /// It asks the network for a USSD dialogue.
    #[error(
        "the answer to a USSD code comes after the command has ended, so nothing would be shown; use `otp-pi ussd`"
    )]
    Ussd,
    /// A basic command that is not one of the few that only tell.
    #[error("of the basic commands only AT, ATI, AT&V and ATS<n>? are asked")]
    Basic,
}

/// What a command may do to the modem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It only tells.
    Tells,
    /// It may change what the driver has set: the modem is initialised again afterwards.
    MayChange,
}

/// One command that may be asked.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    text: Zeroizing<String>,
    /// Name in front of the answer, such as `+CSQ`; `None` for basic commands.
    name: Option<String>,
    verb: String,
    form: Form,
    effect: Effect,
    /// The PIN that the card has after it, if it is answered OK.
    new_pin: Option<Pin>,
}

/// How a command is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `AT+CSQ`, `ATI`.
    Plain,
    /// `AT+CREG?`
    Read,
    /// `AT+CREG=?`
    Test,
    /// `AT+CREG=1`
    Set,
}

/// Prints the verb, never the arguments.
impl fmt::Debug for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Command").field("verb", &self.verb).field("effect", &self.effect).finish()
    }
}

impl Command {
    /// Reads one command; blanks around it are dropped and its name is put in capitals.
    ///
    /// # Errors
    /// [`CommandError`]: not one command, or one that is refused. The text itself is never repeated.
    pub fn parse(text: &str) -> Result<Self, CommandError> {
        if text.chars().any(|character| !matches!(character, ' '..='~')) {
            return Err(CommandError::Character);
        }
        let text = text.trim_matches(' ');
        if text.len() > MAX_COMMAND {
            return Err(CommandError::TooLong);
        }
        let (attention, rest) = text.split_at_checked(2).ok_or(CommandError::NotAt)?;
        if !attention.eq_ignore_ascii_case("AT") {
            return Err(CommandError::NotAt);
        }
        if rest.contains(';') {
            return Err(CommandError::Chained);
        }
        if rest.starts_with(MARKS) { Self::extended(rest) } else { Self::basic(rest) }
    }

    /// Reads a command of letters alone. What is not known to tell only is refused: basic commands may follow each other
    /// without anything between them.
    fn basic(rest: &str) -> Result<Self, CommandError> {
        let upper = rest.to_ascii_uppercase();
        let is_register = upper
            .strip_prefix('S')
            .and_then(|rest| rest.strip_suffix('?'))
            .is_some_and(|number| (1..=3).contains(&number.len()) && is_digits(number));
        let is_identity =
            upper.strip_prefix('I').is_some_and(|number| number.len() <= 1 && is_digits(number)) || upper == "&V";
        if !(upper.is_empty() || is_register || is_identity) {
            return Err(CommandError::Refused(refusal_of_basic(&upper)));
        }
        let text = Zeroizing::new(format!("AT{upper}"));
        Ok(Self {
            verb: text.as_str().to_owned(),
            text,
            name: None,
            form: Form::Plain,
            effect: Effect::Tells,
            new_pin: None,
        })
    }

    fn extended(rest: &str) -> Result<Self, CommandError> {
        let end = rest.find(['=', '?']).unwrap_or(rest.len());
        let (name, after) = rest.split_at_checked(end).ok_or(CommandError::Malformed)?;
        let name = name.to_ascii_uppercase();
        let bare = name.get(1..).unwrap_or_default();
        let is_name = !bare.is_empty()
            && bare.len() <= MAX_NAME
            && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name {
            return Err(CommandError::Malformed);
        }
        let (form, shown) = match after {
            "" => (Form::Plain, ""),
            "?" => (Form::Read, "?"),
            "=?" => (Form::Test, "=?"),
            set if set.starts_with('=') => (Form::Set, "=…"),
            _ => return Err(CommandError::Malformed),
        };
        let value = after.strip_prefix('=').unwrap_or_default();
        let effect = match form {
            Form::Read | Form::Test => Effect::Tells,
            Form::Plain | Form::Set => match refusal(&name, bare, value) {
                Some(refusal) => return Err(CommandError::Refused(refusal)),
                None if is_known_to_tell(&name, form, value) => Effect::Tells,
                None => Effect::MayChange,
            },
        };
        let text = Zeroizing::new(format!("AT{name}{after}"));
        Ok(Self { text, verb: format!("AT{name}{shown}"), name: Some(name), form, effect, new_pin: None })
    }

    /// Makes a command of this crate's own, which nobody types: the arguments are what [`crate::tool`] has checked.
    pub(crate) fn own(name: &str, arguments: &Zeroizing<String>) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(MAX_COMMAND));
        text.push_str("AT");
        text.push_str(name);
        text.push('=');
        text.push_str(arguments);
        let verb = format!("AT{name}=…");
        Self { text, verb, name: Some(name.to_owned()), form: Form::Set, effect: Effect::MayChange, new_pin: None }
    }

    /// The same for a command that only tells.
    pub(crate) fn own_question(name: &str, arguments: &str) -> Self {
        Self { effect: Effect::Tells, ..Self::own(name, &Zeroizing::new(arguments.to_owned())) }
    }

    /// The same without arguments.
    pub(crate) fn own_plain(name: &str) -> Self {
        let text = Zeroizing::new(format!("AT{name}"));
        Self { verb: text.as_str().to_owned(), text, form: Form::Plain, ..Self::own_question(name, "") }
    }

    /// Says which PIN the card has once this is answered OK.
    pub(crate) fn giving(self, pin: &Pin) -> Self {
        Self { new_pin: Some(pin.clone()), ..self }
    }

    /// Returns the PIN that the card has once this was answered OK, if it is another one.
    pub(crate) fn new_pin(&self) -> Option<&Pin> {
        self.new_pin.as_ref()
    }

    /// Returns what the command may do to the modem.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// Returns the command without its arguments, such as `AT+CFUN=…`; may be logged.
    #[must_use]
    pub fn verb(&self) -> &str {
        &self.verb
    }

    /// Returns how long modems take to answer it at most: from vendors' manuals.
    #[must_use]
    pub fn usual_patience(&self) -> Duration {
        let seconds = match (self.name.as_deref(), self.form) {
            // A search for networks.
            (Some("+COPS"), Form::Test) => 180,
            (Some("+COPS"), Form::Set) => 120,
            (Some("+CMGL" | "+CMGD" | "+CFUN"), Form::Set | Form::Plain) => 60,
            // What waits for the SIM, and what is done.
            (Some("+CPIN" | "+CIMI" | "+CGSN" | "+CNUM" | "+CCID" | "+CICCID" | "+QCCID" | "+CPMS"), _)
            | (_, Form::Set) => 20,
            _ => 5,
        };
        Duration::from_secs(seconds)
    }

    /// Returns the whole command, for the line alone.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the name in front of the lines that belong to the answer.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

/// Says what a basic command would do, for the most common ones.
fn refusal_of_basic(upper: &str) -> Refusal {
    match upper.chars().next() {
        Some('D' | 'A' | 'O') => Refusal::Data,
        Some('E' | 'Q' | 'V' | 'X' | 'Z') => Refusal::Format,
        Some('&') if upper.starts_with("&F") || upper.starts_with("&W") || upper.starts_with("&Y") => Refusal::Format,
        Some('&' | '\\') => Refusal::Line,
        _ => Refusal::Basic,
    }
}

/// Says why a command that sets or does something is refused; `None` if it is not.
fn refusal(name: &str, bare: &str, value: &str) -> Option<Refusal> {
    let holds = |parts: &[&str]| parts.iter().any(|part| bare.contains(part));
    let is = |names: &[&str]| names.contains(&bare);
    // The IMEI first: whatever else a command may be, that reason weighs most.
    if holds(&["IMEI", "EGMR", "GTSN", "LCTSN", "PHYNUM", "NVW", "NVFW", "NVRAM", "NVITEM"])
        || (is(&["CGSN", "GSN"]) && !is_one_digit(value))
        || may_hold_imei(value)
    {
        return Some(Refusal::Imei);
    }
    if is(&["CPIN", "CPIN2", "EPIN", "SPIN", "CLCK", "CPWD"])
        || holds(&["CARDLOCK", "DATALOCK", "SIMLOCK", "NETLOCK", "UNLOCK"])
    {
        return Some(Refusal::Pin);
    }
    if holds(&["CMGS", "CMGW", "CMGC", "CMSS", "CNMA"]) {
        return Some(Refusal::Message);
    }
    if is(&["CGDATA", "CMUX", "HTTPDATA", "PPP"]) || holds(&["CIPSEND", "QISEND"]) {
        return Some(Refusal::Data);
    }
    if is(&["CMGF", "CMEE", "CSCS", "CSDH"]) {
        return Some(Refusal::Format);
    }
    if is(&["IPR", "IPREX", "ICF", "IFC", "CSCLK", "QSCLK", "CUSBPIDSWITCH", "SETPORT"]) {
        return Some(Refusal::Line);
    }
    if is(&["CSIM", "CRSM", "CGLA", "CCHO", "CCHC"]) {
        return Some(Refusal::Card);
    }
    if is(&["CPOWD", "CPOF", "CPWROFF", "QPOWD", "SMSO"]) || name == "#SHDN" {
        return Some(Refusal::Power);
    }
    is(&["CUSD"]).then_some(Refusal::Ussd)
}

/// Answers whether a command is known to change nothing, though it is no question by its form.
fn is_known_to_tell(name: &str, form: Form, value: &str) -> bool {
    match form {
        Form::Plain => matches!(
            name,
            "+CSQ"
                | "+CESQ"
                | "+QCSQ"
                | "+CGMI"
                | "+CGMM"
                | "+CGMR"
                | "+CGSN"
                | "+GMI"
                | "+GMM"
                | "+GMR"
                | "+GSN"
                | "+GCAP"
                | "+CIMI"
                | "+CCID"
                | "+CICCID"
                | "+QCCID"
                | "+ZGETICCID"
                | "+CNUM"
                | "+CBC"
                | "+CPAS"
                | "+CEER"
                | "+SPIC"
                | "+CPINR"
                | "+QNWINFO"
        ),
        Form::Set => match name {
            "+CGSN" => is_one_digit(value),
            "+CPINR" => matches!(value, "\"SIM PIN\"" | "\"SIM PUK\""),
            "+CMGR" | "+CMGL" => is_digits(value),
            _ => false,
        },
        Form::Read | Form::Test => true,
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Answers whether a value names the IMEI or could be one, whatever the command is called: makers hide it behind many names.
fn may_hold_imei(value: &str) -> bool {
    let is_long = |run: &str| run.len() >= IMEI_DIGITS;
    value.to_ascii_uppercase().contains("IMEI")
        || value.split(|character: char| !character.is_ascii_digit()).any(is_long)
}

/// One digit or nothing: the choice of what `AT+CGSN` tells (3GPP TS 27.007 §5.4).
fn is_one_digit(text: &str) -> bool {
    text.len() <= 1 && is_digits(text)
}

#[cfg(test)]
mod tests;
