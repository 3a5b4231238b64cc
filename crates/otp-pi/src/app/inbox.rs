//! What the modems tell a running gateway: delivery reports to their messages, SMS that came in to the inbox.

use std::sync::Arc;

use domain::clock::Clock;
use modem::ModemEvent;
use store::Store;
use tokio::sync::mpsc;

use super::Tasks;
use crate::dispatch::{self, Judge};
use crate::event::Events;
use crate::inbox::{Inbox, Settings};

/// SMS that may wait for the store before they stay on their SIMs.
const WAITING: usize = 256;

/// Starts both tasks; answers the inbox.
pub(super) fn start(
    tasks: &Tasks,
    settings: Settings,
    told: mpsc::Receiver<ModemEvent>,
    (store, judge, events, clock): (&Store, &Judge, &Events, &Arc<dyn Clock>),
) -> Inbox {
    let (inbound, incoming) = mpsc::channel(WAITING);
    let inbox = Inbox::new(store.clone(), settings, events.clone(), Arc::clone(clock));
    tasks.spawn("inbox", inbox.clone().run(incoming, tasks.stop_token()));
    let (stop, clock) = (tasks.stop_token(), Arc::clone(clock));
    tasks.spawn(
        "reports",
        dispatch::run_reports(told, inbound, (store.clone(), judge.clone()), events.clone(), clock, stop),
    );
    inbox
}
