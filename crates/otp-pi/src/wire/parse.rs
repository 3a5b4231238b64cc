//! One body to one command.
//!
//! For `http` and the intakes. It must never look at a path, a topic or a content type: the command name alone decides.

use std::fmt::Display;
use std::time::Duration;

use domain::autofill::{AppHash, Autofill, BoundDomain, Host};
use domain::command::{Command, CreateOtp, RequestUssd, SendMessage, StatusQuery, ValidateOtp};
use domain::locale::Locale;
use domain::message::{Class, MessageId};
use domain::outcome::{Outcome, Reply};
use domain::secret::SecretText;

use super::envelope::Envelope;
use super::fields::{Fields, RECEIVER_NAMES, text};
use super::json::{self, Data, Document, Object};

/// A body that could be read.
#[derive(Debug)]
pub struct Parsed {
    /// What is asked.
    pub command: Command,
    /// What the answer repeats.
    pub envelope: Envelope,
}

/// A body that could not be read. It changes nothing.
#[derive(Debug)]
pub struct ParseFailure {
    /// 1401, 1402 or 1403.
    pub outcome: Outcome,
    /// What is wrong, in words for the caller; repeats no value of the body.
    pub error: String,
    /// What the answer repeats; absent when the body is not JSON.
    pub envelope: Option<Box<Envelope>>,
}

impl ParseFailure {
    /// Returns the answer to this failure.
    pub fn reply(&self) -> Reply {
        Reply::failed(self.outcome, self.error.as_str())
    }
}

/// Reads one body.
///
/// # Errors
/// 1403 when the body is not one JSON object, 1402 when the command is unknown, 1401 when a field is missing or wrong.
pub fn parse(body: &[u8]) -> Result<Parsed, ParseFailure> {
    let document =
        json::read(body).map_err(|error| ParseFailure { outcome: Outcome::NotJson, error, envelope: None })?;
    let mut envelope = Envelope::default();
    match read_command(document, &mut envelope) {
        Ok(command) => Ok(Parsed { command, envelope }),
        Err(Refusal { outcome, error }) => Err(ParseFailure { outcome, error, envelope: Some(Box::new(envelope)) }),
    }
}

/// Why an envelope is no command.
struct Refusal {
    outcome: Outcome,
    error: String,
}

impl From<String> for Refusal {
    fn from(error: String) -> Self {
        Self { outcome: Outcome::FieldInvalid, error }
    }
}

/// What a command name asks for.
#[derive(Copy, Clone)]
enum Verb {
    CreateOtp,
    ValidateOtp,
    CancelOtp,
    Send,
    GetStatus,
    Block,
    Unblock,
    RequestUssd,
    GetModemList,
    Echo,
}

impl Verb {
    /// Reads a command name; the original product renamed several, and every age of it has users.
    fn parse(name: &str) -> Result<Self, Refusal> {
        let error = match name {
            "create-otp" | "request-otp" => return Ok(Self::CreateOtp),
            "validate-otp" | "verify-otp" => return Ok(Self::ValidateOtp),
            "cancel-otp" => return Ok(Self::CancelOtp),
            "send-sms" | "send-email" | "send-mail" | "send-message" => return Ok(Self::Send),
            "get-status" => return Ok(Self::GetStatus),
            "block-msisdn" => return Ok(Self::Block),
            "unblock-msisdn" => return Ok(Self::Unblock),
            "request-ussd" => return Ok(Self::RequestUssd),
            "get-modem-list" => return Ok(Self::GetModemList),
            "echo" => return Ok(Self::Echo),
            "set-gpio-value" => "this command is not offered by this gateway yet",
            _ => "unknown command",
        };
        Err(Refusal { outcome: Outcome::UnknownCommand, error: error.to_owned() })
    }

