//! One request of an operator to what answers it: the same for a gateway that runs and for one that does not.

use std::fmt::Display;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use domain::clock::WallTime;
use domain::message::MessageId;
use domain::receiver::Msisdn;
use modem::{UssdCode, UssdReply};
use serde::Serialize;
use serde_json::{Value, json};
use store::{AuditBy, AuditEvent, AuditFilter, AuditKind, MessageFilter};

use super::protocol::{Answer, Request, Secret};
use crate::operator::{Edit, Operator, ResetOf, Said, parse_state};

/// Does what is asked, in whose name.
pub async fn perform(operator: &Operator, request: Request, by: &AuditBy) -> Answer {
    match attempt(operator, request, by).await {
        Ok(value) => Answer::Done(value),
        Err(why) => Answer::Failed(why),
    }
}

async fn attempt(operator: &Operator, request: Request, by: &AuditBy) -> Result<Value, String> {
    let settings = operator.settings();
    match request {
        Request::MessageList { state, api_user, before, limit, reveals } => {
            let filter = MessageFilter {
                state: state.as_deref().map(parse_state).transpose()?,
                api_user,
                before: before.as_deref().map(message_id).transpose()?,
                limit: limit.clamp(1, 500),
            };
            value(operator.list_messages(&filter, reveals).await)
        }
        Request::MessageShow { message_id: id, reveals } => {
            let found = operator.show_message(message_id(&id)?, reveals).await.map_err(chain)?;
            found.map_or_else(|| Err("there is no such message".to_owned()), |found| value(Ok::<_, String>(found)))
        }
        Request::MessageCancel { message_id: id } => value(operator.cancel_message(message_id(&id)?, by).await),
        Request::MessageRetry { message_id: id } => value(operator.retry_message(message_id(&id)?, by).await),
        Request::ModemCheck { modems } => value(operator.check_modems(&modems).await),
        Request::ModemAt { modem, command, patience_seconds } => {
            value(operator.ask_modem(&modem, command.0.expose(), patience_seconds.map(Duration::from_secs), by).await)
        }
        Request::ModemSend { modem, receiver, text } => send_by_hand(operator, (&modem, receiver, text), by).await,
        Request::Ussd { modem, talk, code, reply, cancels } => {
            value(operator.ussd(&modem, &talk, said(code, reply, cancels)?, by).await)
        }
        Request::ModemBalance { modem } => value(operator.ask_balance(&modem, by).await),
        Request::Balances => value(Ok::<_, String>(operator.balances())),
        Request::LimitsExplain { receiver, api_user, client_ip } => {
            value(operator.explain_limits(receiver.0.expose(), api_user.as_deref(), client_ip).await)
        }
        Request::LimitsList => value(operator.held_back().await),
        Request::LimitsReset { receiver, country, api_user, client_ip } => {
            let receiver = receiver.as_ref().map(|Secret(receiver)| receiver.expose());
            let of = whose(receiver, country.as_deref(), api_user.as_deref(), client_ip)?;
            operator.reset_limits(of, by).await.map(|what| json!({"done": what}))
        }
        Request::ApiUserList => value(settings.api_users().await),
        Request::ApiUserAdd { username, password, scopes, class, networks } => {
            edit(operator, Edit::AddApiUser { username, password: password.0, scopes, class, networks }, by).await
        }
        Request::ApiUserPasswd { username, password } => {
            edit(operator, Edit::SetPassword { username, password: password.0 }, by).await
        }
        Request::ApiUserRotate { username, password, keep_seconds, is_forced } => {
            let keep = Duration::from_secs(keep_seconds);
            edit(operator, Edit::RotatePassword { username, password: password.0, keep, is_forced }, by).await
        }
        Request::ApiUserRetire { username } => edit(operator, Edit::RetirePassword { username }, by).await,
        Request::ApiUserActive { username, is_active } => {
            edit(operator, Edit::SetActive { username, is_active }, by).await
        }
        Request::ApiUserRemove { username } => edit(operator, Edit::RemoveApiUser { username }, by).await,
        Request::SettingsList => value(settings.list().await),
        Request::SettingsSet { values } => {
            let values = values.into_iter().map(|(key, Secret(value))| (key, value)).collect();
            edit(operator, Edit::Set { values }, by).await
        }
        Request::SettingsUnset { keys } => edit(operator, Edit::Unset { keys }, by).await,
        Request::SettingsReset => edit(operator, Edit::Reset, by).await,
        Request::SettingsExport { passphrase } => export(operator, passphrase, by).await,
        Request::SettingsImport { document, passphrase } => {
            let passphrase = passphrase.map(|Secret(passphrase)| passphrase);
            edit(operator, Edit::Import { document: document.0, passphrase }, by).await
        }
        Request::Reload => value(settings.reload(AuditBy { origin: "reload".to_owned(), ..by.clone() }).await),
        Request::Backup { path } => backup(operator, &path, by).await,
        Request::KeysStatus => value(operator.store().keys_status().await),
        Request::KeysRotate => rotate_keys(operator, by).await,
        Request::AuditList { since, event, before, limit } => {
            let filter = AuditFilter {
                since: since.map(WallTime::from_unix_millis),
                kind: event.as_deref().map(audit_kind).transpose()?,
                before,
                limit: limit.clamp(1, 1_000),
            };
            value(operator.audit_rows(&filter).await)
        }
        Request::AuditVerify { noted } => value(operator.verify_audit(noted.as_ref()).await),
        Request::Status => Ok(json!({"is_running": operator.is_running(), "process_id": std::process::id()})),
    }
}

