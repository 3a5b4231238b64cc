//! Where messages lie: the slots of one memory (`SM` or `ME`).
//!
//! Called by the message commands and by arrivals.

/// State of a stored message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Unread,
    Read,
    Unsent,
    Sent,
}

impl Status {
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Unread => 0,
            Self::Read => 1,
            Self::Unsent => 2,
            Self::Sent => 3,
        }
    }

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Unread => "REC UNREAD",
            Self::Read => "REC READ",
            Self::Unsent => "STO UNSENT",
            Self::Sent => "STO SENT",
        }
    }

    pub(crate) fn from_number(number: u32) -> Option<Self> {
        [Self::Unread, Self::Read, Self::Unsent, Self::Sent]
            .into_iter()
            .find(|status| u32::from(status.number()) == number)
    }

    pub(crate) fn from_words(words: &str) -> Option<Self> {
        [Self::Unread, Self::Read, Self::Unsent, Self::Sent].into_iter().find(|status| status.words() == words)
    }
}

/// A stored message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) status: Status,
    /// SMSC address in front of the TPDU.
    pub(crate) smsc: Vec<u8>,
    pub(crate) tpdu: Vec<u8>,
    /// Sender or destination and text, for text mode.
    pub(crate) party: String,
    pub(crate) text: String,
    /// Time as text mode shows it; empty for messages to be sent.
    pub(crate) time: String,
}

/// Slots numbered from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Memory {
    slots: Vec<Option<Stored>>,
}

impl Memory {
    pub(crate) fn new(capacity: u8) -> Self {
        Self { slots: vec![None; usize::from(capacity)] }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn used(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// Stores in the first free slot and answers its number; `None` when full.
    pub(crate) fn put(&mut self, message: Stored) -> Option<usize> {
        let at = self.slots.iter().position(Option::is_none)?;
        *self.slots.get_mut(at)? = Some(message);
        Some(at + 1)
    }

    /// Whether a slot with this number exists.
    pub(crate) fn has_slot(&self, number: usize) -> bool {
        (1..=self.slots.len()).contains(&number)
    }

    pub(crate) fn get_mut(&mut self, number: usize) -> Option<&mut Stored> {
        self.slots.get_mut(number.checked_sub(1)?)?.as_mut()
    }

    pub(crate) fn remove(&mut self, number: usize) {
        if let Some(slot) = number.checked_sub(1).and_then(|at| self.slots.get_mut(at)) {
            *slot = None;
        }
    }

    /// Empties every slot whose message is to go.
    pub(crate) fn remove_where(&mut self, is_to_go: impl Fn(Status) -> bool) {
        for slot in &mut self.slots {
            if slot.as_ref().is_some_and(|message| is_to_go(message.status)) {
                *slot = None;
            }
        }
    }

    /// Messages with their numbers.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Stored)> {
        (1..).zip(&mut self.slots).filter_map(|(number, slot)| slot.as_mut().map(|message| (number, message)))
    }
}
