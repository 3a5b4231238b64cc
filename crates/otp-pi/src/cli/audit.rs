//! `otp-pi audit list | verify`: who changed what, from where, and whether that record is whole.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use domain::clock::Clock as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use store::{AuditChange, AuditMark, AuditRow, AuditVerdict, Keys, verify_audit_of};

use super::remote::{self, Target};
use super::{output, place, serve};
use crate::app::{self, SystemClock};
use crate::control::Request;

/// What can be asked of the record.
#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Lists what was recorded, the newest first
    List(ListArguments),
    /// Looks whether the record is whole and as it was written; names the first row that is not
    #[command(after_help = "Exit code: 0 it is, 1 it is not, or cannot be read, 2 wrong usage.")]
    Verify(VerifyArguments),
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Only since then: a day or time (2026-11-24, 2026-11-24T08:00:00Z), or so long ago (24h, 30m, 7d)
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// Only this event, for example settings-changed
    #[arg(long, value_name = "EVENT")]
    event: Option<String>,
    /// Only before this row: where the page before ended
    #[arg(long, value_name = "ROW")]
    before: Option<i64>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    /// Looks into this backup instead of the gateway's database
    #[arg(long, value_name = "FILE")]
    backup: Option<PathBuf>,
    /// Looks too whether this row is still there: its number and hash, as an earlier look told them
    #[arg(long, value_name = "ROW:HASH", value_parser = mark)]
    noted: Option<AuditMark>,
    #[command(flatten)]
    target: Target,
}

