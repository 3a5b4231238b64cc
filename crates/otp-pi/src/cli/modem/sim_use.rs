//! `otp-pi modem use`: what the SIM of each modem has sent, what is left, and when it runs out.

use anyhow::Context as _;
use serde_json::json;

use super::UseArguments;
use crate::cli::{place, when};
use crate::control::{Client, Request};
use crate::wire::modems::{Conclusion, Rendered, SimUseView};

/// Asks the gateway that runs, and shows it.
pub(super) async fn run(arguments: &UseArguments) -> anyhow::Result<Rendered> {
    let UseArguments { modem, reset, target } = arguments;
    let document = place::sources(&target.config).document().with_context(|| target.config.display().to_string())?;
    let client = Client::connect(&document.data_dir).await?;
    let client = client.context("no gateway runs: only one that runs knows which SIM is in which modem")?;
    let answer = client.ask(&Request::ModemUse { modem: modem.clone(), is_reset: *reset }).await?;
    let sims: Vec<SimUseView> = serde_json::from_value(answer).context("the gateway speaks another version")?;
    let blocks: Vec<String> = sims.iter().map(block).collect();
    let text = if blocks.is_empty() { "no modem is configured".to_owned() } else { blocks.join("\n") };
    Ok(Rendered { text, json: json!({"sims": sims}), conclusion: Conclusion::Good })
}

fn block(sim: &SimUseView) -> String {
    let begins = |at: Option<i64>| at.map(|at| format!(", anew at {}", when::text(at))).unwrap_or_default();
    let mut lines = vec![
        sim.modem.clone(),
        format!("  today        {}{}", sim.day.words(), begins(sim.day.ends_at)),
        format!("  this month   {}{}", sim.month.words(), begins(sim.month.ends_at)),
    ];
    if sim.receivers.limit.is_some() {
        lines.push(format!("  receivers    {}", sim.receivers.words()));
    }
    lines.push(format!("  last minute  {}", sim.minute.words()));
    lines.push(format!("  cost         {} this month", sim.cost));
    if sim.month.limit.is_some() {
        let runs_out = sim.runs_out.as_ref().map_or_else(
            || "not before the month begins anew, at the average of the last seven days".to_owned(),
            |day| format!("on {day}, at the average of the last seven days"),
        );
        lines.push(format!("  runs out     {runs_out}"));
    }
    if sim.counted_by == "modem" {
        lines.push("  counted by   the modem's name: its card tells no number".to_owned());
    }
    lines.join("\n")
}
