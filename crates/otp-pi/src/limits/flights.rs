//! Codes that are on their way, and under what it is counted whether they are entered.
//!
//! In memory alone and bounded: of a code that a restart or the bound makes forgotten, only its being sent is not noticed.

use std::collections::{HashMap, VecDeque};

use domain::limits::LimitKey;
use domain::message::MessageId;

/// Codes on their way at once.
const MOST: usize = 16_384;

/// One code on its way.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    /// Under what it is judged.
    pub(super) judged: Vec<LimitKey>,
    /// Its message, shortened.
    pub(super) message: u32,
    /// It was noted that it was sent.
    pub(super) is_sent: bool,
}

/// All codes on their way.
#[derive(Debug, Default)]
pub(super) struct Flights {
    by_id: HashMap<MessageId, Flight>,
    order: VecDeque<MessageId>,
}

impl Flights {
    pub(super) fn add(&mut self, id: MessageId, flight: Flight) {
        while self.order.len() >= MOST {
            if let Some(oldest) = self.order.pop_front() {
                self.by_id.remove(&oldest);
            }
        }
        self.order.push_back(id);
        self.by_id.insert(id, flight);
    }

    pub(super) fn find(&self, id: MessageId) -> Option<&Flight> {
        self.by_id.get(&id)
    }

    /// Notes that it was sent; answers whether that is news.
    pub(super) fn sent(&mut self, id: MessageId) -> bool {
        self.by_id.get_mut(&id).is_some_and(|flight| !std::mem::replace(&mut flight.is_sent, true))
    }

    pub(super) fn remove(&mut self, id: MessageId) {
        self.by_id.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_over_the_bound() {
        let mut flights = Flights::default();
        let id = |number: usize| {
            let mut bytes = [0; 16];
            bytes[8..].copy_from_slice(&number.to_be_bytes());
            MessageId::from_bytes(bytes)
        };
        for number in 0..MOST + 10 {
            flights.add(id(number), Flight { judged: Vec::new(), message: 0, is_sent: false });
        }
        assert!(flights.find(id(9)).is_none());
        assert!(flights.find(id(10)).is_some());
        assert_eq!(flights.by_id.len(), MOST);
        assert!(flights.sent(id(10)));
        assert!(!flights.sent(id(10)), "it was noted");
        assert!(!flights.sent(id(9)));
    }
}
