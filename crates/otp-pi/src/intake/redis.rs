//! Redis: `SUBSCRIBE` as the original appliance documents it, and streams with a consumer group, which lose nothing.
//!
//! Two connections: one reads, the other acknowledges and answers. Messages are read from the socket as they are taken, so that a full
//! gateway is felt by the server and nothing piles up here: the library's own subscription would keep what comes without a bound.
//!
//! A stream's message is acknowledged (`XACK`) and deleted (`XDEL`) when it is done: codes and texts are not to stay there.
//!
//! # Standard
//! RESP2, <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

mod line;
mod streams;

use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Cmd, RedisConnectionInfo, cmd};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::IntakeError;
use super::door::{Answer, Destination, Door, Taken};
use super::settings::{Redis, RedisMode, Settings};
use super::stream::{self, within};
use line::Line;

/// How often at least a subscribed connection is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(20);

/// The field under which a stream's message lies, in ours and in what we look for first.
const FIELD: &str = "message";

/// How long the stream of an answer is kept, and how many it holds at most.
const ANSWERS_KEPT: (u64, u64) = (3600, 1000);

/// Serves until `life` ends or the connection does.
pub(super) async fn serve(
    settings: &Settings,
    broker: &Redis,
    door: &Door,
    life: &CancellationToken,
) -> Result<(), IntakeError> {
    let line = Line::open(settings, broker).await?;
    let (publisher, driver) = publisher(settings).await?;
    let working = async {
        match &broker.mode {
            RedisMode::PubSub => listen(settings, line, publisher, door, life).await,
            RedisMode::Stream { group, consumer } => {
                streams::read(settings, line, publisher, (group, consumer), door, life).await
            }
        }
    };
    // Cancel-safe: when one of them ends, the other has nothing left to lose that the server has not kept.
    tokio::select! {
        ended = working => ended,
        () = driver => Err(IntakeError::Lost("the connection for answers ended".to_owned())),
    }
}

/// Logs in and looks at what is subscribed.
pub(super) async fn check(settings: &Settings, broker: &Redis) -> Result<(), IntakeError> {
    let mut line = Line::open(settings, broker).await?;
    line.ask("PING", &cmd("PING")).await?;
    if matches!(broker.mode, RedisMode::Stream { .. }) {
        let mut kind = cmd("TYPE");
        kind.arg(&settings.topic);
        let kind = line.ask("TYPE", &kind).await?;
        let kind = ::redis::from_redis_value::<String>(kind).unwrap_or_default();
        if kind != "stream" && kind != "none" {
            let reason = format!("{} is a {kind}, not a stream", settings.topic);
            return Err(IntakeError::Refused { doing: "reading the stream", reason });
        }
    }
    Ok(())
}

/// The connection that acknowledges and answers, and what must be polled for it to work.
async fn publisher(settings: &Settings) -> Result<(MultiplexedConnection, BoxFuture<'static, ()>), IntakeError> {
    let stream = stream::open(settings).await?;
    let mut info = RedisConnectionInfo::default();
    let server = &settings.server;
    if !server.username.is_empty() {
        info = info.set_username(&server.username);
    }
    if !server.password.expose().is_empty() {
        info = info.set_password(server.password.expose());
    }
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(settings.timeout));
    let made = MultiplexedConnection::new_with_config(&info, stream, config);
    let (connection, driver) = within(settings.timeout, "logging in", made).await?.map_err(refused("logging in"))?;
    Ok((connection, driver.boxed()))
}

/// `SUBSCRIBE`: at most once.
async fn listen(
    settings: &Settings,
    mut line: Line,
    publisher: MultiplexedConnection,
    door: &Door,
    life: &CancellationToken,
) -> Result<(), IntakeError> {
    let mut subscribe = cmd("SUBSCRIBE");
    subscribe.arg(&settings.topic);
    line.ask("SUBSCRIBE", &subscribe).await?;
    door.connected(settings);
    let (mut messages, mut pings) = line.messages(settings.timeout);
    let mut work = FuturesUnordered::new();
    let ping_every = line::ping_every(settings.timeout);
    let mut next_ping = Instant::now() + ping_every;
    loop {
        // Cancel-safe: the stream of messages keeps what it has read, and work goes on in its set.
        tokio::select! {
            () = life.cancelled() => break,
            Some(done) = work.next() => done?,
            () = sleep_until(next_ping) => {
                pings.ping(settings.timeout).await?;
                next_ping = Instant::now() + ping_every;
            }
            message = messages.next(), if work.len() < usize::from(settings.unacknowledged) => match message {
                Some(payload) => work.push(take(settings, door, payload?, publisher.clone())),
                None => return Err(IntakeError::Lost("the server closed it".to_owned())),
            },
        }
    }
    while let Some(done) = work.next().await {
        done?;
    }
    Ok(())
}

async fn take(
    settings: &Settings,
    door: &Door,
    payload: Vec<u8>,
    publisher: MultiplexedConnection,
) -> Result<(), IntakeError> {
    match door.take(settings, &payload, None).await {
        Taken::Done(answers) | Taken::Poison(answers) => {
            let publish = |topic: &str, body: &[u8]| {
                let mut command = cmd("PUBLISH");
                command.arg(topic).arg(body);
                vec![command]
            };
            answer(door, answers, publisher, publish).await
        }
        // Nobody else has it: the gateway ends.
        Taken::Left => Ok(()),
    }
}

/// Publishes answers, each after the pause that was asked for.
async fn answer(
    door: &Door,
    answers: Vec<Answer>,
    mut publisher: MultiplexedConnection,
    commands: impl Fn(&str, &[u8]) -> Vec<Cmd>,
) -> Result<(), IntakeError> {
    for Answer { to, body } in answers {
        // Redis has no way back of its own.
        let Destination::Callback(topic, delay) = to else { continue };
        if !delay.is_zero() {
            sleep(delay).await;
        }
        for command in commands(&topic, &body) {
            publisher.send_packed_command(&command).await.map_err(refused("answering"))?;
        }
        door.status.count_answer();
    }
    Ok(())
}

/// What the library says went wrong.
fn refused(doing: &'static str) -> impl Fn(::redis::RedisError) -> IntakeError {
    move |error| {
        if error.is_timeout() || error.is_connection_dropped() || error.is_io_error() {
            return IntakeError::Lost(format!("{doing}: {error}"));
        }
        IntakeError::Refused { doing, reason: error.to_string() }
    }
}
