//! One group: load what its jobs touch, decide job by job in memory, write table by table.
//!
//! Every decision is `domain`'s or [`Tracked`]'s; this keeps their order. A failed group leaves nothing in memory.

use std::collections::{HashMap, HashSet};

use domain::message::{MessageId, MessageState};
use domain::otp::{ReserveOutcome, Ticket};
use sqlx::SqliteConnection;

use super::job::{AcceptJob, Job};
use super::matching::{self, Sighting};
use super::message::{Place, Tracked};
use super::reports::{ReportIndex, Tail, tail_of};
use super::rows::{decoy_row, execute, replay_row, row_key, ticket_row};
use super::texts::KeptText;
use super::{rare, statements as sql};
use crate::acceptance::{Accepted, IdConflict};
use crate::audit::Ledger;
use crate::blocklist::SharedBlocklist;
use crate::change::{BeginAttempt, BeginOutcome, Change, Report, Reported};
use crate::codec::{Codec, JsonRows};
use crate::error::StoreError;
use crate::operator::{Act, ActOn, Acted};
use crate::replay::Remembered;
use crate::sims::{SharedSims, SimSteps};
use crate::tickets::{TagOutcome, put_tag, release, was_entered};

/// How long the first answer of a request with its own id is given again.
const REPLAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

#[derive(Debug, Default)]
pub(super) struct TicketSlot {
    pub(super) ticket: Option<Ticket>,
    pub(super) is_changed: bool,
    /// A guess costs a row, whatever it finds.
    pub(super) is_guessed: bool,
}

#[derive(Debug, Default)]
pub(super) struct ReplaySlot {
    pub(super) remembered: Remembered,
    pub(super) is_changed: bool,
}

/// Everything a group knows and wants.
#[derive(Debug)]
pub(super) struct Group<'a> {
    codec: &'a Codec,
    pub(super) reports: &'a ReportIndex,
    blocklist: &'a SharedBlocklist,
    pub(super) sims: &'a SharedSims,
    /// What the SIMs have sent, and what of it was not sent after all.
    pub(super) sim_steps: SimSteps,
    /// What the search for reports learns only after this commit: references (None: in doubt), the newest last.
    noted_now: Vec<(Option<u8>, MessageId)>,
    /// What reports have told of the clocks.
    learnt: Vec<(String, i64)>,
    pub(super) replays: HashMap<[u8; 16], ReplaySlot>,
    pub(super) tickets: HashMap<[u8; 16], TicketSlot>,
    pub(super) messages: HashMap<MessageId, Tracked>,
    new_rows: JsonRows,
    new_ids: HashSet<MessageId>,
    kept_texts: Vec<(MessageId, KeptText)>,
    /// Messages whose code was entered.
    pub(super) verified: Vec<MessageId>,
    pub(super) verified_at: i64,
}

/// What memory must learn after the commit.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Messages that have changed: reports may be about their attempts, and contents in memory follow them.
    pub(super) changed: Vec<Tracked>,
    /// Contents of new messages that stay in memory.
    pub(super) kept_texts: Vec<(MessageId, KeptText)>,
    /// Messages whose code was entered.
    pub(super) verified: Vec<MessageId>,
    /// What SIMs have sent.
    pub(super) sims: SimSteps,
    /// Modems, and by how much the clock of their service centre is ahead of ours.
    pub(super) learnt: Vec<(String, i64)>,
}

impl<'a> Group<'a> {
    pub(super) fn new(
        codec: &'a Codec,
        reports: &'a ReportIndex,
        blocklist: &'a SharedBlocklist,
        sims: &'a SharedSims,
    ) -> Self {
        Self {
            codec,
            reports,
            blocklist,
            sims,
            sim_steps: SimSteps::default(),
            noted_now: Vec::new(),
            learnt: Vec::new(),
            replays: HashMap::new(),
            tickets: HashMap::new(),
            messages: HashMap::new(),
            new_rows: JsonRows::default(),
            new_ids: HashSet::new(),
            kept_texts: Vec::new(),
            verified: Vec::new(),
            verified_at: 0,
        }
    }