/// For whom limits begin anew: for one, or for all when nobody is named.
fn whose<'a>(
    receiver: Option<&'a str>,
    country: Option<&'a str>,
    api_user: Option<&'a str>,
    client: Option<IpAddr>,
) -> Result<ResetOf<'a>, String> {
    match (receiver, country, api_user, client) {
        (None, None, None, None) => Ok(ResetOf::All),
        (Some(receiver), None, None, None) => Ok(ResetOf::Receiver(receiver)),
        (None, Some(code), None, None) => Ok(ResetOf::Country(code)),
        (None, None, Some(name), None) => Ok(ResetOf::ApiUser(name)),
        (None, None, None, Some(address)) => Ok(ResetOf::Client(address)),
        _ => Err("only one of them at a time".to_owned()),
    }
}

async fn send_by_hand(
    operator: &Operator,
    (modem, receiver, text): (&str, Secret, Secret),
    by: &AuditBy,
) -> Result<Value, String> {
    let receiver = Msisdn::from_canonical(receiver.0.expose()).ok_or("the receiver is no E.164 number")?;
    value(operator.send_by_hand(modem, receiver, text.0, by).await)
}

/// What is said to the network: one thing at a time.
fn said(code: Option<Secret>, reply: Option<Secret>, cancels: bool) -> Result<Said, String> {
    match (code, reply, cancels) {
        (Some(code), None, false) => UssdCode::parse(code.0.expose()).map(Said::Code).map_err(|it| it.to_string()),
        (None, Some(reply), false) => UssdReply::parse(reply.0.expose()).map(Said::Reply).map_err(|it| it.to_string()),
        (None, None, true) => Ok(Said::Cancel),
        _ => Err("one of code, reply and cancel".to_owned()),
    }
}

async fn backup(operator: &Operator, path: &Path, by: &AuditBy) -> Result<Value, String> {
    let event = AuditEvent::new(AuditKind::BackupMade, by, "");
    let backup = operator.recorded(event, operator.store().backup(path)).await.map_err(chain)?;
    Ok(json!({
        "path": backup.path,
        "bytes": backup.bytes,
        "seal_keys": backup.seal_keys,
        "keys": backup.keys,
    }))
}

async fn rotate_keys(operator: &Operator, by: &AuditBy) -> Result<Value, String> {
    let event = AuditEvent::new(AuditKind::KeysRotated, by, "");
    let rotation = operator.recorded(event, operator.store().rotate_keys()).await.map_err(chain)?;
    // A gateway that runs seals anew in the background; elsewhere nobody else will before the next start.
    let resealed = match operator.is_running() {
        true => None,
        false => Some(operator.store().reseal().await.map_err(chain)?),
    };
    Ok(json!({"rotation": rotation, "resealed": resealed}))
}

async fn export(operator: &Operator, passphrase: Option<Secret>, by: &AuditBy) -> Result<Value, String> {
    let secrets = if passphrase.is_some() { "sealed with a passphrase" } else { "left out" };
    let event = AuditEvent::new(AuditKind::SettingsExported, by, "").with("secrets", None, Some(secrets));
    let document = operator.settings().export(passphrase.map(|secret| secret.0));
    operator.recorded(event, document).await.map_err(chain).and_then(|document| value(Ok::<_, String>(document)))
}

async fn edit(operator: &Operator, edit: Edit, by: &AuditBy) -> Result<Value, String> {
    value(operator.settings().edit(edit, by.clone()).await)
}

fn audit_kind(word: &str) -> Result<AuditKind, String> {
    AuditKind::parse(word).ok_or_else(|| {
        let all: Vec<&str> = AuditKind::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("{word:?} is no event; choose among {}", all.join(", "))
    })
}

fn message_id(text: &str) -> Result<MessageId, String> {
    MessageId::parse(text).ok_or_else(|| format!("{text:?} is no message id"))
}

fn value<T: Serialize, E: Display>(result: Result<T, E>) -> Result<Value, String> {
    let value = result.map_err(|error| format!("{error:#}"))?;
    serde_json::to_value(value).map_err(|error| error.to_string())
}

/// An error with what caused it, in one line.
fn chain(error: impl std::error::Error + Send + Sync + 'static) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
