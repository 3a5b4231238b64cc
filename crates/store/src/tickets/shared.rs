//! Changes of messages whose tickets do not live in the writer's own database.
//!
//! Two stores, no common commit: a change is recorded whatever the ticket store answers, since a message that hangs is
//! worse than a tag that stays until it expires. Called by [`crate::Store::record`].

use domain::message::MessageState;
use sqlx::SqlitePool;

use super::TicketStore;
use crate::change::{CODE_ENTERED, Change};
use crate::error::StoreError;
use crate::outbox_read;

/// Tells the ticket store of a change; answers what is to be recorded, in this order.
pub(crate) async fn follow(tickets: &dyn TicketStore, reader: &SqlitePool, change: Change) -> (Change, Option<Change>) {
    let id = change.message_id();
    match try_follow(tickets, reader, &change).await {
        Ok(None) => (change, None),
        Ok(Some(end)) => (without_resend(change), Some(end)),
        Err(error) => {
            tracing::warn!(message.id = %id, %error, "the ticket of a message could not follow its change");
            (change, None)
        }
    }
}

async fn try_follow(
    tickets: &dyn TicketStore,
    reader: &SqlitePool,
    change: &Change,
) -> Result<Option<Change>, StoreError> {
    match change {
        Change::NotSent { attempt, remove_tag: Some(key), .. } => {
            tickets.remove_tag(*key, *attempt).await?;
        }
        Change::Unknown { attempt, at, .. } => {
            let message_id = attempt.message_id;
            if let Some(key) = outbox_read::find_ticket_key(reader, message_id).await?
                && tickets.was_entered(key, message_id).await?
            {
                let (state, reason) = (MessageState::Delivered, CODE_ENTERED.to_owned());
                return Ok(Some(Change::Final { message_id, state, reason, at: *at }));
            }
        }
        Change::Final { message_id, at, .. } if change.ends_unsent() => {
            if let Some(key) = outbox_read::find_ticket_key(reader, *message_id).await? {
                tickets.release(key, *message_id, *at).await?;
            }
        }
        Change::NotSent { remove_tag: None, .. } | Change::Sent { .. } | Change::Final { .. } => {}
    }
    Ok(None)
}

fn without_resend(change: Change) -> Change {
    match change {
        Change::Unknown { attempt, part, reason, at, .. } => {
            Change::Unknown { attempt, part, resend: false, reason, at }
        }
        other => other,
    }
}