    /// Runs inside an open transaction; the caller commits or rolls back.
    pub(super) async fn run(
        mut self,
        connection: &mut SqliteConnection,
        changes: &[Change],
        jobs: &mut [Job],
        ledger: &mut Ledger,
    ) -> Result<Effects, StoreError> {
        self.load_replays(connection, jobs).await?;
        self.load_tickets(connection, jobs).await?;
        self.load_messages(connection, changes, jobs).await?;
        self.load_tickets_of_changes(connection, changes, jobs).await?;
        for change in changes {
            self.apply_change(change);
        }
        for job in &mut *jobs {
            match job {
                Job::Accept(accept) => self.accept(accept),
                Job::Begin { begin, answer } => answer.set(self.begin(begin)?),
                Job::Ticket { key, step } => self.ticket_step(*key, step),
                Job::Report { report, answer } => answer.set(self.report(report)),
                Job::Act { on, answer, .. } => answer.set(self.act(*on)),
                Job::Sim { step, answer } => answer.set(self.sim(step)),
                Job::Rare { .. } => {}
            }
        }
        let blocklist = self.blocklist;
        let effects = self.write(connection).await?;
        for job in jobs {
            match job {
                Job::Rare { step, audit, answer } => {
                    // Asked before it is done: what changes nothing is not recorded.
                    let is_recorded = step.changes_something(blocklist);
                    answer.set(rare::run(connection, step, ledger).await?);
                    for recorded in audit.iter().filter(|_| is_recorded) {
                        ledger.append(connection, recorded).await?;
                    }
                }
                Job::Act { audit, answer, .. } if answer.get() == Some(&Acted::Done) => {
                    ledger.append(connection, audit).await?;
                }
                Job::Act { .. }
                | Job::Accept(_)
                | Job::Begin { .. }
                | Job::Ticket { .. }
                | Job::Report { .. }
                | Job::Sim { .. } => {}
            }
        }
        Ok(effects)
    }

    fn apply_change(&mut self, change: &Change) {
        if let Change::NotSent { attempt, remove_tag: Some(key), .. } = change
            && let Some(slot) = self.tickets.get_mut(&row_key(*key))
            && let Some(ticket) = slot.ticket.as_mut()
        {
            slot.is_changed |= ticket.remove_tag(*attempt);
        }
        self.end_charge(change);
        let id = change.message_id();
        let Some(message) = self.messages.get_mut(&id) else {
            tracing::warn!(message.id = %id, "a change for a message that is not stored is dropped");
            return;
        };
        match change {
            Change::Sent { message_reference, .. } if message_reference.is_some() => {
                self.noted_now.push((*message_reference, id));
            }
            Change::Unknown { .. } => self.noted_now.push((None, id)),
            Change::Sent { .. } | Change::NotSent { .. } | Change::Final { .. } => {}
        }
        let ticket = message.ticket_key.and_then(|key| self.tickets.get(&key)).and_then(|slot| slot.ticket.as_ref());
        if let Change::Unknown { attempt, part, reason, at, .. } = change
            && ticket.is_some_and(|ticket| was_entered(ticket, id))
        {
            // Not in doubt any more, so never sent again.
            let (attempt, part, reason, at) = (*attempt, *part, reason.clone(), *at);
            message.apply(&Change::Unknown { attempt, part, resend: false, reason, at });
            message.entered(at);
            return;
        }
        let before = message.state;
        if !message.apply(change) {
            tracing::debug!(message.id = %id, state = %before, "a late change leaves the message's state alone");
        } else if let Change::Final { at, .. } = change
            && change.ends_unsent()
            && let Some(slot) = message.ticket_key.and_then(|key| self.tickets.get_mut(&key))
            && let Some(ticket) = slot.ticket.as_mut()
        {
            slot.is_changed |= release(ticket, id, *at);
        }
    }

    fn accept(&mut self, accept: &mut AcceptJob) {
        let decided = self.decide_acceptance(accept);
        accept.answer.set(decided);
    }

