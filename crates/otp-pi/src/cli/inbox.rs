//! `otp-pi inbox list | show | reply | delete | mark`: SMS that came in.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use serde::de::DeserializeOwned;

use super::remote::{self, Target};
use super::{output, when};
use crate::control::{InboxRequest, Request, Secret};
use crate::operator::{Acted, InboxList, InboxView};

/// What can be done about SMS that came in.
#[derive(Debug, Subcommand)]
pub(super) enum InboxCommand {
    /// Lists SMS that came in, the newest first
    List(ListArguments),
    /// Shows one with its text, and marks it as read; that is recorded
    Show(ShowArguments),
    /// Answers one, through the ordinary queue
    Reply(ReplyArguments),
    /// Deletes some; that is recorded
    Delete(DeleteArguments),
    /// Marks some as read or unread
    Mark(MarkArguments),
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Only those that this modem got
    #[arg(long, value_name = "NAME")]
    modem: Option<String>,
    /// Only those of this sender: a number in any usual spelling, a short code or a name
    #[arg(long, value_name = "SENDER")]
    sender: Option<String>,
    /// Only those that were not read
    #[arg(long, conflicts_with = "all")]
    unread: bool,
    /// Those that were read too, which is so unless --unread is given
    #[arg(long)]
    all: bool,
    /// Only those that came before this one: where the page before ended
    #[arg(long, value_name = "MESSAGE_ID")]
    before: Option<String>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
    /// Shows senders in full, and the texts; that is recorded
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct ShowArguments {
    /// The message
    message_id: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct ReplyArguments {
    /// The message
    message_id: String,
    /// What to answer; - reads it from standard input
    text: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct DeleteArguments {
    /// The messages
    #[arg(required = true, value_name = "MESSAGE_ID")]
    message_ids: Vec<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct MarkArguments {
    /// As what
    #[arg(value_enum)]
    mark: Mark,
    /// The messages
    #[arg(required = true, value_name = "MESSAGE_ID")]
    message_ids: Vec<String>,
    #[command(flatten)]
    target: Target,
}

/// As what messages are marked.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Mark {
    /// They were read
    Read,
    /// They were not
    Unread,
}

/// Runs one of the commands.
///
/// # Errors
/// Why it was not done.
pub(super) fn run(command: InboxCommand) -> anyhow::Result<ExitCode> {
    match command {
        InboxCommand::List(ListArguments { modem, sender, unread, all: _, before, limit, full, target }) => {
            let (sender, limit) = (sender.map(Secret::new), usize::from(limit));
            let request = InboxRequest::List { modem, sender, is_unread: unread, before, limit, reveals: full };
            let list: InboxList = ask(&target, request)?;
            output::result(target.json, &list, || list_text(&list)).map(|()| ExitCode::SUCCESS)
        }
        InboxCommand::Show(ShowArguments { message_id, target }) => {
            let message: InboxView = ask(&target, InboxRequest::Show { message_id })?;
            output::result(target.json, &message, || show_text(&message)).map(|()| ExitCode::SUCCESS)
        }
        InboxCommand::Reply(ReplyArguments { message_id, text, target }) => {
            let text = Secret(super::modem::text(&text)?);
            act(&target, InboxRequest::Reply { message_id, text })
        }
        InboxCommand::Delete(DeleteArguments { message_ids, target }) => {
            act(&target, InboxRequest::Delete { message_ids })
        }
        InboxCommand::Mark(MarkArguments { mark, message_ids, target }) => {
            act(&target, InboxRequest::Mark { message_ids, is_read: mark == Mark::Read })
        }
    }
}

fn ask<T: DeserializeOwned>(target: &Target, ask: InboxRequest) -> anyhow::Result<T> {
    remote::ask(target, Request::Inbox { ask })
}

fn act(target: &Target, request: InboxRequest) -> anyhow::Result<ExitCode> {
    let acted: Acted = ask(target, request)?;
    // For scripts that it was not done is an answer like any other; its exit code is the same.
    anyhow::ensure!(acted.is_done || target.json, "{}", acted.what);
    output::result(target.json, &acted, || acted.what.clone())?;
    Ok(if acted.is_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn list_text(list: &InboxList) -> String {
    if list.messages.is_empty() {
        return "no messages".to_owned();
    }
    let line = |message: &InboxView| {
        let text = message.text.as_ref().map(|text| format!("  {}", one_line(text))).unwrap_or_default();
        format!(
            "{} {}  {}  {:<15}  {:<15}  {}{text}",
            if message.is_read { ' ' } else { '*' },
            message.message_id,
            when::text(message.received_at),
            message.modem,
            message.sender.as_deref().map_or_else(|| "?".to_owned(), one_line),
            remarks(message),
        )
    };
    let header = format!("  {:<36}  {:<19}  {:<15}  {:<15}  {}", "MESSAGE", "RECEIVED", "MODEM", "SENDER", "STATE");
    let mut lines: Vec<String> = std::iter::once(header).chain(list.messages.iter().map(line)).collect();
    if let Some(next) = &list.next {
        lines.push(format!("more: --before {next}"));
    }
    lines.join("\n")
}

fn show_text(message: &InboxView) -> String {
    let mut lines = vec![
        format!("message    {}", message.message_id),
        format!("state      {}", remarks(message)),
        format!("sender     {}", message.sender.as_deref().map_or_else(|| "cannot be read".to_owned(), one_line)),
        format!("modem      {} (SIM {})", message.modem, message.iccid.as_deref().unwrap_or("-")),
    ];
    if let Some(at) = message.sent_at {
        lines.push(format!("sent       {}", when::text(at)));
    }
    lines.push(format!("received   {}", when::text(message.received_at)));
    lines.push(String::new());
    lines.push(harmless(message.text.as_deref().unwrap_or_default()));
    lines.join("\n")
}

/// The state, and what is special.
fn remarks(message: &InboxView) -> String {
    let came = usize::from(message.parts).saturating_sub(message.missing.len());
    let mut words = message.state.clone();
    if !message.missing.is_empty() {
        words += &format!(", {came} of {} parts", message.parts);
    }
    for (is_so, word) in
        [(message.is_flash, "flash"), (message.is_binary, "8-bit data"), (message.is_unreadable, "not readable")]
    {
        if is_so {
            words += ", ";
            words += word;
        }
    }
    words
}

/// A text without what a terminal would obey: whoever sends an SMS must not move the cursor of its reader.
fn harmless(text: &str) -> String {
    let show = |sign: char| if sign.is_control() && sign != '\n' { '\u{fffd}' } else { sign };
    text.chars().map(show).collect()
}

fn one_line(text: &str) -> String {
    harmless(text).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sms_cannot_move_the_cursor_of_its_reader() {
        assert_eq!(harmless("a\u{1b}[2Jb\rc\nd\u{9b}e"), "a\u{fffd}[2Jb\u{fffd}c\nd\u{fffd}e");
        assert_eq!(one_line("a\nb"), "a b");
    }
}
