//! One connection to a NATS server, which ends when it is lost: the library's own reconnection is given nowhere to go.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event, ServerError};
use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::{debug, warn};

use super::lost;
use crate::intake::IntakeError;
use crate::intake::settings::{Nats, Settings};
use crate::intake::stream::within;

/// How often at least a connection that is silent is asked whether it is still there; it is lost when two such questions stay open.
const PING_EVERY: Duration = Duration::from_secs(20);

/// How many messages of a subscription the library holds until we take them from it, which is at once; it drops what comes beyond.
const WAITING: usize = 16 * 1024;

/// How often dropped messages are told.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// An address where nobody ever listens.
const NOWHERE: &str = "nats://127.0.0.1:0";

pub(super) struct Link {
    pub(super) client: Client,
    troubles: mpsc::Receiver<String>,
    dropped: Arc<AtomicU64>,
    telling: Interval,
    has_told_refusal: bool,
}

impl Link {
    /// Connects and logs in.
    pub(super) async fn open(settings: &Settings, broker: &Nats) -> Result<Self, IntakeError> {
        let (tell, troubles) = mpsc::channel(16);
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&dropped);
        let options = options(settings, broker)?.event_callback(move |event| {
            let told = match event {
                Event::Disconnected | Event::Closed => tell.try_send("the server closed it".to_owned()),
                Event::ServerError(ServerError::Other(error)) => tell.try_send(error),
                Event::ServerError(error) => tell.try_send(error.to_string()),
                Event::SlowConsumer(_) => {
                    counter.fetch_add(1, Ordering::Relaxed);
                    Ok(())
                }
                Event::Connected | Event::Draining | Event::LameDuckMode | Event::ClientError(_) => Ok(()),
            };
            async move {
                // Where so much is told already, one more changes nothing.
                drop(told);
            }
        });
        let address = format!("nats://{}", settings.server.address());
        let connecting = options.connect(address);
        let client = within(settings.timeout, "connecting", connecting).await?;
        let client = client.map_err(|error| refused(settings, error))?;
        client.set_server_pool(NOWHERE).await.map_err(lost("connecting"))?;
        let mut telling = interval(TELL_EVERY);
        telling.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { client, troubles, dropped, telling, has_told_refusal: false })
    }

    /// Waits until the connection cannot be used any more, and says why. Cancel-safe: nothing that was told is lost.
    pub(super) async fn trouble(&mut self, settings: &Settings) -> IntakeError {
        loop {
            // Cancel-safe: a timer and a channel.
            let told = tokio::select! {
                told = self.troubles.recv() => told,
                _ = self.telling.tick() => {
                    self.tell_dropped(settings);
                    continue;
                }
            };
            match told.as_deref().map_or(Some(Verdict::Lost), verdict) {
                Some(Verdict::Refused) => {
                    let reason = told.unwrap_or_default();
                    return IntakeError::Refused { doing: "reading and acknowledging", reason };
                }
                Some(Verdict::Lost) => {
                    return IntakeError::Lost(told.unwrap_or_else(|| "the connection ended".to_owned()));
                }
                // Told once for each connection: where one subject is forbidden, others are.
                None if self.has_told_refusal => {
                    debug!(intake.name = settings.name, error = told, "an answer was refused by the server");
                }
                None => {
                    self.has_told_refusal = true;
                    warn!(intake.name = settings.name, error = told, "an answer was refused by the server");
                }
            }
        }
    }

    /// Waits until the server has read what was written so far, which may be that it refuses the subscription.
    pub(super) async fn settle(&mut self, settings: &Settings) -> Result<(), IntakeError> {
        let inbox = self.client.new_inbox();
        let mut echo = self.client.subscribe(inbox.clone()).await.map_err(lost("subscribing"))?;
        self.client.publish(inbox.clone(), Default::default()).await.map_err(lost("subscribing"))?;
        let heard = async {
            loop {
                // Cancel-safe: a channel and a subscription.
                tokio::select! {
                    biased;
                    told = self.troubles.recv() => match told {
                        // It may not be used, and the server has told us: it has read the rest too.
                        Some(told) if told.contains(&inbox) => return Ok(()),
                        Some(told) if verdict(&told).is_none() => {}
                        Some(told) => return Err(IntakeError::Refused { doing: "subscribing", reason: told }),
                        None => return Err(IntakeError::Lost("the connection ended".to_owned())),
                    },
                    _ = echo.next() => return Ok(()),
                }
            }
        };
        within(settings.timeout, "subscribing", heard).await?
    }

    /// Says why the connection cannot be used, if that has been told.
    pub(super) fn check(&mut self) -> Result<(), IntakeError> {
        match self.troubles.try_recv() {
            Ok(told) if verdict(&told).is_some() => {
                Err(IntakeError::Refused { doing: "reading and acknowledging", reason: told })
            }
            _ => Ok(()),
        }
    }

    /// Counts messages that we have dropped ourselves.
    pub(super) fn count_dropped(&self, messages: u64) {
        self.dropped.fetch_add(messages, Ordering::Relaxed);
    }

    fn tell_dropped(&self, settings: &Settings) {
        let messages = self.dropped.swap(0, Ordering::Relaxed);
        if messages > 0 {
            warn!(
                intake.name = settings.name,
                intake.topic = settings.topic,
                messages,
                "messages came faster than they could be taken, and at least so many were lost: a stream (mode = \"jetstream\") would keep them"
            );
        }
    }
}

