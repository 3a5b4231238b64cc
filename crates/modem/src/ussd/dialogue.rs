//! One conversation with the network, from the caller's side.

use std::sync::{Arc, Weak};

use gsm::{UssdAnswer, UssdStatus};
use tokio::sync::{mpsc, oneshot};

use super::{UssdAct, UssdCode, UssdError, UssdReply};
use crate::handle::{Claim, Job, Work, answer_from};

/// The right to speak with the network over one modem; messages wait until it is over or dropped.
///
/// The modem is free again as soon as the network has said its last word, nobody has replied in time, or this is dropped: then the network is told.
#[derive(Debug)]
pub struct UssdDialogue {
    jobs: mpsc::Sender<Job>,
    held: Held,
}

/// How the modem is held.
#[derive(Debug)]
enum Held {
    /// By us: nothing was asked yet.
    Fresh(Arc<Claim>),
    /// By the actor, as long as the network waits for a reply.
    Open(Weak<Claim>),
    Over,
}

impl UssdDialogue {
    pub(crate) fn new(jobs: mpsc::Sender<Job>, claim: Arc<Claim>) -> Self {
        Self { jobs, held: Held::Fresh(claim) }
    }

    /// Answers whether something can still be said.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match &self.held {
            Held::Fresh(_) => true,
            Held::Open(claim) => claim.strong_count() > 0,
            Held::Over => false,
        }
    }

    /// Asks a code and waits for the answer. Where the network waits for a reply, it is told first that none comes.
    ///
    /// Dropping the future ends the dialogue.
    ///
    /// # Errors
    /// [`UssdError`]; the dialogue is over then.
    pub async fn ask(&mut self, code: &UssdCode) -> Result<UssdAnswer, UssdError> {
        self.say(UssdAct::Say { text: code.text().clone(), is_reply: false }).await?.ok_or(UssdError::Over)
    }

    /// Replies and waits for the answer.
    ///
    /// Dropping the future ends the dialogue.
    ///
    /// # Errors
    /// [`UssdError`]; the dialogue is over then.
    pub async fn reply(&mut self, reply: &UssdReply) -> Result<UssdAnswer, UssdError> {
        if matches!(self.held, Held::Fresh(_)) {
            return Err(UssdError::Over);
        }
        self.say(UssdAct::Say { text: reply.text().clone(), is_reply: true }).await?.ok_or(UssdError::Over)
    }

    /// Ends the dialogue; when this returns the network was told, and the modem is free.
    ///
    /// # Errors
    /// [`UssdError`]: the line is gone or out of step, and with it the dialogue.
    pub async fn cancel(&mut self) -> Result<(), UssdError> {
        match self.held {
            Held::Open(_) => self.say(UssdAct::Cancel).await.map(drop).or_else(|error| match error {
                // Just what was wanted.
                UssdError::Over => Ok(()),
                other => Err(other),
            }),
            Held::Fresh(_) | Held::Over => {
                self.held = Held::Over;
                Ok(())
            }
        }
    }

    async fn say(&mut self, act: UssdAct) -> Result<Option<UssdAnswer>, UssdError> {
        let claim = match std::mem::replace(&mut self.held, Held::Over) {
            Held::Fresh(claim) => claim,
            Held::Open(claim) => claim.upgrade().ok_or(UssdError::Over)?,
            Held::Over => return Err(UssdError::Over),
        };
        let open = Held::Open(Arc::downgrade(&claim));
        let (answer, answered) = oneshot::channel();
        if self.jobs.send(Job { work: Work::Ussd { act, answer }, claim }).await.is_err() {
            return Err(not_ready("it is not being run"));
        }
        let answer =
            answer_from(&self.jobs, answered).await.unwrap_or_else(|| Err(not_ready("its line is not open")))?;
        if answer.as_ref().is_some_and(|answer| answer.status == UssdStatus::ReplyExpected) {
            self.held = open;
        }
        Ok(answer)
    }
}

impl Drop for UssdDialogue {
    fn drop(&mut self) {
        let Held::Open(claim) = &self.held else { return };
        let Some(claim) = claim.upgrade() else { return };
        let (answer, _) = oneshot::channel();
        // There is room: nobody else has the modem. Without an actor there is no dialogue either.
        drop(self.jobs.try_send(Job { work: Work::Ussd { act: UssdAct::Cancel, answer }, claim }));
    }
}

pub(crate) fn not_ready(detail: &str) -> UssdError {
    UssdError::NotReady { detail: detail.to_owned() }
}
