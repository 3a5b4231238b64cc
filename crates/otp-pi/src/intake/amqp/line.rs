//! A connection to RabbitMQ over a socket of our own, and what is declared there.
//!
//! The library reads and writes in a thread of its own, which would wait for a silent server for ever: dropping the line cuts the socket
//! under it, so that no thread outlives its life.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use lapin::options::{ConfirmSelectOptions, QueueDeclareOptions};
use lapin::protocol::constants::REPLY_SUCCESS;
use lapin::runtime::default_runtime;
use lapin::tcp::RustlsConnector;
use lapin::types::{FieldTable, ShortString};
use lapin::uri::{AMQPQueryString, AMQPUri};
use lapin::{AsyncTcpStream, Channel, Connection, ConnectionProperties, ErrorKind, Event};
use rustix::net::{Shutdown, shutdown};
use tokio::net::lookup_host;

use crate::intake::IntakeError;
use crate::intake::settings::{RabbitMq, Settings};
use crate::intake::stream::within;

/// After twice this time without a word the other side is given up.
const HEARTBEAT: u16 = 15;

/// The library keeps 64 buffers of this size; RabbitMQ takes nothing smaller than 8 KiB.
const FRAME: u32 = 16 * 1024;

/// How long a server may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// The queue is there, and made otherwise.
const PRECONDITION_FAILED: u16 = 406;

/// We may not make queues.
const ACCESS_REFUSED: u16 = 403;

/// There is no such queue.
const NOT_FOUND: u16 = 404;

/// A connection that we are logged in on.
pub(super) struct Line {
    connection: Connection,
    limit: Duration,
    _cut: Cut,
}

/// Cuts a connection when it is let go of.
struct Cut(OwnedFd);

impl Drop for Cut {
    fn drop(&mut self) {
        // It fails where the other side has cut it already.
        let _cut = shutdown(&self.0, Shutdown::Both);
    }
}

