//! Taking a message in: room first, then the limits, then the store, then the dispatcher. Nothing has to be undone but a count.
//!
//! A request that was accepted before is answered as it was, also when it could not be accepted now: its client has lost the answer,
//! not the message. Only such refusals cost a look into the store; whoever is accepted is recognised where he is stored.

use std::net::IpAddr;

use domain::message::{Class, MessageId, MessageState};
use domain::outcome::Outcome;
use domain::receiver::Receiver;
use store::{Acceptance, Accepted, QueueEntry, Slot};

use super::{Inner, Refusal, queue_entry};
use crate::dispatch::Place;

/// Room for one message.
pub(super) struct Room {
    place: Place,
    slot: Slot,
}

impl Inner {
    /// Reserves room for a message to that receiver, or answers why there is none.
    pub(super) fn make_room(&self, receiver: &Receiver) -> Result<Room, Refusal> {
        self.admit(receiver)?;
        let place = self.dispatcher.try_reserve().ok_or_else(Refusal::queue_full)?;
        let slot = self.store.try_reserve().ok_or_else(Refusal::queue_full)?;
        Ok(Room { place, slot })
    }

    /// Counts a request, makes it durable and hands its message to the dispatcher, if there is room; answers the message and its state, which are
    /// the first ones for a request that comes again.
    pub(super) async fn accept(
        &self,
        room: Result<Room, Refusal>,
        asked: Acceptance,
        client: Option<IpAddr>,
    ) -> Result<(MessageId, MessageState), Refusal> {
        let Room { place, slot } = match room {
            Ok(room) => room,
            Err(refusal) => return self.answered_before(&asked, refusal).await,
        };
        let counted = match self.limiter.admit(&asked.message, client).await {
            Ok(counted) => counted,
            Err(error) => return self.answered_before(&asked, Refusal::from(error)).await,
        };
        let entry = queue_entry(&asked.message);
        let accepted = self.store.accept(slot, asked).await;
        if !matches!(accepted, Ok(Accepted::New { .. })) {
            self.limiter.give_back(counted).await;
        }
        match accepted.map_err(|error| Refusal::store_failed(&error))? {
            Accepted::New { message_id } => {
                let at = entry.not_before;
                if entry.class == Class::Otp {
                    self.desk.yield_to_code();
                }
                place.submit(QueueEntry { id: message_id, ..entry });
                self.announce(message_id, MessageState::Queued, at);
                Ok((message_id, MessageState::Queued))
            }
            Accepted::Repeat { message_id, state } => {
                if state == MessageState::Queued {
                    // In case the first request was cut off between the two: the dispatcher knows it by its id.
                    place.submit(QueueEntry { id: message_id, ..entry });
                }
                Ok((message_id, state))
            }
            Accepted::Conflict => {
                Err(Refusal::new(Outcome::ReferenceInUse, "the reference is in use with other content"))
            }
            Accepted::IdInUse => Err(Refusal::field("id: it is in use with other content")),
            Accepted::NoTries => Err(Refusal::no_tries()),
        }
    }

    async fn answered_before(
        &self,
        asked: &Acceptance,
        refusal: Refusal,
    ) -> Result<(MessageId, MessageState), Refusal> {
        // What cannot be looked up is refused for the reason that there was.
        let before = self.store.find_accepted(asked).await.ok().flatten();
        before.ok_or(refusal)
    }
}
