//! A connection to a broker: TCP, and TLS over it where it is asked for.

use std::io;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::IntakeError;
use super::settings::{Server, Settings};

/// What the brokers' protocols are spoken over.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection, encrypted or not.
pub(super) type Stream = Box<dyn Duplex>;

/// Connects.
///
/// # Errors
/// [`IntakeError`], in at most `settings.timeout`.
pub(super) async fn open(settings: &Settings) -> Result<Stream, IntakeError> {
    within(settings.timeout, "connecting", connect(&settings.server)).await?
}

async fn connect(server: &Server) -> Result<Stream, IntakeError> {
    let address = server.address();
    let unreachable = |source| IntakeError::Unreachable { address: address.clone(), source };
    let socket = TcpStream::connect((server.host.as_str(), server.port)).await.map_err(unreachable)?;
    socket.set_nodelay(true).map_err(unreachable)?;
    let Some(tls) = &server.tls else { return Ok(Box::new(socket)) };
    let broken = |source| IntakeError::Tls { address: address.clone(), source };
    let config = tls.config().map_err(|error| broken(io::Error::other(error)))?;
    let name = ServerName::try_from(server.host.clone()).map_err(|error| broken(io::Error::other(error)))?;
    Ok(Box::new(TlsConnector::from(config).connect(name, socket).await.map_err(broken)?))
}

/// Waits for an answer, and no longer than it may take.
///
/// # Errors
/// [`IntakeError::TimedOut`].
pub(super) async fn within<T>(
    limit: Duration,
    doing: &'static str,
    work: impl Future<Output = T>,
) -> Result<T, IntakeError> {
    tokio::time::timeout(limit, work).await.map_err(|_| IntakeError::TimedOut { doing, after: limit })
}
