//! The socket of a running gateway: who may speak, one line in, one line out.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use store::{AuditEvent, AuditKind};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::peer;
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
    let connections = TaskTracker::new();
    loop {
        // Cancel-safe: both waits lose nothing when they are dropped.
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
                    refuse(&stream);
                    continue;
                };
                let (operator, stop) = (operator.clone(), stop.clone());
                drop(connections.spawn(async move {
                    if let Err(error) = converse(stream, &operator, &stop).await {
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

/// Tells one operator too many so, as far as the socket takes it at once.
fn refuse(stream: &UnixStream) {
    let answer = Answer::Failed("too many operators ask at once; try again".to_owned());
    if let Ok(line) = line_of(&answer) {
        drop(stream.try_write(&line));
    }
}

async fn converse(stream: UnixStream, operator: &Operator, stop: &CancellationToken) -> io::Result<()> {
    let credentials = stream.peer_cred()?;
    let peer = credentials.uid();
    let own = rustix::process::geteuid().as_raw();
    let mut stream = BufReader::new(stream);
    let answer = if peer == own || peer == 0 {
        // A request that has not come yet holds up no end.
        let read = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            read = timeout(LINE_TIME, read(&mut stream)) => read?,
        };
        match read {
            Ok(Some(request)) => perform(operator, request, &peer::of(peer, credentials.pid())).await,
            Ok(None) => return Ok(()),
            Err(why) => Answer::Failed(why),
        }
    } else {
        let by = peer::of(peer, credentials.pid());
        operator.store().note(AuditEvent::new(AuditKind::OperatorRefused, &by, ""));
        Answer::Failed("only the gateway's own user and root may ask".to_owned())
    };
    let say = async {
        stream.get_mut().write_all(&line_of(&answer)?).await?;
        stream.get_mut().shutdown().await
    };
    timeout(LINE_TIME, say).await??;
    // Read on until the other side closes: closing over unread bytes would take the answer away from it.
    let throw_away = async {
        let mut bytes = [0; 4096];
        while stream.read(&mut bytes).await? > 0 {}
        io::Result::Ok(())
    };
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        thrown_away = timeout(LINE_TIME, throw_away) => thrown_away?,
    }
}

fn line_of(answer: &Answer) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    Ok(line)
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
