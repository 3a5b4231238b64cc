//! `otp-pi message list | show | cancel | retry`: what became of messages. Never their text.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::remote::{self, Target};
use super::{output, when};
use crate::control::Request;
use crate::operator::{Acted, MessageList, MessageView, PartView};

/// What can be done about messages.
#[derive(Debug, Subcommand)]
pub(super) enum MessageCommand {
    /// Lists messages, the newest first
    List(ListArguments),
    /// Shows one message with its tries
    Show(ShowArguments),
    /// Cancels a message that waits
    Cancel(OneArguments),
    /// Queues a message of unknown outcome again: it may arrive twice
    Retry(OneArguments),
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Only those in this state: queued, sending, sent, delivered, undelivered, failed, expired, cancelled, blocked, unknown
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// Only those of this API user
    #[arg(long, value_name = "USERNAME")]
    api_user: Option<String>,
    /// Only those accepted before this one: where the page before ended
    #[arg(long, value_name = "MESSAGE_ID")]
    before: Option<String>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
    /// Shows receivers in full
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct ShowArguments {
    /// The message
    message_id: String,
    /// Shows its receiver in full
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct OneArguments {
    /// The message
    message_id: String,
    #[command(flatten)]
    target: Target,
}

/// Runs one of the commands.
///
/// # Errors
/// Why it was not done.
pub(super) fn run(command: MessageCommand) -> anyhow::Result<ExitCode> {
    match command {
        MessageCommand::List(ListArguments { state, api_user, before, limit, full, target }) => {
            let limit = usize::from(limit);
            let request = Request::MessageList { state, api_user, before, limit, reveals: full };
            let list: MessageList = remote::ask(&target, request)?;
            output::result(target.json, &list, || list_text(&list)).map(|()| ExitCode::SUCCESS)
        }
        MessageCommand::Show(ShowArguments { message_id, full, target }) => {
            let message: MessageView = remote::ask(&target, Request::MessageShow { message_id, reveals: full })?;
            output::result(target.json, &message, || show_text(&message)).map(|()| ExitCode::SUCCESS)
        }
        MessageCommand::Cancel(OneArguments { message_id, target }) => {
            act(&target, Request::MessageCancel { message_id })
        }
        MessageCommand::Retry(OneArguments { message_id, target }) => {
            act(&target, Request::MessageRetry { message_id })
        }
    }
}

fn act(target: &Target, request: Request) -> anyhow::Result<ExitCode> {
    let acted: Acted = remote::ask(target, request)?;
    // For scripts that it was not done is an answer like any other; its exit code is the same.
    anyhow::ensure!(acted.is_done || target.json, "{}", acted.what);
    output::result(target.json, &acted, || acted.what.clone())?;
    Ok(if acted.is_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn list_text(list: &MessageList) -> String {
    if list.messages.is_empty() {
        return "no messages".to_owned();
    }
    let line = |message: &MessageView| {
        format!(
            "{}  {}  {:<11}  {:<13}  {:<15}  {}{}",
            message.message_id,
            when::text(message.accepted_at),
            message.state,
            message.class,
            message.receiver.as_deref().unwrap_or("-"),
            message.api_user,
            message.reason.as_ref().map(|reason| format!("  ({reason})")).unwrap_or_default(),
        )
    };
    let header = format!(
        "{:<36}  {:<19}  {:<11}  {:<13}  {:<15}  {}",
        "MESSAGE", "ACCEPTED", "STATE", "CLASS", "RECEIVER", "API USER"
    );
    let mut lines: Vec<String> = std::iter::once(header).chain(list.messages.iter().map(line)).collect();
    if let Some(next) = &list.next {
        lines.push(format!("more: --before {next}"));
    }
    lines.join("\n")
}

fn show_text(message: &MessageView) -> String {
    let reason = message.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let mut lines = vec![
        format!("message    {}", message.message_id),
        format!("state      {}{reason}", message.state),
        format!("class      {}", message.class),
        format!("receiver   {}", message.receiver.as_deref().unwrap_or("lost with its keys")),
        format!("api user   {} ({})", message.api_user, message.entrance),
    ];
    if let Some(id) = &message.id {
        lines.push(format!("own id     {id}"));
    }
    lines.push(format!("accepted   {}", when::text(message.accepted_at)));
    lines.push(format!("deadline   {}", when::text(message.deadline)));
    if let Some(at) = message.settled_at {
        lines.push(format!("settled    {}", when::text(at)));
    }
    for attempt in &message.attempts {
        let code = attempt.code.as_ref().map(|code| format!(": {code}")).unwrap_or_default();
        lines.push(format!(
            "attempt {:<3}{}  {}  {}{code}",
            attempt.number,
            when::text(attempt.began_at),
            attempt.modem,
            attempt.outcome
        ));
        if let Some(route) = &attempt.route {
            lines.push(format!("  route {route}"));
        }
        lines.extend(attempt.parts.iter().map(part_text));
    }
    lines.join("\n")
}

/// One part: where it stands, and since when.
fn part_text(part: &PartView) -> String {
    let reference = part.message_reference.map(|reference| format!(", TP-MR {reference}")).unwrap_or_default();
    let sent = part.sent_at.map(|at| format!(", sent {}", when::text(at))).unwrap_or_default();
    let meaning = part.report_meaning.as_ref().map(|meaning| format!(" ({meaning})")).unwrap_or_default();
    let report = part.reported_at.map(|at| format!(", reported {}{meaning}", when::text(at))).unwrap_or_default();
    format!("  part {} of {}: {}{reference}{sent}{report}", part.number, part.total, part.state)
}
