//! Which numbers get nothing, on whatever entrance.
//!
//! Kept in memory; the store loads it at start and writes changes through. An unblocked number stays listed until an
//! administrator deletes it, so the list has inactive entries. Mail addresses are never blocked.

use std::collections::BTreeMap;

use crate::clock::WallTime;
use crate::receiver::{Msisdn, Receiver};

/// One number of the list.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct BlockEntry {
    /// The number.
    pub msisdn: Msisdn,
    /// Blocked; otherwise it was unblocked and is merely listed.
    pub is_active: bool,
    /// When it was last blocked or unblocked.
    pub changed_at: WallTime,
}

/// The list of blocked and once blocked numbers.
#[derive(Clone, Default, Debug)]
pub struct Blocklist {
    entries: BTreeMap<Msisdn, BlockEntry>,
}

impl Blocklist {
    /// Takes entries, for example from the store; of two for one number the later in order wins.
    pub fn new(entries: impl IntoIterator<Item = BlockEntry>) -> Self {
        Self { entries: entries.into_iter().map(|entry| (entry.msisdn, entry)).collect() }
    }

    /// Blocks a number.
    pub fn block(&mut self, msisdn: Msisdn, now: WallTime) -> BlockEntry {
        self.set(msisdn, true, now)
    }

    /// Unblocks a number; it stays listed, also if it was not listed before.
    pub fn unblock(&mut self, msisdn: Msisdn, now: WallTime) -> BlockEntry {
        self.set(msisdn, false, now)
    }

    /// Takes a number off the list; answers whether it was there.
    pub fn delete(&mut self, msisdn: &Msisdn) -> bool {
        self.entries.remove(msisdn).is_some()
    }

    /// Tells whether nothing may be sent to the receiver.
    pub fn is_blocked(&self, receiver: &Receiver) -> bool {
        receiver.msisdn().and_then(|msisdn| self.entries.get(&msisdn)).is_some_and(|entry| entry.is_active)
    }

    /// Answers all entries, by number.
    pub fn entries(&self) -> impl Iterator<Item = &BlockEntry> {
        self.entries.values()
    }

    fn set(&mut self, msisdn: Msisdn, is_active: bool, changed_at: WallTime) -> BlockEntry {
        let entry = BlockEntry { msisdn, is_active, changed_at };
        self.entries.insert(msisdn, entry);
        entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: WallTime = WallTime::from_unix_millis(1);

    #[test]
    fn blocked_until_unblocked_and_listed_until_deleted() {
        let msisdn = Msisdn::from_canonical("628126666666").unwrap();
        let other = Receiver::from_canonical("628126666667").unwrap();
        let receiver = Receiver::Msisdn(msisdn);
        let mut list = Blocklist::default();
        assert!(!list.is_blocked(&receiver));
        list.block(msisdn, NOW);
        assert!(list.is_blocked(&receiver));
        assert!(!list.is_blocked(&other));
        list.unblock(msisdn, NOW);
        assert!(!list.is_blocked(&receiver));
        assert_eq!(list.entries().collect::<Vec<_>>(), [&BlockEntry { msisdn, is_active: false, changed_at: NOW }]);
        assert!(list.delete(&msisdn));
        assert!(!list.delete(&msisdn));
        assert_eq!(list.entries().count(), 0);
    }

    #[test]
    fn mail_addresses_are_never_blocked() {
        let list = Blocklist::new([BlockEntry {
            msisdn: Msisdn::from_canonical("628126666666").unwrap(),
            is_active: true,
            changed_at: NOW,
        }]);
        assert!(!list.is_blocked(&Receiver::from_canonical("a@example.org").unwrap()));
        assert!(list.is_blocked(&Receiver::from_canonical("628126666666").unwrap()));
    }
}
