//! The socket of a running gateway: who may speak, one line in, one line out.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::perform::perform;
use super::protocol::{Answer, LONGEST_LINE, Request, SOCKET};
use super::short::ShortPath;
use crate::operator::Operator;

/// Operators at once.
const CONNECTIONS: usize = 16;

/// How long a request may take to come, and an answer to go.
const LINE_TIME: Duration = Duration::from_secs(10);

/// How long to wait after a failed `accept`.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Makes the socket in `data_dir`, for its owner alone. A socket that is there is left over: whoever has the store open is the only
/// gateway.
///
/// # Errors
/// The directory cannot be written.
pub fn bind(data_dir: &Path) -> anyhow::Result<UnixListener> {
    let path = data_dir.join(SOCKET);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("{} cannot be replaced", path.display()));
        }
        _ => {}
    }
    let listener = ShortPath::of(data_dir).and_then(|short| UnixListener::bind(short.path()));
    let listener = listener.with_context(|| format!("cannot listen on {}", path.display()))?;
    // The directory is closed to others as well.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
        .with_context(|| format!("{} cannot be closed to others", path.display()))?;
    Ok(listener)
}

/// Answers operators until `stop`.
///
/// # Errors
/// None today: a failed `accept` is logged and tried again.
pub async fn serve(listener: UnixListener, operator: Operator, stop: CancellationToken) -> anyhow::Result<()> {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let refused = Arc::new(Semaphore::new(CONNECTIONS));
    let connections = TaskTracker::new();
    loop {
        // Cancel-safe: both waits lose nothing when they are dropped.
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                // Those that are too many are told so, as long as they are not too many as well.
                let (permit, operator) = match Arc::clone(&room).try_acquire_owned() {
                    Ok(permit) => (permit, Some(operator.clone())),
                    Err(_) => match Arc::clone(&refused).try_acquire_owned() {
                        Ok(permit) => (permit, None),
                        Err(_) => continue,
                    },
                };
                drop(connections.spawn(async move {
                    if let Err(error) = converse(stream, operator.as_ref()).await {
                        debug!(error = %error, "an operator's connection ended early");
                    }
                    drop(permit);
                }));
            }
            Err(error) => {
                warn!(error = %error, "an operator's connection could not be accepted");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
    connections.close();
    connections.wait().await;
    Ok(())
}

/// Answers one request; without an operator it is refused.
async fn converse(stream: UnixStream, operator: Option<&Operator>) -> io::Result<()> {
    let peer = stream.peer_cred()?.uid();
    let own = rustix::process::geteuid().as_raw();
    let mut stream = BufReader::new(stream);
    let answer = if peer == own || peer == 0 {
        match timeout(LINE_TIME, read(&mut stream)).await? {
            Ok(Some(request)) => match operator {
                Some(operator) => perform(operator, request).await,
                None => Answer::Failed("too many operators at once; try again".to_owned()),
            },
            Ok(None) => return Ok(()),
            Err(why) => Answer::Failed(why),
        }
    } else {
        Answer::Failed("only the gateway's own user and root may ask".to_owned())
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    timeout(LINE_TIME, stream.get_mut().write_all(&line)).await?
}

/// Reads one request; none when the other side only wanted to know that somebody is here.
async fn read(stream: &mut BufReader<UnixStream>) -> Result<Option<Request>, String> {
    let mut line = zeroize::Zeroizing::new(Vec::new());
    let most = u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX);
    let read = stream.take(most).read_until(b'\n', &mut line).await;
    match read {
        Ok(0) => Ok(None),
        Ok(_) if line.last() != Some(&b'\n') => Err("the request is too long or was cut off".to_owned()),
        // The parser's message may show what it has read.
        Ok(_) => serde_json::from_slice(&line).map(Some).map_err(|_| "that is no request of this version".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
