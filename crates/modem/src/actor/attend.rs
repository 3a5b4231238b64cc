//! What a job that is under way needs beside its line: its PDU made, and somebody who still waits for what comes of it.

use gsm::Pdu;

use super::{Active, ActiveWork};
use crate::submission::Refused;

/// What comes of attending to the work under way.
pub(super) enum Attended {
    Prepared(Result<Pdu, Refused>),
    CallerGone,
}

/// Polls the submission's `prepare` once the session wants it; ends, once, when nobody waits any more for what comes of a USSD act.
pub(super) async fn attend(active: &mut Option<Active>) -> Attended {
    match active.as_mut().map(|active| &mut active.work) {
        Some(ActiveWork::Message { prepare, is_preparing, .. }) if *is_preparing => {
            let prepared = prepare.as_mut().await;
            *is_preparing = false;
            Attended::Prepared(prepared)
        }
        Some(ActiveWork::Ussd { answer, is_attended }) if *is_attended => {
            answer.closed().await;
            *is_attended = false;
            Attended::CallerGone
        }
        _ => std::future::pending().await,
    }
}
