//! What is said in MQTT, whichever version it is said in.

use bytes::Bytes;

/// From the broker.
#[derive(Debug)]
pub(super) enum Incoming {
    /// Whether it lets us in.
    ConnAck(Welcome),
    /// A message.
    Publish(Message),
    /// An answer of ours is with the broker, or why not.
    PubAck { id: u16, refusal: Option<String> },
    /// The broker has forgotten a message of quality 2.
    PubRel { id: u16 },
    /// The quality that is granted, or why we may not subscribe.
    SubAck(Result<u8, String>),
    /// The broker ends the connection; why.
    Disconnect(String),
    /// A sign of life.
    Other,
}

/// What the broker says to a login.
#[derive(Debug)]
pub(super) struct Welcome {
    /// Why not, where it is none.
    pub(super) refusal: Option<String>,
    /// The broker still has our session.
    pub(super) has_session: bool,
    /// How many answers may wait for their PUBACK.
    pub(super) receive_maximum: u16,
    /// The highest quality that it takes.
    pub(super) highest_qos: u8,
    /// The largest packet that it takes.
    pub(super) largest: Option<u32>,
    /// After how many seconds of silence it gives us up, where it has its own mind.
    pub(super) keep_alive: Option<u16>,
    /// It has shared subscriptions, as far as it says.
    pub(super) has_shares: bool,
}

/// A message that was published.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) qos: u8,
    /// 0 with quality 0.
    pub(super) id: u16,
    /// It was sent before, the broker says.
    pub(super) is_again: bool,
    /// It lay there before we subscribed.
    pub(super) is_retained: bool,
    pub(super) payload: Bytes,
    /// MQTT 5: Response Topic.
    pub(super) back: Option<String>,
    /// MQTT 5: Correlation Data, to be repeated in the answer.
    pub(super) correlation: Option<Bytes>,
}

/// To the broker.
pub(super) enum Outgoing<'a> {
    Connect(&'a Login<'a>),
    Subscribe { id: u16, filter: &'a str, qos: u8 },
    Publish { qos: u8, id: u16, letter: &'a Letter },
    PubAck { id: u16 },
    PubRec { id: u16 },
    PubComp { id: u16 },
    PingReq,
    Disconnect,
}

/// Who we are.
pub(super) struct Login<'a> {
    pub(super) client_id: &'a str,
    pub(super) username: &'a str,
    pub(super) password: &'a str,
    /// The broker keeps what comes while we are away.
    pub(super) is_kept: bool,
    /// Seconds.
    pub(super) keep_alive: u16,
    /// MQTT 5: how many messages may come before the first is acknowledged.
    pub(super) receive_maximum: u16,
}

/// An answer.
#[derive(Clone)]
pub(super) struct Letter {
    pub(super) topic: String,
    pub(super) body: Bytes,
    pub(super) correlation: Option<Bytes>,
}
