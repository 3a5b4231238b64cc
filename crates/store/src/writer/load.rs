//! What a group reads before it decides: every row that its changes and jobs touch, one select a table.

use std::collections::HashSet;

use domain::message::MessageId;
use domain::otp::Ticket;
use sqlx::{Row, SqliteConnection};

use super::group::{Group, ReplaySlot, TicketSlot};
use super::job::Job;
use super::reports::Tail;
use super::rows::{read_array, read_message, row_key, select};
use super::statements as sql;
use crate::change::Change;
use crate::codec::JsonRows;
use crate::error::StoreError;
use crate::replay::Remembered;
use crate::tickets::record;

impl Group<'_> {
    pub(super) async fn load_replays(
        &mut self,
        connection: &mut SqliteConnection,
        jobs: &[Job],
    ) -> Result<(), StoreError> {
        let mut keys = JsonRows::default();
        for job in jobs {
            if let Job::Accept(accept) = job
                && let Some(replay) = &accept.replay
            {
                keys.push_blob(&replay.key);
            }
        }
        for row in select(connection, sql::SELECT_REPLAYS, keys).await? {
            let slot = ReplaySlot { remembered: Remembered::decode(row.try_get(1)?)?, is_changed: false };
            self.replays.insert(read_array(&row, 0, "replay")?, slot);
        }
        Ok(())
    }

    pub(super) async fn load_tickets(
        &mut self,
        connection: &mut SqliteConnection,
        jobs: &[Job],
    ) -> Result<(), StoreError> {
        let of_jobs = jobs.iter().filter_map(|job| match job {
            Job::Accept(accept) => accept.ticket.as_ref().map(|(key, _)| *key),
            Job::Begin { begin, .. } => begin.ticket.as_ref().map(|(key, _)| *key),
            Job::Ticket { key, .. } => Some(*key),
            Job::Report { .. } | Job::Act { .. } | Job::Sim { .. } | Job::Rare { .. } => None,
        });
        let wanted = of_jobs.map(row_key).collect();
        for (key, ticket) in self.select_tickets(connection, wanted).await? {
            self.fill_ticket(key, ticket.ok_or(StoreError::Unreadable { table: "ticket" })?);
        }
        Ok(())
    }

    pub(super) async fn load_messages(
        &mut self,
        connection: &mut SqliteConnection,
        changes: &[Change],
        jobs: &[Job],
    ) -> Result<(), StoreError> {
        let mut wanted: HashSet<MessageId> = changes.iter().map(Change::message_id).collect();
        for job in jobs {
            match job {
                Job::Begin { begin, .. } => {
                    wanted.insert(begin.message_id);
                }
                Job::Act { on, .. } => {
                    wanted.insert(on.message_id);
                }
                Job::Report { report, .. } => {
                    let (reference, tail) = (report.message_reference, Tail::of(&report.receiver_tail));
                    let of_modem = |modem| self.reports.candidates(modem, reference, tail);
                    wanted.extend(self.reports.modems_of(report).flat_map(of_modem));
                }
                Job::Accept(accept) => {
                    // A repeated request is answered with the state of the first.
                    wanted.extend(accept.may_exist.then_some(accept.message_id));
                    wanted.extend(accept.replay.as_ref().and_then(|replay| {
                        let slot = self.replays.get(&replay.key)?;
                        slot.remembered.find(&replay.fingerprint, accept.now.as_unix_millis())
                    }));
                    let ticket = accept.ticket.as_ref().and_then(|(key, _)| self.tickets.get(&row_key(*key)));
                    wanted.extend(ticket.and_then(|slot| slot.ticket.as_ref()).map(|ticket| ticket.message_id));
                }
                Job::Ticket { .. } | Job::Sim { .. } | Job::Rare { .. } => {}
            }
        }
        let mut ids = JsonRows::default();
        for id in &wanted {
            ids.push_blob(id.as_bytes());
        }
        for row in select(connection, sql::SELECT_MESSAGES, ids).await? {
            let tracked = read_message(&row)?;
            self.messages.insert(tracked.id, tracked);
        }
        Ok(())
    }

    /// The tickets that changes and operators ask for, beside those of the jobs. Seldom any, so seldom a statement. One that cannot be read
    /// holds no message up: the change goes on without it.
    pub(super) async fn load_tickets_of_changes(
        &mut self,
        connection: &mut SqliteConnection,
        changes: &[Change],
        jobs: &[Job],
    ) -> Result<(), StoreError> {
        let of_operators = jobs.iter().filter_map(|job| match job {
            Job::Act { on, .. } => self.messages.get(&on.message_id)?.ticket_key,
            _ => None,
        });
        let asked = changes.iter().filter_map(|change| match change {
            Change::NotSent { remove_tag, .. } => remove_tag.map(row_key),
            Change::Unknown { attempt, .. } => self.messages.get(&attempt.message_id)?.ticket_key,
            Change::Final { message_id, .. } if change.ends_unsent() => self.messages.get(message_id)?.ticket_key,
            Change::Sent { .. } | Change::Final { .. } => None,
        });
        let wanted: HashSet<[u8; 16]> =
            asked.chain(of_operators).filter(|key| !self.tickets.contains_key(key)).collect();
        for (key, ticket) in self.select_tickets(connection, wanted).await? {
            match ticket {
                Some(ticket) => self.fill_ticket(key, ticket),
                None => tracing::error!("a stored ticket cannot be read; the change of its message goes on without it"),
            }
        }
        Ok(())
    }

    fn fill_ticket(&mut self, key: [u8; 16], ticket: Ticket) {
        self.tickets.insert(key, TicketSlot { ticket: Some(ticket), ..TicketSlot::default() });
    }

    /// Makes a slot for each key; answers what is stored, None for what cannot be read.
    async fn select_tickets(
        &mut self,
        connection: &mut SqliteConnection,
        wanted: HashSet<[u8; 16]>,
    ) -> Result<Vec<([u8; 16], Option<Ticket>)>, StoreError> {
        let mut keys = JsonRows::default();
        for key in wanted {
            self.tickets.insert(key, TicketSlot::default());
            keys.push_blob(&key);
        }
        let rows = select(connection, sql::SELECT_TICKETS, keys).await?;
        rows.iter().map(|row| Ok((read_array(row, 0, "ticket")?, record::decode(row.try_get(1)?)))).collect()
    }
}
