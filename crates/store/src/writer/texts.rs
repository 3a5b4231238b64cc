//! Contents that never touch the disk (`text_at_rest = "never"`): in memory from acceptance until the message is done.
//!
//! Whatever the database does with a sealed content this does with one of its own: the writer applies to it what a group has
//! decided, after the commit and before anybody is answered. So nothing is kept of a message that was not accepted, and nothing
//! longer than the sealed content would be. A restart loses all of it. Nobody but the writer changes it; the handle reads.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::clock::WallTime;
use domain::message::MessageId;

use super::group::Effects;
use super::message::Place;
use crate::acceptance::Content;

/// One content, and until when an operator may want it again.
#[derive(Debug, Clone)]
pub(crate) struct KeptText {
    pub(crate) content: Content,
    pub(crate) deadline: WallTime,
}

#[derive(Debug)]
struct Entry {
    text: KeptText,
    /// True for a message of unknown outcome, whose row is in the journal.
    is_settled: bool,
}

/// The contents by message.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    entries: Mutex<HashMap<MessageId, Entry>>,
}

impl Texts {
    /// The content of a message that is not done.
    pub(crate) fn find(&self, id: MessageId) -> Option<Content> {
        self.lock().get(&id).map(|entry| entry.text.content.clone())
    }

    /// True when a restart would lose this message's content.
    pub(crate) fn holds(&self, id: MessageId) -> bool {
        self.lock().contains_key(&id)
    }

    /// Follows a group that is committed.
    pub(super) fn follow(&self, effects: &mut Effects) {
        let mut entries = self.lock();
        for (id, text) in effects.kept_texts.drain(..) {
            entries.insert(id, Entry { text, is_settled: false });
        }
        for message in &effects.changed {
            let Some(entry) = entries.get_mut(&message.id) else { continue };
            entry.is_settled = message.place() == Place::Journal;
            if entry.is_settled && !message.keeps_content(entry.text.deadline) {
                entries.remove(&message.id);
            }
        }
        // Only doubt is settled by a code: one that waits for another try is refused at its beginning.
        for id in &effects.verified {
            if entries.get(id).is_some_and(|entry| entry.is_settled) {
                entries.remove(id);
            }
        }
    }

    /// Forgets what was kept for an operator and is wanted no more.
    pub(super) fn wipe(&self, until: WallTime) {
        self.lock().retain(|_, entry| !entry.is_settled || entry.text.deadline > until);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<MessageId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