/// Runs one of the commands.
///
/// # Errors
/// The record cannot be read.
pub(super) fn run(command: AuditCommand) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::List(ListArguments { since, event, before, limit, target }) => {
            let since = since.map(Timestamp::as_millisecond);
            let request = Request::AuditList { since, event, before, limit: usize::from(limit) };
            let rows: Vec<AuditRow> = remote::ask(&target, request)?;
            let shown: Vec<_> = rows.iter().map(row_json).collect();
            output::result(target.json, &shown, || list_text(&rows, limit)).map(|()| ExitCode::SUCCESS)
        }
        AuditCommand::Verify(VerifyArguments { backup, noted, target }) => {
            let verdict = match backup {
                Some(path) => serve::runtime()?.block_on(verify_backup(&target, &path, noted.as_ref()))?,
                None => remote::ask(&target, Request::AuditVerify { noted })?,
            };
            output::result(target.json, &verdict, || verdict_text(&verdict))?;
            Ok(if verdict.is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

async fn verify_backup(target: &Target, path: &Path, noted: Option<&AuditMark>) -> anyhow::Result<AuditVerdict> {
    let document = place::document(&target.config).await?;
    let keys =
        Keys::load(app::keys_place(&document.data_dir, document.keys_file())).context("the keys cannot be used")?;
    Ok(verify_audit_of(path, keys, noted).await?)
}

/// Reads a day, a time or a span before now.
fn since(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    if let Ok(day) = text.parse::<Date>() {
        return day.to_zoned(TimeZone::UTC).map(|day| day.timestamp()).map_err(|error| error.to_string());
    }
    let (count, unit) = text.split_at_checked(text.len().saturating_sub(1)).unwrap_or_default();
    let seconds = match unit {
        "d" => 86_400,
        "h" => 3_600,
        "m" => 60,
        "s" => 1,
        _ => return Err("write it like 2026-11-24, 2026-11-24T08:00:00Z, 24h or 7d".to_owned()),
    };
    let count: u32 = count.parse().map_err(|_| format!("{count:?} is no whole number"))?;
    let now = Timestamp::from_millisecond(SystemClock.now().as_unix_millis()).map_err(|error| error.to_string())?;
    let span = SignedDuration::from_secs(i64::from(count).saturating_mul(seconds));
    now.checked_sub(span).map_err(|_| "that is too long ago".to_owned())
}

/// Reads a row that was noted.
fn mark(text: &str) -> Result<AuditMark, String> {
    let wrong = || "write it like 1742:9f0c…, the number of a row and the 64 digits of its hash".to_owned();
    let (sequence, hash) = text.split_once(':').ok_or_else(wrong)?;
    let is_hash = hash.len() == 64 && hash.bytes().all(|digit| digit.is_ascii_hexdigit());
    let sequence = sequence.parse().ok().filter(|_| is_hash).ok_or_else(wrong)?;
    Ok(AuditMark { sequence, hash: hash.to_owned() })
}

/// A time in UTC, so that rows of two machines can be held against each other.
fn time(unix_millis: i64) -> String {
    Timestamp::from_millisecond(unix_millis)
        .map_or_else(|_| "-".to_owned(), |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn row_json(row: &AuditRow) -> serde_json::Value {
    json!({
        "sequence": row.sequence,
        "at": row.at,
        "time": time(row.at),
        "event": row.event,
        "actor": row.actor,
        "origin": row.origin,
        "subject": row.subject,
        "changes": row.changes,
    })
}

fn list_text(rows: &[AuditRow], limit: u16) -> String {
    let Some(last) = rows.last() else { return "nothing is recorded".to_owned() };
    let mut lines = Vec::new();
    for row in rows {
        let subject = if row.subject.is_empty() { String::new() } else { format!("  {}", row.subject) };
        let (sequence, time) = (row.sequence, time(row.at));
        lines
            .push(plain(&format!("{sequence:>6}  {time}  {:<20}  {} ({}){subject}", row.event, row.actor, row.origin)));
        lines.extend(row.changes.iter().map(|change| plain(&format!("        {}", change_text(change)))));
    }
    if rows.len() == usize::from(limit) && last.sequence > 1 {
        lines.push(format!("more: --before {}", last.sequence));
    }
    lines.join("\n")
}

fn change_text(AuditChange { what, old, new }: &AuditChange) -> String {
    match (old, new) {
        (None, None) => what.clone(),
        (None, Some(new)) => format!("{what}: {new}"),
        (Some(old), None) => format!("{what}: {old} is gone"),
        (Some(old), Some(new)) => format!("{what}: {new}, was {old}"),
    }
}

/// One line, whatever somebody has called himself: nothing in it moves the cursor.
fn plain(text: &str) -> String {
    text.chars().map(|sign| if sign.is_control() { '\u{fffd}' } else { sign }).collect()
}

fn verdict_text(verdict: &AuditVerdict) -> String {
    let mut lines = Vec::new();
    for fault in &verdict.faults {
        lines.push(match fault.sequence {
            0 => fault.what.clone(),
            sequence => format!("row {sequence} {}", fault.what),
        });
    }
    let told = u64::try_from(verdict.faults.len()).unwrap_or(u64::MAX);
    if verdict.fault_count > told {
        lines.push(format!("and {} more", verdict.fault_count.saturating_sub(told)));
    }
    let rows = if verdict.rows == 1 { "1 row".to_owned() } else { format!("{} rows", verdict.rows) };
    let what = if verdict.is_sound {
        "the record is whole and as it was written"
    } else {
        "the record is NOT as it was written"
    };
    let trimmed = match verdict.trimmed_until {
        0 => String::new(),
        until => format!("; rows up to {until} were removed by retention"),
    };
    lines.push(format!("{what}: {rows}{trimmed}"));
    if let Some(head) = &verdict.head {
        let at = verdict.last_at.map(|at| format!(" of {}", time(at))).unwrap_or_default();
        lines.push(format!("its end{at}, to be noted elsewhere: {}:{}", head.sequence, head.hash));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(since("2026-11-24").unwrap().to_string(), "2026-11-24T00:00:00Z");
        assert_eq!(since("2026-11-24T08:00:00+01:00").unwrap().to_string(), "2026-11-24T07:00:00Z");
        for (long, short) in [("2d", "1d"), ("120m", "1h"), ("1h", "59m")] {
            assert!(since(long).unwrap() < since(short).unwrap(), "{long} {short}");
        }
        for wrong in ["", "d", "yesterday", "5w", "-3h", "99999999999d", "ä"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_noted_row_is_a_number_and_a_whole_hash() {
        let hash = "0f".repeat(32);
        assert_eq!(mark(&format!("17:{hash}")).unwrap(), AuditMark { sequence: 17, hash: hash.clone() });
        for wrong in ["17", "17:0f", &format!("x:{hash}"), &format!("17:{}g", "0".repeat(63))] {
            assert!(mark(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_that_somebody_chose_cannot_write_another_line() {
        let row = AuditRow {
            sequence: 3,
            at: 1_790_000_000_000,
            event: "receiver-blocked".to_owned(),
            actor: "api user a\n     4  forged\u{1b}[2K".to_owned(),
            origin: "10.0.0.7".to_owned(),
            subject: "62812•••66".to_owned(),
            changes: Vec::new(),
        };
        let text = list_text(&[row], 50);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(text.starts_with("     3  2026-09-21T14:13:20Z  receiver-blocked  "), "{text}");
    }
}
