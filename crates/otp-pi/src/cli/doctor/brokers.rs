//! The brokers that bring commands: reached and logged in to from here, whether a gateway runs or not.

use futures_util::future::join_all;

use super::Findings;
use crate::config::Config;
use crate::intake::{self, IntakeError, Settings};

/// What the findings are about.
const ABOUT: &str = "subscribers";

/// Tries all of them at once.
pub(super) async fn look(config: &Config, findings: &mut Findings) {
    let tries = config.intakes.iter().map(|settings| async move { (settings, intake::check(settings).await) });
    for (settings, tried) in join_all(tries).await {
        let Settings { name, server, topic, .. } = settings;
        let place = format!("{name}: {} at {}, {topic}", settings.broker.word(), server.address());
        match tried {
            Ok(()) => findings.good(ABOUT, place),
            Err(error) => {
                let fix = fix(&error, name);
                findings.bad(ABOUT, format!("{place}: {:#}", anyhow::Error::new(error)), fix);
            }
        }
    }
}

fn fix(error: &IntakeError, name: &str) -> String {
    match error {
        IntakeError::Unreachable { .. } | IntakeError::TimedOut { .. } => {
            format!("see whether the broker runs, and subscriber.{name}.host and port")
        }
        IntakeError::Tls { .. } => {
            format!(
                "see subscriber.{name}.tls_ca_file, tls_server_name and tls_certificate, and the broker's certificate"
            )
        }
        IntakeError::Refused { .. } => {
            format!("see subscriber.{name}.username, password and topic, and what the broker allows that user")
        }
        IntakeError::Lost(_) => {
            format!("see the broker's log, and whether subscriber.{name}.tls is as the broker has it")
        }
    }
}