fn options(settings: &Settings, broker: &Nats) -> Result<ConnectOptions, IntakeError> {
    let server = &settings.server;
    let mut options = ConnectOptions::new()
        .name(&broker.client_name)
        .connection_timeout(settings.timeout)
        .request_timeout(Some(settings.timeout))
        .ping_interval(PING_EVERY.min(settings.timeout.saturating_mul(2)))
        .subscription_capacity(WAITING)
        .ignore_discovered_servers()
        .max_reconnects(1);
    let password = server.password.expose().to_owned();
    if !server.username.is_empty() {
        options = options.user_and_password(server.username.clone(), password);
    } else if !password.is_empty() {
        options = options.token(password);
    }
    if let Some(tls) = &server.tls {
        let broken = |error| IntakeError::Tls { address: server.address(), source: io::Error::other(error) };
        options = options.tls_client_config(tls.config().map_err(broken)?.as_ref().clone()).require_tls(true);
    }
    Ok(options)
}

/// What a word of the server means for the connection.
enum Verdict {
    Lost,
    Refused,
}

/// None where only an answer was refused: its subject is the sender's choice, and the next message has another.
fn verdict(told: &str) -> Option<Verdict> {
    let told = told.to_lowercase();
    if told.starts_with("permissions violation for publish") && !told.contains("\"$js.") {
        return None;
    }
    let is_refusal = told.starts_with("permissions violation") || told.contains("authorization violation");
    Some(if is_refusal { Verdict::Refused } else { Verdict::Lost })
}

/// Why no connection was made. A failed handshake of TLS is an input-output error to the library.
fn refused(settings: &Settings, error: ConnectError) -> IntakeError {
    let address = settings.server.address();
    let kind = error.kind();
    let is_tls = kind == ConnectErrorKind::Tls || (settings.server.tls.is_some() && comes_from_tls(&error));
    debug!(intake.name = settings.name, %error, "no connection");
    match kind {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            IntakeError::Refused { doing: "logging in", reason: error.to_string() }
        }
        ConnectErrorKind::TimedOut => IntakeError::TimedOut { doing: "connecting", after: settings.timeout },
        _ if is_tls => IntakeError::Tls { address, source: io::Error::other(error) },
        _ => IntakeError::Unreachable { address, source: io::Error::other(error) },
    }
}

fn comes_from_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if error.is::<rustls::Error>() || inner.is_some_and(|inner| inner.is::<rustls::Error>()) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refused_answer_leaves_the_connection_as_it_is() {
        assert!(verdict("Permissions Violation for Publish to \"answers.a\"").is_none());
        for told in [
            "Permissions Violation for Publish to \"$JS.ACK.S.otp-pi.1.2.3.4.0\"",
            "Permissions Violation for Subscription to \"sms\"",
        ] {
            assert!(matches!(verdict(told), Some(Verdict::Refused)), "{told}");
        }
        assert!(matches!(verdict("Stale Connection"), Some(Verdict::Lost)));
    }
}
