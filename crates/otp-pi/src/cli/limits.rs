//! `otp-pi limits list | explain | reset`: who is held back, why, and beginning anew.

use std::net::IpAddr;

use clap::{ArgGroup, Args, Subcommand};
use serde_json::Value;

use super::remote::{self, Target};
use super::{output, when};
use crate::control::{Request, Secret};
use crate::operator::{HeldBack, LimitView, RuleView, StandingView};

/// What can be done about limits.
#[derive(Debug, Subcommand)]
pub(super) enum LimitsCommand {
    /// Lists whose new receivers are held back, and how many receivers are locked
    List(ListArguments),
    /// Says where a receiver stands with every rule, and what a request for a code would be answered
    Explain(ExplainArguments),
    /// Forgets what was counted for a receiver, its prefix and its range; for a country, API user or address; or everything
    Reset(ResetArguments),
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct ExplainArguments {
    /// The receiver, in any usual spelling
    #[arg(value_name = "MSISDN")]
    receiver: String,
    /// As if this API user asked
    #[arg(long, value_name = "USERNAME")]
    api_user: Option<String>,
    /// For an end user at this address
    #[arg(long, value_name = "ADDRESS")]
    client_ip: Option<IpAddr>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("whose").required(true).args(["receiver", "country", "api_user", "client_ip", "all"]))]
pub(super) struct ResetArguments {
    /// The receiver, in any usual spelling; for a range, any number of it
    #[arg(value_name = "MSISDN")]
    receiver: Option<String>,
    /// A country, by its calling code
    #[arg(long, value_name = "CODE")]
    country: Option<String>,
    /// An API user
    #[arg(long, value_name = "USERNAME")]
    api_user: Option<String>,
    /// An end user's address
    #[arg(long, value_name = "ADDRESS")]
    client_ip: Option<IpAddr>,
    /// Everything that was counted, locks and known receivers too
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    target: Target,
}

/// Runs one of the commands.
///
/// # Errors
/// Why it was not done.
pub(super) fn run(command: LimitsCommand) -> anyhow::Result<()> {
    match command {
        LimitsCommand::List(ListArguments { target }) => {
            let list: HeldBack = remote::ask(&target, Request::LimitsList)?;
            output::result(target.json, &list, || list_text(&list))
        }
        LimitsCommand::Explain(ExplainArguments { receiver, api_user, client_ip, target }) => {
            let request = Request::LimitsExplain { receiver: Secret::new(receiver), api_user, client_ip };
            let view: LimitView = remote::ask(&target, request)?;
            output::result(target.json, &view, || explain_text(&view))
        }
        LimitsCommand::Reset(ResetArguments { receiver, country, api_user, client_ip, all: _, target }) => {
            let receiver = receiver.map(Secret::new);
            let done: Value = remote::ask(&target, Request::LimitsReset { receiver, country, api_user, client_ip })?;
            output::result(target.json, &done, || done.get("done").and_then(Value::as_str).unwrap_or("done").to_owned())
        }
    }
}

fn list_text(list: &HeldBack) -> String {
    let mut lines =
        vec![format!("mode       {}", list.mode), format!("locked     {} receivers", list.locked_receivers)];
    if list.held_back.is_empty() {
        lines.push("held back  nobody".to_owned());
    }
    lines.extend(list.held_back.iter().map(standing_text));
    lines.join("\n")
}

fn standing_text(standing: &StandingView) -> String {
    let StandingView { kind, label, judged, entered, of, held_back_since, totals: [sent, delivered, all_entered] } =
        standing;
    let label = if label.is_empty() { "-" } else { label };
    let held =
        held_back_since.map(|at| format!("  NEW RECEIVERS HELD BACK since {}", when::text(at))).unwrap_or_default();
    format!(
        "{kind:<9}  {label:<16}  new receivers: {entered} of {judged} entered (judged at {of}); all: {sent} sent, {delivered} delivered, {all_entered} entered{held}"
    )
}

fn explain_text(view: &LimitView) -> String {
    let mut lines = vec![format!("receiver   {}", view.receiver), format!("mode       {}", view.mode)];
    let known = view.known_since.map_or_else(
        || "no: has not entered a right code in 90 days".to_owned(),
        |at| format!("yes: entered a right code at {}", when::text(at)),
    );
    lines.push(format!("known      {known}"));
    lines.push(match (&view.rule, &view.why) {
        (Some(rule), Some(why)) => {
            let wait = view.retry_after_seconds.map(|seconds| format!(", for {seconds} s")).unwrap_or_default();
            let verb = if view.mode == "enforce" { "is" } else { "would be" };
            format!("a code     {verb} refused by {rule}{wait}: {why}")
        }
        _ => "a code     is allowed".to_owned(),
    });
    if view.wrong_on_end > 0 {
        lines.push(format!("wrong      {} codes on end", view.wrong_on_end));
    }
    lines.extend(view.rules.iter().map(rule_text));
    lines.extend(view.standings.iter().map(standing_text));
    lines.push(format!("fewer than {} % entered is too few", view.alarm_below));
    lines.join("\n")
}

fn rule_text(rule: &RuleView) -> String {
    let used = rule.used.map(|used| format!("{used} used")).unwrap_or_default();
    let wait = rule.wait_seconds.map(|seconds| format!("refuses for {seconds} s")).unwrap_or_default();
    let applies = if rule.applies { "" } else { "(not for this receiver)" };
    format!("{:<32}  {used:<9}  {wait}{applies}", rule.rule)
}
