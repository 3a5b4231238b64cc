//! The server that holds the tickets, where there is one: whether it answers, and what its clock shows.

use std::sync::Arc;

use store::{TicketStoreKind, check_ticket_store};

use super::Findings;
use crate::app::SystemClock;
use crate::config::Config;

const ABOUT: &str = "tickets";
/// Clocks that differ by more are worth a word.
const SKEW_ALLOWED_MILLIS: u64 = 2_000;

pub(super) async fn look(config: &Config, findings: &mut Findings) {
    let TicketStoreKind::Server(address) = &config.store.ticket_store else { return };
    match check_ticket_store(address, Arc::new(SystemClock)).await {
        Ok(skew) if skew.unsigned_abs() > SKEW_ALLOWED_MILLIS => findings.warn(
            ABOUT,
            format!("{address} answers, and its clock is {} s from ours", skew.unsigned_abs() / 1_000),
            "set both by NTP: codes live longer at one node than at another",
        ),
        Ok(_) => findings.good(ABOUT, format!("{address} answers")),
        Err(reason) => findings.bad(
            ABOUT,
            format!("{address}: {reason}"),
            "no code can be sent or entered: start the server, or mend otp.ticket_store and its password",
        ),
    }
}
