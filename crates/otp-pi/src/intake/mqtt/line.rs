//! A connection that reads at its own pace, and writes what is to be written while it does something else.

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split};

use super::frame::{Frame, Frames, envelope};
use super::packet::{Incoming, Login, Outgoing, Welcome};
use super::{v4, v5};
use crate::intake::IntakeError;
use crate::intake::settings::{MqttVersion, Settings};
use crate::intake::stream::{self, Stream, within};

pub(super) struct Reader {
    half: ReadHalf<Stream>,
    frames: Frames,
    version: MqttVersion,
    /// What it means that the server closes the connection without a word.
    closed: &'static str,
}

pub(super) struct Writer {
    half: WriteHalf<Stream>,
    waiting: BytesMut,
    is_flushed: bool,
    version: MqttVersion,
    largest: Option<u32>,
}

/// Connects and logs in.
///
/// # Errors
/// Why not, after the time that the settings give for it at the latest.
pub(super) async fn open(
    settings: &Settings,
    version: MqttVersion,
    login: &Login<'_>,
) -> Result<(Reader, Writer, Welcome), IntakeError> {
    let (reader, writer) = split(stream::open(settings).await?);
    let mut reader = Reader { half: reader, frames: Frames::default(), version, closed: "the server closed it" };
    let mut writer = Writer { half: writer, waiting: BytesMut::new(), is_flushed: true, version, largest: None };
    let doing = "logging in";
    let greeting = async {
        let refused = |reason| IntakeError::Refused { doing, reason };
        writer.send(&Outgoing::Connect(login)).map_err(refused)?;
        writer.flush().await?;
        let Incoming::ConnAck(welcome) = reader.read().await? else {
            return Err(IntakeError::Lost("the server does not answer the login as MQTT does".to_owned()));
        };
        welcome.refusal.clone().map_or(Ok(welcome), |reason| Err(refused(reason)))
    };
    let welcome = within(settings.timeout, doing, greeting).await??;
    writer.largest = welcome.largest;
    // 3.1.1 has no other way to say it, and not every broker uses the one of 5.0.
    reader.closed = "the server closed it; where it does so again and again, another client has the same client_id";
    Ok((reader, writer, welcome))
}

impl Reader {
    /// The next packet. Cancel-safe: what has come is kept.
    ///
    /// # Errors
    /// The connection has ended, or something else than MQTT is spoken.
    pub(super) async fn read(&mut self) -> Result<Incoming, IntakeError> {
        loop {
            match self.frames.next().map_err(IntakeError::Lost)? {
                Some(Frame::TooLong(message)) => return Ok(Incoming::Publish(message)),
                Some(Frame::Whole(frame)) => return decode(self.version, frame).map_err(IntakeError::Lost),
                None => {}
            }
            let came = self.half.read_buf(&mut self.frames.buffer).await.map_err(lost)?;
            if came == 0 {
                return Err(IntakeError::Lost(self.closed.to_owned()));
            }
        }
    }
}

/// Reads a packet. A message that cannot be read, and would come again and again, is one without a payload.
fn decode(version: MqttVersion, frame: BytesMut) -> Result<Incoming, String> {
    let is_message = frame.first().is_some_and(|first| first >> 4 == 3);
    let aside = if is_message { envelope(&frame).ok() } else { None };
    let packet = match version {
        MqttVersion::V311 => v4::decode(frame),
        MqttVersion::V5 => v5::decode(frame),
    };
    match (packet, aside) {
        (Err(_), Some((message, _))) => Ok(Incoming::Publish(message)),
        (packet, _) => packet,
    }
}

impl Writer {
    /// Puts a packet among those that are to be written.
    ///
    /// # Errors
    /// It cannot be said in MQTT, or is larger than the broker takes.
    pub(super) fn send(&mut self, packet: &Outgoing<'_>) -> Result<(), String> {
        match self.version {
            MqttVersion::V311 => v4::encode(packet, &mut self.waiting),
            MqttVersion::V5 => v5::encode(packet, self.largest, &mut self.waiting),
        }
    }

    /// How many octets are to be written.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// True where there is something to be written.
    pub(super) fn has_work(&self) -> bool {
        !self.waiting.is_empty() || !self.is_flushed
    }

    /// Writes some of it. Cancel-safe: what was not written stays.
    ///
    /// # Errors
    /// The connection has ended.
    pub(super) async fn write_some(&mut self) -> Result<(), IntakeError> {
        if self.waiting.is_empty() {
            self.half.flush().await.map_err(lost)?;
            self.is_flushed = true;
            return Ok(());
        }
        self.is_flushed = false;
        match self.half.write_buf(&mut self.waiting).await.map_err(lost)? {
            0 => Err(IntakeError::Lost("the server takes nothing".to_owned())),
            _ => Ok(()),
        }
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// The connection has ended.
    pub(super) async fn flush(&mut self) -> Result<(), IntakeError> {
        while self.has_work() {
            self.write_some().await?;
        }
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of map_err")]
fn lost(error: std::io::Error) -> IntakeError {
    IntakeError::Lost(error.to_string())
}
