//! How much of what is too much: rates, cool-down, locks, destinations, and the guard against SMS pumping.
//!
//! Pure decisions over a [`Book`] of records; the store makes each of them one atomic step, durable soon after. Nothing here
//! knows a number: records are found under keyed hashes ([`LimitKey`]). Called by the gateway through the store's limit counters.
//!
//! All times are wall time. A clock that jumps forward forgets counts early; after one that jumps back, what was counted is as old as
//! it was when it was last changed, so nothing is held longer than its own period from then on.

mod admit;
mod book;
mod conversion;
mod country;
mod destination;
mod explain;
mod guess;
mod key;
mod rate;
mod rules;
mod windows;

pub use admit::{Admission, CodeRequest, Taken, admit_code, admit_send, give_back, give_back_send};
pub use book::{Book, Person, Record};
pub use conversion::{Alarm, Conversion, Fact, Learned, Pressed, Sample, SampleState, Totals, note};
pub use country::calling_code;
pub use destination::{Destination, Destinations};
pub use explain::{Explained, Explanation, Standing, explain, standing};
pub use guess::{Begun, Ended, GuessEnd, begin_guess, end_guess};
pub use key::{CodeKeys, LimitKey, NumberKeys, SubjectKind, client_network, masked_network};
pub use rate::{Rate, RateError};
pub use rules::{ConversionRules, LimitRefusal, Mode, Rule, Rules};
pub use windows::{Slots, Windows};

#[cfg(test)]
mod tests;
