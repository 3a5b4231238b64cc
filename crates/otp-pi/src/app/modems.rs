//! The modems that run, and how others take their place while the gateway works.
//!
//! A modem whose settings stay the same is not touched. One that goes finishes the message that it has first; its line is opened by
//! another only when it has let go.

use std::time::Duration;

use anyhow::Context as _;
use modem::{Actor, Locator, ModemEvent, ModemHandle, is_same_line};
use store::Store;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::pins::Pins;
use super::search::spawn_search;
use super::tasks::Tasks;
use crate::channel::ChannelHandle;
use crate::config::ModemConfig;
use crate::ussd::{BalancePlan, Desk};

/// The modems and what they need to run.
#[derive(Debug)]
pub(super) struct Modems {
    tasks: Tasks,
    reports: mpsc::Sender<ModemEvent>,
    store: Store,
    /// Asks the balances.
    desk: Desk,
    /// One memory for all: a card that refused its PIN must not be asked again in another modem.
    pins: Option<Pins>,
    locator: Locator,
    running: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    config: ModemConfig,
    handle: ModemHandle,
    stop: CancellationToken,
    ended: CancellationToken,
}

/// Modems that are about to take over. Nothing has happened yet.
#[derive(Debug)]
pub(super) struct Change {
    running: Vec<Running>,
    fresh: Vec<(usize, Actor)>,
    pins: Pins,
}

impl Change {
    /// The modems as channels, in the order of the configuration.
    pub(super) fn channels(&self) -> Vec<ChannelHandle> {
        let channel = |one: &Running| ChannelHandle {
            modem: one.handle.clone(),
            path: one.config.line.path.clone(),
            wanted: one.config.line.wanted.clone(),
            driver: one.config.line.driver,
            is_default: one.config.is_default,
            sim_plan: one.config.sim_plan.clone(),
        };
        self.running.iter().map(channel).collect()
    }

    /// The modems whose balances are asked.
    fn balance_plans(&self) -> Vec<BalancePlan> {
        let plan = |one: &Running| {
            let settings = one.config.balance.clone().filter(|_| one.config.is_active)?;
            Some(BalancePlan { modem: one.handle.clone(), settings })
        };
        self.running.iter().filter_map(plan).collect()
    }
}

impl Modems {
    pub(super) fn new(tasks: Tasks, reports: mpsc::Sender<ModemEvent>, store: Store, desk: Desk) -> Self {
        tasks.spawn("balances", desk.clone().tend(tasks.stop_token()));
        let locator = spawn_search(&tasks);
        Self { tasks, reports, store, desk, pins: None, locator, running: Vec::new() }
    }

    /// Makes the modems of a configuration, keeping those that stay the same.
    ///
    /// # Errors
    /// A store that cannot be read: without the memory no PIN may be entered.
    pub(super) async fn prepare(&self, configs: Vec<ModemConfig>) -> anyhow::Result<Change> {
        let pins = match &self.pins {
            Some(pins) => pins.clone(),
            None => Pins::load(&self.store, &configs).await.context("the memory of PINs cannot be read")?,
        };
        self.desk
            .recall(configs.iter().map(|config| config.line.name.as_str()))
            .await
            .context("balances cannot be read")?;
        let (mut running, mut fresh) = (Vec::with_capacity(configs.len()), Vec::new());
        for mut config in configs {
            let is_same = |one: &&Running| {
                one.config.is_active == config.is_active && one.config.line.is_same_modem(&config.line)
            };
            if let Some(Running { handle, stop, ended, .. }) = self.running.iter().find(is_same) {
                let (handle, stop, ended) = (handle.clone(), stop.clone(), ended.clone());
                running.push(Running { config, handle, stop, ended });
                continue;
            }
            config.line.pin_memory = pins.of(&config.line.name, config.line.sim_pin.as_ref());
            config.line.locator = Some(self.locator.clone());
            let (handle, actor) = config.line.clone().build(self.reports.clone());
            if config.is_active {
                fresh.push((running.len(), actor));
            }
            let stop = self.tasks.stop_token().child_token();
            running.push(Running { config, handle, stop, ended: CancellationToken::new() });
        }
        Ok(Change { running, fresh, pins })
    }

    /// Lets the prepared modems take over; those that are gone get `drain` to finish what they have. To be called when nobody gives
    /// messages to those that are gone any more.
    pub(super) fn commit(&mut self, change: Change, drain: Duration) {
        self.desk.set_plans(change.balance_plans());
        let Change { running, fresh, pins } = change;
        pins.follow(running.iter().map(|one| &one.config));
        self.pins = Some(pins);
        let old = std::mem::replace(&mut self.running, running);
        let stays = |one: &Running| self.running.iter().any(|other| other.handle.is_same(&one.handle));
        let (_, gone): (Vec<_>, Vec<_>) = old.into_iter().partition(stays);
        let gone: Vec<_> = gone.into_iter().filter(|one| one.config.is_active).collect();
        for (place, actor) in fresh {
            let Some(Running { config, stop, ended, .. }) = self.running.get(place) else { continue };
            let same_line = gone.iter().filter(|one| is_same_line(&one.config.line.path, &config.line.path));
            let waits: Vec<_> = same_line.map(|one| one.ended.clone()).collect();
            let (token, done) = (stop.clone(), ended.clone().drop_guard());
            self.tasks.spawn_until(stop.clone(), "modem", async move {
                for wait in waits {
                    wait.cancelled().await;
                }
                let ran = actor.run(token).await;
                drop(done);
                ran
            });
        }
        for one in gone {
            info!(
                modem.name = one.handle.name(),
                "is not in the settings any more, or not so: it finishes and is let go"
            );
            self.tasks.spawn_until(one.stop.clone(), "modem that goes", async move {
                let mut status = one.handle.status();
                let is_free = tokio::time::timeout(drain, status.wait_for(|status| !status.is_taken())).await;
                if is_free.is_err() {
                    warn!(modem.name = one.handle.name(), "is let go although it has a message");
                }
                one.stop.cancel();
                anyhow::Ok(())
            });
        }
    }
}
