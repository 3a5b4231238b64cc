//! From a connection to an encrypted one.
//!
//! For [`super::serve`], which bounds its time. It must never keep a client waiting that does not speak TLS.

use std::io;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::say;
use crate::http::error::Fault;
use crate::http::tls::Certificates;

/// The first byte of whatever begins with a handshake.
///
/// # Standard
/// RFC 8446 section 5.1: `ContentType` handshake.
const HANDSHAKE: u8 = 22;

/// Agrees on TLS with the client. One that speaks HTTP in clear is told so.
pub(super) async fn accept(stream: TcpStream, certificates: &Certificates) -> io::Result<TlsStream<TcpStream>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if first != [HANDSHAKE] {
        say(stream, Fault::NotEncrypted).await;
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the client does not speak TLS"));
    }
    TlsAcceptor::from(certificates.current()).accept(stream).await
}
