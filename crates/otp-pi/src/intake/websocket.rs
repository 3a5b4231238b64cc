//! WebSocket: the handshake of `WSMessageBroker`, which the original appliance and its publishers speak. One connection is one topic, one text
//! frame is one message.
//!
//! A relay keeps nothing and acknowledges nothing: what is published while we are away is lost. An answer goes over a connection of its own to
//! its own topic, because a relay hands what comes over a connection to that connection's topic.
//!
//! # Standard
//! RFC 6455; the topic stands in the query of the request.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::IntakeError;
use super::door::{Answer, Destination, Door, Taken};
use super::settings::{Server, Settings, WebSocket};
use super::stream::{self, Stream, within};
use super::supervise::chain;

/// How long at most a silent relay is left alone before it is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(25);

/// How long at most it may take for its answer, or for anything else.
const PONG_WITHIN: Duration = Duration::from_secs(10);

/// A longer frame ends the connection; what is longer than a command may be is refused behind the door.
const LONGEST_FRAME: usize = 1024 * 1024;

/// The names under which relays look for the topic: the original's own, and one that another relay reads.
const TOPIC_NAMES: [&str; 2] = ["topic", "channel"];

type Socket = WebSocketStream<Stream>;

/// Serves until `life` ends or the connection does.
pub(super) async fn serve(
    settings: &Settings,
    broker: &WebSocket,
    door: &Door,
    life: &CancellationToken,
) -> Result<(), IntakeError> {
    let mut socket = open(settings, broker, &settings.topic).await?;
    door.connected(settings);
    let most = usize::from(settings.unacknowledged);
    let has_warned = AtomicBool::new(false);
    let mut work = FuturesUnordered::new();
    // One is read ahead, so that pings are answered while the gateway is full; then nothing is read any more.
    let mut ahead: Option<Utf8Bytes> = None;
    let mut alarm = Alarm::rearmed(settings);
    loop {
        if work.len() < most
            && let Some(text) = ahead.take()
        {
            work.push(take(settings, broker, door, text, &has_warned));
            alarm = Alarm::rearmed(settings);
        }
        // Cancel-safe: the socket keeps what it has read of a frame, and work goes on in its set.
        tokio::select! {
            () = life.cancelled() => break,
            Some(()) = work.next() => {}
            () = sleep_until(alarm.at), if ahead.is_none() => {
                if alarm.is_asked {
                    return Err(IntakeError::Lost("the relay does not answer a ping".to_owned()));
                }
                send(settings, &mut socket, Message::Ping(Bytes::new())).await?;
                alarm = Alarm::asked(settings);
            }
            frame = socket.next(), if ahead.is_none() => {
                alarm = Alarm::rearmed(settings);
                ahead = read(settings, door, frame)?;
            }
        }
    }
    while work.next().await.is_some() {}
    close(settings, &mut socket).await;
    Ok(())
}

/// Does the handshake for the topic that is read, and leaves. A relay hands every message to all who listen: nothing is taken away.
pub(super) async fn check(settings: &Settings, broker: &WebSocket) -> Result<(), IntakeError> {
    let mut socket = open(settings, broker, &settings.topic).await?;
    close(settings, &mut socket).await;
    Ok(())
}

/// When the relay is asked for a sign of life, or given up.
struct Alarm {
    at: Instant,
    is_asked: bool,
}

impl Alarm {
    fn rearmed(settings: &Settings) -> Self {
        Self { at: Instant::now() + PING_EVERY.min(settings.timeout.saturating_mul(2)), is_asked: false }
    }

    fn asked(settings: &Settings) -> Self {
        Self { at: Instant::now() + PONG_WITHIN.min(settings.timeout), is_asked: true }
    }
}

