//! What a group counts for SIMs.

use super::group::Group;
use super::job::SimJob;
use crate::change::{BeginAttempt, Change};
use crate::sims::Charged;

impl Group<'_> {
    /// Counts an attempt that begins.
    pub(super) fn charge(&mut self, begin: &BeginAttempt) {
        if let Some(charge) = &begin.sim {
            let attempt = (begin.message_id, begin.attempt);
            self.sim_steps.charge(self.sims, Some(attempt), charge);
        }
    }

    /// What was counted for an attempt stays when it has ended, but for one that certainly sent nothing.
    pub(super) fn end_charge(&mut self, change: &Change) {
        let (attempt, was_sent) = match change {
            Change::NotSent { attempt, .. } => (attempt, false),
            Change::Unknown { attempt, .. } => (attempt, true),
            Change::Sent { attempt, part, parts, .. } if part == parts => (attempt, true),
            Change::Sent { .. } | Change::Final { .. } => return,
        };
        self.sim_steps.end(self.sims, (attempt.message_id, attempt.attempt), was_sent);
    }

    pub(super) fn sim(&mut self, step: &SimJob) -> Option<Charged> {
        match step {
            SimJob::Charge(charge) => Some(self.sim_steps.charge(self.sims, None, charge)),
            SimJob::GiveBack(charged) => {
                self.sim_steps.give_back(self.sims, charged);
                None
            }
            SimJob::Reset(sim) => {
                self.sim_steps.reset(*sim);
                None
            }
        }
    }
}
