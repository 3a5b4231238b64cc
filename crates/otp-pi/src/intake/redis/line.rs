//! A connection that reads at its own pace: one command and its answer, or messages as they come.

use std::time::Duration;

use ::redis::{Cmd, Value, cmd, parse_redis_value_async};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::io::{AsyncWriteExt as _, BufReader, ReadHalf, WriteHalf, split};
use tokio::time::timeout;

use super::PING_EVERY;
use crate::intake::IntakeError;
use crate::intake::settings::{Redis, Settings};
use crate::intake::stream::{self as connection, Stream, within};

pub(super) struct Line {
    reader: Reader,
    writer: Writer,
    timeout: Duration,
}

struct Reader(BufReader<ReadHalf<Stream>>);

/// The half of a subscribed line that asks whether the other side is still there.
pub(super) struct Writer(WriteHalf<Stream>);

/// How often a line is asked for a sign of life that answers within `patience`.
pub(super) fn ping_every(patience: Duration) -> Duration {
    PING_EVERY.min(patience.saturating_mul(2))
}

impl Line {
    /// Connects and logs in.
    pub(super) async fn open(settings: &Settings, broker: &Redis) -> Result<Self, IntakeError> {
        let (reader, writer) = split(connection::open(settings).await?);
        let mut line =
            Self { reader: Reader(BufReader::new(reader)), writer: Writer(writer), timeout: settings.timeout };
        let server = &settings.server;
        if !server.password.expose().is_empty() {
            let mut login = cmd("AUTH");
            if !server.username.is_empty() {
                login.arg(&server.username);
            }
            login.arg(server.password.expose());
            line.ask("logging in", &login).await?;
        }
        if !broker.client_name.is_empty() {
            let mut name = cmd("CLIENT");
            name.arg("SETNAME").arg(&broker.client_name);
            line.ask("CLIENT SETNAME", &name).await?;
        }
        Ok(line)
    }

    /// Sends one command and reads its answer. Not to be dropped half-way: the line would be out of step.
    pub(super) async fn ask(&mut self, doing: &'static str, command: &Cmd) -> Result<Value, IntakeError> {
        self.ask_for(doing, command, self.timeout).await
    }

    /// The same, for a command that takes its time.
    pub(super) async fn ask_for(
        &mut self,
        doing: &'static str,
        command: &Cmd,
        limit: Duration,
    ) -> Result<Value, IntakeError> {
        let answer = async {
            self.writer.send(command).await?;
            self.reader.read().await
        };
        match within(limit, doing, answer).await?? {
            Value::ServerError(error) => Err(IntakeError::Refused { doing, reason: error.to_string() }),
            value => Ok(value),
        }
    }

    /// The payloads of a subscribed line. It fails when nothing at all comes, not even the answer to a ping.
    pub(super) fn messages(self, patience: Duration) -> (BoxStream<'static, Result<Vec<u8>, IntakeError>>, Writer) {
        let silence = ping_every(patience).saturating_add(patience);
        let step = move |mut reader: Reader| async move {
            loop {
                let value = match timeout(silence, reader.read()).await {
                    Ok(Ok(value)) => value,
                    Ok(Err(error)) => return Some((Err(error), reader)),
                    Err(_) => {
                        let silent = format!("nothing came for {} s", silence.as_secs());
                        return Some((Err(IntakeError::Lost(silent)), reader));
                    }
                };
                if let Some(payload) = payload(value) {
                    return Some((Ok(payload), reader));
                }
            }
        };
        (stream::unfold(self.reader, step).boxed(), self.writer)
    }
}

impl Reader {
    async fn read(&mut self) -> Result<Value, IntakeError> {
        let mut decoder = Default::default();
        parse_redis_value_async(&mut decoder, &mut self.0).await.map_err(|error| IntakeError::Lost(error.to_string()))
    }
}

impl Writer {
    async fn send(&mut self, command: &Cmd) -> Result<(), IntakeError> {
        let lost = |error: std::io::Error| IntakeError::Lost(error.to_string());
        self.0.write_all(&command.get_packed_command()).await.map_err(lost)?;
        self.0.flush().await.map_err(lost)
    }

    /// Asks for a sign of life, which the reader hears.
    pub(super) async fn ping(&mut self, limit: Duration) -> Result<(), IntakeError> {
        within(limit, "PING", self.send(&cmd("PING"))).await?
    }
}

/// What was published: `["message", channel, payload]`.
fn payload(value: Value) -> Option<Vec<u8>> {
    let Value::Array(parts) = value else { return None };
    match <[Value; 3]>::try_from(parts).ok()? {
        [Value::BulkString(kind), _, Value::BulkString(payload)] if kind == b"message" => Some(payload),
        _ => None,
    }
}
