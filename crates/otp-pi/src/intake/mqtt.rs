//! MQTT 3.1.1 and 5.0: a persistent session under `client_id`, qualities 0 to 2, shared subscriptions.
//!
//! The octets are the library's, the conversation is ours: its own loop reads on while the gateway is full, or does not ping. A message is
//! acknowledged (PUBACK, PUBREC) when it is done and not before, so the broker brings it again after any other end. Acknowledgements go in
//! the order in which messages are done: a USSD dialogue must not hold up the rest, and brokers find messages by their numbers.
//!
//! Answers have quality 1 and are not retained. What the broker has not confirmed is published again on the next connection.
//!
//! # Standard
//! OASIS MQTT Version 3.1.1 (2014) and 5.0 (2019).

mod frame;
mod kept;
mod line;
mod packet;
mod talk;
mod v4;
mod v5;

pub(super) use kept::Kept;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use self::kept::SUBSCRIPTION;
use self::packet::{Incoming, Login, Outgoing};
use self::talk::Talk;
use super::IntakeError;
use super::door::Door;
use super::settings::{Mqtt, Settings};
use super::stream::within;

/// After so much silence of ours the broker may give us up.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Serves until `life` ends or the connection does.
pub(super) async fn serve(
    settings: &Settings,
    broker: &Mqtt,
    door: &Door,
    life: &CancellationToken,
) -> Result<(), IntakeError> {
    let mut kept = door.mqtt.lock().await;
    let login = Login { receive_maximum: settings.unacknowledged, ..login(settings, &broker.client_id, true) };
    let (reader, mut writer, welcome) = line::open(settings, broker.version, &login).await?;
    if !broker.group.is_empty() && !welcome.has_shares {
        let reason = "the broker has no shared subscriptions: leave group out".to_owned();
        return Err(IntakeError::Refused { doing: SUBSCRIBING, reason });
    }
    subscribe(&mut writer, &filter(settings, broker), broker.qos)?;
    Talk::new(settings, broker, door, &mut kept, (reader, writer), &welcome).go_on(life).await
}

/// Logs in under another name, so that a running intake keeps its session, and asks whether the topic may be subscribed; takes nothing.
pub(super) async fn check(settings: &Settings, broker: &Mqtt) -> Result<(), IntakeError> {
    let client_id = format!("{}-check", broker.client_id);
    let login = login(settings, &client_id, false);
    let (mut reader, mut writer, _) = line::open(settings, broker.version, &login).await?;
    // Without the group: a share of the messages would be ours.
    subscribe(&mut writer, unshared(&settings.topic), 0)?;
    let answer = async {
        writer.flush().await?;
        loop {
            match reader.read().await? {
                Incoming::SubAck(answer) => return answer.map_err(|reason| refused(SUBSCRIBING, reason)),
                Incoming::Disconnect(reason) => return Err(refused(SUBSCRIBING, reason)),
                _ => {}
            }
        }
    };
    within(settings.timeout, SUBSCRIBING, answer).await??;
    // The broker sees the end of the connection, whether it is told or not.
    if writer.send(&Outgoing::Disconnect).is_ok() {
        within(settings.timeout, "leaving", writer.flush()).await??;
    }
    Ok(())
}

const SUBSCRIBING: &str = "subscribing";

fn login<'a>(settings: &'a Settings, client_id: &'a str, is_kept: bool) -> Login<'a> {
    let keep_alive = u16::try_from(KEEP_ALIVE.as_secs()).unwrap_or(u16::MAX);
    let (username, password) = (settings.server.username.as_str(), settings.server.password.expose());
    Login { client_id, username, password, is_kept, keep_alive, receive_maximum: u16::MAX }
}

fn subscribe(writer: &mut line::Writer, filter: &str, qos: u8) -> Result<(), IntakeError> {
    let packet = Outgoing::Subscribe { id: SUBSCRIPTION, filter, qos };
    writer.send(&packet).map_err(|reason| refused(SUBSCRIBING, reason))
}

/// MQTT 5.0 section 4.8.2; brokers know it from 3.1.1 clients too.
fn filter(settings: &Settings, broker: &Mqtt) -> String {
    if broker.group.is_empty() {
        return settings.topic.clone();
    }
    format!("$share/{}/{}", broker.group, unshared(&settings.topic))
}

/// The filter itself, of a shared subscription too.
pub(super) fn unshared(topic: &str) -> &str {
    let shared = topic.strip_prefix("$share/").and_then(|rest| rest.split_once('/'));
    shared.map_or(topic, |(_, filter)| filter)
}

/// True for what can be subscribed.
///
/// # Standard
/// MQTT 5.0 section 4.7.1.
#[must_use]
pub fn is_filter(topic: &str) -> bool {
    let topic = unshared(topic);
    let is_short = !topic.is_empty() && topic.len() <= usize::from(u16::MAX) && !topic.contains('\0');
    let mut levels = topic.split('/').peekable();
    let mut is_sound = is_short;
    while let Some(level) = levels.next() {
        is_sound &= match level {
            "+" => true,
            "#" => levels.peek().is_none(),
            plain => !plain.contains(['+', '#']),
        };
    }
    is_sound
}

const fn refused(doing: &'static str, reason: String) -> IntakeError {
    IntakeError::Refused { doing, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_has_its_wildcards_in_levels_of_their_own() {
        for (topic, is_sound) in [
            ("sms", true),
            ("sms/+/in", true),
            ("+/#", true),
            ("#", true),
            ("$share/g/sms/#", true),
            ("sms#", false),
            ("sms/#/in", false),
            ("sms/a+", false),
            ("", false),
            ("a\0", false),
        ] {
            assert_eq!(is_filter(topic), is_sound, "{topic}");
        }
    }
}
