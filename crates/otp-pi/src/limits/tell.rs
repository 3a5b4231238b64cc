//! What people are told of limits: callers why they are refused, the log what the owner must know.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::clock::WallTime;
use domain::limits::{Alarm, LimitRefusal, Mode, Rule, SubjectKind, masked_network};
use domain::receiver::Receiver;
use store::{AuditBy, AuditEvent, AuditKind, Store};
use tracing::{info, warn};

/// Between two lines about what was refused, or would have been: under attack there are thousands.
const LINES_APART: Duration = Duration::from_secs(1);

/// Why a rule refuses, for the caller.
#[must_use]
pub fn words(rule: Rule) -> &'static str {
    match rule {
        Rule::CoolDown => "a code was sent to this receiver a moment ago",
        Rule::CodesPerReceiver(_) => "too many codes for this receiver",
        Rule::WrongPerReceiver(_) => "too many wrong codes for this receiver",
        Rule::Lock => "the receiver is locked after too many wrong codes",
        Rule::CodesPerPrefix(_) => "too many codes to new receivers with numbers like this one",
        Rule::CodesPerCountry(_) => "too many codes to new receivers in this country",
        Rule::CodesPerClient(_) => "too many codes for this client_ip",
        Rule::ApiUser(_) => "this API user has reached its own limit",
        Rule::Conversion(SubjectKind::Range, _) => "few codes to numbers like this one are entered: new receivers wait",
        Rule::Conversion(SubjectKind::Client, _) => "few codes for this client_ip are entered: new receivers wait",
        Rule::Conversion(SubjectKind::ApiUser, _) => "few codes of this API user are entered: new receivers wait",
        Rule::Conversion(..) => "few codes to this country are entered: new receivers wait",
        Rule::Destinations => "this country or prefix is not allowed",
        Rule::DestinationsDenied => "this prefix is refused",
        Rule::CostlyNumber => "this kind of number is not sent to unless it is listed",
    }
}

/// Lets few lines through, and counts the others.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    state: Mutex<(Option<WallTime>, u64)>,
}

impl Quiet {
    /// Answers how many lines were left out since the last one, or that this one is left out too.
    fn allows(&self, now: WallTime) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, left_out) = &mut *state;
        // A clock that was set back does not silence for longer.
        if last.is_some_and(|last| last <= now && now.saturating_since(last) < LINES_APART) {
            *left_out = left_out.saturating_add(1);
            return None;
        }
        *last = Some(now);
        Some(std::mem::take(left_out))
    }

    /// Tells that a rule was reached. The receiver shows itself masked.
    pub(super) fn refused(
        &self,
        refusal: LimitRefusal,
        receiver: &dyn std::fmt::Display,
        is_enforced: bool,
        now: WallTime,
    ) {
        let Some(left_out) = self.allows(now) else { return };
        let (rule, retry_after) = (refusal.rule, refusal.retry_after.unwrap_or_default().as_secs());
        if is_enforced {
            info!(limits.rule = %rule, %receiver, retry_after, left_out, "refused by a limit");
        } else {
            info!(limits.rule = %rule, %receiver, retry_after, left_out, "a limit would have refused this: it is only observed");
        }
    }
}

/// Tells log and record that new receivers are held back from now on, or no longer; would be, where that is only observed. Both are
/// kept, so an end user's address is masked in them.
pub(super) fn alarm(store: &Store, alarm: &Alarm, mode: Mode) {
    let Alarm { kind, label, is_pressed, sent, entered } = alarm;
    let label = if *kind == SubjectKind::Client { masked_network(label) } else { label.clone() };
    let (kind, is_enforced) = (kind.as_str(), mode == Mode::Enforce);
    let (event, subject) =
        (if *is_pressed { AuditKind::HeldBack } else { AuditKind::LetIn }, format!("{kind} {label}"));
    let share = format!("{entered} of {sent}");
    let event = AuditEvent::new(event, &AuditBy::gateway("limits"), &subject);
    let event = if is_enforced { event } else { event.with("mode", None, Some(mode.as_str())) };
    store.note(event.with("entered", None, Some(&share)));
    if *is_pressed && !is_enforced {
        info!(
            limits.kind = kind,
            limits.subject = label,
            sent,
            entered,
            "few codes are entered: new receivers would be held back, it is only observed"
        );
    } else if *is_pressed {
        warn!(
            limits.kind = kind,
            limits.subject = label,
            sent,
            entered,
            "few codes are entered: new receivers are held back"
        );
    } else {
        info!(limits.kind = kind, limits.subject = label, sent, entered, "new receivers are let in again");
    }
}

/// Tells what the rules do.
pub(super) fn mode(mode: Mode) {
    match mode {
        Mode::Enforce => info!(limits.mode = mode.as_str(), "limits are enforced"),
        Mode::Observe => warn!(limits.mode = mode.as_str(), "limits are only observed: nothing is refused by them"),
        Mode::Off => warn!(limits.mode = mode.as_str(), "there are no limits: keep the API behind your own"),
    }
}

/// Tells log and record that a receiver is locked.
pub(super) fn locked(store: &Store, receiver: &Receiver, length: Duration, mode: Mode) {
    let seconds = length.as_secs();
    if mode != Mode::Enforce {
        info!(%receiver, seconds, "too many wrong codes on end: the receiver would be locked, it is only observed");
        return;
    }
    let event = AuditEvent::new(AuditKind::ReceiverLocked, &AuditBy::gateway("limits"), receiver.to_string());
    store.note(event.with("seconds", None, Some(&seconds.to_string())));
    warn!(%receiver, seconds, "too many wrong codes on end: the receiver is locked");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_a_second_apart_and_tell_how_many_were_left_out() {
        let quiet = Quiet::default();
        let at = WallTime::from_unix_millis;
        assert_eq!(quiet.allows(at(10_000)), Some(0));
        assert_eq!(quiet.allows(at(10_500)), None);
        assert_eq!(quiet.allows(at(10_999)), None);
        assert_eq!(quiet.allows(at(11_000)), Some(2));
        assert_eq!(quiet.allows(at(5_000)), Some(0), "the clock was set back");
    }
}