/// The message in a frame, where there is one.
fn read(
    settings: &Settings,
    door: &Door,
    frame: Option<Result<Message, Error>>,
) -> Result<Option<Utf8Bytes>, IntakeError> {
    match frame {
        Some(Ok(Message::Text(text))) if is_answer(&text) => {
            // Some relays hand everything to everybody, the sender too. Taken for a command, an answer would be done again and answered again.
            debug!(intake.name = settings.name, "an answer that came back from the relay is passed over");
            Ok(None)
        }
        Some(Ok(Message::Text(text))) => Ok(Some(text)),
        Some(Ok(Message::Binary(_))) => {
            debug!(intake.name = settings.name, "a binary frame, which is no command, is put aside");
            door.status.count_poison();
            Ok(None)
        }
        // The library answers pings by itself.
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        Some(Ok(Message::Close(reason))) => {
            let code = reason.map_or_else(|| "no code".to_owned(), |reason| format!("code {}", reason.code));
            Err(IntakeError::Lost(format!("the relay closed it with {code}")))
        }
        Some(Err(error)) => Err(lost(&error)),
        None => Err(IntakeError::Lost("the relay closed it".to_owned())),
    }
}

/// True for what we write ourselves: no command has a response code.
fn is_answer(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Coded {
        #[serde(rename = "response_code")]
        _code: IgnoredAny,
    }
    text.contains("response_code") && serde_json::from_str::<Coded>(text).is_ok()
}

async fn take(settings: &Settings, broker: &WebSocket, door: &Door, text: Utf8Bytes, has_warned: &AtomicBool) {
    let answers = match door.take(settings, text.as_bytes(), None).await {
        Taken::Done(answers) | Taken::Poison(answers) => answers,
        // Nobody else has it: the gateway ends.
        Taken::Left => return,
    };
    for Answer { to, body } in answers {
        // A relay has no way back of its own.
        let Destination::Callback(topic, delay) = to else { continue };
        if !delay.is_zero() {
            sleep(delay).await;
        }
        match answer(settings, broker, &topic, body).await {
            Ok(()) => door.status.count_answer(),
            Err(error) => {
                let error = chain(&error);
                // The command is done all the same. Told once for each connection: a relay that refuses one refuses many.
                if has_warned.swap(true, Ordering::Relaxed) {
                    debug!(intake.name = settings.name, error, "an answer did not reach the relay");
                } else {
                    warn!(intake.name = settings.name, error, "an answer did not reach the relay");
                }
            }
        }
    }
}

/// Connects to the topic of an answer, writes it, and leaves.
async fn answer(settings: &Settings, broker: &WebSocket, topic: &str, body: Vec<u8>) -> Result<(), IntakeError> {
    let Ok(text) = String::from_utf8(body) else { return Ok(()) };
    let mut socket = open(settings, broker, topic).await?;
    send(settings, &mut socket, Message::text(text)).await?;
    close(settings, &mut socket).await;
    Ok(())
}

/// Connects to a topic.
async fn open(settings: &Settings, broker: &WebSocket, topic: &str) -> Result<Socket, IntakeError> {
    let request = request(&settings.server, &broker.path, topic)?;
    let stream = stream::open(settings).await?;
    let config = WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .write_buffer_size(0)
        .max_message_size(Some(LONGEST_FRAME))
        .max_frame_size(Some(LONGEST_FRAME));
    let handshake = client_async_with_config(request, stream, Some(config));
    match within(settings.timeout, "the WebSocket handshake", handshake).await? {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => {
            Err(IntakeError::Refused { doing: "the WebSocket handshake", reason: response.status().to_string() })
        }
        Err(error) => Err(lost(&error)),
    }
}

