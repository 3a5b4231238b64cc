//! The other end of the control socket: one question to the gateway that runs.

use std::io;
use std::path::Path;

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
    /// Why it was not done, in the gateway's words; or it went away.
    pub async fn ask(mut self, request: &Request) -> anyhow::Result<Value> {
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
