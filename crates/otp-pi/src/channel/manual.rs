//! One SMS that a person sends by hand, at once, through one modem: no queue, no code, no record.
//!
//! For: `otp-pi modem send` and the manual SMS of the admin web. It must never decide who may be written to: whoever calls
//! has asked the block list. Waits for nothing but the modem.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::modem::{ModemHandle, SendError, Submission, Takes, Turn};
use domain::receiver::Msisdn;
use domain::secret::SecretText;
use gsm::Reference;
use tokio::time::Instant;

use super::part::{self, Stamp};
use crate::wire::modems::{Manual, PartState};

/// How long the network tries to deliver it.
const LIFE: Duration = Duration::from_secs(24 * 3600);

/// What is to be sent.
#[derive(Clone, Debug)]
pub struct ManualSms {
    /// To whom.
    pub receiver: Msisdn,
    /// What.
    pub text: SecretText,
    /// Whether the network is asked for delivery reports.
    pub asks_report: bool,
    /// The number that the parts of a long text share; any will do.
    pub reference: u8,
}

/// How many parts it has.
///
/// # Errors
/// What is wrong with the text, in a few words.
pub fn count_parts(sms: &ManualSms) -> Result<u32, &'static str> {
    let segments = gsm::segment(sms.text.expose(), Reference::Eight(sms.reference)).map_err(|_| "text too long")?;
    u32::try_from(segments.parts.len()).map_err(|_| "text too long")
}

/// Sends it part by part, and ends with the first part that was not sent for sure: the others would be a torso, and to send
/// it again would double what went out.
///
/// # Errors
/// What is wrong with the text, in a few words; nothing was sent.
pub async fn send(modem: &ModemHandle, turn: &mut Turn, sms: &ManualSms) -> Result<Manual, &'static str> {
    let mut status = modem.status();
    let reference = Reference::Eight(sms.reference);
    let stamp = Stamp { msisdn: sms.receiver, reference, asks_report: sms.asks_report, life: LIFE };
    let pdus = part::encode(&sms.text, stamp)?;
    if turn.takes() == Takes::Whole {
        let mut pdus = pdus.into_iter();
        let first = pdus.next().ok_or("empty text")?;
        let rest = Arc::new(Mutex::new(pdus.collect()));
        let whole = state_of(turn.send(Submission::ready(first).with_rest(rest)).await);
        return Ok(Manual { modem: modem.name().to_owned(), receiver: sms.receiver, parts: vec![whole] });
    }
    let mut parts = Vec::with_capacity(pdus.len());
    for (pdu, left) in pdus.iter().zip((0..pdus.len()).rev()) {
        let may_go_on = parts.iter().all(|part| matches!(part, PartState::Sent { .. }));
        let end = Instant::now() + part::PATIENCE;
        parts.push(match may_go_on {
            true => state_of(part::send(turn, &mut status, (pdu, left > 0), end).await),
            false => PartState::NotTried,
        });
    }
    Ok(Manual { modem: modem.name().to_owned(), receiver: sms.receiver, parts })
}

fn state_of(result: Result<::modem::Sent, SendError>) -> PartState {
    match result {
        Ok(sent) => PartState::Sent { message_reference: sent.message_reference },
        Err(SendError::NotSent { detail, .. }) => PartState::NotSent { why: detail },
        Err(SendError::Refused) => PartState::NotSent { why: "refused".to_owned() },
        Err(SendError::Unknown { detail }) => PartState::Unknown { why: detail },
    }
}
