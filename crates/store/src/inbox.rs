//! SMS that came in, as the store keeps them: the PDU sealed, what it must be found by hashed.
//!
//! Never knows what a PDU says: whoever hands it over has read sender and parts, and whoever gets it back reads the rest. So
//! what cannot be read is kept as well, and a better reader reads what came before it.

use domain::clock::WallTime;
use domain::inbox::InboxPart;
use domain::message::MessageId;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::codec::Codec;
use crate::error::StoreError;
use crate::seal::{Column, SealKey};

/// What a sealed part is bound to, beside its key and its fingerprint.
pub(crate) const INBOUND: Column = Column { table: "inbox", name: "content", first_label: "inbox.content" };

pub(crate) const UNREADABLE: StoreError = StoreError::Unreadable { table: "inbox" };

/// One SMS that came in: a message, or a part of one.
pub struct NewInbound {
    /// The name of its message, if it does not belong to one that is here.
    pub message_id: MessageId,
    /// The modem that got it.
    pub modem: String,
    /// The ICCID of its SIM, or what stands for it.
    pub card: String,
    /// The sender in canonical form; empty where it cannot be read.
    pub sender: String,
    /// The PDU as the modem gave it, service centre address included.
    pub pdu: Zeroizing<Vec<u8>>,
    /// Octets of the TPDU, which ends the PDU: what is in front of it says nothing about the message.
    pub tpdu_length: usize,
    /// Which part of which text it is; None for a text of its own.
    pub concatenation: Option<InboundConcatenation>,
    /// When the service centre took it, where it says so.
    pub sent_at: Option<WallTime>,
    /// When it came.
    pub received_at: WallTime,
}

/// Which part of which text (3GPP TS 23.040 §9.2.3.24.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboundConcatenation {
    /// Reference of 8 or of 16 bits: they are not the same.
    pub reference: (u8, u16),
    /// How many parts there are.
    pub total: u8,
    /// Which of them, from 1.
    pub number: u8,
}

impl std::fmt::Debug for NewInbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewInbound").field("modem", &self.modem).finish_non_exhaustive()
    }
}

/// What became of a part that was to be kept. Durable when it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is new, and belongs to this message.
    New(MessageId),
    /// It is here already, or was here and was deleted.
    Known,
}

/// One message that came in.
#[derive(Debug, Clone)]
pub struct InboxRecord {
    /// Its name.
    pub message_id: MessageId,
    /// The modem that got it.
    pub modem: String,
    /// How many parts it has.
    pub total: u8,
    /// Every part was read.
    pub is_read: bool,
    /// The parts that came, in their order.
    pub parts: Vec<InboxPartRecord>,
}

/// One part of it.
#[derive(Clone)]
pub struct InboxPartRecord {
    /// Its number and times.
    pub part: InboxPart,
    /// The ICCID of its SIM, or what stood for it.
    pub card: String,
    /// The PDU as the modem gave it; None when the row cannot be opened.
    pub pdu: Option<Zeroizing<Vec<u8>>>,
}

impl std::fmt::Debug for InboxPartRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InboxPartRecord").field("part", &self.part).finish_non_exhaustive()
    }
}

/// Which messages are listed.
#[derive(Debug, Clone, Default)]
pub struct InboxFilter {
    /// Only those that this modem got.
    pub modem: Option<String>,
    /// Only those of this sender, in canonical form.
    pub sender: Option<String>,
    /// Only those of which a part was not read yet.
    pub is_unread: bool,
    /// Only those that came before this one: the `next` of the page before.
    pub before: Option<MessageId>,
    /// How many at most, 1 to 500.
    pub limit: usize,
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct InboxPage {
    /// The messages, the newest first.
    pub messages: Vec<InboxRecord>,
    /// Where the next page begins; None after the last.
    pub next: Option<MessageId>,
}

/// A part as the writer puts it.
#[derive(Debug)]
pub(crate) struct InboundRow {
    pub(crate) fingerprint: [u8; 16],
    pub(crate) message_id: MessageId,
    pub(crate) modem: String,
    pub(crate) sender_key: [u8; 16],
    /// None for a text of its own.
    pub(crate) join_key: Option<[u8; 16]>,
    pub(crate) total: u8,
    pub(crate) part: InboxPart,
    pub(crate) content: Vec<u8>,
}

/// SIM and PDU (in hexadecimal), sealed together.
#[derive(Serialize)]
struct ContentOut<'a> {
    c: &'a str,
    p: &'a str,
}

#[derive(Deserialize)]
struct ContentIn<'a> {
    c: String,
    p: &'a str,
}

impl Codec {
    /// The keyed hash under which a sender is found.
    pub(crate) fn sender_key(&self, sender: &str) -> [u8; 16] {
        self.lookup().hash(&[b"sender-v1", sender.as_bytes()])
    }

    /// The row of a part, sealed.
    pub(crate) fn inbound_row(&self, seal: &SealKey, new: NewInbound) -> Result<InboundRow, StoreError> {
        let NewInbound { message_id, modem, card, sender, pdu, tpdu_length, concatenation, sent_at, received_at } = new;
        let tpdu = pdu.get(pdu.len().saturating_sub(tpdu_length)..).unwrap_or_default();
        let fingerprint = self.lookup().hash(&[b"inbox-v1", card.as_bytes(), tpdu]);
        let join_key = concatenation.map(|InboundConcatenation { reference: (bits, value), total, .. }| {
            let [high, low] = value.to_be_bytes();
            self.lookup().hash(&[b"join-v1", card.as_bytes(), sender.as_bytes(), &[bits, high, low, total]])
        });
        let hex = Zeroizing::new(hex(&pdu));
        // One generous buffer: growing would leave copies of the text behind.
        let mut clear = Zeroizing::new(Vec::with_capacity(1024));
        serde_json::to_writer(&mut *clear, &ContentOut { c: &card, p: &hex }).map_err(|_| UNREADABLE)?;
        let content = seal.seal(INBOUND, &fingerprint, &clear).map_err(|_| StoreError::Randomness)?;
        Ok(InboundRow {
            fingerprint,
            message_id,
            modem,
            sender_key: self.sender_key(&sender),
            join_key,
            total: concatenation.map_or(1, |of| of.total),
            part: InboxPart { number: concatenation.map_or(1, |of| of.number), sent_at, received_at },
            content,
        })
    }

    /// Opens SIM and PDU of a part.
    pub(crate) fn open_inbound(
        &self,
        fingerprint: &[u8],
        sealed: &[u8],
    ) -> Result<(String, Zeroizing<Vec<u8>>), StoreError> {
        let clear = self.keys.seal().open(INBOUND, fingerprint, sealed).map_err(|_| UNREADABLE)?;
        let ContentIn { c, p } = serde_json::from_slice(&clear).map_err(|_| UNREADABLE)?;
        Ok((c, unhex(p).ok_or(UNREADABLE)?))
    }
}

fn hex(octets: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let mut text = String::with_capacity(octets.len().saturating_mul(2));
    let nibbles = octets.iter().flat_map(|octet| [octet >> 4, octet & 15]);
    text.extend(nibbles.filter_map(|nibble| DIGITS.get(usize::from(nibble))));
    text
}

fn unhex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len() / 2));
    for pair in text.as_bytes().chunks(2) {
        let digit = |at: usize| pair.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        octets.push(u8::try_from(digit(0)? * 16 + digit(1)?).ok()?);
    }
    Some(octets)
}
