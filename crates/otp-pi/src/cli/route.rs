//! `otp-pi route explain`: which modem takes a number, why, and who comes next.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use domain::receiver::Msisdn;
use domain::route::{ModemView, Rotation, Route};

use super::remote::Target;
use super::{output, place, serve, when};
use crate::config::Config;
use crate::control::{Client, Request, Secret};
use crate::dispatch::{Explained, Standing};
use crate::operator::route_view;
use crate::wire::route::{RouteView, RoutedModem};

/// What can be asked about routes.
#[derive(Debug, Subcommand)]
pub(super) enum RouteCommand {
    /// Says which modem would take a number now, why, and which come next with their costs
    #[command(after_help = EXPLAIN_HELP)]
    Explain(ExplainArguments),
}

const EXPLAIN_HELP: &str = "A gateway that runs is asked how its modems are. Where none runs the configuration answers: as if every modem were free and
had quota.";

#[derive(Debug, Args)]
pub(super) struct ExplainArguments {
    /// The receiver, in any usual spelling
    #[arg(value_name = "MSISDN")]
    receiver: String,
    #[command(flatten)]
    target: Target,
}

/// Runs one of the commands.
///
/// # Errors
/// Why it was not done.
pub(super) fn run(command: RouteCommand) -> anyhow::Result<()> {
    let RouteCommand::Explain(ExplainArguments { receiver, target }) = command;
    let view = serve::runtime()?.block_on(explain(&target, receiver))?;
    output::result(target.json, &view, || text(&view))
}

async fn explain(target: &Target, receiver: String) -> anyhow::Result<RouteView> {
    let document = place::sources(&target.config).document().with_context(|| target.config.display().to_string())?;
    if let Some(client) = Client::connect(&document.data_dir).await? {
        let answer = client.ask(&Request::RouteExplain { receiver: Secret::new(receiver) }).await?;
        return serde_json::from_value(answer).context("the gateway speaks another version");
    }
    let config = place::load(&target.config).await?.config;
    let msisdn =
        Msisdn::parse(&receiver, &config.gateway.plan).map_err(|error| anyhow::anyhow!("receiver: {error}"))?;
    Ok(route_view(&msisdn, by_configuration(&config, &msisdn), false))
}

/// The route as if every modem were free.
fn by_configuration(config: &Config, msisdn: &Msisdn) -> Explained {
    let views = vec![ModemView::Free; config.routes.modems.len()];
    let standings = config.routes.modems.iter().zip(&config.modems).map(|(route, modem)| Standing {
        name: route.name.clone(),
        is_enabled: route.is_enabled,
        view: ModemView::Free,
        words: "not asked".to_owned(),
        until: None,
        price: modem.sim_plan.tariff.price(msisdn),
    });
    Explained {
        modems: standings.collect(),
        explanation: Route::explain(&config.routes, &views, msisdn, &Rotation::default()),
    }
}

fn text(view: &RouteView) -> String {
    let modem = view.modem.as_deref().unwrap_or("none now");
    let mut lines = vec![
        format!("receiver  {}", view.receiver),
        format!("prefix    {}", view.prefix.as_deref().unwrap_or("none of a modem's")),
        format!("modem     {modem} ({})", view.route),
    ];
    if !view.is_running {
        lines.push("no gateway runs: this is what the configuration says, as if every modem could send".to_owned());
    }
    let width = view.modems.iter().map(|modem| modem.modem.chars().count()).max().unwrap_or(0);
    for RoutedModem { modem, role, cost, state, until, .. } in &view.modems {
        let until = until.map(|until| format!(" until {}", when::text(until))).unwrap_or_default();
        lines.push(format!("{role:<12}  {modem:<width$}  cost {cost:<6}  {state}{until}"));
    }
    lines.join("\n")
}
