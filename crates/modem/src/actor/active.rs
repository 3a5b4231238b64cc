//! The job that is under way, and how its caller is told what came of it.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::handle::{Claim, Reply};
use crate::question::{Answer, AskError};
use crate::submission::{Prepare, SendError, Sent};
use crate::ussd::UssdDone;

/// What is on its way.
pub(super) struct Active {
    pub(super) work: ActiveWork,
    pub(super) claim: Arc<Claim>,
}

pub(super) enum ActiveWork {
    Message { prepare: Prepare, is_preparing: bool, reply: Reply },
    Question(oneshot::Sender<Result<Answer, AskError>>),
    Ussd { answer: oneshot::Sender<UssdDone>, is_attended: bool },
}

impl Active {
    pub(super) fn finish(self, result: Result<Sent, SendError>) {
        let Self { work, claim } = self;
        if let ActiveWork::Message { prepare, reply, .. } = work {
            drop(prepare);
            // The modem is free before the caller knows, so that the caller's next turn is not refused.
            drop(claim);
            reply.finish(result);
        }
    }

    pub(super) fn answer(self, result: Result<Answer, AskError>) {
        let Self { work, claim } = self;
        if let ActiveWork::Question(answer) = work {
            drop(claim);
            if answer.send(result).is_err() {
                tracing::debug!("a question was answered after its caller had gone");
            }
        }
    }

    /// Tells what came of a USSD act; answers the claim if the network waits for a reply.
    pub(super) fn tell(self, result: UssdDone) -> Option<Arc<Claim>> {
        let Self { work, claim } = self;
        let ActiveWork::Ussd { answer, .. } = work else { return None };
        let is_open = matches!(&result, Ok(Some(answer)) if answer.status == gsm::UssdStatus::ReplyExpected);
        // The modem is free before the caller knows, so that the caller's next turn is not refused.
        let claim = is_open.then_some(claim);
        if answer.send(result).is_err() {
            tracing::debug!("a ussd act was done after its caller had gone");
        }
        claim
    }

    /// Begins to poll the submission's `prepare`.
    pub(super) fn begin_preparing(&mut self) {
        if let ActiveWork::Message { is_preparing, .. } = &mut self.work {
            *is_preparing = true;
        }
    }

    pub(super) fn hand_over(&mut self) {
        if let ActiveWork::Message { reply, .. } = &mut self.work {
            reply.is_handed_over = true;
        }
    }
}
