//! The ladder: what is tried next with a modem that does not do its work, and how often each step was taken.
//!
//! For: ESC and AT (by `session`), reopening the line, `AT+CFUN=1,1`, USB power, an alarm; then all of it again with growing
//! pauses, so that a modem that nobody mends is not worn out. One ladder outlives every session and line of its modem.
//! Never: I/O, or a clock of its own. Called by the actor, which takes the steps.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::profile::{GENERIC, Profile};
use crate::settings::{Settings, Timeouts};
use crate::status::Phase;

/// How often the line of a silent modem is opened again before more is done.
const REOPENINGS: u32 = 2;

/// One step, from the mildest to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HealStep {
    /// ESC, silence, CR: out of a prompt, whatever was half said.
    Escape,
    /// `ATQ0V1E0` and a question whose answer cannot be mistaken.
    Attention,
    /// The line is closed and opened again.
    Reopen,
    /// The modem is told to restart.
    Reset,
    /// Its USB power is cut and given back.
    PowerCycle,
    /// A person is told; all of it begins again after a pause.
    Alarm,
}

impl HealStep {
    /// Returns the word for programs and people: it does not change.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Escape => "escape",
            Self::Attention => "attention",
            Self::Reopen => "reopen",
            Self::Reset => "reset",
            Self::PowerCycle => "power-cycle",
            Self::Alarm => "alarm",
        }
    }
}

/// How often each step was taken since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HealCounts {
    /// ESC, to get back in step.
    pub escapes: u64,
    /// `ATQ0V1E0`, to get back in step.
    pub attentions: u64,
    /// Lines closed and opened again because the modem did not answer.
    pub reopenings: u64,
    /// Restarts.
    pub resets: u64,
    /// USB power cut and given back.
    pub power_cycles: u64,
    /// Alarms.
    pub alarms: u64,
}

impl HealCounts {
    /// Returns each step's word with its count, the mildest first.
    #[must_use]
    pub fn all(&self) -> [(HealStep, u64); 6] {
        // Taken apart, so that a new count cannot be forgotten here.
        let Self { escapes, attentions, reopenings, resets, power_cycles, alarms } = *self;
        [
            (HealStep::Escape, escapes),
            (HealStep::Attention, attentions),
            (HealStep::Reopen, reopenings),
            (HealStep::Reset, resets),
            (HealStep::PowerCycle, power_cycles),
            (HealStep::Alarm, alarms),
        ]
    }

    /// Adds what a session counted.
    #[must_use]
    pub(crate) fn plus(mut self, other: Self) -> Self {
        self.escapes += other.escapes;
        self.attentions += other.attentions;
        self.reopenings += other.reopenings;
        self.resets += other.resets;
        self.power_cycles += other.power_cycles;
        self.alarms += other.alarms;
        self
    }
}

/// What is wrong with a modem whose line is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// It does not answer, or not in a way that is understood.
    Silent,
    /// It answers, and has had no network or no SIM for a long time.
    Offline,
    /// It answers, and has refused every message for a long time.
    Refusing,
}

impl Trouble {
    /// Says it in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Silent => "it does not answer",
            Self::Offline => "it has no network or no SIM",
            Self::Refusing => "it refuses every message",
        }
    }
}

/// News about a modem's health, for whoever watches over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealNews {
    /// This step was taken; only those from [`HealStep::Reset`] on are told.
    Step(HealStep, Trouble),
    /// It does its work again.
    Well,
}

/// Why a modem's power could not be cut and given back.
#[derive(Debug, thiserror::Error)]
#[error("the usb power cannot be switched: {0}")]
pub struct PowerError(pub String);

/// What a switch does, until it has done it.
type Switching = Pin<Box<dyn Future<Output = Result<(), PowerError>> + Send>>;

/// Cuts one modem's USB power and gives it back. Cheap to clone.
#[derive(Clone)]
pub struct PowerSwitch(Arc<dyn Fn() -> Switching + Send + Sync>);

impl PowerSwitch {
    /// Takes the function that cuts the power of this modem's socket, waits a moment and gives it back.
    pub fn new(cycle: impl Fn() -> Switching + Send + Sync + 'static) -> Self {
        Self(Arc::new(cycle))
    }

    /// Cuts the power and gives it back.
    pub(crate) async fn cycle(&self) -> Result<(), PowerError> {
        (self.0)().await
    }
}

impl fmt::Debug for PowerSwitch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PowerSwitch")
    }
}

/// Returns the command that restarts a modem of this profile after so many resets: each of its ways in turn.
pub(crate) fn reset_command(profile: &str, resets: u64) -> &'static str {
    let ways = Profile::find(profile).unwrap_or(&GENERIC).reset;
    let turn = usize::try_from(resets).unwrap_or(0) % ways.len().max(1);
    ways.get(turn).copied().unwrap_or("AT+CFUN=1,1")
}

