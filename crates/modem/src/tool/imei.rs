//! The IMEI that is printed on a device, put back where it was lost.
//!
//! Changing an IMEI to another one is a crime in several countries; this is for the one that the device had when it was made, and only its owner
//! can know which that is. Whether it may be done at all, and who said so, is decided and recorded by the caller.
//!
//! # Standard
//! 3GPP TS 23.003 §6.2.1 and annex B (15 digits, the last is the check digit); the commands are the makers'.

use std::time::Duration;

use gsm::at;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use super::ToolError;
use super::card::shown;
use crate::command::Command;
use crate::handle::ModemHandle;
use crate::profile::Profile;
use crate::question::AskError;
use crate::status::{Phase, Status};
use crate::wanted::Imei;

/// How long the memory of a device may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a device may be away for its restart.
const RESTART: Duration = Duration::from_secs(120);

/// An IMEI that was put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What the device said before, as far as it was an IMEI.
    pub before: Option<String>,
    /// What it says since its restart; `None` when it has not come back in time.
    pub after: Option<String>,
}

/// Asks a device for its IMEI; `None` when what it says is none, as after a loss.
///
/// # Errors
/// [`ToolError`]; nothing is changed.
pub async fn find_imei(handle: &ModemHandle) -> Result<Option<String>, ToolError> {
    let command = Command::own_plain("+CGSN");
    let answer = handle.ask(command, PATIENCE).await.map_err(ToolError::NotAsked)?;
    Ok(answer.lines.iter().find_map(|line| at::imei(line)).map(str::to_owned))
}

/// Writes the IMEI, restarts the device and looks what it says then.
///
/// # Errors
/// [`ToolError`]; only [`ToolError::Unclear`] may have changed something.
pub async fn restore_imei(handle: &ModemHandle, imei: &Imei) -> Result<Restored, ToolError> {
    let before = find_imei(handle).await?;
    if before.as_deref() == Some(imei.expose()) {
        return Err(ToolError::NotNow("the device has this IMEI already"));
    }
    let write = write_command(handle.status().borrow().profile, imei)
        .ok_or(ToolError::NotNow("how this model takes an IMEI is not known"))?;
    let mut inquiry = handle.inquire().await.map_err(ToolError::NotAsked)?;
    let answer = inquiry.ask(write, PATIENCE).await.map_err(unclear)?;
    if !answer.result.is_ok() {
        return Err(ToolError::Refused { result: shown(&answer), code: answer.result.error_code() });
    }
    let opened = handle.status().borrow().opened;
    // It may go without an answer; what it says afterwards is what counts.
    let restart = Command::own("+CFUN", &Zeroizing::new("1,1".to_owned()));
    if let Err(error) = inquiry.ask(restart, PATIENCE).await {
        tracing::debug!(modem.name = handle.name(), "the restart was not answered: {error}");
    }
    drop(inquiry);
    let is_back = |status: &Status| {
        let is_known = status.identity.imei.as_deref() == Some(imei.expose());
        is_known || (status.opened > opened && matches!(status.phase, Phase::Ready | Phase::NotRegistered))
    };
    let mut status = handle.status();
    drop(timeout_at(Instant::now() + RESTART, status.wait_for(is_back)).await);
    Ok(Restored { before, after: find_imei(handle).await.ok().flatten() })
}

/// The command of the modem's profile; none where its maker allows none.
fn write_command(profile: &str, imei: &Imei) -> Option<Command> {
    let (name, before) = Profile::find(profile)?.imei.write?.strip_prefix("AT")?.split_once('=')?;
    Some(Command::own(name, &Zeroizing::new(format!("{before}\"{}\"", imei.expose()))))
}

fn unclear(error: AskError) -> ToolError {
    match error {
        error @ AskError::NotOpen { .. } => ToolError::NotAsked(error),
        error => ToolError::Unclear(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_maker_is_written_to_in_its_own_way_and_the_others_not_at_all() {
        let imei = Imei::parse("490154203237518").unwrap();
        for (profile, expected) in [
            ("sim800", Some("AT+EGMR=1,7,\"490154203237518\"")),
            ("quectel-ec25", Some("AT+EGMR=1,7,\"490154203237518\"")),
            ("sim7600", Some("AT+SIMEI=\"490154203237518\"")),
            ("huawei-e173", None),
            ("generic", None),
        ] {
            let command = write_command(profile, &imei);
            assert_eq!(command.as_ref().map(Command::text), expected, "{profile}");
        }
    }
}
