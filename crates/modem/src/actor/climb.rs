//! The end of a line, and the ladder's steps as the actor takes them; which comes next is [`crate::heal`]'s.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Actor, End, Serving, now};
use crate::heal::{HealNews, HealStep, Trouble, reset_command};
use crate::status::Phase;

/// How long a switch may take to cut the power and give it back.
const POWER_PATIENCE: Duration = Duration::from_secs(60);

impl Actor {
    /// Ends with a lost line: whatever was on its way is finished honestly.
    pub(super) fn end(&mut self, mut serving: Serving) -> End {
        serving.session.lost();
        serving.act(&mut self.events);
        self.recoveries += serving.session.status().recoveries;
        self.ladder.add(serving.session.status().heal);
        let why = match serving.trouble {
            Some(trouble) => trouble.words().to_owned(),
            None => serving.session.status().detail.clone().unwrap_or_else(|| "the line is gone".to_owned()),
        };
        tracing::warn!(modem.name = %self.settings.name, "the line will be opened again: {why}");
        let phase = serving.session.status().phase;
        self.status.send_modify(|status| {
            status.phase = if matches!(phase, Phase::Silent | Phase::WrongDevice) { phase } else { Phase::Closed };
            status.line = None;
            status.detail = Some(why);
        });
        let trouble = if phase == Phase::Silent { Some(Trouble::Silent) } else { serving.trouble };
        if serving.is_stopping { End::Stopped } else { End::Lost { was_ready: serving.was_ready, trouble } }
    }

    /// Takes the next step for a modem whose line was just closed; answers whether the modem begins anew after it.
    pub(super) async fn climb(&mut self, trouble: Trouble, stop: &CancellationToken) -> bool {
        let step = self.ladder.climb(trouble, now());
        tracing::info!(modem.name = %self.settings.name, "healing by {}: {}", step.word(), trouble.words());
        self.status.send_modify(|status| {
            status.heal = self.ladder.counts();
            status.heal_step = self.ladder.step();
        });
        if step >= HealStep::Reset {
            self.events.heal(HealNews::Step(step, trouble));
        }
        match step {
            HealStep::Reset => {
                let before = self.ladder.counts().resets.saturating_sub(1);
                self.reset = Some(reset_command(self.status.borrow().profile, before));
            }
            HealStep::PowerCycle => self.cycle_power(stop).await,
            HealStep::Escape | HealStep::Attention | HealStep::Reopen | HealStep::Alarm => {}
        }
        matches!(step, HealStep::Reset | HealStep::PowerCycle)
    }

    async fn cycle_power(&mut self, stop: &CancellationToken) {
        let Some(power) = self.settings.power.clone() else { return };
        let cycled = tokio::select! {
            () = stop.cancelled() => return,
            cycled = tokio::time::timeout(POWER_PATIENCE, power.cycle()) => cycled,
        };
        let name = &self.settings.name;
        match cycled {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(modem.name = %name, error = %error, "the step has failed"),
            Err(_) => tracing::warn!(modem.name = %name, "the usb power was not switched in time"),
        }
    }

    /// Follows whether the modem is well, and has its line opened again where a step is due although it answers.
    pub(super) fn watch_health(&mut self, serving: &mut Serving) {
        let now = now();
        let has_sent = std::mem::take(&mut serving.has_sent) && self.ladder.sent(now);
        if has_sent || self.ladder.noted(serving.session.status().phase, now) {
            self.events.heal(HealNews::Well);
        }
        if serving.trouble.is_some() {
            if self.ladder.may_climb(now) && serving.active.is_none() {
                serving.must_reopen = true;
            } else {
                // It is said again while it lasts.
                serving.trouble = None;
            }
        }
    }
}