impl Line {
    /// Connects and logs in. The broker lists the connection under `purpose`.
    pub(super) async fn open(settings: &Settings, broker: &RabbitMq, purpose: &str) -> Result<Self, IntakeError> {
        let server = &settings.server;
        let address = server.address();
        let unreachable = |source| IntakeError::Unreachable { address: address.clone(), source };
        let broken = |source| IntakeError::Tls { address: address.clone(), source };
        let runtime = default_runtime().map_err(refused("connecting"))?;
        // Like `stream::open`, for the kind of stream that the library takes.
        let connecting = async {
            let addresses = lookup_host((server.host.as_str(), server.port)).await.map_err(unreachable)?;
            let addresses: Vec<SocketAddr> = addresses.collect();
            let stream = AsyncTcpStream::connect(&runtime, addresses).await.map_err(unreachable)?;
            let AsyncTcpStream::Plain(plain) = &stream else {
                return Err(unreachable(io::ErrorKind::Unsupported.into()));
            };
            plain.get_ref().set_nodelay(true).map_err(unreachable)?;
            let cut = Cut(plain.get_ref().as_fd().try_clone_to_owned().map_err(unreachable)?);
            let Some(tls) = &server.tls else { return Ok((stream, cut)) };
            let config = tls.config().map_err(|error| broken(io::Error::other(error)))?;
            let stream = stream.into_rustls(&RustlsConnector::from(config), &server.host).await.map_err(broken)?;
            Ok((stream, cut))
        };
        let (stream, cut) = within(settings.timeout, "connecting", connecting).await??;
        // Asked for once: a second connection is our supervision's business.
        let stream = Mutex::new(Some(stream));
        let connect = async move |_, _| {
            let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
            stream.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted).into())
        };
        let properties = ConnectionProperties::default()
            .with_connection_name(format!("otp-pi {}: {purpose}", settings.name).into())
            .with_client_property(short("product")?, "otp-pi".into());
        let made = Connection::connector(uri(settings, broker)?, runtime, connect, properties);
        let connection = within(settings.timeout, "logging in", made).await?.map_err(refused("logging in"))?;
        Ok(Self { connection, limit: settings.timeout, _cut: cut })
    }

    /// Asks, and waits as long as an answer may take.
    pub(super) async fn ask<T>(
        &self,
        doing: &'static str,
        question: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, IntakeError> {
        within(self.limit, doing, question).await?.map_err(refused(doing))
    }

    pub(super) async fn channel(&self) -> Result<Channel, IntakeError> {
        self.ask("opening a channel", self.connection.create_channel()).await
    }

    /// A channel on which the broker says of each message that it has it.
    pub(super) async fn confirming_channel(&self) -> Result<Channel, IntakeError> {
        let channel = self.channel().await?;
        let confirm = channel.confirm_select(ConfirmSelectOptions::default());
        self.ask("asking for confirmations", confirm).await?;
        Ok(channel)
    }

    /// Makes a queue if it is not there; one that is there and made otherwise is taken as it is. Answers the channel that did it.
    pub(super) async fn declare(
        &self,
        queue: &str,
        is_durable: bool,
        arguments: FieldTable,
    ) -> Result<Channel, IntakeError> {
        let doing = "declaring the queue";
        let channel = self.channel().await?;
        let options = QueueDeclareOptions { durable: is_durable, ..QueueDeclareOptions::default() };
        let declared = within(self.limit, doing, channel.queue_declare(short(queue)?, options, arguments)).await?;
        match declared {
            Ok(_) => Ok(channel),
            Err(error) if matches!(code(&error), Some(PRECONDITION_FAILED | ACCESS_REFUSED)) => {
                // The broker has closed the channel with its refusal.
                let channel = self.channel().await?;
                self.ask(doing, channel.queue_declare(short(queue)?, passive(), FieldTable::default())).await?;
                Ok(channel)
            }
            Err(error) => Err(refused(doing)(error)),
        }
    }

    /// Looks whether a queue is there, or could be.
    pub(super) async fn look_for(&self, queue: &str) -> Result<(), IntakeError> {
        let doing = "looking for the queue";
        let channel = self.channel().await?;
        let look = channel.queue_declare(short(queue)?, passive(), FieldTable::default());
        match within(self.limit, doing, look).await? {
            Err(error) if code(&error) != Some(NOT_FOUND) => Err(refused(doing)(error)),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// What goes wrong on the connection or on one of its channels.
    pub(super) fn troubles(&self) -> impl Stream<Item = lapin::Error> + Send + Unpin + 'static {
        let error = |event| async move {
            match event {
                Event::Error(error) => Some(error),
                _ => None,
            }
        };
        Box::pin(self.connection.events_listener().filter_map(error))
    }

    /// Says goodbye, and cuts the connection.
    pub(super) async fn close(self) {
        let goodbye = async { self.connection.close(REPLY_SUCCESS, short("OK")?).await.map_err(refused("closing")) };
        // A server that is gone needs none.
        drop(within(GOODBYE, "closing", goodbye).await);
    }
}

fn uri(settings: &Settings, broker: &RabbitMq) -> Result<AMQPUri, IntakeError> {
    // The library takes it for a short string.
    short(&broker.vhost)?;
    let mut uri = AMQPUri { vhost: broker.vhost.clone(), ..AMQPUri::default() };
    uri.authority.host.clone_from(&settings.server.host);
    uri.authority.port = settings.server.port;
    if !settings.server.username.is_empty() {
        uri.authority.userinfo.username.clone_from(&settings.server.username);
        settings.server.password.expose().clone_into(&mut uri.authority.userinfo.password);
    }
    uri.query = AMQPQueryString { heartbeat: Some(HEARTBEAT), frame_max: Some(FRAME), ..AMQPQueryString::default() };
    Ok(uri)
}

const fn passive() -> QueueDeclareOptions {
    QueueDeclareOptions { passive: true, durable: false, exclusive: false, auto_delete: false, nowait: false }
}

/// AMQP 0-9-1 section 4.2.5.3: names have at most 255 octets.
pub(super) fn short(text: &str) -> Result<ShortString, IntakeError> {
    ShortString::try_new(text.to_owned())
        .map_err(|error| IntakeError::Refused { doing: "using a name", reason: error.to_string() })
}

/// The broker's number for what it refused.
fn code(error: &lapin::Error) -> Option<u16> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => Some(error.get_id()),
        _ => None,
    }
}

/// What the library says went wrong; never with octets that were read.
pub(super) fn refused(doing: &'static str) -> impl Fn(lapin::Error) -> IntakeError {
    move |error| match error.kind() {
        ErrorKind::ProtocolError(error) => {
            IntakeError::Refused { doing, reason: error.get_message().as_str().to_owned() }
        }
        ErrorKind::ParsingError(_) | ErrorKind::SerialisationError(_) => {
            IntakeError::Lost(format!("{doing}: the server speaks no AMQP 0-9-1"))
        }
        _ => IntakeError::Lost(format!("{doing}: {error}")),
    }
}
