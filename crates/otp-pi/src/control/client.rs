//! The other end of the control socket: one question to the gateway that runs.

use std::io;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

use super::protocol::{Answer, LONGEST_LINE, Request, SOCKET};
use super::short::ShortPath;

/// The gateway that runs on a data directory.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Reaches the gateway that runs on `data_dir`; none when none does.
    ///
    /// # Errors
    /// The socket is somebody else's.
    pub async fn connect(data_dir: &Path) -> anyhow::Result<Option<Self>> {
        let connected = match ShortPath::of(data_dir) {
            Ok(short) => UnixStream::connect(short.path()).await,
            Err(error) => Err(error),
        };
        match connected {
            Ok(stream) => Ok(Some(Self { stream: BufReader::new(stream) })),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                Ok(None)
            }
            Err(error) => {
                let path = data_dir.join(SOCKET);
                Err(error).with_context(|| {
                    format!("{} cannot be reached: run this as root or as the gateway's user", path.display())
                })
            }
        }
    }

    /// Asks one question.
    ///
    /// # Errors
    /// Why it was not done, in the gateway's words; or it went away, or did not answer in the time that such a request may take.
    pub async fn ask(self, request: &Request) -> anyhow::Result<Value> {
        self.ask_within(request, patience(request)).await
    }

    async fn ask_within(self, request: &Request, limit: Duration) -> anyhow::Result<Value> {
        tokio::time::timeout(limit, self.exchange(request)).await.unwrap_or_else(|_| {
            anyhow::bail!(
                "the gateway has not answered within {} s: it is stopped or overloaded; nothing is known of what it did",
                limit.as_secs()
            )
        })
    }

    async fn exchange(mut self, request: &Request) -> anyhow::Result<Value> {
        let mut line = zeroize::Zeroizing::new(serde_json::to_vec(request)?);
        line.push(b'\n');
        anyhow::ensure!(line.len() <= LONGEST_LINE, "that is too much for one request");
        // One that refuses says why before it has read everything.
        let asked = self.stream.get_mut().write_all(&line).await;
        let mut answer = String::new();
        let answered = self.stream.read_line(&mut answer).await;
        if answer.is_empty() {
            asked.and(answered.map(drop)).context("the gateway went away")?;
            anyhow::bail!("the gateway ended before it answered; nothing is known of what it did");
        }
        match serde_json::from_str(&answer).context("the gateway speaks another version")? {
            Answer::Done(value) => Ok(value),
            Answer::Failed(why) => anyhow::bail!(why),
        }
    }
}

/// How long an answer may take before nobody waits for it any more.
fn patience(request: &Request) -> Duration {
    let seconds = match request {
        // Modems are slow, and the gateway bounds each wait for one itself.
        Request::ModemAt { patience_seconds, .. } => patience_seconds.unwrap_or(180).saturating_add(300),
        Request::ModemCheck { .. }
        | Request::ModemSend { .. }
        | Request::Ussd { .. }
        | Request::ModemBalance { .. } => 900,
        // As long as the database is big and the disk slow.
        Request::Backup { .. } => 4 * 3600,
        _ => 120,
    };
    Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_gateway_that_is_stopped_is_not_waited_for_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        // Connections are taken by the system; nobody answers.
        let _listener = tokio::net::UnixListener::bind(dir.path().join(SOCKET)).unwrap();
        let client = Client::connect(dir.path()).await.unwrap().unwrap();
        let error = client.ask_within(&Request::Status, Duration::from_millis(1)).await.unwrap_err();
        assert!(error.to_string().contains("has not answered within"), "{error}");
        assert!(patience(&Request::Backup { path: "/nowhere".into() }) > patience(&Request::Status));
    }
}
