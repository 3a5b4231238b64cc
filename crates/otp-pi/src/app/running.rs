//! The parts of a running gateway that follow the settings: made ready for other ones, and then changed over.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::intakes::Intakes;
use super::listeners::{Bound, Listeners, NewCertificate};
use super::live::said;
use super::modems::{Change, Modems};
use crate::config::Config;
use crate::dispatch::{DispatcherHandle, Plan, Settings};
use crate::gateway::Gateway;
use crate::http::ApiState;
use crate::inbox::Inbox;
use crate::limits::Limiter;
use crate::operator::SettingsError;
use crate::telemetry::LogHandle;

/// The parts.
pub(super) struct Running {
    pub(super) gateway: Gateway,
    pub(super) limiter: Limiter,
    pub(super) inbox: Inbox,
    pub(super) dispatcher: DispatcherHandle,
    /// What the dispatcher goes by beside its plan: its settings, and whether delivery reports are asked for.
    pub(super) dispatch_rules: (Settings, bool),
    pub(super) modems: Modems,
    pub(super) api: Arc<ApiState>,
    pub(super) listening: Listeners,
    pub(super) intakes: Intakes,
    pub(super) log: LogHandle,
    /// How long the end of the gateway waits for what is on air.
    pub(super) drain: watch::Sender<Duration>,
}

/// What is ready to take over.
#[derive(Debug)]
pub(super) struct Ready {
    modems: Change,
    certificate: NewCertificate,
    bound: Bound,
}

impl Running {
    /// Makes everything ready that may fail.
    ///
    /// # Errors
    /// What cannot be had; then everything is as before.
    pub(super) async fn prepare(&mut self, config: &Config) -> Result<Ready, SettingsError> {
        let modems = self.modems.prepare(config.modems.clone()).await.map_err(said)?;
        let certificate = self.listening.read_certificate(&config.api, config.tls.clone()).await.map_err(said)?;
        // Last: a listener that must give way is back soon, but not at once.
        let bound = self.listening.bind(&config.api).await.map_err(said)?;
        Ok(Ready { modems, certificate, bound })
    }

    /// The fingerprints of the certificate in service and of the one that is ready, if they are not the same.
    pub(super) fn changed_certificate(&self, ready: &Ready) -> Option<(String, String)> {
        self.listening.changed_certificate(&ready.certificate)
    }

    /// Gives up what was made ready.
    pub(super) async fn abandon(&mut self, ready: Ready) {
        self.listening.abandon(ready.bound).await;
    }

    /// Changes over.
    pub(super) async fn commit(&mut self, ready: Ready, config: Config) {
        let Ready { modems, certificate, bound } = ready;
        let render = config.api.render;
        self.api.set_settings(config.api);
        self.listening.commit(bound, certificate, &self.api);
        self.gateway.set_rules(config.gateway);
        self.limiter.set_settings(config.limits);
        self.inbox.set_settings(config.inbox);
        self.intakes.commit(config.intakes, render);
        self.log.set_filter(&config.log.filter);
        let drain = config.dispatch.drain_timeout;
        self.drain.send_replace(drain);
        let plan = Plan { channels: modems.channels(), table: config.routes, zone: config.zone };
        let rules = (config.dispatch, config.delivery_reports);
        // What waits is sorted anew each time: not for a change of something else.
        if rules != self.dispatch_rules || !plan.is_same(&self.dispatcher.plan()) {
            self.dispatch_rules = rules.clone();
            let (settings, delivery_reports) = rules;
            self.dispatcher.replan(settings, delivery_reports, plan).await;
        }
        self.modems.commit(modems, drain);
    }
}