/// The request for a topic, with the login in its header.
fn request(server: &Server, path: &str, topic: &str) -> Result<ClientRequestBuilder, IntakeError> {
    let (scheme, usual) = if server.tls.is_some() { ("wss", 443) } else { ("ws", 80) };
    let address = server.address();
    // Relays compare the header with their name, so that the usual port is left out as browsers do.
    let host = if server.port == usual { address.trim_end_matches(&format!(":{usual}")) } else { &address };
    let uri = format!("{scheme}://{host}{}", target(path, topic)).parse().map_err(|error| IntakeError::Refused {
        doing: "making the address of the topic",
        reason: format!("path cannot be used: {error}"),
    })?;
    let request = ClientRequestBuilder::new(uri);
    if server.username.is_empty() {
        return Ok(request);
    }
    let login = BASE64.encode(format!("{}:{}", server.username, server.password.expose()));
    Ok(request.with_header("Authorization", format!("Basic {login}")))
}

/// Path and query: what the settings have there stays, but for the topic.
fn target(path: &str, topic: &str) -> String {
    let path = path.split('#').next().unwrap_or_default();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let is_kept = |pair: &&str| !pair.is_empty() && !TOPIC_NAMES.contains(&pair.split('=').next().unwrap_or_default());
    let kept = query.split('&').filter(is_kept).map(str::to_owned);
    let topic = percent_encoded(topic);
    let named = TOPIC_NAMES.into_iter().map(|name| format!("{name}={topic}"));
    format!("{path}?{}", kept.chain(named).collect::<Vec<_>>().join("&"))
}

/// RFC 3986 section 2.1.
fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

async fn send(settings: &Settings, socket: &mut Socket, message: Message) -> Result<(), IntakeError> {
    within(settings.timeout, "writing to the relay", socket.send(message)).await?.map_err(|error| lost(&error))
}

/// Says good-bye and waits for the same, so that what was written before is read. A relay that does not answer is left.
async fn close(settings: &Settings, socket: &mut Socket) {
    let good_bye = async {
        if socket.close(None).await.is_ok() {
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    if within(settings.timeout.min(PONG_WITHIN), "closing", good_bye).await.is_err() {
        debug!(intake.name = settings.name, "the relay did not say good-bye");
    }
}

fn lost(error: &Error) -> IntakeError {
    IntakeError::Lost(error.to_string())
}

#[cfg(test)]
mod tests {
    use domain::secret::SecretText;
    use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

    use super::*;

    #[test]
    fn the_topic_stands_in_the_query_and_the_rest_of_the_query_stays() {
        for (path, topic, expected) in [
            ("/ws", "sms", "/ws?topic=sms&channel=sms"),
            ("/", "a b/c", "/?topic=a%20b%2Fc&channel=a%20b%2Fc"),
            ("/ws?key=1&topic=old&x", "sms", "/ws?key=1&x&topic=sms&channel=sms"),
            ("/ws?channel=old#part", "ü", "/ws?topic=%C3%BC&channel=%C3%BC"),
        ] {
            assert_eq!(target(path, topic), expected);
        }
    }

    #[test]
    fn the_usual_port_is_left_out_of_the_host() {
        let host = |port, host: &str| {
            let server = Server {
                host: host.to_owned(),
                port,
                tls: None,
                username: "user".to_owned(),
                password: SecretText::new("password"),
            };
            let request = request(&server, "/ws", "sms").unwrap().into_client_request().unwrap();
            assert_eq!(request.headers()["Authorization"], "Basic dXNlcjpwYXNzd29yZA==");
            request.headers()["Host"].to_str().unwrap().to_owned()
        };
        assert_eq!(host(80, "relay.example"), "relay.example");
        assert_eq!(host(443, "relay.example"), "relay.example:443");
        assert_eq!(host(8890, "::1"), "[::1]:8890");
    }

    #[test]
    fn an_answer_is_told_from_a_command() {
        assert!(is_answer(r#"{"command":"echo","response_code":"000","data":{}}"#));
        assert!(!is_answer(r#"{"command":"send-sms","data":{"message":"response_code"}}"#));
        assert!(!is_answer(r#"{"command":"send-sms","data":{"response_code":1}}"#));
        assert!(!is_answer("response_code"));
    }
}
