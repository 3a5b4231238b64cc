//! Before a line is open: which one it is, and the wait for one that is not there.
//!
//! Who asks or sends meanwhile is answered at once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Actor;
use crate::locator::{Absence, Answer, Claim, Locator, Reservation, Stamp, Wish};
use crate::settings::{Driver, Settings};
use crate::status::{LineFault, Phase};
use crate::wanted::Fit;

/// Where the line is.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    /// What was there before it was opened.
    stamp: Option<Stamp>,
    /// Keeps the line for us, where it was looked for.
    claim: Option<Claim>,
}

/// Where a line was, and what was there.
pub(super) type Seen = (PathBuf, Option<Stamp>);

/// Why a pause is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    Over,
    /// Something was plugged in or out there.
    Changed,
}

impl Place {
    fn configured(path: PathBuf) -> Self {
        Self { stamp: Stamp::of(&path), path, claim: None }
    }

    fn found(claim: Claim) -> Self {
        let place = Self::configured(claim.path().to_owned());
        Self { claim: Some(claim), ..place }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the line back.
    pub(super) fn leave(self) -> Seen {
        (self.path, self.stamp)
    }
}

/// Keeps others from asking the configured line.
pub(super) fn reserve(settings: &Settings) -> Option<Reservation> {
    // What ModemManager has is no line of ours.
    let locator = settings.locator.as_ref().filter(|_| settings.driver == Driver::At)?;
    port(settings).map(|port| locator.reserve(&port))
}

/// The configured line, if there is one.
fn port(settings: &Settings) -> Option<PathBuf> {
    Some(settings.path.clone()).filter(|path| !path.as_os_str().is_empty())
}

impl Actor {
    /// Finds the line, and waits for it where somebody in particular is wanted; `None` after `stop`.
    pub(super) async fn find(&mut self, stop: &CancellationToken) -> Option<Place> {
        let settings = &self.settings;
        let Some(locator) = settings.locator.clone().filter(|_| !settings.wanted.is_anybody()) else {
            return Some(Place::configured(settings.path.clone()));
        };
        let wish = Wish { port: port(settings), wanted: settings.wanted.clone(), baud_rate: settings.baud_rate };
        let mut finding = locator.find(wish).await;
        loop {
            tokio::select! {
                () = stop.cancelled() => return None,
                answer = finding.next() => match answer {
                    Some(Answer::Found(claim)) => return Some(Place::found(claim)),
                    Some(Answer::Absent(absence)) => self.absent(absence),
                    None => return Some(Place::configured(self.settings.path.clone())),
                },
                Some(job) = self.jobs.recv() => drop(job),
                Some(_) = self.taken.recv() => {}
                () = self.events.flush() => {}
            }
        }
    }

    fn absent(&self, absence: Absence) {
        let Absence { text, is_wrong } = absence;
        tracing::warn!(modem.name = %self.settings.name, "the modem is looked for: {text}");
        self.status.send_modify(|status| {
            status.phase = if is_wrong { Phase::WrongDevice } else { Phase::Closed };
            status.line = None;
            status.line_fault = Some(LineFault::Missing);
            status.detail = Some(text);
        });
    }

    /// Tells who was on a line that was looked for, so that the next search need not ask.
    pub(super) fn tell(&self, place: &Place) {
        let Some(claim) = &place.claim else { return };
        let status = self.status.borrow();
        let is_right = self.settings.wanted.fit(&status.identity) == Fit::Right;
        if is_right || status.phase == Phase::WrongDevice {
            claim.told(Some(status.identity.clone()));
        } else if status.phase == Phase::Silent {
            claim.told(None);
        }
    }

    /// Waits before the line is opened again, at most until something was plugged in there.
    pub(super) async fn pause(&mut self, pause: Duration, seen: Seen, stop: &CancellationToken) -> Pause {
        let until = Instant::now() + pause;
        let locator = self.settings.locator.clone();
        let changed = changed(locator.as_ref(), &seen);
        tokio::pin!(changed);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Pause::Over,
                () = tokio::time::sleep_until(until) => return Pause::Over,
                () = &mut changed => return Pause::Changed,
                Some(job) = self.jobs.recv() => drop(job),
                Some(_) = self.taken.recv() => {}
                () = self.events.flush() => {}
            }
        }
    }
}

async fn changed(locator: Option<&Locator>, (path, before): &Seen) {
    match locator {
        Some(locator) if !path.as_os_str().is_empty() => locator.changed(path, *before).await,
        _ => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::Roots;

    #[test]
    fn a_modem_that_modem_manager_has_keeps_no_line_from_others() {
        let (locator, _search) = Locator::new(Roots::below(Path::new("/nonexistent")));
        let ours = Settings { locator: Some(locator), ..Settings::new("m", "/dev/ttyUSB0") };
        assert!(reserve(&ours).is_some());
        assert!(reserve(&Settings { driver: Driver::ModemManager, ..ours }).is_none());
    }
}