    fn decide_acceptance(&mut self, accept: &AcceptJob) -> Accepted {
        let now = accept.now.as_unix_millis();
        if let Some(replay) = &accept.replay
            && let Some(slot) = self.replays.get_mut(&replay.key)
        {
            match slot.remembered.find(&replay.fingerprint, now) {
                // Nothing was sent, and nothing can be any more: a broker that brings it again is to be served.
                Some(message_id) if self.messages.get(&message_id).is_some_and(Tracked::was_lost) => {
                    slot.remembered.forget(&replay.fingerprint);
                }
                Some(message_id) => return self.repeat(message_id),
                None => {}
            }
            if replay.conflict == IdConflict::Reject && slot.remembered.is_in_use(now) {
                return Accepted::IdInUse;
            }
        }
        if let Some((key, reservation)) = &accept.ticket {
            let slot = self.tickets.entry(row_key(*key)).or_default();
            match Ticket::reserve(slot.ticket.as_ref(), reservation, accept.now) {
                ReserveOutcome::New(ticket) | ReserveOutcome::Resent(ticket) => {
                    *slot = TicketSlot { ticket: Some(ticket), is_changed: true, ..TicketSlot::default() };
                }
                ReserveOutcome::Repeat { message_id } => return self.repeat(message_id),
                ReserveOutcome::Conflict => return Accepted::Conflict,
                ReserveOutcome::NoTries => return Accepted::NoTries,
            }
        }
        let message_id = accept.message_id;
        let is_known = self.messages.contains_key(&message_id) || self.new_ids.contains(&message_id);
        if accept.may_exist && is_known {
            return self.repeat(message_id);
        }
        self.new_rows.push(&accept.row);
        self.new_ids.insert(message_id);
        self.kept_texts.extend(accept.kept_text.clone().map(|text| (message_id, text)));
        if let Some(replay) = &accept.replay {
            let expires_at = now.saturating_add(REPLAY_MILLIS);
            let slot = self.replays.entry(replay.key).or_default();
            slot.remembered.push(&replay.fingerprint, message_id, expires_at, now);
            slot.is_changed = true;
        }
        Accepted::New { message_id }
    }

    fn repeat(&self, message_id: MessageId) -> Accepted {
        let state = self.messages.get(&message_id).map_or(MessageState::Queued, |message| message.state);
        Accepted::Repeat { message_id, state }
    }

    fn begin(&mut self, begin: &BeginAttempt) -> Result<BeginOutcome, StoreError> {
        let Some(message) = self.messages.get_mut(&begin.message_id) else { return Ok(BeginOutcome::Stale) };
        if !message.may_begin(begin.attempt) {
            return Ok(BeginOutcome::Stale);
        }
        let (receiver, _) = self.codec.open_summary(begin.message_id, &message.summary)?;
        let outcome = if self.blocklist.is_blocked(&receiver) {
            BeginOutcome::Blocked
        } else if let Some((key, entry)) = &begin.ticket {
            let slot = self.tickets.entry(row_key(*key)).or_default();
            let outcome = put_tag(slot.ticket.as_mut(), *entry);
            slot.is_changed |= outcome == TagOutcome::Put;
            outcome.into()
        } else {
            BeginOutcome::Begun
        };
        if outcome == BeginOutcome::Blocked
            && let Some(slot) = begin.ticket.as_ref().and_then(|(key, _)| self.tickets.get_mut(&row_key(*key)))
            && let Some(ticket) = slot.ticket.as_mut()
        {
            slot.is_changed |= release(ticket, begin.message_id, begin.at);
        }
        match outcome.settlement() {
            None => {
                message.begin(begin);
                self.charge(begin);
            }
            Some((state, reason)) => message.refuse(state, reason, begin.at),
        }
        Ok(outcome)
    }

    fn act(&mut self, on: ActOn) -> Acted {
        let Some(message) = self.messages.get_mut(&on.message_id) else { return Acted::NotFound };
        let acted = message.act(on.act, on.at);
        if (on.act, acted) == (Act::Cancel, Acted::Done)
            && let Some(slot) = message.ticket_key.and_then(|key| self.tickets.get_mut(&key))
            && let Some(ticket) = slot.ticket.as_mut()
        {
            slot.is_changed |= release(ticket, on.message_id, on.at);
        }
        acted
    }

    fn report(&mut self, report: &Report) -> Option<Reported> {
        let tail = Tail::of(&report.receiver_tail);
        if tail.is_none() && !report.receiver_tail.is_empty() {
            return None;
        }
        let index = self.reports;
        let (modem, it, ahead) = index.modems_of(report).find_map(|modem| {
            let sightings = self.sightings(report, modem, tail);
            let ahead = index.ahead_millis(modem);
            let found = matching::choose(&sightings, report, ahead)?;
            Some((modem, found.it.clone(), found.ahead_millis))
        })?;
        self.learnt.extend(ahead.map(|ahead| (modem.to_owned(), ahead)));
        let message = self.messages.get_mut(&it.message_id)?;
        let has_changed = message.report(&it, report);
        Some(Reported { message_id: it.message_id, state: message.state, has_changed })
    }

