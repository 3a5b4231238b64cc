//! What the modems tell a running gateway: delivery reports to their messages, SMS that came in to the inbox.

use std::sync::Arc;

use domain::clock::Clock;
use modem::ModemEvent;
use store::Store;
use tokio::sync::mpsc;

use super::Tasks;
use crate::dispatch::{self, DispatcherHandle};
use crate::event::Events;
use crate::inbox::{Inbox, Settings};

/// SMS that may wait for the store before they stay on their SIMs.
const WAITING: usize = 256;

/// Starts both tasks; answers the inbox.
pub(super) fn start(
    tasks: &Tasks,
    settings: Settings,
    told: mpsc::Receiver<ModemEvent>,
    (store, dispatcher, events, clock): (&Store, &DispatcherHandle, &Events, &Arc<dyn Clock>),
) -> Inbox {
    let (inbound, incoming) = mpsc::channel(WAITING);
    let inbox = Inbox::new(store.clone(), settings, events.clone(), Arc::clone(clock));
    tasks.spawn("inbox", inbox.clone().run(incoming, tasks.stop_token()));
    let about = (store.clone(), dispatcher.judge().clone());
    let seen = (Arc::clone(clock), dispatch::names(dispatcher.clone()));
    tasks.spawn("reports", dispatch::run_reports(told, inbound, about, events.clone(), seen, tasks.stop_token()));
    inbox
}