/// Where one modem is on the ladder.
#[derive(Debug)]
pub(crate) struct Ladder {
    timeouts: Timeouts,
    heals: bool,
    has_power: bool,
    counts: HealCounts,
    /// The trouble that is being treated, and the step that was taken last; `None` at the bottom.
    treated: Option<(Trouble, HealStep)>,
    /// Reopenings since the bottom.
    reopenings: u32,
    /// Alarms since the bottom.
    alarms: u32,
    /// No step above reopening is taken before.
    rest_until: Option<Instant>,
    well_since: Option<Instant>,
    /// Whether a step was told and that it is well was not, since.
    is_told: bool,
}

impl Ladder {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            timeouts: settings.timeouts,
            heals: settings.heals,
            has_power: settings.power.is_some(),
            counts: HealCounts::default(),
            treated: None,
            reopenings: 0,
            alarms: 0,
            rest_until: None,
            well_since: None,
            is_told: false,
        }
    }

    /// Returns how often each step was taken.
    pub(crate) fn counts(&self) -> HealCounts {
        self.counts
    }

    /// Adds what a session that ended has counted.
    pub(crate) fn add(&mut self, counts: HealCounts) {
        self.counts = self.counts.plus(counts);
    }

    /// Returns the step that was taken last, while the modem is not well.
    pub(crate) fn step(&self) -> Option<HealStep> {
        self.treated.filter(|_| self.well_since.is_none()).map(|(_, step)| step)
    }

    /// Answers whether a step would do something about a modem that answers.
    pub(crate) fn may_climb(&self, now: Instant) -> bool {
        self.heals && self.rest_until.is_none_or(|until| until <= now)
    }

    /// Takes the next step for a modem that has this trouble.
    pub(crate) fn climb(&mut self, trouble: Trouble, now: Instant) -> HealStep {
        if self.well_since.take().is_some_and(|since| since + self.timeouts.well <= now) {
            (self.treated, self.reopenings, self.alarms, self.rest_until) = (None, 0, 0, None);
        }
        let step = self.next(trouble, now);
        self.treated = Some((trouble, step));
        match step {
            HealStep::Escape => self.counts.escapes += 1,
            HealStep::Attention => self.counts.attentions += 1,
            HealStep::Reopen => {
                self.reopenings = self.reopenings.saturating_add(1);
                self.counts.reopenings += 1;
            }
            HealStep::Reset => self.counts.resets += 1,
            HealStep::PowerCycle => self.counts.power_cycles += 1,
            HealStep::Alarm => {
                self.counts.alarms += 1;
                self.rest_until = Some(now + self.rest());
                self.alarms = self.alarms.saturating_add(1);
            }
        }
        self.is_told |= step >= HealStep::Reset;
        step
    }

    fn next(&self, trouble: Trouble, now: Instant) -> HealStep {
        let is_silent = trouble == Trouble::Silent;
        if is_silent && (self.reopenings < REOPENINGS || !self.may_climb(now)) {
            // It may have been put right, or plugged in again, meanwhile: that is found out all the same.
            return HealStep::Reopen;
        }
        // Reopenings while it rests are no steps of the climb.
        match self.treated.map(|(_, step)| step) {
            Some(HealStep::Reset) if self.has_power => HealStep::PowerCycle,
            Some(HealStep::Reset | HealStep::PowerCycle) => HealStep::Alarm,
            _ => HealStep::Reset,
        }
    }

    /// The rest after an alarm: doubled each time, up to the longest.
    fn rest(&self) -> Duration {
        let doubled = 1_u32.checked_shl(self.alarms).unwrap_or(u32::MAX);
        self.timeouts.heal_first.saturating_mul(doubled).min(self.timeouts.heal_longest)
    }

    /// Takes note of a phase; answers whether it is news that the modem is well.
    pub(crate) fn noted(&mut self, phase: Phase, now: Instant) -> bool {
        let answers = !matches!(phase, Phase::Closed | Phase::Starting | Phase::Recovering | Phase::Silent);
        let is_well = match self.treated {
            Some((Trouble::Silent, _)) => answers,
            Some((Trouble::Offline, _)) => phase == Phase::Ready,
            Some((Trouble::Refusing, _)) | None => false,
        };
        is_well && self.is_well(now)
    }

    /// Takes note that a message was sent; answers whether it is news that the modem is well.
    pub(crate) fn sent(&mut self, now: Instant) -> bool {
        self.treated.is_some() && self.is_well(now)
    }

    fn is_well(&mut self, now: Instant) -> bool {
        self.well_since.get_or_insert(now);
        std::mem::take(&mut self.is_told)
    }
}

#[cfg(test)]
mod tests {
    use super::HealStep::{Alarm, PowerCycle, Reopen, Reset};
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn start() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn ladder(has_power: bool) -> Ladder {
        let mut settings = Settings::new("m", "/dev/null");
        settings.power = has_power.then(|| PowerSwitch::new(|| Box::pin(std::future::ready(Ok(())))));
        Ladder::new(&settings)
    }