    /// Names the members of `data`, besides `date_time`, that the answer repeats.
    fn repeats(self) -> &'static [&'static str] {
        match self {
            Self::CreateOtp | Self::ValidateOtp => &["reference", "receiver"],
            Self::CancelOtp => &["reference"],
            Self::Send => &["id", "receiver"],
            Self::GetStatus => &["id", "reference"],
            Self::Block | Self::Unblock => &["receiver"],
            Self::RequestUssd | Self::GetModemList | Self::Echo => &[],
        }
    }
}

/// Keeps what the answer repeats: `date_time` always, and of the others those that the answer to this command documents.
fn remember(fields: &Fields, repeated: &[&str], envelope: &mut Envelope) {
    envelope.date_time = fields.find_scalar("date_time").cloned();
    let given = |name: &str| {
        let value = fields.find_scalar(name).cloned()?;
        let text = text(value).ok()??.trim().to_owned();
        Some(text).filter(|text| !text.is_empty())
    };
    if repeated.contains(&"id") {
        envelope.id = fields.find_scalar("id").cloned();
    }
    if repeated.contains(&"reference") {
        envelope.reference = given("reference");
    }
    if repeated.contains(&"receiver") {
        envelope.receiver = RECEIVER_NAMES.iter().find_map(|name| given(name));
    }
}

