//! One message through ModemManager: prepared, made there, sent, and deleted.
//!
//! Nothing is made before `prepare` has answered, so a code is minted and its tag durable before ModemManager sees it; whatever goes
//! wrong before `Send` is called was not sent, and after it only what [`super::refusal`] knows for certain.

use std::sync::PoisonError;
use std::time::Duration;

use gsm::Pdu;
use zbus::OwnedObjectPath;

use super::bus::Bus;
use super::message::Outgoing;
use super::seen::MESSAGING;
use super::{PATIENCE, PROPERTIES, SMS, refusal};
use crate::handle::{Reply, not_sent};
use crate::manager::properties::Properties;
use crate::settings::Settings;
use crate::submission::{SendError, Sent, Submission};

/// What became of a message, and its path in ModemManager if it is still there.
type Ended = (Result<Sent, SendError>, Option<String>);

/// Sends one message on the modem at `path`.
pub(super) async fn send(
    bus: &mut Bus,
    settings: &Settings,
    path: &str,
    submission: Submission,
    reply: &mut Reply,
) -> Ended {
    let Submission { prepare, rest, .. } = submission;
    let first = match bus.during(tokio::time::timeout(settings.timeouts.prepare, prepare)).await {
        Ok(Ok(first)) => first,
        Ok(Err(_)) => return (Err(SendError::Refused), None),
        Err(_) => return (Err(not_sent("the message was not prepared in time")), None),
    };
    let rest = std::mem::take(&mut *rest.lock().unwrap_or_else(PoisonError::into_inner));
    let pdus: Vec<Pdu> = std::iter::once(first).chain(rest).collect();
    let Some(outgoing) = Outgoing::from_pdus(&pdus) else {
        return (Err(not_sent("the message is no text that ModemManager could send")), None);
    };
    let service_center = settings.sms_center.as_ref().map(crate::settings::SmsCenter::as_str);
    let properties = outgoing.properties(service_center);
    let created = bus.call(path, (MESSAGING, "Create"), &properties, PATIENCE).await;
    drop(properties);
    drop(outgoing);
    let message: OwnedObjectPath = match created.map(|answer| answer.body().deserialize()) {
        Ok(Ok(message)) => message,
        Ok(Err(_)) => return (Err(not_sent("ModemManager made the message and does not say where")), None),
        Err(error) => return (Err(refusal::of_create(&error)), None),
    };
    let message = message.as_str().to_owned();
    reply.is_handed_over = true;
    let parts = u32::try_from(pdus.len()).unwrap_or(u32::MAX);
    let patience: Duration = settings.timeouts.result.saturating_mul(parts);
    let result = match bus.call(&message, (SMS, "Send"), &(), patience).await {
        Ok(_) => Ok(Sent { message_reference: reference(bus, &message).await }),
        Err(error) => Err(refusal::of_send(&error, pdus.len())),
    };
    (result, Some(message))
}

/// Asks for the TP-MR: that of the last part, which is the one whose delivery ModemManager has reported.
async fn reference(bus: &mut Bus, message: &str) -> Option<u8> {
    let answer = bus.call(message, PROPERTIES, &SMS, PATIENCE).await.ok()?;
    let properties = Properties(answer.body().deserialize().ok()?);
    u8::try_from(properties.number("MessageReference")?).ok()
}
