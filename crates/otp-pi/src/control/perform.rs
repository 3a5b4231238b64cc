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

use super::protocol::{Answer, InboxRequest, Request, Secret, ToolRequest};
use crate::operator::{Edit, InboxAsk, Operator, ResetOf, Said, parse_state};

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
        Request::Inbox { ask } => inbox(operator, ask, by).await,
        Request::ModemCheck { modems } => value(operator.check_modems(&modems).await),
        Request::ModemLines => Ok(json!(operator.modem_lines())),
        Request::ModemAt { modem, command, patience_seconds } => {
            value(operator.ask_modem(&modem, command.0.expose(), patience_seconds.map(Duration::from_secs), by).await)
        }
        Request::ModemStandings => value(Ok::<_, String>(operator.standings())),
        Request::Tool { ask } => tool(operator, ask, by).await,
        Request::ModemUse { modem, is_reset } => modem_use(operator, modem.as_deref(), is_reset, by).await,
        Request::RouteExplain { receiver } => value(operator.explain_route(receiver.0.expose()).await),
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
            value(operator.audit_rows(&audit_filter(since, event.as_deref(), before, limit)?).await)
        }
        Request::AuditVerify { noted } => value(operator.verify_audit(noted.as_ref()).await),
        Request::Status => Ok(json!({"is_running": operator.is_running(), "process_id": std::process::id()})),
    }
}

async fn modem_use(operator: &Operator, modem: Option<&str>, is_reset: bool, by: &AuditBy) -> Result<Value, String> {
    match (modem, is_reset) {
        (Some(modem), true) => value(operator.reset_sim_use(modem, by).await),
        (None, true) => Err("name the modem whose SIM is counted anew".to_owned()),
        (modem, false) => value(operator.sim_uses(modem)),
    }
}

async fn tool(operator: &Operator, ask: ToolRequest, by: &AuditBy) -> Result<Value, String> {
    match ask {
        ToolRequest::Drain { modem } => value(operator.drain_modem(&modem, by).await),
        ToolRequest::Resume { modem } => value(operator.resume_modem(&modem, by).await),
        ToolRequest::SimStatus { modem } => value(operator.sim_status(&modem).await),
        ToolRequest::SimPin { modem, verb, code, new_pin, may_be_last } => {
            let new_pin = new_pin.map(|Secret(pin)| pin);
            value(operator.act_on_pin(&modem, verb, &code.0, new_pin.as_ref(), may_be_last, by).await)
        }
        ToolRequest::ImeiShow { modem } => value(operator.show_imei(&modem).await),
        ToolRequest::ImeiRestore { modem, imei, confirmation } => {
            value(operator.restore_imei(&modem, &imei, &confirmation, by).await)
        }
    }
}

async fn inbox(operator: &Operator, ask: InboxRequest, by: &AuditBy) -> Result<Value, String> {
    match ask {
        InboxRequest::List { modem, sender, is_unread, before, limit, reveals } => {
            let before = before.as_deref().map(message_id).transpose()?;
            let (sender, limit) = (sender.map(|Secret(sender)| sender), limit.clamp(1, 500));
            value(operator.list_inbox(InboxAsk { modem, sender, is_unread, before, limit, reveals }, by).await)
        }
        InboxRequest::Show { message_id: id } => value(operator.show_inbox(message_id(&id)?, by).await),
        InboxRequest::Reply { message_id: id, text } => value(operator.reply_inbox(message_id(&id)?, text.0, by).await),
        InboxRequest::Delete { message_ids: ids } => value(operator.delete_inbox(&message_ids(&ids)?, by).await),
        InboxRequest::Mark { message_ids: ids, is_read } => {
            value(operator.mark_inbox(&message_ids(&ids)?, is_read).await)
        }
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

fn audit_filter(
    since: Option<i64>,
    event: Option<&str>,
    before: Option<i64>,
    limit: usize,
) -> Result<AuditFilter, String> {
    Ok(AuditFilter {
        since: since.map(WallTime::from_unix_millis),
        kind: event.map(audit_kind).transpose()?,
        before,
        limit: limit.clamp(1, 1_000),
    })
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

fn message_ids(texts: &[String]) -> Result<Vec<MessageId>, String> {
    texts.iter().map(|text| message_id(text)).collect()
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
