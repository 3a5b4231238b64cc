//! What must be known before the rest: where keys and database are, how the store is opened, how logs are written.
//!
//! It answers whatever else is wrong with the document, so that a gateway which cannot start can be looked at and mended. Pure.

use std::path::{Path, PathBuf};
use std::time::Duration;

use store::{Retention, TextAtRest, UnknownPolicy};

use super::file::File;
use super::resolve::Found;
use super::ticket_store;
use crate::telemetry;

impl File {
    /// The keys file that somebody else provides.
    #[must_use]
    pub fn keys_file(&self) -> Option<&Path> {
        Some(self.keys.file.as_path()).filter(|path| !path.as_os_str().is_empty())
    }

    /// Where a certificate that the gateway makes itself lies.
    #[must_use]
    pub fn tls_directory(&self) -> PathBuf {
        self.data_dir.join("tls")
    }

    /// How to open the store, whatever else is wrong with the document.
    #[must_use]
    pub fn store_settings(&self) -> store::Settings {
        store(self, &mut Found::default())
    }

    /// How to write logs before the rest of the document was looked at.
    #[must_use]
    pub fn log_settings(&self) -> telemetry::Settings {
        let format = if self.log.format == "json" { telemetry::Format::Json } else { telemetry::Format::Text };
        telemetry::Settings { filter: self.log.filter.clone(), format }
    }
}

/// So long, and so much, of the audit record is kept at least.
const SHORTEST_RECORD: Duration = Duration::from_hours(24);
const SMALLEST_RECORD: u64 = 1024 * 1024;

/// The settings of the store; where a word is wrong, the safe default.
pub(super) fn store(file: &File, found: &mut Found) -> store::Settings {
    let unknown_policy = found.word(
        "sms.unknown_policy",
        &file.sms.unknown_policy,
        &[("hold", UnknownPolicy::Hold), ("resend", UnknownPolicy::Resend)],
    );
    let ticket_store = ticket_store::build(&file.otp, found);
    let text_at_rest = found.word(
        "sms.text_at_rest",
        &file.sms.text_at_rest,
        &[("sealed", TextAtRest::Sealed), ("never", TextAtRest::Never)],
    );
    if text_at_rest == Some(TextAtRest::Never) && file.api.wait != "sent" {
        found.problem(
            "sms.text_at_rest",
            "what is in memory only is lost in a crash, and callers would be told that it is accepted",
            "write api.wait = \"sent\" too, or text_at_rest = \"sealed\"",
        );
    }
    // A record that forgets at once is none.
    if file.retention.audit.0 < SHORTEST_RECORD {
        found.problem("retention.audit", "the audit record must be kept for a day at least", "write \"365d\"");
    }
    if file.retention.max_audit.0 < SMALLEST_RECORD {
        found.problem("retention.max_audit", "the audit record needs room for 1 MiB at least", "write \"32MiB\"");
    }
    store::Settings {
        ticket_store: ticket_store.unwrap_or_default(),
        unknown_policy: unknown_policy.unwrap_or_default(),
        text_at_rest: text_at_rest.unwrap_or_default(),
        retention: Retention {
            journal: file.retention.journal.0,
            inbox: file.retention.inbox.0,
            max_db_bytes: file.retention.max_db.0,
            audit: file.retention.audit.0,
            max_audit_bytes: file.retention.max_audit.0,
            ..Retention::default()
        },
        longest_lifetime: file.otp.max_lifetime.0,
        ..store::Settings::new(file.data_dir.clone())
    }
}
