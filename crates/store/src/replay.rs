//! What is remembered of a caller's own id: the requests that came under it, newest last.
//!
//! Clients use the current second as id, so one id may stand for several messages; a retry of any of them must find its own
//! first answer for 24 h. All of them share one row, so that an acceptance touches one random page of one index, and the id
//! alone finds the newest (status, `id_conflict = "reject"`). Each takes 40 bytes, and the row is written anew with each: ids
//! are meant to differ. Bounded all the same: of more than [`MOST`] requests in 24 h under one id the oldest are forgotten.
//! Pure; used by the writer and by the status lookup.

use domain::message::MessageId;

use crate::error::StoreError;

/// How many requests under one id are remembered.
const MOST: usize = 4096;
const UNREADABLE: StoreError = StoreError::Unreadable { table: "replay" };

/// One request: a keyed hash of its content (cut to 16 bytes), its message, when it is forgotten.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
struct Entry {
    fingerprint: [u8; 16],
    message_id: MessageId,
    expires_at: i64,
}

/// The requests under one id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Remembered {
    entries: Vec<Entry>,
}

impl Remembered {
    /// The message of the same request, if it came before.
    pub(crate) fn find(&self, fingerprint: &[u8; 32], now: i64) -> Option<MessageId> {
        let wanted = cut(fingerprint);
        self.live(now).find(|entry| entry.fingerprint == wanted).map(|entry| entry.message_id)
    }

    /// Forgets a request: it came to nothing, and is as new when it comes again.
    pub(crate) fn forget(&mut self, fingerprint: &[u8; 32]) {
        let gone = cut(fingerprint);
        self.entries.retain(|entry| entry.fingerprint != gone);
    }

    /// True when any request came under this id.
    pub(crate) fn is_in_use(&self, now: i64) -> bool {
        self.live(now).next().is_some()
    }

    /// Remembers one more request, and forgets those whose day is over.
    pub(crate) fn push(&mut self, fingerprint: &[u8; 32], message_id: MessageId, expires_at: i64, now: i64) {
        self.entries.retain(|entry| now < entry.expires_at);
        self.entries.push(Entry { fingerprint: cut(fingerprint), message_id, expires_at });
        let surplus = self.entries.len().saturating_sub(MOST);
        self.entries.drain(..surplus);
    }

    /// The newest message under this id.
    pub(crate) fn newest(&self) -> Option<MessageId> {
        self.entries.last().map(|entry| entry.message_id)
    }

    /// When the last of them is forgotten.
    pub(crate) fn expires_at(&self) -> i64 {
        self.entries.iter().map(|entry| entry.expires_at).max().unwrap_or(0)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.entries.len() * 40);
        for entry in &self.entries {
            bytes.extend_from_slice(&entry.fingerprint);
            bytes.extend_from_slice(entry.message_id.as_bytes());
            bytes.extend_from_slice(&entry.expires_at.to_be_bytes());
        }
        bytes
    }

    pub(crate) fn decode(mut bytes: &[u8]) -> Result<Self, StoreError> {
        let mut entries = Vec::new();
        while !bytes.is_empty() {
            let (fingerprint, rest) = bytes.split_first_chunk::<16>().ok_or(UNREADABLE)?;
            let (id, rest) = rest.split_first_chunk::<16>().ok_or(UNREADABLE)?;
            let (expires_at, rest) = rest.split_first_chunk::<8>().ok_or(UNREADABLE)?;
            entries.push(Entry {
                fingerprint: *fingerprint,
                message_id: MessageId::from_bytes(*id),
                expires_at: i64::from_be_bytes(*expires_at),
            });
            bytes = rest;
        }
        Ok(Self { entries })
    }

    fn live(&self, now: i64) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| now < entry.expires_at)
    }
}

fn cut(fingerprint: &[u8; 32]) -> [u8; 16] {
    fingerprint.first_chunk::<16>().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> MessageId {
        MessageId::from_bytes([number; 16])
    }

    #[test]
    fn every_request_under_an_id_is_found_until_it_expires() {
        let mut remembered = Remembered::default();
        remembered.push(&[1; 32], id(1), 10, 0);
        remembered.push(&[2; 32], id(2), 20, 0);
        let read = Remembered::decode(&remembered.encode()).unwrap();
        assert_eq!(read, remembered);
        assert_eq!(
            (read.find(&[1; 32], 9), read.find(&[2; 32], 9), read.find(&[3; 32], 9)),
            (Some(id(1)), Some(id(2)), None)
        );
        assert_eq!((read.find(&[1; 32], 10), read.is_in_use(19), read.is_in_use(20)), (None, true, false));
        assert_eq!((read.newest(), read.expires_at()), (Some(id(2)), 20));
    }

    #[test]
    fn nothing_is_forgotten_before_its_time() {
        let mut remembered = Remembered::default();
        for number in 0..=255 {
            remembered.push(&[number; 32], id(number), 10, 0);
        }
        assert!((0..=255).all(|number| remembered.find(&[number; 32], 9) == Some(id(number))));
        remembered.push(&[1; 32], id(1), 30, 10);
        assert_eq!(remembered.entries.len(), 1, "what expired makes room");
    }

    #[test]
    fn a_row_has_an_end() {
        let mut remembered = Remembered::default();
        for number in 0..5_000_u16 {
            let mut fingerprint = [0; 32];
            fingerprint[..2].copy_from_slice(&number.to_be_bytes());
            remembered.push(&fingerprint, id(7), 10, 0);
        }
        assert_eq!(remembered.entries.len(), MOST);
    }

    #[test]
    fn half_an_entry_is_unreadable() {
        assert!(Remembered::decode(&[0; 39]).is_err());
        assert_eq!(Remembered::decode(&[]).unwrap(), Remembered::default());
    }
}
