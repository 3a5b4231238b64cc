//! The parts of one text: made into PDUs, and sent one after the other.
//!
//! Shared by what the dispatcher sends and by what a person sends by hand. It must never know what a text says or who asked.

use std::time::Duration;

use ::modem::{Phase, SendError, Sent, Status, Submission, Turn};
use domain::receiver::Msisdn;
use domain::secret::SecretText;
use gsm::{Address, ErrorClass, Pdu, Reference, Submit, Validity};
use tokio::sync::watch;
use tokio::time::Instant;

/// How long the modem may be away before a part is given up.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// How often a part is tried before it is given up.
const TRIES: u32 = 3;

/// The pause before a part is tried again.
const PAUSE_BETWEEN_TRIES: Duration = Duration::from_secs(2);

/// What the PDUs of a text say beside the text.
#[derive(Copy, Clone, Debug)]
pub(super) struct Stamp {
    /// Where the text goes.
    pub(super) msisdn: Msisdn,
    /// The number that the parts of a long text share.
    pub(super) reference: Reference,
    /// Whether the network is asked for a delivery report.
    pub(super) asks_report: bool,
    /// How long the network may try, rounded down to what the field can say.
    pub(super) life: Duration,
}

/// Encodes a text as SUBMITs (3GPP TS 23.040 §9.2.2.2), one a part.
pub(super) fn encode(text: &SecretText, stamp: Stamp) -> Result<Vec<Pdu>, &'static str> {
    let destination = Address::international(stamp.msisdn.expose()).map_err(|_| "bad receiver")?;
    let segments = gsm::segment(text.expose(), stamp.reference).map_err(|_| "text too long")?;
    let dcs = segments.encoding.dcs();
    let submit = |user_data| Submit {
        reject_duplicates: false,
        reply_path: false,
        status_report_request: stamp.asks_report,
        message_reference: 0,
        destination: destination.clone(),
        protocol_id: 0,
        dcs,
        validity: Some(Validity::relative_at_most(stamp.life)),
        user_data,
    };
    segments.parts.into_iter().map(|part| submit(part).encode(None).map_err(|_| "cannot be encoded")).collect()
}

/// Sends one part of which the code is known. What the modem or the network could not take just now is tried again until `end`, and so
/// is what another modem might send: no other can, since phones join only parts that came from one number.
pub(super) async fn send(
    turn: &mut Turn,
    status: &mut watch::Receiver<Status>,
    (pdu, more_follow): (&Pdu, bool),
    end: Instant,
) -> Result<Sent, SendError> {
    let mut tries = 1;
    loop {
        match turn.send(Submission::ready(pdu.clone()).followed(more_follow)).await {
            Err(SendError::NotSent { class: ErrorClass::RetryHere | ErrorClass::OtherModem, .. })
                if tries < TRIES && turn.is_served() && Instant::now() < end =>
            {
                tries += 1;
                tokio::time::sleep(PAUSE_BETWEEN_TRIES).await;
                // The next try says what is wrong if it is still away then, or for good. Both waits lose nothing when they are dropped.
                tokio::select! {
                    _ = tokio::time::timeout_at(end, status.wait_for(|it| it.phase == Phase::Ready)) => {}
                    () = turn.unserved() => {}
                }
            }
            finished => return finished,
        }
    }
}
