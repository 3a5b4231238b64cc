//! Which messages a delivery report may be about, in memory: modem and TP-MR lead to the newest few.
//!
//! A report repeats nothing of ours but an eight-bit reference, so the receiver and the message's own attempts decide;
//! this only keeps the search short. Rebuilt at open from the youngest journal rows.

use std::collections::{HashMap, VecDeque};

use domain::message::MessageId;
use sqlx::{Row, SqliteConnection};

use super::statements;
use crate::status::{Attempt, AttemptOutcome};

/// Messages remembered per modem and reference; a reference comes again after 256 parts.
const PER_REFERENCE: usize = 6;
/// Messages of unknown outcome remembered per modem.
const UNKNOWN_PER_MODEM: usize = 32;

/// Journal rows looked at when the search is rebuilt.
const REBUILT: i64 = 10_000;

/// Modem → reference (None: outcome unknown) → messages, newest first.
#[derive(Debug, Default)]
pub(super) struct ReportIndex {
    by_modem: HashMap<String, HashMap<Option<u8>, VecDeque<MessageId>>>,
}

impl ReportIndex {
    /// Notes a message's newest attempt, if a report may come for it.
    pub(super) fn note(&mut self, id: MessageId, attempts: &[Attempt]) {
        let Some(attempt) = attempts.last() else { return };
        if attempt.outcome == AttemptOutcome::Unknown {
            self.add(&attempt.modem, None, id);
        }
        for reference in attempt.parts.iter().filter_map(|part| part.message_reference) {
            self.add(&attempt.modem, Some(reference), id);
        }
    }

    fn add(&mut self, modem: &str, reference: Option<u8>, id: MessageId) {
        if !self.by_modem.contains_key(modem) {
            self.by_modem.insert(modem.to_owned(), HashMap::new());
        }
        let Some(references) = self.by_modem.get_mut(modem) else { return };
        let messages = references.entry(reference).or_default();
        if messages.contains(&id) {
            return;
        }
        messages.push_front(id);
        messages.truncate(if reference.is_some() { PER_REFERENCE } else { UNKNOWN_PER_MODEM });
    }

    /// The messages to look at, the likeliest first.
    pub(super) fn candidates(&self, modem: &str, reference: u8) -> impl Iterator<Item = MessageId> + '_ {
        let references = self.by_modem.get(modem);
        [Some(reference), None]
            .into_iter()
            .filter_map(move |key| references.and_then(|references| references.get(&key)))
            .flatten()
            .copied()
    }
}

/// Rebuilds the search for reports from the youngest journal rows.
pub(super) async fn load(connection: &mut SqliteConnection) -> Result<ReportIndex, sqlx::Error> {
    let rows = sqlx::query(statements::SELECT_AWAITING_REPORT).bind(REBUILT).fetch_all(&mut *connection).await?;
    let mut index = ReportIndex::default();
    for row in rows.iter().rev() {
        let id: &[u8] = row.try_get(0)?;
        let attempts: &str = row.try_get(1)?;
        let (Ok(id), Ok(attempts)) = (id.try_into(), serde_json::from_str::<Vec<Attempt>>(attempts)) else { continue };
        index.note(MessageId::from_bytes(id), &attempts);
    }
    Ok(index)
}
