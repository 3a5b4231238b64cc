//! One-time passwords: the code, its keyed tag, and the ticket that counts attempts.
//!
//! A code exists in clear only between [`Code::mint`] and the channel's write; what is kept is a [`Tag`] under a pepper
//! that lives outside the database. The store asks [`Ticket`] for every decision and never decides itself.

mod code;
mod tag;
mod ticket;

pub use code::{Code, CodeLength, CodeLengthError};
pub use tag::{Binding, Fingerprint, Guess, KeyId, Pepper, PepperRing, Tag, TicketKey};
pub use ticket::{Again, AttemptId, CodePolicy, Reservation, ReserveOutcome, TagEntry, Ticket, TicketState, Verdict};
