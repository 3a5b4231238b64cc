//! The moment between two parts of a long text, at which a code may go first (ADR 23.5).
//!
//! A code lives for minutes, and a text of ten parts takes one of them; so between two parts the channel offers its modem, and the
//! dispatcher, which knows what waits, lends it to the codes that this modem may take. The turn is lent and not given back: the text
//! is the next when the codes are done, before anybody else. It must never hold the text up when no code waits, and never for long:
//! phones join the parts of a text only for so long, so at most [`MOST_CODES`] go between two of its parts, and none when its deadline
//! is near. A text goes on then at a fifth of the radio's pace at least, however many codes there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use ::modem::Turn;
use tokio::sync::{mpsc, oneshot};

/// How many codes may go between two parts of one text.
pub const MOST_CODES: u32 = 4;

/// Where the channel of one long text offers its gaps.
#[derive(Debug)]
pub struct Gaps {
    modem: Arc<str>,
    offers: mpsc::Sender<Gap>,
}

/// A modem that is lent between two parts; the text goes on when this is gone.
#[derive(Debug)]
pub struct Gap {
    /// The modem's name.
    pub modem: Arc<str>,
    /// How many codes have gone in this gap.
    pub codes: u32,
    turn: Turn,
    over: oneshot::Sender<bool>,
}

impl Gaps {
    /// Makes the place for one message.
    #[must_use]
    pub fn new(modem: Arc<str>, offers: mpsc::Sender<Gap>) -> Self {
        Self { modem, offers }
    }

    /// Offers the modem, and waits until it is the text's alone again. Answers whether more waits for this modem, if it was told.
    pub(super) async fn open(&self, turn: &Turn) -> Option<bool> {
        let (over, is_over) = oneshot::channel();
        let gap = Gap { modem: Arc::clone(&self.modem), codes: 0, turn: turn.share(), over };
        // A dispatcher that comes to its end takes no offers.
        self.offers.send(gap).await.ok()?;
        is_over.await.ok()
    }
}

impl Gap {
    /// The turn for one code.
    #[must_use]
    pub fn turn(&mut self) -> Turn {
        self.codes = self.codes.saturating_add(1);
        self.turn.share()
    }

    /// Lets the text go on, and tells whether more waits for this modem.
    pub fn close(self, more_waits: bool) {
        // Whoever waited may have gone with the dispatcher.
        self.over.send(more_waits).ok();
    }
}

/// True when a text has time for codes: what is left of it, and the codes of one gap, would be done by half of the time that is left.
pub(super) fn has_time(left: Duration, parts_left: usize, parts_sent: u32, on_air: Duration) -> bool {
    let a_part = on_air / parts_sent.max(1);
    let parts = u32::try_from(parts_left).unwrap_or(u32::MAX).saturating_add(MOST_CODES);
    a_part.saturating_mul(parts.saturating_mul(2)) <= left
}

/// The part of one message that is on air at this moment, seen by the channel and the dispatcher.
#[derive(Clone, Debug, Default)]
pub struct PartOnAir(Arc<AtomicU8>);

impl PartOnAir {
    /// Notes the part that is about to be sent, from 1.
    pub(super) fn begin(&self, part: u8) {
        self.0.store(part, Ordering::Relaxed);
    }

    /// Notes that it has come down.
    pub(super) fn end(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// The part, from 1; None between two parts.
    #[must_use]
    pub fn get(&self) -> Option<u8> {
        Some(self.0.load(Ordering::Relaxed)).filter(|part| *part > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_time_for_codes_until_its_deadline_is_near() {
        let seconds = Duration::from_secs;
        // One part took 3 s, nine are left: with four codes 39 s, and twice that to be sure.
        for (left, parts_left, sent, on_air, expected) in [
            (seconds(86_400), 9, 1, seconds(3), true),
            (seconds(78), 9, 1, seconds(3), true),
            (seconds(77), 9, 1, seconds(3), false),
            (seconds(30), 1, 9, seconds(27), true),
            (seconds(29), 1, 9, seconds(27), false),
            (Duration::ZERO, 1, 1, seconds(1), false),
        ] {
            assert_eq!(has_time(left, parts_left, sent, on_air), expected, "{left:?} for {parts_left}");
        }
    }
}