    #[test]
    fn where_a_person_only_looks_nothing_but_the_line_is_touched() {
        let mut settings = Settings::new("m", "/dev/null");
        settings.heals = false;
        let mut ladder = Ladder::new(&settings);
        assert!(!ladder.may_climb(start()));
        assert_eq!(climbs(&mut ladder, Trouble::Silent, &mut start(), SECOND, 5), [Reopen; 5]);
    }

    /// Climbs so often, `pause` apart.
    fn climbs(
        ladder: &mut Ladder,
        trouble: Trouble,
        now: &mut Instant,
        pause: Duration,
        times: usize,
    ) -> Vec<HealStep> {
        let mut step = || {
            *now += pause;
            ladder.climb(trouble, *now)
        };
        (0..times).map(|_| step()).collect()
    }

    #[test]
    fn a_silent_modem_is_reopened_reset_and_told_about_with_and_without_power() {
        let mut now = start();
        let steps = climbs(&mut ladder(false), Trouble::Silent, &mut now, SECOND, 4);
        assert_eq!(steps, [Reopen, Reopen, Reset, Alarm]);
        let steps = climbs(&mut ladder(true), Trouble::Silent, &mut now, SECOND, 5);
        assert_eq!(steps, [Reopen, Reopen, Reset, PowerCycle, Alarm]);
    }

    #[test]
    fn one_that_answers_is_reset_without_reopening_first() {
        for trouble in [Trouble::Offline, Trouble::Refusing] {
            assert_eq!(climbs(&mut ladder(true), trouble, &mut start(), SECOND, 3), [Reset, PowerCycle, Alarm]);
        }
    }

    #[test]
    fn after_an_alarm_a_silent_modem_is_only_reopened_until_the_rest_is_over_which_doubles_up_to_the_longest() {
        let (mut ladder, mut now) = (ladder(false), start());
        climbs(&mut ladder, Trouble::Silent, &mut now, SECOND, 4);
        for rest in [30, 60, 120, 240, 480, 960, 1800, 1800, 1800] {
            let rest = Duration::from_secs(rest);
            assert!(!ladder.may_climb(now + rest - SECOND) && ladder.may_climb(now + rest), "{rest:?}");
            assert_eq!(climbs(&mut ladder, Trouble::Silent, &mut now, SECOND, 3), [Reopen; 3]);
            assert_eq!(climbs(&mut ladder, Trouble::Silent, &mut now, rest, 2), [Reset, Alarm], "{rest:?}");
        }
        assert_eq!(ladder.counts(), HealCounts { reopenings: 29, resets: 10, alarms: 10, ..HealCounts::default() });
    }

    #[test]
    fn one_that_was_well_for_minutes_begins_at_the_bottom_and_one_that_was_not_goes_on() {
        let well = Timeouts::default().well;
        for (time, next) in [(well, Reopen), (well - SECOND, Alarm)] {
            let (mut ladder, mut now) = (ladder(false), start());
            climbs(&mut ladder, Trouble::Silent, &mut now, SECOND, 3);
            assert_eq!(ladder.step(), Some(Reset));
            assert!(ladder.noted(Phase::Ready, now), "it is news");
            assert!(!ladder.noted(Phase::Ready, now + SECOND), "it is none any more");
            assert_eq!(ladder.step(), None);
            assert_eq!(ladder.climb(Trouble::Silent, now + time), next, "{time:?}");
            assert_eq!(ladder.step(), Some(next));
        }
    }

    #[test]
    fn what_makes_a_modem_well_depends_on_its_trouble() {
        for (trouble, phase, is_well) in [
            (Trouble::Silent, Phase::Ready, true),
            (Trouble::Silent, Phase::NotRegistered, true),
            (Trouble::Silent, Phase::PinNeeded, true),
            (Trouble::Silent, Phase::Starting, false),
            (Trouble::Silent, Phase::Closed, false),
            (Trouble::Offline, Phase::NotRegistered, false),
            (Trouble::Offline, Phase::Ready, true),
            (Trouble::Refusing, Phase::Ready, false),
        ] {
            let (mut ladder, mut now) = (ladder(false), start());
            climbs(&mut ladder, trouble, &mut now, SECOND, 3);
            assert_eq!(ladder.noted(phase, now), is_well, "{trouble:?} {phase:?}");
            assert_eq!(ladder.sent(now), !is_well, "a message that was sent always does");
        }
        let mut healthy = ladder(false);
        assert!(!healthy.noted(Phase::Ready, start()) && !healthy.sent(start()), "nothing was wrong");
        healthy.climb(Trouble::Silent, start());
        assert!(!healthy.noted(Phase::Ready, start()), "a line that was opened again is no news");
    }
}
