//! The intakes that run, and how others take their place while the gateway works.
//!
//! An intake whose settings stay is not touched. One that goes finishes what it has taken; one of the same name begins only then, so that
//! no broker sees the two at once.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::tasks::Tasks;
use crate::gateway::Gateway;
use crate::http::ApiState;
use crate::intake::{self, Board, Callers, Door, Settings};
use crate::wire::RenderSettings;

/// The intakes and what they need to run.
pub(super) struct Intakes {
    tasks: Tasks,
    gateway: Gateway,
    callers: Callers,
    board: Board,
    running: Vec<Running>,
}

struct Running {
    settings: Settings,
    render: RenderSettings,
    stop: CancellationToken,
    ended: CancellationToken,
}

impl Intakes {
    pub(super) fn new(tasks: Tasks, (gateway, api, board): (Gateway, Arc<ApiState>, Board)) -> Self {
        let callers: Callers = Arc::new(move |username: &str| api.auth().in_the_name_of(username));
        Self { tasks, gateway, callers, board, running: Vec::new() }
    }

    /// The same, with these running.
    pub(super) fn with(mut self, wanted: Vec<Settings>, render: RenderSettings) -> Self {
        self.commit(wanted, render);
        self
    }

    /// Lets these run, and no others.
    pub(super) fn commit(&mut self, wanted: Vec<Settings>, render: RenderSettings) {
        let old = std::mem::take(&mut self.running);
        let is_wanted = |one: &Running| one.render == render && wanted.contains(&one.settings);
        let (stays, goes): (Vec<_>, Vec<_>) = old.into_iter().partition(is_wanted);
        goes.iter().for_each(|one| one.stop.cancel());
        let names: Vec<_> = wanted.iter().map(|settings| settings.name.as_str()).collect();
        self.board.keep_only(&names);
        self.running = stays;
        for settings in wanted {
            if !self.running.iter().any(|one| one.settings == settings) {
                let before = goes.iter().find(|one| one.settings.name == settings.name);
                let one = self.start(settings, render, before.map(|one| one.ended.clone()));
                self.running.push(one);
            }
        }
    }

    fn start(&self, settings: Settings, render: RenderSettings, before: Option<CancellationToken>) -> Running {
        let stop = self.tasks.stop_token().child_token();
        let ended = CancellationToken::new();
        let status = self.board.enter(&settings.name);
        let door = Door::new(self.gateway.clone(), Arc::clone(&self.callers), render, status, stop.clone());
        let running = Running { settings: settings.clone(), render, stop: stop.clone(), ended: ended.clone() };
        let done = ended.drop_guard();
        self.tasks.spawn_until(stop.clone(), "intake", async move {
            if let Some(before) = before {
                before.cancelled().await;
            }
            intake::run(settings, door, stop).await;
            drop(done);
            anyhow::Ok(())
        });
        running
    }
}