fn read_callback(top: &mut Object, envelope: &mut Envelope) -> Result<(), Refusal> {
    let mut take = |name: &str| {
        let value = text(top.take(name).unwrap_or_default()).map_err(|()| format!("{name} must be text"))?;
        Ok::<_, String>(value.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
    };
    envelope.callback_topic = take("callback_topic")?;
    envelope.callback_delay = take("callback_delay")?
        .map(|text| {
            // The original program took the absolute value.
            let millis = text.strip_prefix('-').unwrap_or(&text).parse();
            millis.map(Duration::from_millis).map_err(|_| "callback_delay must be a number of milliseconds".to_owned())
        })
        .transpose()?;
    Ok(())
}

fn read_command(mut document: Document, envelope: &mut Envelope) -> Result<Command, Refusal> {
    let name = text(document.top.find("command").cloned().unwrap_or_default())
        .map_err(|()| "command must be text".to_owned())?
        .unwrap_or_default();
    envelope.command.clone_from(&name);
    let verb = Verb::parse(name.trim());
    if matches!(verb, Ok(Verb::Echo)) {
        envelope.request = Some(Box::new(document.clone()));
    }
    // Before anything is refused: the refusal is to find its way, too.
    let callback = read_callback(&mut document.top, envelope);
    if name.trim().is_empty() {
        return Err("command is missing".to_owned().into());
    }
    let (data, is_object) = match document.data.take() {
        Some(Data::Object(data)) => (data, true),
        None => (Object::default(), true),
        Some(Data::Other) => (Object::default(), false),
    };
    let mut fields = Fields::new(data);
    remember(&fields, verb.as_ref().map_or(&[], |verb| verb.repeats()), envelope);
    let verb = verb?;
    if !is_object {
        return Err("data must be an object".to_owned().into());
    }
    fields.check_scalar("date_time")?;
    callback?;
    Ok(match verb {
        Verb::CreateOtp => Command::CreateOtp(create_otp(&mut fields)?),
        Verb::ValidateOtp => Command::ValidateOtp(validate_otp(&mut fields)?),
        Verb::CancelOtp => Command::CancelOtp { reference: fields.require("reference")? },
        Verb::Send => Command::Send(send(&mut fields)?),
        Verb::GetStatus => Command::GetStatus(get_status(&mut fields)?),
        Verb::Block => Command::BlockMsisdn { receiver: fields.require_receiver()? },
        Verb::Unblock => Command::UnblockMsisdn { receiver: fields.require_receiver()? },
        Verb::RequestUssd => Command::RequestUssd(request_ussd(&mut fields)?),
        Verb::GetModemList => Command::GetModemList,
        Verb::Echo => Command::Echo,
    })
}

fn create_otp(fields: &mut Fields) -> Result<CreateOtp, String> {
    Ok(CreateOtp {
        reference: fields.require("reference")?,
        receiver: fields.require_receiver()?,
        id: fields.take_some("id")?,
        message: fields.take_filled("message")?.map(SecretText::new),
        locale: take_parsed(fields, "locale", Locale::parse)?,
        autofill: autofill(fields)?,
        subject: fields.take_some("subject")?,
        expiration: fields.take_time("expiration")?,
        date_time: fields.take_time("date_time")?,
        params: params(fields)?,
        resend: fields.take_flag("resend")?,
        client_ip: fields.take_address("client_ip")?,
    })
}

fn autofill(fields: &mut Fields) -> Result<Autofill, String> {
    let host = take_parsed(fields, "domain", Host::parse)?;
    let embedded = take_parsed(fields, "embedded_domain", Host::parse)?;
    if host.is_none() && embedded.is_some() {
        return Err("data.embedded_domain needs data.domain, the site that it is embedded in".to_owned());
    }
    Ok(Autofill {
        domain: host.map(|host| BoundDomain { host, embedded }),
        app_hash: take_parsed(fields, "app_hash", AppHash::parse)?,
    })
}

/// Takes a text that has a form of its own; `None` if absent or empty.
fn take_parsed<T, E: Display>(
    fields: &mut Fields,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, String> {
    let text = fields.take_some(name)?;
    text.map(|text| parse(&text).map_err(|error| format!("data.{name}: {error}"))).transpose()
}

fn validate_otp(fields: &mut Fields) -> Result<ValidateOtp, String> {
    Ok(ValidateOtp {
        reference: fields.require("reference")?,
        receiver: fields.require_receiver()?,
        otp: SecretText::new(fields.require_raw("otp")?),
        params: params(fields)?,
    })
}

fn params(fields: &mut Fields) -> Result<[String; 4], String> {
    Ok([
        fields.take_text("param1")?,
        fields.take_text("param2")?,
        fields.take_text("param3")?,
        fields.take_text("param4")?,
    ])
}

/// Reads a text to send. Unlike everything else the message keeps its white space: it is the sender's text.
fn send(fields: &mut Fields) -> Result<SendMessage, String> {
    Ok(SendMessage {
        id: fields.take_some("id")?,
        receiver: fields.require_receiver()?,
        subject: fields.take_some("subject")?,
        message: SecretText::new(fields.require_raw("message")?),
        expiration: fields.take_time("expiration")?,
        date_time: fields.take_time("date_time")?,
        class: match fields.take_some("class")?.as_deref() {
            None => None,
            Some("transactional") => Some(Class::Transactional),
            Some("bulk") => Some(Class::Bulk),
            Some(_) => return Err("data.class must be transactional or bulk".to_owned()),
        },
    })
}

/// Reads what is asked of the network. A reply keeps its white space: it may be a name or a password.
fn request_ussd(fields: &mut Fields) -> Result<RequestUssd, String> {
    Ok(RequestUssd {
        modem: fields.require("modem_id")?,
        code: fields.take_some("ussd_code")?.map(SecretText::new),
        reply: fields.take_raw("reply")?.filter(|reply| !reply.is_empty()).map(SecretText::new),
        cancels: fields.take_flag("cancel")?,
    })
}

fn get_status(fields: &mut Fields) -> Result<StatusQuery, String> {
    let query = StatusQuery {
        message_id: fields
            .take_some("message_id")?
            .map(|text| MessageId::parse(&text).ok_or("data.message_id is not a message id"))
            .transpose()?,
        id: fields.take_some("id")?,
        reference: fields.take_some("reference")?,
    };
    if query.message_id.is_none() && query.id.is_none() && query.reference.is_none() {
        return Err("data.message_id, data.id or data.reference is missing".to_owned());
    }
    Ok(query)
}

#[cfg(test)]
mod tests;