    /// The parts of a modem that a report may be about, the likeliest first.
    fn sightings(&self, report: &Report, modem: &str, tail: Option<Tail>) -> Vec<Sighting> {
        let noted_now = self.noted_now.iter().rev();
        let noted_now = noted_now.filter(|(known, _)| known.is_none_or(|known| known == report.message_reference));
        let noted = self.reports.candidates(modem, report.message_reference, tail);
        let mut ids: Vec<MessageId> = Vec::new();
        for id in noted_now.map(|(_, id)| *id).chain(noted) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        let of_receiver = ids.iter().filter_map(|id| self.messages.get(id)).filter(|message| {
            let known = tail_of(self.codec, message.id, &message.summary);
            known.is_some() && (tail.is_none() || known == tail)
        });
        let sightings = of_receiver.flat_map(|it| it.sightings(modem, report.message_reference, report.at));
        let (known, in_doubt): (Vec<_>, Vec<_>) = sightings.partition(|sighting| sighting.part.is_some());
        if tail.is_none() {
            // A report that names no receiver is taken for the only one that it can be about.
            let open: Vec<_> = known.into_iter().filter(Sighting::awaits).collect();
            return if open.len() == 1 { open } else { Vec::new() };
        }
        known.into_iter().chain(in_doubt).collect()
    }

    async fn write(self, connection: &mut SqliteConnection) -> Result<Effects, StoreError> {
        let mut updated = JsonRows::default();
        let mut settled = JsonRows::default();
        let mut amended = JsonRows::default();
        let mut requeued = JsonRows::default();
        let mut effects = Effects { kept_texts: self.kept_texts, learnt: self.learnt, ..Effects::default() };
        for message in self.messages.into_values().filter(|message| message.is_changed) {
            match (message.loaded_from, message.place()) {
                (Place::Outbox, Place::Outbox) => updated.push(&message.outbox_row()?),
                (Place::Outbox, Place::Journal) => settled.push(&message.journal_row()?),
                (Place::Journal, Place::Journal) => amended.push(&message.journal_row()?),
                (Place::Journal, Place::Outbox) => requeued.push(&message.requeued_row()?),
            }
            effects.changed.push(message);
        }
        let mut tickets = JsonRows::default();
        for (key, slot) in self.tickets {
            if let Some(ticket) = slot.ticket.filter(|_| slot.is_changed) {
                tickets.push(&ticket_row(&key, &ticket));
            } else if slot.is_guessed {
                tickets.push(&decoy_row()?);
            }
        }
        let mut replays = JsonRows::default();
        for (key, slot) in self.replays.into_iter().filter(|(_, slot)| slot.is_changed) {
            replays.push(&replay_row(&key, &slot));
        }
        execute(connection, sql::INSERT_OUTBOX, self.new_rows).await?;
        execute(connection, sql::UPSERT_TICKETS, tickets).await?;
        execute(connection, sql::UPSERT_REPLAYS, replays).await?;
        execute(connection, sql::UPDATE_OUTBOX, updated).await?;
        if let Some(settled) = settled.finish() {
            sqlx::query(sql::INSERT_JOURNAL).bind(settled.as_str()).execute(&mut *connection).await?;
            sqlx::query(sql::DELETE_OUTBOX).bind(settled).execute(&mut *connection).await?;
        }
        execute(connection, sql::UPDATE_JOURNAL, amended).await?;
        if let Some(requeued) = requeued.finish() {
            sqlx::query(sql::INSERT_REQUEUED).bind(requeued.as_str()).execute(&mut *connection).await?;
            sqlx::query(sql::DELETE_REQUEUED).bind(requeued).execute(&mut *connection).await?;
        }
        let mut verified = JsonRows::default();
        for id in &self.verified {
            verified.push_blob(id.as_bytes());
        }
        if let Some(verified) = verified.finish() {
            sqlx::query(sql::SETTLE_VERIFIED).bind(verified).bind(self.verified_at).execute(&mut *connection).await?;
        }
        self.sim_steps.write(self.sims, connection).await?;
        effects.verified = self.verified;
        effects.sims = self.sim_steps;
        Ok(effects)
    }
}
