//! The tasks of a running gateway: started here, stopped by one token, and never lost when they fail.
//!
//! The only place that starts tasks. A task that ends with an error stops the whole program in order, because every task
//! here is one that the gateway cannot do without; tasks that can be restarted restart themselves.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, error, info_span};

/// Starts, stops and awaits tasks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    failed: CancellationToken,
    failure: Arc<Mutex<Option<anyhow::Error>>>,
}

impl Tasks {
    /// A group of tasks that stops together; `failed` is told when one of them fails.
    #[must_use]
    pub fn new(failed: CancellationToken) -> Self {
        Self { tracker: TaskTracker::new(), stop: CancellationToken::new(), failed, failure: Arc::default() }
    }

    /// The token that tells this group to end. Its tasks watch it.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Asks every task to end.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Starts a task. When it ends with an error, the error is kept and the whole program is asked to end.
    pub fn spawn<F, E>(&self, name: &'static str, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<anyhow::Error> + Send + 'static,
    {
        let (failed, failure) = (self.failed.clone(), Arc::clone(&self.failure));
        let watched = async move {
            if let Err(error) = task.await {
                let error = error.into().context(format!("task {name} failed"));
                error!(task.name = name, error = format!("{error:#}"), "a task failed: stopping");
                failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                failed.cancel();
            }
        };
        drop(self.tracker.spawn(watched.instrument(info_span!("task", task.name = name))));
    }

    /// Waits until every task has ended, at most `limit`. Answers the first failure, if any.
    ///
    /// # Errors
    /// The first error that a task ended with, or that some did not end in time.
    pub async fn finish(&self, limit: Duration) -> anyhow::Result<()> {
        self.tracker.close();
        let in_time = tokio::time::timeout(limit, self.tracker.wait()).await.is_ok();
        if let Some(error) = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error);
        }
        anyhow::ensure!(in_time, "tasks were still running {} s after they were asked to end", limit.as_secs());
        Ok(())
    }
}
