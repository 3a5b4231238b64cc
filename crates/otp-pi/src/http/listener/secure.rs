//! From a connection to an encrypted one.
//!
//! For [`super::serve`], which bounds its time. It must never keep a client waiting that does not speak TLS.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::say;
use crate::http::error::Fault;
use crate::http::tls::HTTP2;

/// The first byte of whatever begins with a handshake.
///
/// # Standard
/// RFC 8446 section 5.1: `ContentType` handshake.
const HANDSHAKE: u8 = 22;

/// Agrees on TLS with the client. One that speaks HTTP in clear is told so.
pub(super) async fn accept(stream: TcpStream, config: Arc<ServerConfig>) -> io::Result<TlsStream<TcpStream>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if first != [HANDSHAKE] {
        say(stream, Fault::NotEncrypted).await;
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the client does not speak TLS"));
    }
    TlsAcceptor::from(config).accept(stream).await
}

/// Tells whether the client chose HTTP/2.
pub(super) fn is_http2(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(HTTP2)
}
